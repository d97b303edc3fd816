"""MySQL, served by MariaDB 10.11. The admin and the tenant log in over TCP; there is no socket file and no root."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from dbyard.errors import NotReady, TemporaryError
from dbyard.model import (
    MIB,
    Address,
    Capability,
    Command,
    Credentials,
    File,
    InstanceSpec,
    Layout,
    Plan,
    ProcessSpec,
    RenderInput,
    Restriction,
)

TECHNOLOGY = "mysql"
CAPABILITIES: frozenset[Capability] = frozenset()

ADMIN = "dbyard"

_NAME_LIMIT = 32  # MySQL's for a user; MariaDB's own is longer
_RESERVED_CONNECTIONS = 3
_ANSWER_SECONDS = 1.0
_STATEMENT_SECONDS = 15.0
_STOP_SECONDS = 60.0
_LEAST_LOG_MB = 32  # of every prepared server: with another size in its configuration the first start costs 25 ms more


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    stem = name.replace("-", "_")
    if not stem[0].isalpha():  # must be quoted in SQL
        stem = f"db_{stem}"
    tenant = f"{stem[: _NAME_LIMIT - 1 - len(suffix)].rstrip('_')}_{suffix}"
    return tenant, tenant


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    configuration = layout.conf / "server.cnf"
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(str(layout.bin / "mariadbd"), f"--defaults-file={configuration}", f"--datadir={layout.data}"),
                env={},
                address_space=None,  # the server reserves terabytes of addresses for its buffer pool
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        init=(_install(layout),),
        files=_files(node, layout, credentials),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=plan.connections + 60,  # threads count
        disk=plan.disk_mb * MIB,
    )


def ping(address: Address, credentials: Credentials) -> None:
    with _session(address, credentials, _ANSWER_SECONDS) as session:
        try:
            session.execute("SELECT 1")
        except pymysql.MySQLError as error:
            raise NotReady(_message(error)) from error


def secure(address: Address, credentials: Credentials) -> None:
    """What is there is left: a tenant that has changed its password keeps it."""
    with _session(address, credentials, _STATEMENT_SECONDS) as session:
        try:
            for statement in plan_statements(_observe(session, credentials), credentials):
                session.execute(statement)
        except pymysql.MySQLError as error:
            raise TemporaryError(f"MariaDB refuses: {_message(error)}", code="secure_failed") from error


def restrict(address: Address, credentials: Credentials, restriction: Restriction) -> None:
    """Read-only by rights, because the server's own `read_only` would forbid to delete, too.

    DROP and TRUNCATE give space back; what DELETE frees is used again by the same table. A session keeps the rights
    that it began with, so the tenant's are ended; when it gets all rights back, only those that do nothing just then.
    All of it outlives a restart of the server.
    """
    with _session(address, credentials, _STATEMENT_SECONDS) as session:
        try:
            for statement in plan_restriction(restriction, credentials):
                session.execute(statement)
            if restriction is Restriction.NONE:
                _end_idle_sessions(session, credentials)
        except pymysql.MySQLError as error:
            raise TemporaryError(f"MariaDB refuses: {_message(error)}", code="restrict_failed") from error


def rotate(address: Address, credentials: Credentials) -> bool:
    """A tenant may set its own password, so that it is set once more when its sessions have ended."""
    user = f"`{credentials.user}`@'%'"
    secret = _password_hash(credentials.password)
    replace = f"ALTER USER {user} IDENTIFIED VIA mysql_native_password USING '{secret}'"
    with _session(address, credentials, _STATEMENT_SECONDS) as session:
        try:
            for statement in (replace, f"KILL CONNECTION USER {user}", replace):
                session.execute(statement)
        except pymysql.MySQLError as error:
            raise TemporaryError(f"MariaDB refuses: {_message(error)}", code="rotate_failed") from error
    return True


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    with _session(address, credentials, _STATEMENT_SECONDS) as session:
        try:
            session.execute(_STATS, {"database": credentials.database})
            row: Any = session.fetchone()
        except pymysql.MySQLError as error:
            raise NotReady(_message(error)) from error
    return dict(zip(_STATS_NAMES, map(int, row), strict=True))


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"mysql://{access}/{credentials.database}"


# ---- what a server is made of -----------------------------------------------------------------------------------


def _install(layout: Layout) -> Command:
    """One run makes the system tables and the admin; the runtime makes all of it durable at once."""
    return Command(
        (
            str(_base(layout) / "bin" / "mariadb-install-db"),
            "--no-defaults",
            f"--basedir={_base(layout)}",
            f"--datadir={layout.data}",
            f"--extra-file={layout.conf / 'admin.sql'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--force",  # without asking for the host's name
            f"--innodb-log-file-size={_LEAST_LOG_MB}M",
            "--innodb-flush-method=nosync",
        )
    )


def _files(node: RenderInput, layout: Layout, credentials: Credentials) -> tuple[File, ...]:
    settings = _settings(node.plan, layout)
    files = [File(layout.conf / "admin.sql", _admin_script(credentials.admin_password))]
    if credentials.certificate.certificate:
        certificate, key = layout.conf / "server.crt", layout.conf / "server.key"
        files += [File(certificate, credentials.certificate.certificate), File(key, credentials.certificate.key)]
        settings |= {"ssl-cert": str(certificate), "ssl-key": str(key), "tls-version": "TLSv1.2,TLSv1.3"}
    text = "[mariadbd]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    return (File(layout.conf / "server.cnf", text), *files)


def _admin_script(password: str) -> str:
    """Only the admin is left of the accounts: the installer's root has no password."""
    statements = (
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
        f"CREATE USER {ADMIN}@'%' IDENTIFIED VIA mysql_native_password USING '{_password_hash(password)}'",
        f"GRANT ALL PRIVILEGES ON *.* TO {ADMIN}@'%' WITH GRANT OPTION",
    )
    return "".join(f"{statement};\n" for statement in statements)


