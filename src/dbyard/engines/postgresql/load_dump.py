"""Reads a dump of PostgreSQL and loads it as the tenant: a script, or what `pg_dump -Fc` or `-Ft` writes.

It speaks to the server itself. psql would obey what a dump tells it, and here nothing but the server does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dbyard.engines import dumps
from dbyard.engines.dumps import Findings, Input, Order, Refused, quote
from dbyard.engines.postgresql.dump_reader import Reader, Statement
from dbyard.engines.postgresql.dump_rules import Here, Rules

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

_PIECE = 1 << 18
_CUSTOM, _TAR, _TAR_AT = b"PGDMP", b"ustar", 257
_COMPLETE, _HEAD = b"-- PostgreSQL database dump complete", b"-- PostgreSQL database dump"
_OF_THE_SERVER = (b"53", b"57", b"58")
"""Classes of errors: it lacks something, was told to stop, or its machine fails."""
_EXTENSIONS = "SELECT DISTINCT name FROM pg_available_extension_versions WHERE trusted OR installed"


def load(order: Order, dump: Input, findings: Findings) -> None:
    with _connect(order) as server:
        here = Here(
            server.server_version // 10000,
            {name.lower() for name in _ask(server, "SELECT name FROM pg_settings")},
            set(_ask(server, _EXTENSIONS)),
        )
        with _open_script(order, dump, findings) as read:
            _read_script(read, Rules(here, findings), server if order.load else None)


def _read_script(read: Callable[[], bytes], rules: Rules, server: PGconn | None) -> None:
    seen: set[bytes] = set()

    def comment(line: bytes) -> None:
        rules.note(line)
        if line in (_HEAD, _COMPLETE):
            seen.add(line)

    reader = Reader(read, comment)
    count = 0
    for statement in reader.statements():
        count += 1
        text = rules.apply(statement)
        if server is not None and text is not None:
            _send(server, reader, statement, text)
        elif statement.copies:
            for _ in reader.rows():
                pass
    if not count:
        raise Refused("there is no statement in it")
    if _HEAD in seen and _COMPLETE not in seen:
        raise Refused("it is cut off: pg_dump's last line is missing")


def _send(server: PGconn, reader: Reader, statement: Statement, text: bytes) -> None:
    from psycopg import pq

    result = server.exec_(text)
    copies = result.status == pq.ExecStatus.COPY_IN
    if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE, pq.ExecStatus.COPY_OUT):
        raise _failure(server, result, f"line {statement.line}", text)
    if copies != statement.copies:
        raise Refused(
            f"line {statement.line}: rows are missing, or there are some that nobody asked for: {quote(text)}"
        )
    if copies:
        _copy(server, reader, statement)
    reader.standard_strings = server.parameter_status(b"standard_conforming_strings") != b"off"


def _copy(server: PGconn, reader: Reader, statement: Statement) -> None:
    from psycopg import OperationalError, pq

    try:
        for rows in reader.rows():
            for start in range(0, len(rows), _PIECE):
                server.put_copy_data(rows[start : start + _PIECE])
        server.put_copy_end()
    except OperationalError as error:
        raise OSError(f"the rows after line {statement.line}: {error}") from error
    while (result := server.get_result()) is not None:
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise _failure(server, result, f"the rows after line {statement.line}", statement.text)


def _failure(server: PGconn, result: PGresult, where: str, statement: bytes) -> Exception:
    """The dump's fault, unless the server has gone, or lacks disk or memory."""
    from psycopg import pq

    said = (result.error_message or b"it answers with rows").decode("utf-8", "replace")
    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    is_servers = server.status != pq.ConnStatus.OK or state[:2] in _OF_THE_SERVER
    return (OSError if is_servers else Refused)(f"{where}: {said}; in: {quote(statement)}")


@contextmanager
def _connect(order: Order) -> Iterator[PGconn]:
    """A session of the tenant. What it loads need not be durable before all of it is there."""
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    target = make_conninfo(
        host=order.host,
        port=order.port,
        user=order.user,
        password=order.password,
        dbname=order.database,
        sslmode="disable",
        options="-c synchronous_commit=off -c client_min_messages=error",
    )
    server = pq.PGconn.connect(target.encode())
    try:
        if server.status != pq.ConnStatus.OK:
            raise OSError(f"the server lets nobody in: {(server.error_message or b'').decode('utf-8', 'replace')}")
        yield server
    finally:
        server.finish()


def _ask(server: PGconn, query: str) -> list[str]:
    """The first column."""
    result = server.exec_(query.encode())
    return [(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)]


# ---- what a dump is -------------------------------------------------------------------------------------------------


@contextmanager
def _open_script(order: Order, dump: Input, findings: Findings) -> Iterator[Callable[[], bytes]]:
    """The dump as a script: what reads its next bytes."""
    packed = f", packed by {dump.packing}" if dump.packing else ""
    first = dump.peek(_TAR_AT + len(_TAR))
    if first.startswith(_CUSTOM):
        findings.form = f"pg_dump, custom{packed}"
    elif first[_TAR_AT:] == _TAR:
        if not first.startswith(b"toc.dat\0"):
            raise Refused("it is a tar, and not one of pg_dump -Ft: take the dump out of it")
        findings.form = f"pg_dump, tar{packed}"
    elif b"\0" in first or first.startswith((b"REDIS", b"SQLite")):
        raise Refused("it is no dump of PostgreSQL: take what pg_dump writes, plain or by -Fc or -Ft")
    else:
        findings.form = f"SQL{packed}"
        yield dump.read
        return
    with _converted(order, dump) as read:
        yield read


@contextmanager
def _converted(order: Order, dump: Input) -> Iterator[Callable[[], bytes]]:
    """By pg_restore, which writes what is in an archive as a script."""
    argv = [*dumps.program(Path(order.programs) / "pg_restore"), "--file=-"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=dumps.libraries()
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker: they were opened as pipes
        assert process.stdout is not None  # noqa: S101
        failed: list[Exception] = []
        feeding = threading.Thread(target=_feed, args=(dump, process.stdin, failed), daemon=True)
        feeding.start()
        output = process.stdout
        try:
            yield lambda: output.read1(_PIECE)  # type: ignore[attr-defined]
        except BaseException:
            process.kill()
            _judge(process, said, failed)
            raise
        feeding.join()
        _judge(process, said, failed)


def _feed(dump: Input, pipe: BinaryIO, failed: list[Exception]) -> None:
    try:
        with pipe:
            while piece := dump.read():
                pipe.write(piece)
    except BrokenPipeError:
        pass  # it says why
    except Exception as error:  # noqa: BLE001 - whatever it is, the other thread raises it
        failed.append(error)


def _judge(process: subprocess.Popen[bytes], said: BinaryIO, failed: list[Exception]) -> None:
    """Raises Refused where pg_restore cannot read the archive."""
    code = process.wait()
    if failed:
        raise failed[0]
    if code > 0:
        said.seek(0)
        text = said.read(2000).decode("utf-8", "replace").replace("pg_restore: error: ", "")
        more = ""
        if "unsupported version" in text:
            more = "; it is of a newer pg_dump than the server here: dump it with the server's own version, or as SQL"
        raise Refused(f"pg_restore cannot read it: {text.strip()}{more}")


if __name__ == "__main__":
    sys.exit(dumps.run(load))
