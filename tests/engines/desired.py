"""The desired state of a test's server."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import Credentials, Desired, Plan, Restriction, User

SMALL_PLAN = Plan("id", "plan", "Plan", "", "", 256, 5120, 100, 1.0, 1)


def desire(
    credentials: Credentials,
    plan: Plan = SMALL_PLAN,
    restriction: Restriction = Restriction.NONE,
    *,
    reset: bool = False,
    unlock: bool = False,
    settings: Mapping[str, str] | None = None,
    others: tuple[User, ...] = (),
    removed: tuple[str, ...] = (),
) -> Desired:
    """Of the credentials' tenant, and others; without one if they name none."""
    users = (User(credentials.user, credentials.password, reset), *others) if credentials.user else ()
    return Desired(credentials.database, users, restriction, plan, unlock, settings or {}, removed)
