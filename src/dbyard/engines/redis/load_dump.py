"""Reads a snapshot of Redis, an RDB file, checks all of it, and begins an append-only file by it.

`redis-check-rdb` looks into every value as deeply as a server can, so that none is loaded that was made to break one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from dbyard.engines import dumps
from dbyard.engines.dumps import Findings, Input, Order, Refused

_MAGIC, _HEAD = b"REDIS", 9
_AUX = 0xFA
_MOST_AUX = 64 * 1024
_MIB = 1 << 20


def load(order: Order, dump: Input, findings: Findings) -> None:
    first = dump.peek(_MOST_AUX)
    if first.startswith((b"*", b"file ")):
        raise Refused("it is an append-only file: take the snapshot (dump.rdb) that `redis-cli --rdb` or BGSAVE writes")
    if not first.startswith(_MAGIC) or not first[len(_MAGIC) : _HEAD].isdigit():
        raise Refused("it is no snapshot of Redis: take the RDB file that `redis-cli --rdb` or BGSAVE writes")
    findings.form = f"RDB {int(first[len(_MAGIC) : _HEAD])}{f', packed by {dump.packing}' if dump.packing else ''}"
    told = read_aux(first)
    findings.source = f"Redis {told['redis-ver']}" if "redis-ver" in told else None
    used, most = int(told.get("used-mem", "0") or 0), order.memory
    if used > most:
        findings.refused[
            f"it took {used // _MIB} MB of memory where it comes from, and the plan has {most // _MIB} MB:"
            " choose a larger plan first"
        ] = None
    with tempfile.TemporaryDirectory(dir=order.data if order.load else None) as directory:
        path = Path(directory) / "dump.rdb"
        with path.open("wb") as file:
            _copy(dump, file)
        _check(order, path)
        if order.load:
            _begin(Path(order.data) / "appendonlydir", path)


def read_aux(first: bytes) -> dict[str, str]:
    """What the beginning of a file tells of the server that wrote it, as far as it can be read. Pure."""
    found, at = {}, _HEAD
    try:
        while first[at] == _AUX:
            name, at = _read_string(first, at + 1)
            value, at = _read_string(first, at)
            found[name] = value
    except (IndexError, ValueError):
        pass
    return found


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    """A string and where it ends; raises ValueError for one that is packed or longer than these are."""
    kind, low = data[at] >> 6, data[at] & 0x3F
    if kind == 0:
        end = at + 1 + low
        return data[at + 1 : end].decode("utf-8", "replace"), end
    if kind == 1:
        start = at + 2
        end = start + (low << 8 | data[at + 1])
        return data[start:end].decode("utf-8", "replace"), end
    if kind == 3 and low <= 2:
        width = 1 << low
        return str(int.from_bytes(data[at + 1 : at + 1 + width], "little", signed=True)), at + 1 + width
    raise ValueError("it is long, or packed")


def _copy(dump: Input, file: BinaryIO) -> None:
    while piece := dump.read():
        file.write(piece)


def _check(order: Order, path: Path) -> None:
    argv = [*dumps.program(Path(order.programs) / "redis-check-rdb"), str(path)]
    done = subprocess.run(argv, capture_output=True, env=dumps.libraries(), check=False)
    if done.returncode:
        lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if "--- RDB ERROR" not in line]
        said = next((line for line in reversed(lines) if "rror" in line or "Can't" in line), lines[-1] if lines else "")
        raise Refused(f"redis-check-rdb finds it damaged, cut off, or of a newer Redis than the one here: {said}")


def _begin(directory: Path, snapshot: Path) -> None:
    """As a server that was just rewritten has it."""
    directory.mkdir()
    snapshot.rename(directory / "appendonly.aof.1.base.rdb")
    (directory / "appendonly.aof.1.incr.aof").touch()
    (directory / "appendonly.aof.manifest").write_text(
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    subprocess.run(["sync", "--file-system", str(directory)], check=True)


if __name__ == "__main__":
    sys.exit(dumps.run(load))
