"""The program beside a job: it carries what the job's program writes into an object of the archive, or back.

    python -m dbyard.archive.transfer put|get DIRECTORY PROGRAM ARG…

Its standard input begins with a line of JSON, an `Order`; with `put` the rest is the program's. Keys are nowhere else,
and the program, which runs in a sandbox, never has them. In DIRECTORY it writes `progress`, as jobs do, and at the
end `result`: a `Receipt` or a `Delivery`. An object that was put is read back before. It ends with the program's exit
code when that fails; otherwise as below.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dbyard.archive import journals, objects, reading
from dbyard.archive.journals import Stretch
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store
from dbyard.errors import ArchiveUnavailable, BackupDamaged, ObjectMissing

UNAVAILABLE, DAMAGED, TOO_MUCH = 69, 65, 73
"""Exit codes: the archive does not serve (EX_UNAVAILABLE); the object is not what was written (EX_DATAERR); the
program wrote more than it may (EX_CANTCREAT)."""
_PIECE = 1 << 20
_THREADS = 2
_PROGRESS_SECONDS = 0.5
_SIGNALLED = 128


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`level` is zstd's, 0 for none. `total` is how many bytes the program will write or read, as far as is known.

    Of a program that writes more than `most` nothing is put: no backup of a server is so much larger than its data.
    """

    location: Location
    name: str
    key: bytes
    level: int = objects.LEVEL
    total: int | None = None
    most: int | None = None
    journal: Stretch | None = None
    """With one, `name` is the directory of a journal, of which that is read."""


class Receipt(msgspec.Struct, frozen=True):
    """`bytes` are those of the program, `stored` those of the object, of which `sha256` is the hexadecimal digest."""

    bytes: int
    stored: int
    sha256: str


class Delivery(msgspec.Struct, frozen=True):
    """The program got so many bytes; the objects `damaged` had to come from the copy of the archive."""

    bytes: int
    damaged: list[str] = []


class TooMuch(Exception):
    """The program wrote more than it may."""


class _Failed(Exception):
    """The program ended with that exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main(argv: list[str]) -> int:
    direction, directory, program = argv[0], Path(argv[1]), argv[2:]
    with open(0, "rb", closefd=False) as stdin:
        order, rest = msgspec.json.decode(stdin.readline(), type=Order), stdin.read()
    try:
        meter = _Meter(directory / "progress", order.total)
        found = put(order, program, meter, rest) if direction == "put" else get(order, program, meter)
    except _Failed as failed:
        return failed.code
    except ArchiveUnavailable as error:
        print(error, file=sys.stderr)  # noqa: T201 - its standard error is the job's log
        return UNAVAILABLE
    except (BackupDamaged, ObjectMissing) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return DAMAGED
    except TooMuch as error:
        print(error, file=sys.stderr)  # noqa: T201
        return TOO_MUCH
    _write(directory / "result", msgspec.json.encode(found))
    return 0


def put(order: Order, program: list[str], meter: _Meter, stdin: bytes) -> Receipt:
    """Put what the program writes; nothing is put when it fails."""
    store, digest = open_store(order.location), _Digest()
    with (
        _in_memory(stdin) as given,
        subprocess.Popen(program, stdin=given, stdout=subprocess.PIPE) as process,
    ):
        try:
            written = meter.count(_bounded(_output(process), order.most))
            store.put(order.name, digest.of(objects.pack(order.key, order.name, written, order.level, _THREADS)))
        except BaseException:
            process.kill()
            raise
    back = _Digest()
    for _ in back.of(store.read(order.name)):
        pass
    if (back.size, back.hexdigest) != (digest.size, digest.hexdigest):
        raise BackupDamaged(f"{order.name} was not read back as it was written")
    return Receipt(meter.done, digest.size, digest.hexdigest)


def get(order: Order, program: list[str], meter: _Meter) -> Delivery:
    """Let the program read what was put. Every byte is checked: it is killed before it sees one that is not right.

    A program may end without reading all: its exit code tells whether that is right.
    """
    damaged: list[str] = []
    plain = _read(order, damaged.append)
    with subprocess.Popen(program, stdin=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None  # noqa: S101 - for the type checker: it was opened as a pipe
        try:
            for piece in meter.count(plain):
                _write_all(process.stdin.fileno(), piece)
        except BrokenPipeError:
            pass
        except BaseException:
            process.kill()  # before its input ends, which it could take for the end of the object
            raise
        process.stdin.close()
        if code := _exit_code(process):
            raise _Failed(code)
    return Delivery(meter.done, damaged)


def _read(order: Order, note: Callable[[str], None]) -> Iterator[bytes]:
    if order.journal is None:
        return reading.read(order.location, order.key, order.name, order.level, note)
    needed = journals.select(journals.list_pieces(order.location, order.name), order.journal)
    return journals.read(order.location, order.key, needed, order.journal.start, note)


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file of its own: in the one that this process reads, the program would find the keys."""
    file = os.memfd_create("stdin")
    try:
        _write_all(file, content)
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


def _bounded(pieces: Iterable[bytes], most: int | None) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if most is not None and size > most:
            raise TooMuch(f"the server's tool wrote more than {most} bytes, which no backup of it can have")
        yield piece


def _output(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - as above
    while piece := process.stdout.read1(_PIECE):  # type: ignore[attr-defined]
        yield piece
    if code := _exit_code(process):
        raise _Failed(code)


def _write_all(pipe: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(pipe, left) :]


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """As a shell tells it."""
    code = process.wait()
    return _SIGNALLED - code if code < 0 else code


class _Digest:
    """The size and the SHA-256 of what passes."""

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()

    @property
    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self._sha256.update(piece)
            yield piece


class _Meter:
    """Counts the bytes that pass, and tells now and then."""

    def __init__(self, path: Path, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.done = 0
        self._path, self._total, self._clock = path, total, clock
        self._next = 0.0

    def count(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.done += len(piece)
            if self._clock() >= self._next:
                self._next = self._clock() + _PROGRESS_SECONDS
                self._tell()
            yield piece
        self._tell()

    def _tell(self) -> None:
        total = f" {max(self._total, self.done)} B" if self._total is not None else ""
        _write(self._path, f"{self.done}{total}\n".encode())


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.chmod(0o600)
    os.replace(new, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
