"""The platform's own sessions: the few commands that it sends are written here by hand.

The client library costs 21 MB of memory and most of a second of imports, for a log-in and some short answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from dbyard.engines.bounded_socket import BoundedSocket, open_socket
from dbyard.engines.private_host import private_host
from dbyard.engines.redis.names import ADMIN
from dbyard.errors import LockedOut, NotReady, Stuck, TemporaryError
from dbyard.model import Address, Credentials

_ANSWER_SECONDS = 1.0
_FULL = "ERR max number of clients reached"
_BUSY = "BUSY"  # after a script has run for five seconds
_LOADING = "LOADING"


class Refused(TemporaryError):
    """What the server answers instead of doing it."""

    code = "configure_failed"


class Session:
    """One connection of one user, logged in with its first command."""

    def __init__(self, connection: BoundedSocket, answers: BinaryIO, user: str, password: str) -> None:
        self._connection = connection
        self._answers = answers
        self._log_in: tuple[str, ...] = ("AUTH", user, password)

    def ask(self, *commands: str | tuple[str, ...]) -> list[Any]:
        """The answers to commands in one round trip. Raises Refused by the first error.

        A command is a text whose words have no spaces, or its words.
        """
        words = [self._log_in] if self._log_in else []
        words += [tuple(command.split()) if isinstance(command, str) else command for command in commands]
        self._log_in = ()
        self._connection.sendall(b"".join(map(_encode, words)))
        return [self._read() for _ in words][-len(commands) :]

    def _read(self) -> Any:
        line = self._answers.readline().decode(errors="replace")
        if not line.endswith("\n"):
            raise NotReady("Redis has closed the connection")
        kind, text = line[0], line[1:].rstrip()
        if kind == "-":
            raise Refused(text)
        if kind == ":":
            return int(text)
        if kind == "$":
            return None if text == "-1" else self._answers.read(int(text) + 2)[:-2].decode(errors="replace")
        return [self._read() for _ in range(int(text))] if kind == "*" else text


@contextmanager
def connect(address: Address, password: str, user: str = ADMIN) -> Iterator[Session]:
    """Raises NotReady without an answer within a second, TemporaryError when the server refuses something.

    The code is `held` where a tenant's script runs for ever, or where its connections are all that there may be:
    Redis keeps none for its admin.
    """
    try:
        with (
            _open(address, password if user == ADMIN else None) as connection,
            connection.makefile("rb") as answers,
        ):
            yield Session(connection, answers, user, password)
    except OSError as error:
        raise NotReady(f"Redis does not answer: {error}") from error
    except Refused as error:
        said = str(error)
        if said.startswith(_LOADING):
            raise NotReady(f"Redis is not ready: {said}") from error
        code = "held" if said.startswith((_BUSY, _FULL)) else error.code
        raise TemporaryError(f"Redis refuses: {said}", code=code) from error


def _open(address: Address, admin_password: str | None) -> BoundedSocket:
    """Nobody listens at the public address while only the platform is to come in."""
    try:
        return open_socket(address, _ANSWER_SECONDS)
    except ConnectionRefusedError:
        if admin_password is None:
            raise
    return open_socket(Address(private_host(address.host, admin_password), address.port), _ANSWER_SECONDS)


def ping(address: Address, credentials: Credentials) -> None:
    """A server that is full by its tenant is ready all the same."""
    try:
        with connect(address, credentials.admin_password) as session:
            session.ask("PING")
    except TemporaryError as error:
        if _FULL in str(error):
            return
        if _BUSY in str(error):
            raise Stuck(f"Redis is stuck in a script: {error}") from error
        raise NotReady(str(error)) from error


def check_login(address: Address, credentials: Credentials) -> None:
    try:
        with connect(address, credentials.password, credentials.user) as session:
            _, told = session.ask("EXISTS dbyard", "INFO persistence")
    except TemporaryError as error:
        if _BUSY in str(error):
            raise NotReady(str(error)) from error
        if _FULL not in str(error):
            raise LockedOut(str(error)) from error
        return
    if "aof_last_write_status:err" in str(told):  # it takes writes again as soon as it can keep them
        raise LockedOut("every write is refused: the append-only file cannot be written")


def _encode(words: tuple[str, ...]) -> bytes:
    """A command as the protocol (RESP) wants it."""
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words)]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))
