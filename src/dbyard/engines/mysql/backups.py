"""Dumps: SQL of all of a tenant's databases, which a restore loads as that tenant, so that it gets no other rights.

Before the SQL stand comments and an empty line: the tenant's name, the statement that sets its password, and those
that make the accounts.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from dbyard.engines.mysql.access import plan_rights
from dbyard.engines.mysql.names import ADMIN, JOURNAL_TABLE, SYSTEM_DATABASES
from dbyard.engines.mysql.render import script
from dbyard.engines.mysql.servers import Server, server_of
from dbyard.engines.mysql.session import connect, guard, identifier
from dbyard.engines.mysql.users import account_of
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Address, Count, Credentials, DataAccess, File, Layout, Tool

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_COUNT_SECONDS = 5.0
_LEAST_SECONDS = 0.1
_LOAD_MEMORY = 1024 * MIB
"""The client and the server each hold a row of up to 64 MB more than once."""
_TIME_SECONDS = 1.0
SYSTEM = ", ".join(f"'{name}'" for name in SYSTEM_DATABASES)
"""As a list of SQL."""

# Both programs search for ever for a delimiter that is not in such an event.
_UNREADABLE = (
    "SELECT concat(event_schema, '.', event_name) FROM information_schema.events"
    " WHERE concat_ws(' ', event_name, event_definition, event_comment) LIKE '%;;%'"
)
# The client escapes what would end a line, and printf undoes that; the full stop keeps a line's end that ends a name.
_BACKUP = f"""
read -r MYSQL_PWD; export MYSQL_PWD
client --batch --skip-column-names \\
    --execute "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({SYSTEM})" \\
    > databases || exit 1
client --batch --skip-column-names --execute "{_UNREADABLE}" > events || exit 1
[ ! -s events ] || {{ echo "an event with ;; in it cannot be dumped: $(head -n 1 events)" >&2; exit 1; }}
set --
while IFS= read -r name; do
    name=$(printf '%b.' "$name")
    set -- "$@" "${{name%.}}"
