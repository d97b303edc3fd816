"""import."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from msgspec.structs import replace

from dbyard import wire
from dbyard.wire.imports import Import, ImportAnswer, ImportReport, ImportsAnswer
from tests.cli.test_changes import show

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
ID = "54100930736f7563d5030000"
DATABASE = wire.Database(ID, "my-db", "pr-1", "postgresql", "postgresql-starter-512", wire.App(ID, "my-db"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPORT = ImportReport(
    "SQL, packed by gzip", 5_000_000, "PostgreSQL 16.4", "pg_dump version 16.4", ["shop"], ["keeper"],
    {"hstore": True, "dblink": False}, {"a_ci": "b_ci"}, {"GRANT": 3}, [],
)  # fmt: skip
DONE = Import("i-1", ID, "done", "switch", False, False, 7, NOW, NOW, None, None, REPORT, {"app.public.bill": 2})
PATH = "/v1/databases/my-db/imports"


@pytest.fixture(autouse=True)
def known(platform: FakePlatform) -> None:
    platform.on("GET", "/v1/databases/my-db", (200, wire.DatabaseAnswer(DATABASE)))
    platform.on("GET", "/v1/databases/my-db/operations", (200, wire.OperationsAnswer([])))
    platform.on("GET", f"/api/databases/{DATABASE.name}", (200, show(DATABASE, None)))
    platform.on("GET", PATH, (200, ImportsAnswer([], {}, 1 << 30)))
    platform.on("POST", PATH, (202, ImportAnswer(replace(DONE, status="pending", report=None, counts={}))))
    platform.on("GET", f"{PATH}/i-1", (200, ImportAnswer(DONE)))


@pytest.fixture
def dump(tmp_path: Path) -> str:
    path = tmp_path / "shop.sql"
    path.write_bytes(b"CREATE;")
    return str(path)


def fail(run: Run, *arguments: str, code: int = 1, answer: str | None = None) -> Result:
    done = run(*arguments, input=answer)
    assert done.exit_code == code, done.output
    return done


def test_uploads_the_file_and_prints_what_was_found(run: Run, platform: FakePlatform, dump: str) -> None:
    shown = run("import", "my-db", "--from", dump).stdout
    assert "keeper: becomes the database's user" in shown
    assert "dblink: missing" in shown
    assert "a_ci by b_ci" in shown
    assert "app.public.bill: 2" in shown
    assert platform.sent("POST") == [(PATH, b"CREATE;")]


def test_from_standard_input_by_another_program(run: Run, platform: FakePlatform) -> None:
    run("import", "my-db", "--from", "-", "--no-wait", input="CREATE;")
    assert platform.sent("POST") == [(PATH, b"CREATE;")]


def test_sends_nothing_into_one_that_is_not_empty(run: Run, platform: FakePlatform, dump: str) -> None:
    platform.on("GET", PATH, (200, ImportsAnswer([], {"app.t": 3, "app.none": 0}, 1 << 30)))
    failed = fail(run, "import", "my-db", "--from", dump, code=5)
    assert "my-db is not empty: it has app.t (3). --replace" in failed.stderr
    assert platform.sent("POST") == []
    fail(run, "import", "my-db", "--from", dump, "--replace", answer="n\n")
    assert platform.sent("POST") == []
    run("import", "my-db", "--from", dump, "--replace", "--yes")
    ((target, _),) = platform.sent("POST")
    assert target == f"{PATH}?replace=true"


def test_that_fails_says_why(run: Run, platform: FakePlatform, dump: str) -> None:
    failed = replace(DONE, status="error", error="the dump cannot be loaded: line 3", counts={})
    platform.on("GET", f"{PATH}/i-1", (200, ImportAnswer(failed)))
    said = fail(run, "import", "my-db", "--from", dump).stderr
    assert "the import failed, and the database is as it was: the dump cannot be loaded: line 3" in said


def test_of_a_check_that_finds_something_in_the_way(run: Run, platform: FakePlatform, dump: str) -> None:
    found = replace(DONE, check=True, report=replace(REPORT, refused=["it needs the extension dblink"]))
    platform.on("GET", f"{PATH}/i-1", (200, ImportAnswer(found)))
    failed = fail(run, "import", "my-db", "--from", dump, "--check", "--no-wait")
    assert "it needs the extension dblink" in failed.stdout
    ((target, _),) = platform.sent("POST")
    assert target == f"{PATH}?check=true"


def test_of_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    failed = fail(run, "import", "my-db", "--from", str(tmp_path / "none"), code=2)
    assert "No such file" in failed.stderr
