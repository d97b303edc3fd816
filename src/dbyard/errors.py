"""Every error that dbyard raises on purpose.

DbyardError                    500 internal
├── RequestError               a request is refused; the message is for the client
│   ├── BadRequest             400 bad_request
│   ├── Unauthorized           401 unauthorized
│   ├── Forbidden              403 forbidden
│   ├── NotFound               404 not_found
│   ├── MethodNotAllowed       405 method_not_allowed
│   ├── Conflict               409 conflict
│   ├── TooLarge               413 too_large
│   ├── UnsupportedMediaType   415 unsupported_media_type
│   ├── Invalid                422 invalid          (all wrong fields at once)
│   ├── TooManyRequests        429 too_many_requests
│   └── Unavailable            503 unavailable      (the platform cannot write: disk full, read-only home)
├── NotReady                   a server does not answer yet
│   └── Stuck                  it answers, but does nothing for its tenants
├── JournalLost                a server does not have its journal any more as far back as it was read
├── LockedOut                  a server does not let its tenant in
│   └── WrongPassword          the tenant has another password than the platform knows
├── TemporaryError             a step failed and is retried until the operation's deadline
│   ├── DataDamaged            a server cannot read its own data
│   ├── JobFailed              the program of a job failed
│   └── ArchiveUnavailable     the archive does not serve
├── PermanentError             a step failed and a retry cannot help
│   ├── BackupDamaged          an object of the archive is not what was written
│   └── ObjectMissing          the archive lacks an object
├── StaleGeneration            a step tried to act on an instance that a newer operation owns
├── InstallationError          a database server could not be found or installed
├── Unreachable                a client got no answer from the platform, or not the answer of a dbyard
├── TimedOut                   a client's wait timed out; the platform continues
└── ConfigError                the configuration or the home cannot be used
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class DbyardError(Exception):
    """Root of the tree; `str(error)` is one sentence for display."""

    status = 500
    code = "internal"


class RequestError(DbyardError):
    """A refused request. `headers` are added to the response, `extra` to its JSON object."""

    status = 400
    code = "bad_request"

    def __init__(
        self, message: str, *, headers: Mapping[str, str] | None = None, extra: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class BadRequest(RequestError):
    pass


class Unauthorized(RequestError):
    status = 401
    code = "unauthorized"


class Forbidden(RequestError):
    status = 403
    code = "forbidden"


class NotFound(RequestError):
    """`resource` is the kind of thing that was not found (database, project, …), for callers with other messages."""

    status = 404
    code = "not_found"

    def __init__(self, message: str, *, resource: str = "", extra: Mapping[str, object] | None = None) -> None:
        super().__init__(message, extra=extra)
        self.resource = resource


class MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"


class Conflict(RequestError):
    status = 409
    code = "conflict"


class TooLarge(RequestError):
    status = 413
    code = "too_large"


class UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported_media_type"


class Invalid(RequestError):
    """All wrong fields of a request: `fields` maps a field's bare name to its messages."""

    status = 422
    code = "invalid"

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{name} {message}" for name, messages in fields.items() for message in messages))
        self.fields = {name: list(messages) for name, messages in fields.items()}


class TooManyRequests(RequestError):
    status = 429
    code = "too_many_requests"


class Unavailable(RequestError):
    status = 503
    code = "unavailable"


class NotReady(DbyardError):
    """A server does not answer yet; the message is its last error."""

    code = "not_ready"


class Stuck(NotReady):
    """A server answers, but its tenants' requests wait for something that may never end, or all end in errors."""


class JournalLost(DbyardError):
    """What follows in a server's journal cannot be had any more: too much of it came while the archive was away."""

    code = "journal_lost"


class LockedOut(DbyardError):
    """A server that answers does not let its tenant in, or does nothing for it; the message is what it said."""

    code = "locked_out"


class WrongPassword(LockedOut):
    """The tenant's password is not the one that the platform knows: the tenant may have changed it on purpose."""

    code = "wrong_password"


class StepError(DbyardError):
    """A step of an operation failed; `code` is the cause that the operation shows."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class TemporaryError(StepError):
    code = "temporary"


class DataDamaged(TemporaryError):
    """A server does not start because it cannot read its own data; the message is what it said of that."""

    code = "data_damaged"


class JobFailed(TemporaryError):
    """A job's program ended with an exit code; a signal as a negative number, None if nobody knows it."""

    code = "job_failed"

    def __init__(self, message: str, exit_code: int | None, last_line: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.last_line = last_line


class ArchiveUnavailable(TemporaryError):
    """The archive cannot be reached, read or written; the message is what it said."""

    code = "archive_unavailable"


class PermanentError(StepError):
    code = "permanent"


class BackupDamaged(PermanentError):
    """An object of the archive is not as it was written, or was sealed by another key."""

    code = "backup_damaged"


class ObjectMissing(PermanentError):
    """The archive does not have the object."""

    code = "object_missing"


class StaleGeneration(DbyardError):
    code = "stale_generation"


class InstallationError(DbyardError):
    """A database server is missing or could not be installed; the message says what to do."""

    code = "installation"


class Unreachable(DbyardError):
    """No platform answers at the URL; the message names the URL and says what to do."""

    code = "unreachable"


class TimedOut(DbyardError):
    """A client's wait timed out; the platform continues the operation."""

    code = "timed_out"


class ConfigError(DbyardError):
    code = "config"
