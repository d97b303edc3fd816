"""Base backups: all files of a server as one tar, with the log that makes them consistent and a manifest."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dbyard.engines.postgresql.names import ADMIN, ADMIN_DATABASE
from dbyard.engines.postgresql.session import Session, connect, identifier
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import FAULTY, Address, Count, Credentials, DataAccess, Layout, Tool

_COUNT_SECONDS = 5.0
_MOST_COUNTS = 300
_SNAPSHOT = "SELECT pg_catalog.pg_current_snapshot()"
"""Other text whenever a transaction that writes has begun or ended."""

_SESSION = "read -r PGPASSWORD; export PGPASSWORD PGREQUIREAUTH=scram-sha-256"
# A slot of a session of its own keeps the log that the end of the tar needs; it goes with that session.
_BACKUP = f"""{_SESSION}
mkfifo slot kept || exit 1
psql -XAtq -d "$1 dbname=$2" < slot > kept & keeper=$!
exec 3> slot
echo "SELECT slot_name FROM pg_create_physical_replication_slot('dbyard_backup_$keeper', true, true);" >&3
read -r _ < kept || exit 1
pg_basebackup --pgdata - --format tar --wal-method fetch --checkpoint fast --dbname "$1"
code=$?
exec 3>&-
wait $keeper
exit $code
"""  # noqa: S608 - two lines of a shell, and no query of ours
_RESTORE = f"""
tar --extract --no-same-owner --directory "$1" || exit 1
pg_verifybackup --quiet --no-parse-wal "$1" || exit {FAULTY}
rm "$1/backup_manifest" && sync --file-system "$1"
"""
# pg_amcheck ends with FAULTY itself; what it installs in the databases goes again.
_CHECK = f"""{_SESSION}
pg_amcheck --all --install-missing=pg_catalog --maintenance-db "$1 dbname=$2"
code=$?
for oid in $(psql -XAtq -d "$1 dbname=$2" -c 'SELECT oid FROM pg_database WHERE datallowconn'); do
    PGDATABASE=$(psql -XAtq -d "$1 dbname=$2" -c "SELECT datname FROM pg_database WHERE oid = $oid") || exit 1
    export PGDATABASE
    psql -XAtq -d "$1" -c 'DROP EXTENSION IF EXISTS amcheck' || exit 1
done
exit $code
"""  # noqa: S608 - as above
# What a tenant has set for its databases does not hold for sessions with these; the last one is unknown before 17.
_OPTIONS = (
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 -c role=none"
    " -c default_transaction_read_only=off -c search_path=pg_catalog -c client_min_messages=error"
)
_OPTIONS_17 = f"{_OPTIONS} -c transaction_timeout=0"
_DATABASES = "SELECT json_agg(datname) FROM pg_database WHERE datallowconn AND NOT datistemplate"
_TABLES = """SELECT json_agg(found) FROM (
    SELECT json_build_array(n.nspname, c.relname, coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0)) AS found
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY c.relpages, c.oid LIMIT 1000) AS tables"""
"""The smallest first; of an unlogged table nothing is in a backup."""


def render_backup(layout: Layout, credentials: Credentials) -> Tool:
    return _tool(layout, credentials, _BACKUP)


def render_restore(layout: Layout) -> Tool:
    return Tool(("/bin/sh", "-c", _RESTORE, "restore", str(layout.data)), data=DataAccess.WRITE)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:
    return _tool(layout, credentials, _CHECK)


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The rows of tables, by `database.schema.table`; what cannot be counted in the time that there is is left out."""
    deadline = time.monotonic() + _COUNT_SECONDS
    found: dict[str, Count] = {}
    try:
        with connect(address, credentials.admin_password) as session:
            before = session.execute(_SNAPSHOT)
            for database in _ask(session, _DATABASES):
                if database != ADMIN_DATABASE and time.monotonic() < deadline:
                    found |= _count_database(address, credentials.admin_password, database, deadline)
            is_quiet = session.execute(_SNAPSHOT) == before
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    mark = zlib.crc32(str(before).encode()) if is_quiet else 0
    return {name: replace(found[name], mark=mark) for name in list(found)[:_MOST_COUNTS]}


def _count_database(address: Address, password: str, database: str, deadline: float) -> Mapping[str, Count]:
    found: dict[str, Count] = {}
    try:
        with connect(address, password, database=database, seconds=_COUNT_SECONDS) as session:
            for schema, name, changes in _ask(session, _TABLES):
                left = deadline - time.monotonic()
                if left < 0.1:
                    break
                rows = _count_rows(session, f"{identifier(schema)}.{identifier(name)}", left)
                if rows is not None:
                    found[f"{database}.{schema}.{name}"] = Count(rows, changes)
    except (TemporaryError, NotReady):
        return found  # it has too many tables, or is being dropped
    return found


def _count_rows(session: Session, table: str, seconds: float) -> int | None:
    """None where it takes too long, or where somebody locks the table."""
    try:
        (rows,) = session.execute(
            f"SET statement_timeout = {int(seconds * 1000)}; SELECT pg_catalog.count(*) FROM ONLY {table}"  # noqa: S608
        )
    except TemporaryError:
        return None
    return int(rows or 0)


def _ask(session: Session, query: str) -> Any:
    (found,) = session.execute(query)
    return json.loads(found) if found else []


def _tool(layout: Layout, credentials: Credentials, script: str) -> Tool:
    server = f"host={layout.host} port={layout.port} user={ADMIN} sslmode=disable"
    options = _OPTIONS if layout.full_version.startswith("15.") else _OPTIONS_17
    argv = ("/bin/sh", "-c", script, "tool", server, ADMIN_DATABASE)
    return Tool(argv, stdin=f"{credentials.admin_password}\n", env={"PGOPTIONS": options}, connects=True)
