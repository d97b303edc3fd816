"""Waiting for the effect of a request."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dbyard import wire
from dbyard.errors import Conflict, PermanentError, TimedOut

if TYPE_CHECKING:
    from dbyard.client import Client


def wait_usable(
    client: Client, database: str, *, timeout: float, report: Callable[[wire.Operation], None]
) -> wire.Connection:
    """The connection, as soon as it works; until then `report` gets the active operation at each poll.

    Raises PermanentError with the cause if the operation fails, TimedOut after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    for pause in _pauses():
        try:
            return client.get_connection(database)
        except Conflict as refusal:
            _look(client, database, refusal, report)
        if time.monotonic() > deadline:
            raise TimedOut(f"{database} cannot be used after {timeout:g} s; the platform continues")
        time.sleep(pause)
    raise AssertionError("pauses never end")


def wait_closed(connection: wire.Connection, *, timeout: float) -> None:
    """Wait until the port of a deleted database is closed; raises TimedOut after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    for pause in _pauses():
        if not _listens(connection.host, connection.port):
            return
        if time.monotonic() > deadline:
            raise TimedOut(f"port {connection.port} is still open after {timeout:g} s; the platform continues")
        time.sleep(pause)


def _pauses() -> Iterator[float]:
    """From 20 ms, because a database may be ready at once, up to half a second."""
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 1.5, 0.5)


def _look(client: Client, database: str, refusal: Conflict, report: Callable[[wire.Operation], None]) -> None:
    operations = client.list_operations(database)
    if not operations:
        raise refusal
    latest = operations[0]
    if latest.status == "error":
        error = latest.error or wire.OperationError("unknown", str(refusal))
        raise PermanentError(f"{database}: {latest.kind} failed at {latest.step}: {error.message}", code=error.code)
    if latest.status == "done" and refusal.extra.get("current_operation_id") is None:
        raise refusal  # no operation is active that could change it: its disk is full
    report(latest)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