def _settings(plan: Plan, layout: Layout) -> dict[str, str]:
    base = _base(layout)
    return {
        "basedir": str(base),
        "lc-messages-dir": str(base / "share" / "mysql"),
        "plugin-dir": str(base / "lib" / "mysql" / "plugin"),
        "bind-address": layout.host,
        "port": str(layout.port),
        "socket": "",  # none: its path could be too long, and nobody needs it
        "pid-file": str(layout.run / "server.pid"),
        "tmpdir": str(layout.run),
        "secure-file-priv": str(layout.run),
        "log-error": str(layout.log / "server.log"),
        "skip-name-resolve": "ON",
        "local-infile": "ON",  # a client reads its own files, which is its own affair
        "character-set-server": "utf8mb4",
        "collation-server": "utf8mb4_unicode_ci",
        "default-time-zone": "+00:00",
        "performance-schema": "OFF",
        "table-open-cache-instances": "2",  # each wants 4,000 open files, and eight of them more than hosts allow
        **_sizes(plan),
    }


def _sizes(plan: Plan) -> Mapping[str, str]:
    pool = min(plan.memory_mb // 2, 8192)
    cache = max(8, min(plan.memory_mb // 64, 128))
    return {
        # The tenant stops below the server's limit, so that the admin can always get in.
        "max-connections": str(plan.connections + _RESERVED_CONNECTIONS),
        "max-user-connections": str(plan.connections),
        "innodb-buffer-pool-size": f"{pool}M",
        "innodb-log-file-size": f"{max(_LEAST_LOG_MB, min(pool // 8, 1024))}M",
        "innodb-log-buffer-size": f"{max(2, min(plan.memory_mb // 256, 16))}M",
        "innodb-temp-data-file-path": f"ibtmp1:12M:autoextend:max:{max(plan.disk_mb // 2, 64)}M",
        "key-buffer-size": f"{cache}M",
        "aria-pagecache-buffer-size": f"{cache}M",
        "tmp-table-size": f"{cache * 2}M",
        "max-heap-table-size": f"{cache * 2}M",
    }


def _base(layout: Layout) -> Path:
    """The directory that holds bin, sbin, lib and share; the server lies in its sbin."""
    return layout.bin.parent


# ---- securing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the tenant's."""

    database: bool
    user: bool
    grant: bool


def plan_statements(observed: Observed, credentials: Credentials) -> list[str]:
    """The statements that are missing. Pure."""
    database, user = credentials.database, f"`{credentials.user}`@'%'"
    statements = []
    if not observed.database:
        statements.append(f"CREATE DATABASE IF NOT EXISTS `{database}`")
    if not observed.user:
        secret = _password_hash(credentials.password)
        statements.append(f"CREATE USER IF NOT EXISTS {user} IDENTIFIED VIA mysql_native_password USING '{secret}'")
    if not observed.grant:
        statements.append(f"GRANT ALL PRIVILEGES ON `{_as_pattern(database)}`.* TO {user}")
    return statements


def _observe(session: Cursor, credentials: Credentials) -> Observed:
    session.execute(
        """
        SELECT EXISTS (SELECT * FROM information_schema.schemata WHERE schema_name = %(database)s),
               EXISTS (SELECT * FROM mysql.global_priv WHERE User = %(user)s AND Host = '%%'),
               EXISTS (SELECT * FROM mysql.db WHERE Db = %(pattern)s AND User = %(user)s AND Host = '%%')
        """,
        {
            "database": credentials.database,
            "user": credentials.user,
            "pattern": _as_pattern(credentials.database),
        },
    )
    row: Any = session.fetchone()
    return Observed(*map(bool, row))


def _as_pattern(database: str) -> str:
    """As a grant names a database: there `_` stands for any character, and would let the tenant make others."""
    return database.replace("_", "\\_")


def _password_hash(password: str) -> str:
    """What the server keeps of a password: neither it nor its log ever sees the password itself."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


# ---- restricting and counting -----------------------------------------------------------------------------------


def plan_restriction(restriction: Restriction, credentials: Credentials) -> list[str]:
    """The statements that bring about a restriction; it is complete when all have run. Pure."""
    database, user = f"`{_as_pattern(credentials.database)}`.*", f"`{credentials.user}`@'%'"
    # Granting all first: where nothing is granted there is nothing to revoke, which the server takes for a mistake.
    statements = [f"GRANT ALL PRIVILEGES ON {database} TO {user}"]
    if restriction is Restriction.NONE:
        return [*statements, f"ALTER USER {user} ACCOUNT UNLOCK"]
    return [
        *statements,
        f"REVOKE {_GROWING} ON {database} FROM {user}",
        f"ALTER USER {user} ACCOUNT {'LOCK' if restriction is Restriction.CLOSED else 'UNLOCK'}",
        f"KILL CONNECTION USER {user}",
    ]


def _end_idle_sessions(session: Cursor, credentials: Credentials) -> None:
    idle = "SELECT id FROM information_schema.processlist WHERE user = %s AND command = 'Sleep'"
    session.execute(idle, (credentials.user,))
    for (number,) in session.fetchall():
        try:
            session.execute("KILL CONNECTION %s", (number,))
        except pymysql.OperationalError as error:
            if error.args[0] != ER.NO_SUCH_THREAD:
                raise


_GROWING = (
    "INSERT, UPDATE, CREATE, ALTER, INDEX, REFERENCES, CREATE TEMPORARY TABLES, CREATE VIEW, CREATE ROUTINE,"
    " ALTER ROUTINE, EVENT, TRIGGER"
)
_STATS_NAMES = ("data_size", "current_connections", "max_connections", "queries", "slow_queries", "tables")
_STATS = """
    SELECT (SELECT coalesce(sum(data_length + index_length), 0) FROM information_schema.tables
            WHERE table_schema = %(database)s),
           (SELECT count(*) FROM information_schema.processlist WHERE user <> 'dbyard' AND user <> 'system user'),
           @@max_user_connections,
           (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'QUESTIONS'),
           (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'SLOW_QUERIES'),
           (SELECT count(*) FROM information_schema.tables WHERE table_schema = %(database)s)
    """


# ---- talking to a server ----------------------------------------------------------------------------------------


@contextmanager
def _session(address: Address, credentials: Credentials, seconds: float) -> Iterator[Cursor]:
    try:
        connection = pymysql.connect(
            host=address.host,
            port=address.port,
            user=ADMIN,
            password=credentials.admin_password,
            ssl_disabled=True,
            autocommit=None,
            connect_timeout=_ANSWER_SECONDS,
            read_timeout=seconds,
            write_timeout=seconds,
        )
    except pymysql.MySQLError as error:
        raise NotReady(_message(error)) from error
    with connection, connection.cursor() as session:
        yield session


def _message(error: pymysql.MySQLError) -> str:
    return str(error.args[-1]) if error.args else str(error)
