"""A restore to a moment: the server's own applier takes the binary log from beside a backup, as a replica does.

No statement goes through a client. MySQL applies it with the tenant's rights; MariaDB, which cannot, leaves out what is
the server's own, and only that version replays it which once carried it out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from dbyard.engines.mysql.backups import SYSTEM, function, loader
from dbyard.engines.mysql.events import began_at, split
from dbyard.engines.mysql.journal import number_of
from dbyard.engines.mysql.render import script
from dbyard.engines.mysql.servers import server_of
from dbyard.errors import BackupDamaged
from dbyard.model import FAULTY, MIB, DataAccess, File, JournalMark, Layout, Tool

_MEMORY = 1024 * MIB
_PUT = """
cd "$1" && { printf '\\376bin' && cat; } > dbyard.new && mv dbyard.new dbyard_relay.000001 && sync --file-system .
"""
# The log begins where the mark is, and what is applied where the backup's data are. MySQL keeps how far it is together
# with the data, so that it goes on after a kill; what is MariaDB's may be older than the data.
_REPLAY = f"""
work=$PWD
[ -z "$4" ] || {{ echo "$4" >&2; exit {FAULTY}; }}
cd "$1" && log=dbyard_relay.000001 && [ -e $log ] || exit 0
[ -s dbyard_start ] || {{ echo "this backup does not tell where its journal goes on" >&2; exit {FAULTY}; }}
begin=$(($(cat dbyard_start) - $2 + 4)) end=$(($3 - $2 + 4))
query() {{ client --user=root --batch --skip-column-names --execute "$1"; }}
count_loose="SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ({SYSTEM})
    AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'"
# Of the state of the applier: one of its values.
tell() {{ client --user=root --batch --execute "$show_applier" -E | sed -n "s/^ *$1: //p"; }}
explain() {{
    tell Last_SQL_Error
    grep -F '[ERROR]' "$work/server.log"
}}
finish() {{
    trap - EXIT
    kill $server && wait $server || exit 1
    rm -f dbyard_* master.info relay-log.info load.*
    sync --file-system .
}}
check() {{ [ "$(tell '.*_SQL_Running')" = Yes ] || {{ explain >&2; exit {FAULTY}; }}; }}
if [ -e dbyard_began ] && [ ! -e dbyard_applied ] && [ $resumes = no ]; then
    echo "a replay that was cut off cannot go on; ask for the restore again" >&2
    exit 1
fi
truncate --size $end $log || exit 1
[ -e dbyard_relay.index ] || echo ./$log > dbyard_relay.index
rm -f load.sock load.pid
serve --init-file="$work/root.sql" --secure-file-priv="$work" > "$work/server.log" 2>&1 & server=$!
trap 'kill $server' EXIT
until query "DO 0" 2>> "$work/refused"; do
    kill -0 $server || {{ cat "$work/server.log" "$work/refused" >&2; exit 1; }}
    sleep 0.05
done
user=$(query "SELECT User FROM mysql.user WHERE Host = '%' AND User <> 'dbyard'")
# Rows of tables without transactions are in the backup as of when each was read.
[ "$(query "$count_loose")" = 0 ] || query "$be_idempotent" || exit 1
if [ $begin -lt $end ] && [ ! -e dbyard_applied ]; then
    if [ ! -e dbyard_began ]; then
        query "$(render_source "$user" $begin)" || exit 1
        : > dbyard_began && sync --file-system . || exit 1
    fi
    query "$start_applier" || exit 1
    while sleep 0.2; do
        check
        echo "$(tell Relay_Log_Pos) $end B" >> "$DBYARD_PROGRESS"
        case $(tell '.*_SQL_Running_State') in *'has read all relay log'*) is_idle && break ;; esac
    done
    check
    query "$stop_applier" || exit 1
fi
: > dbyard_applied && sync --file-system . || exit 1
query "$forget" || exit 1
revive "$user" || exit 1
query "DROP USER root@localhost" || exit 1
finish
"""  # noqa: S608


def render_journal(layout: Layout, mark: JournalMark) -> Tool:  # noqa: ARG001
    return Tool(("/bin/sh", "-c", _PUT, "journal", str(layout.data)), data=DataAccess.WRITE)


def render_replay(layout: Layout, mark: JournalMark, end: int, until: float | None) -> Tool:  # noqa: ARG001
    """What is to be left out is after `end`: see `find_moment`."""
    server = server_of(layout)
    client = (server.CLIENT, "--no-defaults", "--protocol=socket", "--socket=load.sock")
    options = ("--relay-log=dbyard_relay", "--relay-log-index=dbyard_relay.index", "--server-id=2")
    text = (
        function("serve", ("exec", *loader(server, layout), *options, *server.REPLAY_SETTINGS))
        + function("client", client)
        + f"be_idempotent={shlex.quote(server.BE_IDEMPOTENT)}\n"
        + server.REPLAY
        + _REPLAY
    )
    files = (File(Path("root.sql"), script(_ROOT)),)
    refusal = "" if server.REPLAYS_OTHERS else _refuse_other(layout, mark)
    argv = ("/bin/sh", "-c", text, "replay", str(layout.data), str(mark.position), str(end), refusal)
    return Tool(argv, data=DataAccess.WRITE, files=files, connects=True, memory=_MEMORY)


def _refuse_other(layout: Layout, mark: JournalMark) -> str:
    """Why it is not replayed here: what one version takes for a comment is a statement for the next."""
    written_by, version = mark.identity.rpartition("-")[2], number_of(layout.full_version)
    return "" if written_by == version else f"the version {written_by} wrote this journal, and {version} is installed"


_ROOT = ("CREATE USER IF NOT EXISTS root@localhost", "GRANT ALL PRIVILEGES ON *.* TO root@localhost WITH GRANT OPTION")
"""It has no password, listens on a socket of the job's own, and goes in the end."""


def find_moment(pieces: Iterable[bytes], start: int, until: float) -> int | None:
    """Where in the journal, which the pieces are from `start` on, the first transaction after that Unix time begins.

    None where there is none. Raises BackupDamaged for what is no journal. Pure.
    """
    position = start
    try:
        for event in split(pieces):
            committed_at = began_at(event)
            if committed_at is not None and committed_at > until:
                return position
            position += len(event)
    except ValueError as error:
        raise BackupDamaged(f"what the archive has from {start:x} on is no binary log: {error}") from error
    return None
