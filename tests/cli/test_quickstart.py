"""quickstart and the other commands with a real platform and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from dbyard import installations
from tests.disks import make_directory

DBYARD = (sys.executable, "-m", "dbyard")
SECONDS = 60


@dataclass
class Quickstart:
    """A run of `dbyard quickstart` in a process group of its own, its words in files."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def await_line(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + SECONDS
        while True:
            ended = self.process.poll() is not None
            if found := re.search(pattern, self.out.read_text(), re.MULTILINE):
                return found
            assert not ended, self.err.read_text()
            assert time.monotonic() < deadline, self.out.read_text() + self.err.read_text()
            time.sleep(0.02)

    def await_example(self) -> str:
        """Its URI, when everything is said."""
        self.await_line(r"^Ctrl-C stops")
        return self.await_line(r"^postgresql://\S+$")[0]


@pytest.fixture(scope="module", autouse=True)
def _servers() -> None:
    missing = [] if installations.find("postgresql", "17") else ["PostgreSQL 17"]
    if os.geteuid() == 0 and installations.find_tool("bwrap") is None:
        missing.append("bubblewrap")
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{missing} missing: dbyard engines install")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for all tests here, so that only the first creates the example. Every uid may pass through it."""
    directory = make_directory()
    directory.chmod(0o711)
    yield directory / "home"
    subprocess.run([*DBYARD, "stop", "--home", directory / "home"], check=True, capture_output=True)
    shutil.rmtree(directory)


@pytest.fixture
def quickstart(home: Path, tmp_path: Path) -> Iterator[Quickstart]:
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*DBYARD, "quickstart", "--home", home, "--listen", "127.0.0.1:0"],
            env={**os.environ, "DBYARD_SPARES": "0", "DBYARD_RUNNING_SPARES": "0"},
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    yield Quickstart(process, out, err)
    if process.poll() is None:
        process.terminate()
        process.wait(SECONDS)


def _answers(uri: str) -> bool:
    with psycopg.connect(uri, connect_timeout=5) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


class TestQuickstart:
    def test_shows_a_database_that_answers(self, quickstart: Quickstart, home: Path) -> None:
        assert _answers(quickstart.await_example())
        assert quickstart.await_line(r"SELECT version\(\) says: PostgreSQL 17")
        assert quickstart.await_line(r"^The platform answers at http://127\.0\.0\.1:\d+$")
        token = Path(quickstart.await_line(r"^The admin token is in (.+)$")[1])
        assert (token, token.stat().st_mode & 0o777) == (home / "admin-token", 0o600)

    def test_ctrl_c_in_a_terminal_stops_the_platform_and_no_database(self, quickstart: Quickstart) -> None:
        uri = quickstart.await_example()
        os.killpg(quickstart.process.pid, signal.SIGINT)
        assert quickstart.process.wait(10) == 0
        assert _answers(uri)

    def test_sigterm_ends_the_platform_too(self, quickstart: Quickstart) -> None:
        uri = quickstart.await_example()
        platform = int(quickstart.await_line(r"\(home .*, pid (\d+)\)$")[1])
        quickstart.process.terminate()
        assert quickstart.process.wait(10) == 0
        assert not Path(f"/proc/{platform}").exists()
        assert _answers(uri)

    def test_a_platform_that_dies_is_not_a_success(self, quickstart: Quickstart) -> None:
        platform = int(quickstart.await_line(r"\(home .*, pid (\d+)\)$")[1])
        quickstart.await_example()
        os.kill(platform, signal.SIGKILL)
        assert quickstart.process.wait(10) == 128 + signal.SIGKILL

    def test_a_home_in_use_is_refused_with_the_pid(self, quickstart: Quickstart, home: Path) -> None:
        platform = quickstart.await_line(r"\(home .*, pid (\d+)\)$")[1]
        second = subprocess.run(
            [*DBYARD, "quickstart", "--home", home, "--listen", "127.0.0.1:0"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert second.returncode not in (0, None)
        assert platform in second.stderr


class TestCommands:
    @pytest.fixture
    def environment(self, quickstart: Quickstart, home: Path) -> dict[str, str]:
        """The environment of a user on the platform's machine, without a token."""
        quickstart.await_example()
        url = quickstart.await_line(r"^The platform answers at (\S+)$")[1]
        return {**os.environ, "DBYARD_URL": url, "DBYARD_HOME": str(home), "DBYARD_TOKEN": ""}

    def test_from_create_to_delete(self, environment: dict[str, str]) -> None:
        def dbyard(*arguments: str, code: int = 0) -> str:
            done = subprocess.run([*DBYARD, *arguments], env=environment, capture_output=True, text=True)
            assert done.returncode == code, done.stderr
            return done.stdout

        create = ("create", "my-second-db", "-t", "postgresql", "-p", "postgresql-starter-512")
        uri = dbyard(*create).rstrip("\n")
        assert _answers(uri)
        dbyard(*create, code=5)
        assert "my-second-db" in dbyard("list")
        assert dbyard("url", "my-second-db") == uri + "\n"
        assert dbyard("connect", "my-second-db", "-Atc", "SELECT 6 * 7") == "42\n"
        assert "ready to accept connections" in dbyard("logs", "my-second-db")
        steps = [step["step"] for step in json.loads(dbyard("operations", "my-second-db", "--json"))[0]["steps"]]
        assert steps == ["allocate", "start", "configure"]
        dbyard("delete", "my-second-db", "--confirm", "my-second", code=5)
        dbyard("delete", "my-second-db", "--confirm", "my-second-db")
        with pytest.raises(psycopg.OperationalError):
            _answers(uri)
        dbyard("show", "my-second-db", code=3)

    def test_tokens(self, environment: dict[str, str]) -> None:
        def dbyard(*arguments: str, code: int = 0, **more: str) -> str:
            done = subprocess.run([*DBYARD, *arguments], env={**environment, **more}, capture_output=True, text=True)
            assert done.returncode == code, done.stderr
            return done.stdout

        token = dbyard("token", "create", "ci").rstrip("\n")
        assert "my-postgres-db" in dbyard("list", DBYARD_TOKEN=token)
        (made,) = [each["id"] for each in json.loads(dbyard("token", "list", "--json")) if each["name"] == "ci"]
        dbyard("token", "revoke", made)
        dbyard("list", DBYARD_TOKEN=token, code=4)
