"""A server as data: its settings, its access rules, and what makes its first files."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from dbyard.engines.postgresql.names import ADMIN, ADMIN_DATABASE, SPARE
from dbyard.engines.postgresql.passwords import admin_verifier
from dbyard.engines.private_host import private_host
from dbyard.model import (
    MIB,
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

RESERVED_CONNECTIONS = 5
"""For the platform's sessions, which are a superuser's."""
_STOP_SECONDS = 60.0
OPEN_MAINTENANCE = (
    # All that a role could write in a database in which it has no right but to connect.
    "REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC",
    f"GRANT CONNECT ON DATABASE {ADMIN_DATABASE} TO PUBLIC",
)
"""Tools connect to that database to make or drop another one; it is the one in which the platform works as well."""
GRANTS = (
    "GRANT pg_monitor",  # reads statistics and settings; all that there is in a server is its tenant's
    # Loads that switch triggers and foreign keys off. It holds for the tables of whoever may write them anyway.
    "GRANT SET ON PARAMETER session_replication_role",
)
_NARROW_CREATEROLE = 16
"""Since this version a role that makes others has power over these alone."""


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


def _init(layout: Layout, server: Sequence[str], admin_password: str) -> tuple[Command, ...]:
    """Without syncs (the runtime makes all of it durable at once), and with no way in but our own rules."""
    initdb = (
        *(str(layout.bin / "initdb"), "--pgdata", str(layout.data), "--username", ADMIN, "--auth", "reject"),
        # A locale that every build knows; a database of one version can then move to another.
        *("--encoding", "UTF8", "--locale-provider", "libc", "--locale", "C.UTF-8"),
        *("--data-checksums", "--no-sync", "--no-instructions"),
    )
    first_statements = (
        f"ALTER ROLE {ADMIN} PASSWORD '{admin_verifier(admin_password)}'",
        f"REVOKE ALL ON DATABASE {ADMIN_DATABASE}, template1 FROM PUBLIC",
        *OPEN_MAINTENANCE,
        f"CREATE ROLE {SPARE} NOLOGIN CREATEDB{_may_make_roles(layout)}",
        *(f"{grant} TO {SPARE}" for grant in GRANTS),
        f"CREATE DATABASE {SPARE} OWNER {SPARE}",
    )
    single = (str(layout.bin / "postgres"), "--single", *server, "-c", "exit_on_error=on", ADMIN_DATABASE)
    return Command(initdb), Command(single, stdin="".join(f"{statement};\n" for statement in first_statements))


def _may_make_roles(layout: Layout) -> str:
    major = layout.full_version.partition(".")[0]
    return " CREATEROLE" if major.isdigit() and int(major) >= _NARROW_CREATEROLE else ""


def _files(node: RenderInput, layout: Layout, credentials: Credentials) -> tuple[File, ...]:
    settings = _settings(node, layout)
    if node.hidden:
        settings["listen_addresses"] = private_host(layout.host, credentials.admin_password)
    files = [File(layout.conf / "pg_hba.conf", _access_rules(node))]
    if credentials.certificate.certificate:
        certificate, key = layout.conf / "server.crt", layout.conf / "server.key"
        files += [File(certificate, credentials.certificate.certificate), File(key, credentials.certificate.key)]
        settings |= {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    text = "".join(f"{name} = {_quote(value)}\n" for name, value in settings.items())
    return (File(layout.conf / "postgresql.conf", text), *files)


def _access_rules(node: RenderInput) -> str:
    """The first line that fits decides, and whom none fits is refused before any password is asked for.

    Databases and roles that the tenant made are its own affair; the template of all new databases is nobody's.
    """
    rules = [
        f'host all "{ADMIN}" samehost scram-sha-256',
        f'host replication "{ADMIN}" samehost scram-sha-256',  # pg_basebackup, standbys
        f'host all "{ADMIN}" all reject',
        "host template0,template1 all all reject",
    ]
    if not node.admin_only and node.restriction is not Restriction.CLOSED:
        rules.append("host all all all scram-sha-256")
    return "".join(f"{rule}\n" for rule in rules)


def _settings(node: RenderInput, layout: Layout) -> dict[str, str]:
    return {
        "listen_addresses": layout.host,
        "port": str(layout.port),
        "unix_socket_directories": "",
        "cluster_name": node.id,
        "hba_file": str(layout.conf / "pg_hba.conf"),
        "password_encryption": "scram-sha-256",
        "authentication_timeout": "15s",  # a server that stops waits for those who have not logged in
        **sizes(node.plan),
        "max_slot_wal_keep_size": sizes(node.plan)["max_wal_size"],  # while the archive does not take the journal
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.max": "1000",  # each takes memory from the start
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
        "log_lock_waits": "on",
        "track_io_timing": "on",
        "track_activity_query_size": "4096",
        "random_page_cost": "1.1",  # of disks without heads; 4 makes the planner shun indexes
        "idle_in_transaction_session_timeout": "1d",  # a session that was forgotten keeps vacuum from all tables
    }


def sizes(plan: Plan) -> Mapping[str, str]:
    """The settings that follow from a plan alone."""
    workers = min(int(plan.cpu) // 2, 4)
    return {
        "max_connections": str(plan.connections + RESERVED_CONNECTIONS),
        "superuser_reserved_connections": str(RESERVED_CONNECTIONS),
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


def _quote(value: str) -> str:
    """As postgresql.conf takes a value."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
