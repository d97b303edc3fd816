"""backup create, list, show, verify, download, delete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from msgspec.structs import replace

from dbyard import wire
from dbyard.wire.backups import Backup, BackupAnswer, BackupsAnswer, DownloadAnswer, Verification

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
ID = "54100930736f7563d5030000"
DATABASE = wire.Database(ID, "my-db", "pr-1", "postgresql", "postgresql-starter-512", wire.App(ID, "my-db"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROVED = Verification("verified", 2.1, "restored; 1 counts are the same")
MADE = Backup(
    "b-1", "20260101_my-db", DATABASE.id, "manual", "done", NOW, NOW, NOW, 3_000_000, 1000, None, "17.12",
    {"app.t": 5}, NOW, PROVED,
)  # fmt: skip
PATH = f"/api/databases/{DATABASE.id}/backups"


@pytest.fixture(autouse=True)
def known(platform: FakePlatform) -> None:
    platform.on("GET", f"/v1/databases/{DATABASE.name}", (200, wire.DatabaseAnswer(DATABASE)))
    platform.on("GET", f"/v1/databases/{DATABASE.id}/operations", (200, wire.OperationsAnswer([])))
    platform.on("GET", PATH, (200, BackupsAnswer([MADE])))


def test_create_waits_for_the_proof(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", PATH, (201, BackupAnswer(replace(MADE, status="scheduled"))))
    platform.on("GET", f"{PATH}/b-1", (200, BackupAnswer(MADE)))
    shown = run("backup", "create", DATABASE.name).stdout
    assert "verified: restored; 1 counts are the same" in shown
    assert "app.t: 5" in shown
    assert "3.0 MB" in shown


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(MADE, status="error", error="the archive does not serve"), "the archive does not serve"),
        (replace(MADE, verification=Verification("failed", 1.0, "is damaged")), "not proved: is damaged"),
    ],
)
def test_create_fails_with_it(run: Run, platform: FakePlatform, found: Backup, said: str) -> None:
    platform.on("POST", PATH, (201, BackupAnswer(MADE)))
    platform.on("GET", f"{PATH}/b-1", (200, BackupAnswer(found)))
    result = run("backup", "create", DATABASE.name)
    assert result.exit_code == 1
    assert said in result.stderr


def test_list(run: Run) -> None:
    header, row = run("backup", "list", DATABASE.name).stdout.splitlines()
    assert header.split() == ["ID", "CREATED", "METHOD", "STATUS", "SIZE", "STORED", "PROOF"]
    assert row.split()[0] == "b-1"
    assert row.split()[-1] == "verified"


def test_download_takes_the_newest_and_goes_on(run: Run, platform: FakePlatform, tmp_path: Path) -> None:
    platform.on(
        "GET", f"{PATH}/b-1/archive", (200, DownloadAnswer("http://elsewhere/api/backups/b-1/download?token=t"))
    )
    platform.on("GET", "/api/backups/b-1/download", (206, b"rest"))
    file = tmp_path / "backup.tar"
    file.write_bytes(b"of another day")
    (tmp_path / "backup.tar.b-1.part").write_bytes(b"the ")
    assert run("backup", "download", DATABASE.name, "-o", str(file)).exit_code == 0
    assert file.read_bytes() == b"the rest"
    assert [path.name for path in tmp_path.iterdir()] == ["backup.tar"]


def test_export_makes_one_proves_it_and_downloads_it(run: Run, platform: FakePlatform, tmp_path: Path) -> None:
    link = DownloadAnswer("http://elsewhere/api/backups/b-1/download?token=t")
    platform.on("GET", f"{PATH}/b-1/archive", (200, link))
    platform.on("GET", "/api/backups/b-1/download", (200, b"all of it"))
    platform.on("POST", PATH, (201, BackupAnswer(replace(MADE, status="scheduled"))))
    platform.on("GET", f"{PATH}/b-1", (200, BackupAnswer(MADE)))
    file = tmp_path / "my-db.tar"
    assert run("export", DATABASE.name, str(file)).exit_code == 0
    assert file.read_bytes() == b"all of it"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [target for target, _ in platform.sent("POST")] == [PATH]


def test_delete(run: Run, platform: FakePlatform) -> None:
    platform.on("DELETE", f"{PATH}/b-1", (204, None))
    assert run("backup", "delete", DATABASE.name, "b-1").exit_code == 0
    assert platform.sent("DELETE") == [(f"{PATH}/b-1", b"")]
