"""Bringing the inside of a server to the desired state: the tenant's rights, its password, the plan's limits."""

from __future__ import annotations

from typing import Any

from dbyard.engines.redis.rules import password_hash, rules_of
from dbyard.engines.redis.session import Refused, Session, connect
from dbyard.engines.redis.settings import SETTINGS
from dbyard.model import MIB, Address, Applied, Desired, Plan, RestartNeeded, Restriction


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """Rights hold from the next command on; after a restart the server has all of this from its configuration.

    A larger plan is taken without a restart, which would read all data anew; of less memory more may be in use. When
    something is restricted the append-only file is rewritten, which gives back what deleted keys still take.
    """
    with connect(address, admin_password) as session:
        limits = _change_users(session, desired)
        chosen = (word for setting in SETTINGS for word in (setting.name, setting.of(desired.settings)))
        session.ask(("CONFIG", "SET", *chosen))
        if desired.restriction is not Restriction.NONE:
            _rewrite(session)
        outcome = _resize(session, limits, desired.plan)
        if isinstance(outcome, Applied) and desired.restriction is not Restriction.CLOSED:
            _open_to_all(session, address)
        return outcome


def _change_users(session: Session, desired: Desired) -> tuple[int, int]:
    """The limits in force: memory in bytes, and connections. A user without a password is one that was never made."""
    looks = [f"ACL GETUSER {user.name}" for user in desired.users]
    limits, *found = session.ask("CONFIG GET maxmemory maxclients", *looks)
    commands = []
    for user, now in zip(desired.users, found, strict=True):
        lacks = user.reset or not _pairs(now or []).get("passwords")
        password = f"reset {password_hash(user.password)} " if lacks else ""
        commands.append(f"ACL SETUSER {user.name} {password}{rules_of(user, desired.restriction)}")
        if user.reset or desired.restriction is Restriction.CLOSED:
            commands.append(f"CLIENT KILL USER {user.name}")
    if desired.removed:  # their connections end with them
        commands.append(f"ACL DELUSER {' '.join(desired.removed)}")
    if commands:
        session.ask(*commands)
    told = _pairs(limits)
    return int(told["maxmemory"]), int(told["maxclients"])


def _open_to_all(session: Session, address: Address) -> None:
    """A server that was started for the platform alone listens where only the platform finds it."""
    (told,) = session.ask("CONFIG GET bind")
    if _pairs(told)["bind"] != address.host:
        session.ask(f"CONFIG SET bind {address.host}")


def _pairs(answer: list[Any]) -> dict[str, Any]:
    """What version 2 of the protocol tells as a flat list of names and values."""
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _resize(session: Session, limits: tuple[int, int], plan: Plan) -> Applied | RestartNeeded:
    wanted = (plan.memory_mb * MIB, plan.connections)
    if limits == wanted:
        return Applied()
    if limits[0] > wanted[0] or limits[1] > wanted[1]:
        return RestartNeeded("the plan has less memory or fewer connections")
    try:
        session.ask(f"CONFIG SET maxmemory {wanted[0]} maxclients {wanted[1]}")
    except Refused as error:
        return RestartNeeded(f"Redis refuses the plan while it runs: {error}")
    return Applied()


def _rewrite(session: Session) -> None:
    """Unless a rewrite is under way already."""
    (told,) = session.ask("INFO persistence")
    if "aof_rewrite_in_progress:0" in str(told):
        session.ask("BGREWRITEAOF")
