"""PostgreSQL 15 and 17.

A prepared server holds a role and a database both named `spare`; `secure` renames them to the tenant's, which costs a
fifth of creating a database. The admin is a superuser who can log in from this machine only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGconn

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

TECHNOLOGY = "postgresql"
CAPABILITIES: frozenset[Capability] = frozenset()

ADMIN = "dbyard"
ADMIN_DATABASE = "postgres"
SPARE = "spare"

_RESERVED_CONNECTIONS = 5
_ANSWER_SECONDS = 1.0
_STATEMENT_SECONDS = 15
_STOP_SECONDS = 60.0

# RFC 7677's least for a password that people choose, and what clients insist on. The admin's password is 256 random
# bits, which more rounds do not protect better: one round makes its log-ins 2 ms quicker.
_TENANT_ROUNDS = 4096
_ADMIN_ROUNDS = 1


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    stem = name.replace("-", "_")
    if not stem[0].isalpha() or stem.startswith("pg_"):  # must be quoted in SQL; is reserved
        stem = f"db_{stem}"
    tenant = f"{stem}_{suffix}"
    return tenant, tenant


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    memory = (plan.memory_mb + node.overhead_mb) * MIB
    server = ("-D", str(layout.data), "-c", f"config_file={layout.conf / 'postgresql.conf'}")
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(str(layout.bin / "postgres"), *server),
                env={"LC_ALL": "C.UTF-8"},
                # What one backend may map: shared buffers, libraries and its own memory. Beyond it a query gets an
                # error; a server that reaches `memory` is killed.
                address_space=memory - memory // 8,
                stop_signal=signal.SIGINT,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        init=_init(layout, server, credentials.admin_password),
        files=_files(node, layout, credentials),
        memory=memory,
        cpu=plan.cpu,
        pids=plan.connections + 40,
        disk=plan.disk_mb * MIB,
    )


def ping(address: Address, credentials: Credentials) -> None:
    with _session(address, credentials) as session:
        try:
            _execute(session, "SELECT 1")
        except TemporaryError as error:
            raise NotReady(str(error)) from error


def secure(address: Address, credentials: Credentials) -> None:
    """The tenant's log-in opens last: a tenant that can log in is complete, and its password is then its own affair."""
    with _session(address, credentials) as session:
        for batch in plan_statements(_observe(session, credentials), credentials):
            _execute(session, ";\n".join(batch))  # one round trip and one transaction


def restrict(address: Address, credentials: Credentials, restriction: Restriction) -> None:
    """Read-only is a setting that a tenant can lift on purpose, for a session or a transaction, to delete something.

    It holds for open sessions as well, from their next transaction on; those that are writing now are ended. All of
    it outlives a restart of the server.
    """
    with _session(address, credentials) as session:
        for statements in plan_restriction(restriction, credentials):
            _execute(session, statements)


def rotate(address: Address, credentials: Credentials) -> bool:
    """Nobody is left, when the new password comes, who could set another one."""
    with _session(address, credentials) as session:
        for statement in plan_rotation(credentials):
            _execute(session, statement)
    return True


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    with _session(address, credentials) as session:
        try:
            row = _execute(session, _STATS.format(database=_literal(credentials.database)))
        except TemporaryError as error:
            raise NotReady(str(error)) from error
    return {name: int(value or 0) for name, value in zip(_STATS_NAMES, row, strict=False)}


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"postgresql://{access}/{credentials.database}?sslmode=prefer"


# ---- what a server is made of -----------------------------------------------------------------------------------


def _init(layout: Layout, server: Sequence[str], admin_password: str) -> tuple[Command, ...]:
    """Without syncs (the runtime makes all of it durable at once), and with no way in but our own rules."""
    initdb = (
        *(str(layout.bin / "initdb"), "--pgdata", str(layout.data), "--username", ADMIN, "--auth", "reject"),
        # A locale that every build knows; a database of one version can then move to another.
        *("--encoding", "UTF8", "--locale-provider", "libc", "--locale", "C.UTF-8"),
        *("--data-checksums", "--no-sync", "--no-instructions"),
    )
    salt = hashlib.sha256(b"salt " + admin_password.encode()).digest()[:16]
    first_statements = (
        f"ALTER ROLE {ADMIN} PASSWORD '{_scram_verifier(admin_password, salt, _ADMIN_ROUNDS)}'",
        f"REVOKE ALL ON DATABASE {ADMIN_DATABASE}, template1 FROM PUBLIC",
        f"CREATE ROLE {SPARE} NOLOGIN",
        f"CREATE DATABASE {SPARE} OWNER {SPARE}",
    )
    single = (str(layout.bin / "postgres"), "--single", *server, "-c", "exit_on_error=on", ADMIN_DATABASE)
    return Command(initdb), Command(single, stdin="".join(f"{statement};\n" for statement in first_statements))


