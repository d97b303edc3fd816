"""What a tenant may do, as Redis takes rules, and what the server keeps of a password."""

from __future__ import annotations

import hashlib

from dbyard.model import Restriction, User

# Everything but what reaches beyond the tenant's own data: other servers, files, the server's settings and its users.
# Of what Redis counts as dangerous, applications and their libraries need these. No rule narrows CONFIG GET to some
# settings: it tells paths of this machine as well, and no secret, because users stand in rules with their hashes.
_TENANT_COMMANDS = (
    "+@all -@admin -@dangerous"
    " +flushdb +flushall +swapdb +keys +sort +sort_ro +restore +info +role"
    " +client|list +client|kill +client|unblock +slowlog|get +slowlog|len +config|get +module|list -script|debug"
)
# Writes that only ever make a data set smaller.
_SHRINKING_COMMANDS = (
    "-@write +del +unlink +flushdb +flushall +expire +pexpire +expireat +pexpireat +getdel +hdel +lpop +rpop +lrem"
    " +ltrim +spop +srem +zpopmin +zpopmax +zrem +zremrangebyrank +zremrangebyscore +zremrangebylex +xdel +xtrim"
)
TENANT_RULES = {
    Restriction.NONE: f"on ~* &* {_TENANT_COMMANDS}",
    Restriction.READ_ONLY: f"on ~* &* {_TENANT_COMMANDS} {_SHRINKING_COMMANDS}",
    Restriction.CLOSED: f"off ~* &* {_TENANT_COMMANDS} {_SHRINKING_COMMANDS}",
}
# Scripts and functions run by the rights of who calls them.
_READ_COMMANDS = (
    f"{_TENANT_COMMANDS} -@write -publish -spublish -client|kill -client|unblock -script|flush -script|kill"
)


def rules_of(user: User, restriction: Restriction) -> str:
    """The rules of a user that is read-only are the same whatever the disk allows, but where it is closed."""
    if not user.read_only:
        return TENANT_RULES[restriction]
    return f"{'off' if restriction is Restriction.CLOSED else 'on'} ~* &* {_READ_COMMANDS}"


def password_hash(password: str) -> str:
    return "#" + hashlib.sha256(password.encode()).hexdigest()