done < databases
cat accounts
[ $# -eq 0 ] || dump_all "$@" || exit 1
echo "SELECT 'whole';"
"""  # noqa: S608
# Where in the journal a place of the binary log is: what is in no file any more has none.
_PLACE = f"""
place() {{
    file=$1 offset=$2
    set -- $(client --batch --skip-column-names --execute "SELECT file, position FROM {JOURNAL_TABLE}")
    client --batch --skip-column-names --execute "SHOW BINARY LOGS" > logs || return 1
    found='' at=$2
    while read -r name size _; do
        [ "$name" = "$1" ] && found=yes
        [ "$found" ] || continue
        [ "$name" = "$file" ] && echo "-- journal $((at + offset - 4))"
        at=$((at + size - 4))
    done < logs
}}
keeps_journal() {{ [ "$(client --batch --skip-column-names --execute 'SELECT @@log_bin')" = 1 ]; }}
"""  # noqa: S608
# No socket has a longer path than some hundred bytes, so this one is relative to the data. Root has no password until
# it is dropped. The tenant's statements run with its rights alone, and no command of the client's own is one of them.
_RESTORE = """
rm -rf "$data"/* "$data"/.[!.]* || exit 1
read -r _ user && read -r _ password || exit 1
while read -r _ line && [ -n "$line" ]; do printf '%s\\n' "$line"; done > accounts.sql
[ -s accounts.sql ] || { echo "this is no backup" >&2; exit 1; }
IFS= read -r first
case $first in '-- journal '[0-9]*) start=${first##* } first='' ;; esac
install < /dev/null || exit 1
serve & server=$!
trap 'kill $server' EXIT
cd "$data" || exit 1
until client --user=root --execute "DO 0" 2>> "$OLDPWD/refused"; do
    kill -0 $server || { cat "$OLDPWD/refused" >&2; exit 1; }
    sleep 0.05
done
client --user=root < "$OLDPWD/accounts.sql" || exit 1
load() { client --user="$user" --batch --skip-column-names --binary-mode --local-infile=0; }
said=$({ printf '%s\\n' "$first" && cat; } | load | tail -n 1)
[ "$said" = whole ] || { echo "the dump was not loaded to its end" >&2; exit 2; }  # FAULTY
printf '%s;\\nDROP USER root@localhost;\\n' "$password" | client --user=root || exit 1
trap - EXIT
kill $server && wait $server || exit 1
[ -z "$start" ] || echo "$start" > "$data/dbyard_start"
"""
# Its exit code tells nothing.
_CHECK = """
read -r MYSQL_PWD; export MYSQL_PWD
check --all-databases --check --silent > found || exit 1
cat found >&2
! grep -qi '^error' found || exit 2  # FAULTY
"""
# The smallest first. Of tables in memory nothing outlives a start.
_TABLES = f"""
    SELECT table_schema, table_name, update_time, coalesce(update_time >= now(), 0) FROM information_schema.tables
    WHERE table_schema NOT IN ({SYSTEM}) AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND engine <> 'MEMORY'
    ORDER BY data_length, table_schema, table_name LIMIT 1000
    """  # noqa: S608


def render_backup(layout: Layout, credentials: Credentials) -> Tool:
    server, access = server_of(layout), to_server(server_of(layout), layout)
    dump = (
        *(server.DUMP, "--no-defaults", *access, *server.DUMP_OPTIONS),
        *("--single-transaction", "--quick", "--routines", "--events", "--triggers", "--no-tablespaces"),
        *("--skip-comments", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"),
    )
    client = (server.CLIENT, "--no-defaults", *access, "--default-character-set=utf8mb4")
    text = function("client", client) + function("dump", dump)
    text += function("read_log", (*server.READ_LOG, *access)) + _PLACE + server.DUMP_ALL + _BACKUP
    files = (File(Path("accounts"), _render_accounts(server, credentials)),)
    return Tool(("/bin/sh", "-c", text), stdin=f"{credentials.admin_password}\n", files=files, connects=True)


def render_restore(layout: Layout) -> Tool:
    server = server_of(layout)
    here = replace(layout, run=Path(), conf=Path())
    client = (server.CLIENT, "--no-defaults", "--protocol=socket", "--socket=load.sock", "--max-allowed-packet=1G")
    text = (
        f"data={shlex.quote(str(layout.data))}\n"
        + function("install", server.render_install(here).argv)
        + function("serve", ("exec", *loader(server, layout)))
        + function("client", (*client, "--default-character-set=utf8mb4"))
        + _RESTORE
    )
    files = (File(Path("admin.sql"), script(server.KEEP_ROOT)),)
    # Without `connects` nothing connects to the server of its own either.
    return Tool(("/bin/sh", "-c", text), data=DataAccess.WRITE, files=files, connects=True, memory=_LOAD_MEMORY)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:
    server = server_of(layout)
    check = (server.CHECK, "--no-defaults", *to_server(server, layout))
    text = function("check", check) + _CHECK
    return Tool(("/bin/sh", "-c", text), stdin=f"{credentials.admin_password}\n", connects=True)


def _render_accounts(server: Server, credentials: Credentials) -> str:
    user = account_of(credentials.user)
    statements = (
        *server.render_admin(ADMIN, credentials.admin_password),
        f"CREATE USER {user}",
        *plan_rights(server, credentials.user, may_write=True),
    )
    password = f"ALTER USER {user} {server.derived(credentials.password)}"
    lines = (credentials.user, password, *(f"{statement};" for statement in statements))
    return "".join(f"-- {line}\n" for line in lines) + "\n"


def to_server(server: Server, layout: Layout) -> tuple[str, ...]:
    address = (f"--host={layout.host}", f"--port={layout.port}", f"--user={ADMIN}")
    return ("--protocol=tcp", *address, *server.CLIENT_OPTIONS)


def loader(server: Server, layout: Layout) -> tuple[str, ...]:
    """A server that nobody reaches but by its socket, and that has nothing to lose."""
    places = {"basedir": str(layout.bin.parent), "datadir": str(layout.data), **server.render_places(layout)}
    return (
        *(str(layout.bin / server.PROGRAM), "--no-defaults", *(f"--{name}={value}" for name, value in places.items())),
        *("--skip-networking", "--socket=load.sock", "--pid-file=load.pid", "--event-scheduler=OFF"),
        *(
            "--performance-schema=OFF",
            "--local-infile=OFF",
            "--max-allowed-packet=1G",
            "--character-set-server=utf8mb4",
        ),
        *("--innodb-buffer-pool-size=64M", "--innodb-doublewrite=OFF", "--innodb-flush-log-at-trx-commit=0"),
        *server.LOAD_SETTINGS,
    )


def function(name: str, argv: tuple[str, ...]) -> str:
    """Of the shell."""
    return f'{name}() {{ {shlex.join(argv)} "$@"; }}\n'


# ---- what is in a server ----------------------------------------------------------------------------------------


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The rows of tables, by `database.table`; what cannot be counted in the time that there is is left out.

    `changes` is made of when a table was last written to. The server knows that to the second: a table that is written
    to in this one has other changes each time.
    """
    deadline = time.monotonic() + _COUNT_SECONDS
    found: dict[str, Count] = {}
    try:
        with connect(address, credentials.admin_password) as session:
            server = guard(session)
            for schema, name, changes in _list_tables(session):
                left = deadline - time.monotonic()
                if left < _LEAST_SECONDS:
                    break
                session.execute(server.limit_statements(left))
                rows = _count_rows(session, f"{identifier(schema)}.{identifier(name)}")
                if rows is not None:
                    found[f"{schema}.{name}"] = Count(rows, changes)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return found


def _list_tables(session: Cursor) -> list[tuple[str, str, int]]:
    """Of each table its database, its name and its `changes`. What was written to just now is looked at once more."""
    tables = _ask(session)
    if any(is_new for *_, is_new in tables):
        time.sleep(_TIME_SECONDS)
        tables = _ask(session)
    return [
        (schema, name, time.time_ns() if is_new else crc32(str(written).encode()))
        for schema, name, written, is_new in tables
    ]


def _ask(session: Cursor) -> Any:
    session.execute(_TABLES)
    return session.fetchall()


def _count_rows(session: Cursor, table: str) -> int | None:
    """None where it takes too long, or where somebody locks the table."""
    from pymysql import MySQLError

    try:
        session.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
    except MySQLError:
        return None
    row: Any = session.fetchone()
    return int(row[0])