def _files(node: RenderInput, layout: Layout, credentials: Credentials) -> tuple[File, ...]:
    settings = _settings(node, layout)
    files = [File(layout.conf / "pg_hba.conf", _access_rules(credentials))]
    if credentials.certificate.certificate:
        certificate, key = layout.conf / "server.crt", layout.conf / "server.key"
        files += [File(certificate, credentials.certificate.certificate), File(key, credentials.certificate.key)]
        settings |= {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    text = "".join(f"{name} = {_literal(value)}\n" for name, value in settings.items())
    return (File(layout.conf / "postgresql.conf", text), *files)


def _access_rules(credentials: Credentials) -> str:
    database, user = _identifier(credentials.database), _identifier(credentials.user)
    return f'host all "{ADMIN}" samehost scram-sha-256\nhost {database} {user} all scram-sha-256\n'


def _settings(node: RenderInput, layout: Layout) -> dict[str, str]:
    return {
        "listen_addresses": layout.host,
        "port": str(layout.port),
        "unix_socket_directories": "",
        "cluster_name": node.id,
        "hba_file": str(layout.conf / "pg_hba.conf"),
        "password_encryption": "scram-sha-256",
        **_sizes(node.plan),
        "jit": "off",
        "huge_pages": "off",
        "max_logical_replication_workers": "0",  # one process less; a tenant cannot subscribe
        "recovery_init_sync_method": "syncfs",  # after a crash: instead of an fsync for each of a thousand files
        "wal_retrieve_retry_interval": "200ms",
        # Not UTC: this name alone is known without a time zone database.
        "timezone": "GMT",
        "log_timezone": "GMT",
        "default_text_search_config": "pg_catalog.english",
        "logging_collector": "on",
        "log_directory": str(layout.log),
        "log_filename": "server.log",
        "log_rotation_age": "7d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_checkpoints": "off",
    }


def _sizes(plan: Plan) -> Mapping[str, str]:
    workers = min(int(plan.cpu) // 2, 4)
    return {
        "max_connections": str(plan.connections + _RESERVED_CONNECTIONS),
        "superuser_reserved_connections": str(_RESERVED_CONNECTIONS),
        "shared_buffers": f"{min(plan.memory_mb // 4, 8192)}MB",
        "effective_cache_size": f"{plan.memory_mb * 3 // 4}MB",
        "work_mem": f"{max(plan.memory_mb * 1024 // (4 * plan.connections), 1024)}kB",
        "maintenance_work_mem": f"{max(16, min(plan.memory_mb // 16, 1024))}MB",
        # Filled with zeros at start, so every byte costs memory and time even when idle.
        "wal_buffers": f"{max(128, min(plan.memory_mb, 16384))}kB",
        "max_wal_size": f"{max(256, min(plan.disk_mb // 10, 8192))}MB",
        "temp_file_limit": f"{plan.disk_mb // 2}MB",
        "max_parallel_workers": str(int(plan.cpu) if workers else 0),
        "max_parallel_workers_per_gather": str(workers),
        "max_parallel_maintenance_workers": str(workers),
    }


# ---- securing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the tenant's, and of the spare to make it from."""

    user: bool
    can_log_in: bool
    database: bool
    spare_user: bool
    spare_database: bool


def plan_statements(observed: Observed, credentials: Credentials) -> list[list[str]]:
    """The statements that are missing, in batches that are one transaction each. Pure."""
    user, database = _identifier(credentials.user), _identifier(credentials.database)
    first: list[str] = []
    if not observed.user:
        first.append(f"ALTER ROLE {SPARE} RENAME TO {user}" if observed.spare_user else f"CREATE ROLE {user} NOLOGIN")
    batches = [first]
    if not observed.database and observed.spare_database:
        first.append(f"ALTER DATABASE {SPARE} RENAME TO {database}")
    elif not observed.database:
        batches += [[f"CREATE DATABASE {database} OWNER {user}"], []]  # refuses to be in a transaction
    if not (observed.can_log_in and observed.database):
        batches[-1] += [f"ALTER DATABASE {database} OWNER TO {user}", f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"]
    if not observed.can_log_in:
        verifier = _scram_verifier(credentials.password, os.urandom(16), _TENANT_ROUNDS)
        batches[-1].append(f"ALTER ROLE {user} LOGIN PASSWORD '{verifier}'")
    return [batch for batch in batches if batch]


def plan_rotation(credentials: Credentials) -> list[str]:
    """The statements that replace the tenant's password, each a transaction of its own.

    Killed after the first the tenant cannot log in, which is what `secure` and a second run put right.
    """
    user, verifier = credentials.user, _scram_verifier(credentials.password, os.urandom(16), _TENANT_ROUNDS)
    sessions = f"SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = {_literal(user)}"  # noqa: S608
    return [
        f"ALTER ROLE {_identifier(user)} NOLOGIN",
        sessions,
        f"ALTER ROLE {_identifier(user)} LOGIN PASSWORD '{verifier}'",
    ]


def _observe(session: PGconn, credentials: Credentials) -> Observed:
    user, database = _literal(credentials.user), _literal(credentials.database)
    row = _execute(
        session,
        f"""
        SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = {user}),
               EXISTS (SELECT FROM pg_roles WHERE rolname = {user} AND rolcanlogin),
               EXISTS (SELECT FROM pg_database WHERE datname = {database}),
               EXISTS (SELECT FROM pg_roles WHERE rolname = '{SPARE}'),
               EXISTS (SELECT FROM pg_database WHERE datname = '{SPARE}')
        """,  # noqa: S608 - quoted by _literal
    )
    return Observed(*(value == b"t" for value in row))


def _scram_verifier(password: str, salt: bytes, rounds: int) -> str:
    """What the server keeps of a password (RFC 5803): neither it nor its log ever sees the password itself."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    stored_key = hashlib.sha256(client_key).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${rounds}:{parts[0]}${parts[1]}:{parts[2]}"


# ---- restricting and counting -----------------------------------------------------------------------------------


def plan_restriction(restriction: Restriction, credentials: Credentials) -> list[str]:
    """The statements that bring about a restriction, each a transaction of its own. Pure."""
    database = credentials.database
    read_only = "off" if restriction is Restriction.NONE else "on"
    allowed = "false" if restriction is Restriction.CLOSED else "true"
    statements = [
        f"ALTER SYSTEM SET default_transaction_read_only = {read_only}",
        "SELECT pg_reload_conf()",
        f"ALTER DATABASE {_identifier(database)} WITH ALLOW_CONNECTIONS {allowed}",
    ]
    sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {_literal(database)}"  # noqa: S608
    if restriction is Restriction.READ_ONLY:
        writing = f"{sessions} AND backend_type = 'client backend' AND backend_xid IS NOT NULL"
        # Once more when every session has heard of the new setting: one may have begun to write meanwhile.
        statements += [writing, "SELECT pg_sleep(0.2)", writing]
    elif restriction is Restriction.CLOSED:
        statements.append(f"{sessions} AND backend_type IN ('client backend', 'parallel worker')")
    return statements


_STATS_NAMES = (
    "data_size",
    "current_connections",
    "max_connections",
    "transactions_committed",
    "transactions_rolled_back",
    "blocks_read",
    "blocks_hit",
    "temporary_bytes",
    "deadlocks",
)
_STATS = f"""
    SELECT pg_database_size(datname), numbackends,
           current_setting('max_connections')::int - {_RESERVED_CONNECTIONS},
           xact_commit, xact_rollback, blks_read, blks_hit, temp_bytes, deadlocks
    FROM pg_stat_database WHERE datname = {{database}}
    """  # noqa: S608 - quoted by _literal


# ---- talking to a server ----------------------------------------------------------------------------------------


@contextmanager
def _session(address: Address, credentials: Credentials) -> Iterator[PGconn]:
    """The admin's own connection, by libpq itself: psycopg would not give up before two seconds."""
    conninfo = make_conninfo(
        host=address.host,
        port=address.port,
        user=ADMIN,
        password=credentials.admin_password,
        dbname=ADMIN_DATABASE,
        sslmode="disable",
        gssencmode="disable",
        require_auth="scram-sha-256",  # whoever else listens on the port gets no password
        # The server's default may be read-only, for its tenant's sake.
        options=f"-c statement_timeout={_STATEMENT_SECONDS}s -c default_transaction_read_only=off",
    )
    session = pq.PGconn.connect_start(conninfo.encode())
    try:
        _await_connected(session)
        yield session
    finally:
        session.finish()


def _await_connected(session: PGconn) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while (status := session.connect_poll()) in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
        poll = select.poll()
        poll.register(session.socket, select.POLLIN if status == pq.PollingStatus.READING else select.POLLOUT)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise NotReady(f"PostgreSQL did not answer within {_ANSWER_SECONDS:.0f} s")
    if status != pq.PollingStatus.OK:
        raise NotReady(session.get_error_message().strip())


def _execute(session: PGconn, statement: str) -> list[bytes | None]:
    """The first row of the answer. Raises TemporaryError with what the server said when it refuses."""
    result = session.exec_(statement.encode())
    if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        raise TemporaryError(f"PostgreSQL refuses: {result.get_error_message()}", code="secure_failed")
    return [result.get_value(0, column) for column in range(result.nfields)] if result.ntuples else []


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
