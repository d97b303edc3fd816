"""A server as data: its settings, and what makes its first files."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

from dbyard.engines.mysql.names import ADMIN
from dbyard.engines.mysql.passwords import password_hash
from dbyard.model import MIB, Command, Credentials, File, InstanceSpec, Layout, Plan, ProcessSpec, RenderInput

_RESERVED_CONNECTIONS = 3
_STOP_SECONDS = 60.0
_LEAST_LOG_MB = 32  # of every prepared server: with another size in its configuration the first start costs 25 ms more


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
    if node.admin_only:
        script = layout.conf / "admin_only.sql"
        files.append(File(script, _lock_script()))
        settings["init-file"] = str(script)
    text = "[mariadbd]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    return (File(layout.conf / "server.cnf", text), *files)


def _admin_script(password: str) -> str:
    """Only the admin is left of the accounts: the installer's root has no password."""
    statements = (
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
        f"CREATE USER {ADMIN}@'%' IDENTIFIED VIA mysql_native_password USING '{password_hash(password)}'",
        f"GRANT ALL PRIVILEGES ON *.* TO {ADMIN}@'%' WITH GRANT OPTION",
    )
    return "".join(f"{statement};\n" for statement in statements)


def _lock_script() -> str:
    """Locks every account but the platform's before the first connection is taken. Each statement is a line."""
    others = f"User NOT IN ('{ADMIN}', 'mariadb.sys')"
    lock = "UPDATE mysql.global_priv SET Priv = json_set(Priv, '$.account_locked', true)"
    return f"{lock} WHERE {others};\nFLUSH PRIVILEGES;\n"


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
    pool = pool_mb(plan)
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


def pool_mb(plan: Plan) -> int:
    """Of the buffer pool."""
    return min(plan.memory_mb // 2, 8192)


def _base(layout: Layout) -> Path:
    """The directory that holds bin, sbin, lib and share; the server lies in its sbin."""
    return layout.bin.parent
