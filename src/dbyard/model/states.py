"""What things can be in, and which operations there are."""

from __future__ import annotations

from enum import StrEnum


class DatabaseStatus(StrEnum):
    """Derived from the operations and the instances of a database, never stored. Clients know no other words."""

    CREATING = "creating"
    RUNNING = "running"
    UPDATING = "updating"
    STOPPED = "stopped"


class Restriction(StrEnum):
    """What a server's disk still lets its tenant do."""

    NONE = "none"
    READ_ONLY = "read_only"
    """Nothing new is written, but the tenant can free space."""
    CLOSED = "closed"
    """The tenant cannot log in, and its sessions are ended."""


class Scope(StrEnum):
    """How much a token may do, the least first."""

    READ = "read"
    """What there is and how it is; no password of a database."""
    READ_CREDENTIALS = "read_credentials"
    """Also the passwords of databases, and the URLs that contain them."""
    WRITE = "write"
    ADMIN = "admin"
    """Also what only administrators may do, when its account is one."""

    def covers(self, other: Scope) -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


class InstanceState(StrEnum):
    ABSENT = "absent"
    PENDING = "pending"
    """It has been asked for and waits for a place; a runtime that places at once never says so."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It was asked to stop, and something of it still runs."""
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    """Its machine does not answer; a runtime of one machine never says so."""


class DataAccess(StrEnum):
    """What a job may do with its instance's data directory."""

    NONE = "none"
    READ = "read"
    WRITE = "write"


class JobStatus(StrEnum):
    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
