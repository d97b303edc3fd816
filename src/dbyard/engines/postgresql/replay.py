"""A restore to a moment: the log is put beside a base backup, and a server of its own replays it up to there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dbyard.model import FAULTY, MIB, DataAccess, File, JournalMark, Layout, Tool

_MEMORY = 512 * MIB
# Segments are named by timeline and number. The last one is filled up with zeros, at which a replay ends.
_PUT = """
size=$(pg_controldata "$1" | sed -n 's/^Bytes per WAL segment: *//p')
number=$(($3 / size)) each=$((4294967296 / size)) new="$1/pg_wal/dbyard.new"
while dd bs=1M count=$((size / 1048576)) iflag=fullblock of="$new" status=none && [ -s "$new" ]; do
    truncate --size "$size" "$new" || exit 1
    mv "$new" "$1/pg_wal/$(printf '%08X%08X%08X' "$2" $((number / each)) $((number % each)))" || exit 1
    number=$((number + 1))
done
rm "$new" && sync --file-system "$1"
"""
# Its own timeline is in the last checkpoint as soon as the server has all. A run that was killed before goes on where
# it was, and not as after a crash, which would go beyond the moment.
_REPLAY = f"""
sockets=$(mktemp -d /tmp/replay.XXXXXX) || exit 1
log="$HOME/server.log"
echo "unix_socket_directories = '$sockets'" >> "$HOME/postgresql.conf"
tell() {{
    while sleep 1; do
        at=$(sed -n 's|.*current LSN: ||p' "$log" | tail -n 1)
        [ -z "$at" ] || echo "$(((0x${{at%/*}} << 32) + 0x${{at#*/}} - $3)) $(($4 - $3)) B" >> "$DBYARD_PROGRESS"
    done
}}
replay() {{
    : > "$log"
    rm -f "$1/postmaster.pid"  # of a run that was killed, and whose number another program may have now
    touch "$1/recovery.signal" || return 1
    postgres -D "$1" -c config_file="$HOME/postgresql.conf" -c hba_file="$HOME/pg_hba.conf" >> "$log" 2>&1 & server=$!
    until grep -q 'database system is ready to accept connections' "$log"; do
        kill -0 $server || return 1
        sleep 0.1
    done
    kill -INT $server
    wait $server
}}
timeline=$(pg_controldata "$1" | sed -n "s/^Latest checkpoint's TimeLineID: *//p")
[ "$timeline" = "$2" ] || exit 0
tell "$@" & teller=$!
replay "$1" || {{
    grep -q 'recovery ended before configured recovery target was reached' "$log" &&
        sed -i '/^recovery_target_time/d' "$HOME/postgresql.conf" && replay "$1"
}} || {{ cat "$log"; exit {FAULTY}; }}
kill $teller
sync --file-system "$1"
"""


def render_journal(layout: Layout, mark: JournalMark) -> Tool:
    argv = ("/bin/sh", "-c", _PUT, "journal", *_arguments(layout, mark))
    return Tool(argv, data=DataAccess.WRITE)


def render_replay(layout: Layout, mark: JournalMark, end: int, until: float | None) -> Tool:
    """Nobody can connect meanwhile. What is after the moment is left out, and begins another timeline."""
    settings = {
        "listen_addresses": "",
        "restore_command": "false",  # all of it lies where the server looks next
        "recovery_target_action": "promote",
        "recovery_target_timeline": "current",
        "hot_standby": "off",
        "shared_buffers": "128MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
        "log_startup_progress_interval": "1s",
        "recovery_init_sync_method": "syncfs",
        "lc_messages": "C",
        "timezone": "GMT",
        "log_timezone": "GMT",
        "autovacuum": "off",
    }
    if until is not None:
        moment = datetime.fromtimestamp(until, UTC)
        settings["recovery_target_time"] = f"{moment:%Y-%m-%d %H:%M:%S.%f}+00"
    text = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    files = (File(Path("postgresql.conf"), text), File(Path("pg_hba.conf"), "local all all reject\n"))
    argv = ("/bin/sh", "-c", _REPLAY, "replay", *_arguments(layout, mark), str(end))
    return Tool(argv, data=DataAccess.WRITE, files=files, memory=_MEMORY)


def _arguments(layout: Layout, mark: JournalMark) -> tuple[str, str, str]:
    timeline = mark.identity.rpartition("-")[2]
    return str(layout.data), timeline, str(mark.position)
