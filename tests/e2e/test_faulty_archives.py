"""An archive that is away for too long, full, read-only, or answers nothing: what is told, and how it goes on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from dbyard.errors import Invalid
from dbyard.wire.backups import DownloadAnswer
from tests.buckets import gateway, program
from tests.e2e import tenants
from tests.e2e.platforms import Platform, platform, wait_for
from tests.e2e.stalling import Stalling, stalling
from tests.e2e.test_backups import NAME, await_proof, back_up, content, look, read
from tests.e2e.test_backups import restore as restore_backup
from tests.e2e.test_moments import await_archived, has, window, write
from tests.ports import BUCKETS, own

SMALL = ("-m", "tests.e2e.faulty_archives", "serve")


class TestAway:
    def test_for_longer_than_a_server_keeps_its_journal(self, fresh: Platform) -> None:
        """There is a gap, an event says so, and from another backup on there are moments again."""
        clock = fresh.home.with_name("clock")
        clock.write_text("0")
        connection = fresh.start(program=SMALL, CLOCK=str(clock), DISK_MB="1024", DBYARD_SCHEDULED_BACKUPS="1").create(
            NAME, "postgresql"
        )
        back_up(fresh)
        before = write(connection.url, range(100))
        await_archived(fresh, before)
        root = fresh.home / "archive"
        root.rename(root.with_name("elsewhere"))
        within = write(connection.url, range(100, 200))
        wait_for(lambda: window(fresh).trouble, fresh.log, 60)
        overwrite_journal(connection.url)
        root.with_name("elsewhere").rename(root)
        wait_for(lambda: "backup.journal_lost" in events(fresh), fresh.log, 120)
        assert has(fresh, before)
        assert not has(fresh, within)
        clock.write_text("3600")
        wait_for(lambda: len(backups(fresh)) == 2, fresh.log, 90)
        await_proof(fresh, backups(fresh)[0])
        wait_for(lambda: len(window(fresh).intervals) == 2, fresh.log, 60)
        assert window(fresh).trouble is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
class TestDisk:
    def test_that_is_full_or_read_only(self, mounted: Path) -> None:
        with platform(DBYARD_ARCHIVE=str(mounted)) as home:
            connection = home.start().create(NAME, "redis")
            with closing(tenants.connect("redis", connection.url)) as tenant:
                tenant.write_many(range(100))
            made = back_up(home)
            before = files(mounted)
            ballast = mounted / "ballast"
            subprocess.run(
                ["dd", "if=/dev/zero", f"of={ballast}", "bs=1M", "count=31"], check=True, capture_output=True
            )
            with home.client() as client:
                later = client.create_backup(NAME)
            wait_for(lambda: "is full but for a reserve" in trouble(home), home.log, 60)
            subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
            wait_for(lambda: "Read-only file system" in trouble(home), home.log, 60)
            assert look(home, later.id).status == "running"
            assert content(home, made).startswith(b"REDIS")
            restore_backup(home, made)
            home.await_usable(NAME)
            assert read("redis", connection.url) == set(range(100))
            subprocess.run(["mount", "-o", "remount,rw", mounted], check=True)
            ballast.unlink()
            assert files(mounted) == before
            await_proof(home, later.id)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 32 MB."""
    path = tmp_path / "archive"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs", path], check=False)
    if done.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)


def files(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


def trouble(home: Platform) -> str:
    """What the newest backup waits for."""
    with home.client() as client:
        newest = next(each for each in client.list_operations(NAME) if each.kind == "backup")
        return newest.error.message if newest.error else ""


class TestStalling:
    def test_holds_up_nothing_else(self, tmp_path: Path) -> None:
        program()
        with gateway(tmp_path, own(BUCKETS)[2]) as behind, stalling(own(BUCKETS)[3], own(BUCKETS)[2]) as between:
            where = behind.location
            environment = {
                "DBYARD_ARCHIVE": where.url,
                "DBYARD_ARCHIVE_ENDPOINT": f"http://127.0.0.1:{between.port}",
                "DBYARD_ARCHIVE_REGION": where.region,
                "DBYARD_ARCHIVE_ACCESS_KEY": where.access_key,
                "DBYARD_ARCHIVE_SECRET_KEY": where.secret_key,
            }
            with platform(**environment) as home:
                self._try(home.start(), between)

    def _try(self, home: Platform, archive: Stalling) -> None:
        connection = home.create(NAME, "postgresql")
        made = back_up(home)
        with home.client() as client:
            asked = client.ask("GET", f"/api/backups/{made.id}/archive", DownloadAnswer)
        link = home.url + "/api/" + asked.download_url.partition("/api/")[2]
        archive.stall()
        meanwhile = write(connection.url, range(100))
        with ThreadPoolExecutor(20) as pool, ending(archive):
            downloads = [pool.submit(httpx2.get, link, timeout=60) for _ in range(20)]
            with home.client() as client:
                later = client.create_backup(NAME)
                started = time.monotonic()
                with pytest.raises(Invalid, match="cannot be restored"):
                    client.restore_moment(NAME, meanwhile.isoformat())
                assert tenants.answers("redis", home.create("meanwhile-db", "redis", seconds=30).url)
                assert time.monotonic() - started < 30
            home.terminate()
            home.start()
            assert all(each.exception(10) for each in downloads)
        await_proof(home, later.id)
        await_archived(home, meanwhile)


@contextmanager
def ending(archive: Stalling) -> Iterator[None]:
    """It goes on after the block, or what waits for it would not end."""
    try:
        yield
    finally:
        archive.go_on()


def overwrite_journal(url: str) -> None:
    """Write so much of it that the server throws away what nobody has read."""
    with psycopg.connect(url, autocommit=True) as session:
        for _ in range(16):
            session.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 40000000))")


def events(home: Platform) -> list[str]:
    with home.client() as client:
        return [each.type for each in client.list_events(NAME, page=1, per_page=50).events]


def backups(home: Platform) -> list[str]:
    with home.client() as client:
        return [each.id for each in client.list_backups(NAME)]
