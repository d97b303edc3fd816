"""What a terminal shows: `dbyard` runs on a pseudo-terminal of a known width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import msgspec
import pytest

from dbyard import wire

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|4[0-7])[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _on_a_terminal(platform: FakePlatform, *arguments: str, width: int = 60, **environment: str) -> str:
    """All that a terminal gets from `dbyard ARGUMENTS`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "dbyard", *arguments],
        env={**inherited, "TERM": "xterm", "DBYARD_URL": platform.url, "DBYARD_TOKEN": "t", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0, shown
    return shown.decode()


@pytest.fixture
def wide(platform: FakePlatform, database: wire.Database) -> wire.Database:
    made = msgspec.structs.replace(database, project_id="pr-" + "x" * 90 + "[red]")
    summary = msgspec.to_builtins(made) | {"status": "running", "host": None, "port": None}
    platform.on("GET", "/v1/databases", (200, {"databases": [{"database": summary}]}))
    return made


class TestTable:
    def test_folds_to_the_width_and_loses_nothing(self, platform: FakePlatform, wide: wire.Database) -> None:
        shown = CONTROL.sub("", _on_a_terminal(platform, "list"))
        lines = shown.splitlines()
        assert max(map(len, lines)) <= 60
        assert len(lines) > 3
        assert shown.count("x") == wide.project_id.count("x")
        assert "…" not in shown

    def test_no_color(self, platform: FakePlatform, wide: wire.Database) -> None:
        assert not COLOUR.search(_on_a_terminal(platform, "list", NO_COLOR="1"))


class TestProgress:
    def test_one_updated_line_then_only_the_url(
        self, platform: FakePlatform, database: wire.Database, connection: wire.Connection, operation: wire.Operation
    ) -> None:
        busy = (409, wire.NotUsable("being created", "op-1"))
        platform.on("POST", "/v1/databases", (201, wire.DatabaseAnswer(database)))
        ready = (200, wire.ConnectionAnswer(connection))
        platform.on("GET", f"/v1/databases/{database.name}/connection", busy, busy, ready)
        platform.on("GET", f"/v1/databases/{database.name}/operations", (200, wire.OperationsAnswer([operation])))
        shown = _on_a_terminal(platform, "create", database.name, "-t", "postgresql", "-p", database.plan)
        assert shown.count("\n") == 1
        assert "create, start" in shown
        assert shown.endswith("\r\x1b[K" + connection.url + "\r\n")
