"""The program beside a job, as the process that it is."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store, prepare
from dbyard.archive.transfer import DAMAGED, TOO_MUCH, UNAVAILABLE, Delivery, Order, Receipt

KEY = bytes(range(32))
NAME = "db/b/data"


@pytest.fixture
def location(tmp_path: Path) -> Location:
    made = Location(f"file://{tmp_path / 'archive'}")
    prepare(made)
    return made


def transfer(
    tmp_path: Path, location: Location, direction: str, script: str, stdin: bytes = b"", **changes: object
) -> subprocess.CompletedProcess[bytes]:
    order = msgspec.structs.replace(Order(location=location, name=NAME, key=KEY), **changes)
    return subprocess.run(
        [sys.executable, "-m", "dbyard.archive.transfer", direction, str(tmp_path), "/bin/sh", "-c", script],
        input=msgspec.json.encode(order) + b"\n" + stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def receipt(tmp_path: Path) -> Receipt:
    return msgspec.json.decode((tmp_path / "result").read_bytes(), type=Receipt)


def delivery(tmp_path: Path) -> Delivery:
    return msgspec.json.decode((tmp_path / "result").read_bytes(), type=Delivery)


@pytest.mark.parametrize("level", [0, 3])
def test_carries_there_and_back(tmp_path: Path, location: Location, level: int) -> None:
    content = b"".join(b"row %d\n" % number for number in range(400_000))
    put = transfer(tmp_path, location, "put", "cat", content, level=level, total=1000)
    assert (put.returncode, put.stderr) == (0, b"")
    stored = b"".join(open_store(location).read(NAME))
    assert receipt(tmp_path) == Receipt(len(content), len(stored), hashlib.sha256(stored).hexdigest())
    assert b"row 17" not in stored
    assert (tmp_path / "progress").read_text() == f"{len(content)} {len(content)} B\n"

    got = transfer(tmp_path, location, "get", f"cat > {tmp_path}/back", level=level)
    assert (got.returncode, got.stderr) == (0, b"")
    assert (tmp_path / "back").read_bytes() == content
    assert delivery(tmp_path) == Delivery(len(content), [])


def test_takes_from_the_copy_what_is_damaged(tmp_path: Path, location: Location) -> None:
    transfer(tmp_path, location, "put", "cat", bytes(5_000_000), level=0)
    copy = Location(f"file://{tmp_path / 'copy'}")
    shutil.copytree(location.directory, copy.directory)
    (location.directory / NAME).write_bytes((copy.directory / NAME).read_bytes()[:3_000_000])
    both = replace(location, copy=copy)
    got = transfer(tmp_path, both, "get", f"cat > {tmp_path}/back", level=0)
    assert (got.returncode, got.stderr) == (0, b"")
    assert (tmp_path / "back").read_bytes() == bytes(5_000_000)
    assert delivery(tmp_path) == Delivery(5_000_000, [NAME])


def test_puts_nothing_when_the_program_fails(tmp_path: Path, location: Location) -> None:
    put = transfer(tmp_path, location, "put", "echo half; echo why >&2; exit 3")
    assert (put.returncode, put.stderr) == (3, b"why\n")
    assert open_store(location).list("db") == []
    assert not (tmp_path / "result").exists()
    assert transfer(tmp_path, location, "put", "kill -9 $$").returncode == 137


def test_a_program_that_reads_its_input_only_in_part_decides_itself(tmp_path: Path, location: Location) -> None:
    transfer(tmp_path, location, "put", "cat", bytes(5_000_000))
    assert transfer(tmp_path, location, "get", "head -c 10 > /dev/null").returncode == 0
    assert transfer(tmp_path, location, "get", "head -c 10 > /dev/null; exit 4").returncode == 4


def test_a_damaged_object_is_told_and_its_program_killed(tmp_path: Path, location: Location) -> None:
    transfer(tmp_path, location, "put", "cat", bytes(5_000_000), level=0)
    path = location.directory / NAME
    stored = bytearray(path.read_bytes())
    stored[3_000_000] ^= 1
    path.write_bytes(stored)
    got = transfer(tmp_path, location, "get", f"cat > /dev/null; touch {tmp_path}/went-on", level=0)
    assert got.returncode == DAMAGED
    assert b"db/b/data is damaged" in got.stderr
    assert not (tmp_path / "went-on").exists()


def test_an_object_that_is_missing_is_told(tmp_path: Path, location: Location) -> None:
    got = transfer(tmp_path, location, "get", "cat")
    assert (got.returncode, got.stdout) == (DAMAGED, b"")
    assert b"the archive has no db/b/data" in got.stderr


def test_an_archive_that_does_not_serve_is_told(tmp_path: Path) -> None:
    put = transfer(tmp_path, Location(f"file://{tmp_path / 'archive'}"), "put", "cat", b"x")
    assert put.returncode == UNAVAILABLE
    assert b"is not mounted" in put.stderr
    bucket = Location("s3://backups", "http://127.0.0.1:1", "local", "key", "secret-of-the-archive")
    put = transfer(tmp_path, bucket, "put", "cat", b"x")
    assert put.returncode == UNAVAILABLE
    assert b"secret-of-the-archive" not in put.stderr


def test_the_program_never_has_the_keys(tmp_path: Path, location: Location) -> None:
    """Its input is a file of its own, in which there is nothing before its first byte."""
    seen = f"cat; cat /proc/self/fd/0 > {tmp_path}/seen; cat /proc/$$/environ >> {tmp_path}/seen"
    assert transfer(tmp_path, location, "put", seen, b"its own").returncode == 0
    told = (tmp_path / "seen").read_bytes()
    assert b"its own" in told
    assert base64.b64encode(KEY) not in told


def test_a_program_that_writes_without_end_is_stopped(tmp_path: Path, location: Location) -> None:
    put = transfer(tmp_path, location, "put", "cat /dev/zero", most=10_000_000)
    assert put.returncode == TOO_MUCH
    assert b"more than 10000000 bytes" in put.stderr
    assert open_store(location).list("db") == []


def test_what_compresses_well_needs_no_memory(tmp_path: Path, location: Location) -> None:
    """2 GB of zeros are a few kilobytes in the archive."""
    limited = "ulimit -v 700000; exec"
    for direction, script in (("put", "head -c 2000000000 /dev/zero"), ("get", "wc -c > /dev/null")):
        order = msgspec.json.encode(Order(location=location, name=NAME, key=KEY))
        program = f'{limited} {sys.executable} -m dbyard.archive.transfer {direction} {tmp_path} /bin/sh -c "{script}"'
        done = subprocess.run(["/bin/sh", "-c", program], input=order + b"\n", capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert delivery(tmp_path).bytes == 2_000_000_000
