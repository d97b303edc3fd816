"""What the programs have in common that read a dump in the sandbox of a job: unpacking, the report, and how they end.

Such a program is `python -m dbyard.engines.TECHNOLOGY.load_dump`. It reads the dump from its standard input and an
`Order` from the file `order`. Nothing is held of a dump but the statement that is being read.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from dbyard.model import FAULTY, Credentials, DataAccess, File, ImportReport, Layout, Plan, Tool

PIECE = 1 << 18
_SMALL = 1 << 10
"""What is unpacked at once: a few bytes may stand for many."""
_WINDOW = 128 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UNKNOWN_PACKINGS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf": "7z",
    b"\x04\x22\x4d\x18": "lz4",
}
_MOST_NAMES = 50
_MEMORY = 768 << 20
ORDER = "order"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server is and as whom to log in; with `load` the dump is loaded. `most` is in bytes."""

    host: str
    port: int
    user: str
    password: str
    database: str
    most: int
    load: bool
    programs: str
    """The directory of the release's programs."""
    data: str
    """The directory of the server's data, where it may be written."""
    memory: int
    """What the plan has for data that are in memory, in bytes."""


class Refused(Exception):
    """The dump is no good; the message says why, and what to do."""


@dataclass
class Findings:
    """What becomes the report. Names are kept as far as a report shows them."""

    form: str = ""
    source: str | None = None
    program: str | None = None
    databases: dict[str, None] = field(default_factory=dict)
    owners: dict[str, None] = field(default_factory=dict)
    extensions: dict[str, bool] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    refused: dict[str, None] = field(default_factory=dict)

    def leave_out(self, what: str) -> None:
        if what in self.left_out or len(self.left_out) < _MOST_NAMES:
            self.left_out[what] = self.left_out.get(what, 0) + 1

    def report(self, size: int) -> ImportReport:
        return ImportReport(
            self.form,
            size,
            self.source,
            self.program,
            _first(self.databases),
            _first(self.owners),
            dict(list(self.extensions.items())[:_MOST_NAMES]),
            dict(list(self.replaced.items())[:_MOST_NAMES]),
            self.left_out,
            _first(self.refused),
        )


class Input:
    """The dump as it is unpacked, read in pieces. Raises Refused where it is cut off, broken or too large."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        first = file.read(8)
        self.packing = _find_packing(first)
        self._pieces = _unpack(_pieces(first, file), self.packing)
        self._most = most
        self._held = b""
        self.size = 0

    def read(self) -> bytes:
        """The next bytes; empty at the end."""
        if self._held:
            piece, self._held = self._held, b""
            return piece
        piece = next(self._pieces, b"")
        self.size += len(piece)
        if self.size > self._most:
            raise Refused(
                f"it unpacks to more than {self._most >> 20} MB, and the database's plan has no room for that:"
                " choose a larger plan first"
            )
        return piece

    def peek(self, size: int) -> bytes:
        """The first bytes of what is read next."""
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self.size += len(piece)
            self._held += piece
        return self._held[:size]


Program = Callable[[Order, Input, Findings], None]


def run(program: Program) -> int:
    """The exit code of the process that it is the program of."""
    order = msgspec.json.decode(Path(ORDER).read_bytes(), type=Order)
    findings = Findings()
    try:
        with open(0, "rb", closefd=False) as stdin:
            dump = Input(stdin, order.most)
            if not dump.peek(1):
                raise Refused("it is empty")
            program(order, dump, findings)
    except Refused as refused:
        print(_line(str(refused)), file=sys.stderr)  # noqa: T201 - its standard error is the job's log
        return FAULTY
    except OSError as error:  # the server has gone, or a disk is full
        print(_line(str(error)), file=sys.stderr)  # noqa: T201
        return 1
    report = msgspec.json.encode(asdict(findings.report(dump.size)))
    Path(os.environ["DBYARD_RESULT"]).write_bytes(report)
    return 0


def render(
    module: str,
    layout: Layout,
    credentials: Credentials,
    plan: Plan,
    most: int,
    *,
    load: bool,
    files: bool = False,
) -> Tool:
    """The tool that runs such a program; with `files` what it loads are files of the server's data."""
    order = Order(
        host=layout.host,
        port=layout.port,
        user=credentials.user,
        password=credentials.password,
        database=credentials.database,
        most=most,
        load=load,
        programs=str(layout.bin),
        data=str(layout.data),
        memory=plan.memory_mb << 20,
    )
    return Tool(
        ("-m", module),
        files=(File(Path(ORDER), msgspec.json.encode(order).decode()),),
        data=DataAccess.WRITE if files and load else DataAccess.NONE,
        connects=not files,
        memory=_MEMORY,
        python=True,
    )


