"""MySQL itself: how it is made, set and asked where MariaDB differs.

It asks for `caching_sha2_password`: over TLS, and without it by the RSA keys that it makes with its first files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.install import with_time_zones
from dbyard.engines.mysql.passwords import derived_sha2_hash, sha2_hash
from dbyard.engines.mysql.sizes import LEAST_LOG_MB, cache_mb, log_mb
from dbyard.model import Command, Layout, Plan

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

NAME = "MySQL"
PROGRAM = "mysqld"
CLIENT, DUMP, CHECK = "mysql", "mysqldump", "mysqlcheck"
CLIENT_OPTIONS = ("--ssl-mode=DISABLED", "--get-server-public-key")
JOURNAL_SETTINGS: Mapping[str, str] = {}
DUMP_OPTIONS = ("--set-gtid-purged=OFF", "--column-statistics=0")
READ_LOG = ("mysqlbinlog", "--no-defaults", "--read-from-remote-server")
# A new file begins when all transactions of the last one are in the tables; those of the new one are there only after
# they are durable in it. So what a snapshot sees is the end of the last file, if none is durable when it has begun.
# Where others always write they are made to wait for that, for a moment; no lock is taken, which could wait for theirs.
DUMP_ALL = """
ask() { client --batch --skip-column-names --execute "$1"; }
hold() { ask "SET GLOBAL binlog_group_commit_sync_delay = $1"; }
begin_dump() {
    set -- $(ask "FLUSH BINARY LOGS; SHOW BINARY LOG STATUS; SELECT connection_id()") "$@"
    file=$1 number=$3
    shift 3
    rm -f stream && mkfifo stream || return 1
    dump --databases -- "$@" > stream & dumper=$!
    exec 3< stream
    # It is in a database as soon as its transaction has begun.
    until [ "$(ask "SELECT count(*) FROM information_schema.processlist
            WHERE user = 'dbyard' AND id > $number AND db IS NOT NULL")" -gt 0 ]; do
        kill -0 $dumper 2> /dev/null || break
    done
    [ "$(read_log "$file" | head -c 65536 | grep -a -c '^# at ')" = 2 ]
}
dump_all() {
    keeps_journal || { dump --databases -- "$@"; return; }
    trap 'hold 0' EXIT
    for delay in 0 100000 300000 500000 1000000 1000000; do
        hold $delay || return 1
        begin_dump "$@" && found=yes || found=''
        hold 0 || return 1
        [ "$found" ] && break
        exec 3<&-
        kill $dumper 2> /dev/null
        wait $dumper
    done
    if [ "$found" ]; then place "$file" 4; else dump --databases -- "$@"; return; fi
    cat <&3
    wait $dumper
}
"""
LOAD_SETTINGS = ("--disable-log-bin", "--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-redo-log-capacity=128M")
SESSION_SETTINGS = (
    "SET SESSION sql_log_bin = 0, SESSION lock_wait_timeout = 1, SESSION innodb_lock_wait_timeout = 1,"
    " SESSION max_execution_time = 10000,"
    " SESSION information_schema_stats_expiry = 0, SESSION sql_mode = 'STRICT_TRANS_TABLES'"
)
LOCKED_USERS = """
    SELECT json_objectagg(User, account_locked = 'Y') FROM mysql.user WHERE User IN %(users)s AND Host = '%%'
    """
RIGHTS_OF_READERS = "SELECT, DELETE, DROP, LOCK TABLES, EXECUTE, SHOW VIEW"
STATUS_TABLE = "performance_schema.global_status"
_NO_WARNINGS = "MY-010068,MY-011810"
"""Of an authority that signs for itself, as every one does, and of directories above those that only it can enter."""
LOCK_ALL = (
    "SET SESSION sql_log_bin = 0",
    "UPDATE mysql.user SET account_locked = 'Y' WHERE User <> 'dbyard'",
    "FLUSH PRIVILEGES",
)


REMOVE_OTHERS = ("DROP USER root@localhost",)
KEEP_ROOT = ()


REPLAY_SETTINGS = (
    *("--skip-replica-start", "--relay-log-purge=OFF", "--relay-log-recovery=OFF", "--replica-parallel-workers=1"),
    *("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"),
)
REPLAYS_OTHERS = True
BE_IDEMPOTENT = "SET GLOBAL replica_exec_mode = IDEMPOTENT"
LET_GO = "SET GLOBAL binlog_group_commit_sync_delay = 0"
# One thread reads the log, and another applies it. The definer of something may be a user beside the tenant.
REPLAY = """
resumes=yes
applying="REPLICATION_APPLIER, SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER"
show_applier="SHOW REPLICA STATUS"
start_applier="START REPLICA SQL_THREAD"
stop_applier="STOP REPLICA"
forget="RESET REPLICA ALL"
render_source() {
    echo "GRANT $applying ON *.* TO $1;
        CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'none', RELAY_LOG_FILE = '$log', RELAY_LOG_POS = $2,
        PRIVILEGE_CHECKS_USER = '$1'@'%', REQUIRE_ROW_FORMAT = 1, REQUIRE_TABLE_PRIMARY_KEY_CHECK = OFF"
}
is_idle() {
    [ "$(query "SELECT count(*) FROM information_schema.processlist
        WHERE state LIKE 'Waiting for an event from Coordinator%'")" = 1 ]
}
revive() {
    query "REVOKE $applying ON *.* FROM $1" || return 1
    client --user=root --batch --skip-column-names --raw --execute "
        SELECT concat('ALTER DEFINER = ', quote(left(definer, length(definer) - 2)), '@''%'' EVENT ',
            char(96), replace(event_schema, char(96), repeat(char(96), 2)), char(96), '.',
            char(96), replace(event_name, char(96), repeat(char(96), 2)), char(96), ' ENABLE;')
        FROM information_schema.events WHERE status = 'REPLICA_SIDE_DISABLED'" > dbyard_events || return 1
    client --user=root --binary-mode < dbyard_events
}
"""


def render_install(layout: Layout) -> Command:
    install = [
        str(layout.bin / PROGRAM),
        "--no-defaults",
        "--initialize-insecure",
        f"--basedir={layout.bin.parent}",
        f"--datadir={layout.data}",
        "--secure-file-priv=NULL",
        "--disable-log-bin",
        f"--innodb-redo-log-capacity={LEAST_LOG_MB}M",
        "--innodb-flush-method=nosync",
        "--innodb-doublewrite=OFF",
    ]
    return with_time_zones(layout, "mysql_tzinfo_to_sql", install, "--init-file")


def render_settings(plan: Plan, layout: Layout) -> Mapping[str, str]:
    """The caches of tables and of temporary tables follow the plan: their defaults follow the machine."""
    return {
        **render_places(layout),
        "secure-file-priv": "NULL",
        "local-infile": "OFF",
        "mysqlx": "OFF",
        "log-error-suppression-list": _NO_WARNINGS,
        "disable-log-bin": "ON",
        "gtid-mode": "OFF",  # else mysqldump wants to flush tables, and what it writes is refused
        "enforce-gtid-consistency": "OFF",
        "innodb-redo-log-capacity": f"{log_mb(plan)}M",
        "innodb-log-buffer-size": f"{max(1, min(plan.memory_mb // 256, 64))}M",
        "innodb-read-io-threads": str(_io_threads(plan)),
        "innodb-write-io-threads": str(_io_threads(plan)),
        "innodb-purge-threads": "1",
        "innodb-adaptive-hash-index": "OFF",
        "table-open-cache": str(max(400, min(plan.memory_mb, 4000))),
        "table-definition-cache": str(max(400, min(plan.memory_mb, 2000))),
        "temptable-max-ram": f"{cache_mb(plan) * 4}M",
        "temptable-max-mmap": "0",
        "key-buffer-size": f"{cache_mb(plan)}M",
        "tmp-table-size": f"{cache_mb(plan) * 2}M",
        "max-heap-table-size": f"{cache_mb(plan) * 2}M",
    }


def render_places(layout: Layout) -> Mapping[str, str]:
    return {
        "plugin-dir": str(layout.bin.parent / "lib" / "mysql" / "plugin"),
        "lc-messages-dir": str(layout.bin.parent / "share" / "mysql"),
    }


def _io_threads(plan: Plan) -> int:
    return max(1, min(plan.memory_mb // 1024, 4))


def render_admin(user: str, password: str) -> tuple[str, ...]:
    return (
        f"CREATE USER {user}@'%' {derived(password)}",
        f"GRANT ALL PRIVILEGES ON *.* TO {user}@'%' WITH GRANT OPTION",
    )


def identified(password: str) -> str:
    return f"IDENTIFIED WITH caching_sha2_password AS '{sha2_hash(password)}'"


def derived(password: str) -> str:
    return f"IDENTIFIED WITH caching_sha2_password AS '{derived_sha2_hash(password)}'"


def limit_statements(seconds: float) -> str:
    return f"SET SESSION max_execution_time = {int(seconds * 1000)}"


def reload_tls(session: Cursor) -> None:
    session.execute("SELECT @@ssl_cert")
    row: Any = session.fetchone()
    if row[0]:
        session.execute("ALTER INSTANCE RELOAD TLS")
