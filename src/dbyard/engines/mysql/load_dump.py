"""Reads a dump of MySQL or MariaDB and loads it as the tenant.

It speaks to the server itself: neither client obeys what a dump tells it here, and no file of a client is sent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbyard.engines import dumps
from dbyard.engines.dumps import Findings, Input, Order, Refused, quote
from dbyard.engines.mysql.dump_reader import Reader, Statement
from dbyard.engines.mysql.dump_rules import Here, Rules

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_COLLATIONS = {
    True: "SELECT collation_name FROM information_schema.collations"
    " UNION SELECT full_collation_name FROM information_schema.collation_character_set_applicability",
    False: "SELECT collation_name FROM information_schema.collations",
}
"""Of MariaDB, and of MySQL."""
_ENGINES = "SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')"
_OF_THE_CLIENT = range(2000, 3000)
"""The server has gone."""
_OF_THE_SERVER = frozenset({1021, 1037, 1038, 1041, 1053, 1114})
"""It lacks disk or memory, or stops."""
_HEADS, _COMPLETE = (b"-- MySQL dump ", b"-- MariaDB dump ", b"-- mysqldump "), b"-- Dump completed"


def load(order: Order, dump: Input, findings: Findings) -> None:
    packed = f", packed by {dump.packing}" if dump.packing else ""
    first = dump.peek(512)
    if b"\0" in first or first.startswith((b"PGDMP", b"REDIS", b"SQLite")):
        raise Refused("it is no dump of MySQL or MariaDB: take what mysqldump or mariadb-dump writes")
    findings.form = f"SQL{packed}"
    with _connect(order) as session:
        version = _ask(session, "SELECT version()")[0]
        is_mariadb = "mariadb" in version
        here = Here(
            is_mariadb,
            order.database,
            set(_ask(session, _COLLATIONS[is_mariadb])),
            set(_ask(session, _ENGINES)),
        )
        _read_script(dump, Rules(here, findings), session if order.load else None)


def _read_script(dump: Input, rules: Rules, session: Cursor | None) -> None:
    seen: set[str] = set()

    def comment(line: bytes) -> None:
        rules.note(line)
        if line.startswith(_HEADS):
            seen.add("head")
        elif line.startswith(_COMPLETE):
            seen.add("end")

    count = 0
    for statement in Reader(dump.read, comment).statements():
        count += 1
        text = rules.apply(statement)
        if session is not None and text is not None:
            _send(session, statement, text)
    if not count:
        raise Refused("there is no statement in it")
    if seen == {"head"}:
        raise Refused("it is cut off: the last line of a dump is missing")


def _send(session: Cursor, statement: Statement, text: bytes) -> None:
    from pymysql import MySQLError

    try:
        session.execute(text)  # type: ignore[call-overload] # pymysql sends bytes as they are
        while session.nextset():
            pass
    except MySQLError as error:
        code = error.args[0] if error.args else 0
        if isinstance(code, int) and (code in _OF_THE_CLIENT or code in _OF_THE_SERVER):
            raise OSError(f"line {statement.line}: {_words(error)}") from error
        raise Refused(f"line {statement.line}: {_words(error)}; in: {quote(text)}") from error


@contextmanager
def _connect(order: Order) -> Iterator[Cursor]:
    """A session of the tenant."""
    import pymysql

    with (
        pymysql.connect(
            host=order.host,
            port=order.port,
            user=order.user,
            password=order.password,
            database=order.database,
            charset="utf8mb4",
            autocommit=None,
            ssl_disabled=True,
            local_infile=False,
        ) as connection,
        connection.cursor() as session,
    ):
        yield session


def _ask(session: Cursor, query: str) -> list[str]:
    """The first column, in lower case."""
    session.execute(query)
    rows: Any = session.fetchall()
    return [str(row[0]).lower() for row in rows if row[0] is not None]


def _words(error: Exception) -> str:
    return f"error {error.args[0]}: {error.args[-1]}" if error.args else str(error)


if __name__ == "__main__":
    sys.exit(dumps.run(load))