def program(path: Path) -> list[str]:
    """The argv of a program of the release: one of a whole root needs that root's own libraries."""
    root = Path(os.environ["DBYARD_ROOT"]) if os.environ.get("DBYARD_ROOT") else None
    if root is None:
        return [str(path)]
    loader = next(root.glob("usr/lib/*/ld-linux-*.so.*"))
    return [str(loader), "--library-path", str(loader.parent), str(path)]


def libraries() -> dict[str, str]:
    """The environment of such a program."""
    given = os.environ.get("DBYARD_LIBRARIES", "")
    return {**os.environ, **({"LD_LIBRARY_PATH": given} if given else {})}


def quote(statement: bytes) -> str:
    """How a statement begins, on one line."""
    text = " ".join(statement[:400].decode("utf-8", "replace").split())
    return text if len(text) <= 120 else f"{text[:120]}…"


def _first(names: dict[str, None]) -> list[str]:
    return list(names)[:_MOST_NAMES]


def _line(text: str) -> str:
    """A job shows the last lines; what a server said may have many."""
    return " ".join(text.split())[:1500]


def _find_packing(first: bytes) -> str:
    for mark, name in _UNKNOWN_PACKINGS.items():
        if first.startswith(mark):
            raise Refused(f"it is packed by {name}: unpack it, or pack it by gzip or zstd")
    return "gzip" if first.startswith(_GZIP) else "zstd" if first.startswith(_ZSTD) else ""


def _pieces(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield first
    while piece := file.read1(PIECE):  # type: ignore[attr-defined]
        yield piece


def _unpack(pieces: Iterator[bytes], packing: str) -> Iterator[bytes]:
    try:
        yield from {"": _as_it_is, "gzip": _gunzip, "zstd": _unzstd}[packing](pieces)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Refused(f"it is damaged: {packing} says {error}") from error


def _as_it_is(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return pieces


def _gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All members, one after the other."""
    unpacker, is_whole = zlib.decompressobj(31), False
    for piece in pieces:
        left = piece
        while left:
            if is_whole:
                unpacker, is_whole = zlib.decompressobj(31), False
            yield from filter(None, [unpacker.decompress(left, PIECE)])
            left, is_whole = unpacker.unconsumed_tail or unpacker.unused_data, unpacker.eof
            if is_whole and not left.strip(b"\0"):
                left = b""
    while not is_whole and (rest := unpacker.decompress(b"", PIECE)):
        yield rest
        is_whole = unpacker.eof
    if not is_whole:
        raise Refused("it is cut off: its gzip does not end")


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All frames, one after the other."""
    unpacker, is_whole = None, True
    for piece in pieces:
        for start in range(0, len(piece), _SMALL):
            left = piece[start : start + _SMALL]
            while left:
                if unpacker is None:
                    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
                yield from filter(None, [unpacker.decompress(left)])
                is_whole, left = unpacker.eof, unpacker.unused_data
                if is_whole:
                    unpacker = None
    if not is_whole:
        raise Refused("it is cut off: its zstd does not end")
