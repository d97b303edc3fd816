"""A server as data: its settings, and what makes its first files."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping

from dbyard.engines.mysql.names import ADMIN
from dbyard.engines.mysql.servers import Server, server_of
from dbyard.engines.mysql.sizes import FILES_KEPT, journal_mb, pool_mb
from dbyard.engines.private_host import private_host
from dbyard.model import MIB, Credentials, File, InstanceSpec, Layout, Plan, ProcessSpec, RenderInput, Restriction

_RESERVED_CONNECTIONS = 3
_STOP_SECONDS = 60.0


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan, server = node.plan, server_of(layout)
    configuration = layout.conf / "server.cnf"
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(str(layout.bin / server.PROGRAM), f"--defaults-file={configuration}", f"--datadir={layout.data}"),
                env={},
                address_space=None,  # the server reserves terabytes of addresses for its buffer pool
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        init=(server.render_install(layout),),
        files=_files(node, layout, credentials, server),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=plan.connections + 60,  # threads count
        disk=plan.disk_mb * MIB,
    )


def _files(node: RenderInput, layout: Layout, credentials: Credentials, server: Server) -> tuple[File, ...]:
    settings = {**_settings(node, layout), **server.render_settings(node.plan, layout)}
    accounts = (*server.REMOVE_OTHERS, *server.render_admin(ADMIN, credentials.admin_password))
    files = [File(layout.conf / "admin.sql", script(accounts))]
    if credentials.certificate.certificate:
        certificate, key, authority = (layout.conf / name for name in ("server.crt", "server.key", "authority.crt"))
        files += [
            File(certificate, credentials.certificate.certificate),
            File(key, credentials.certificate.key),
            File(authority, credentials.certificate.authority),  # MySQL takes no other certificate while it runs
        ]
        settings |= {"ssl-cert": str(certificate), "ssl-key": str(key), "ssl-ca": str(authority)}
        settings["tls-version"] = "TLSv1.2,TLSv1.3"
    if node.admin_only:
        locking = layout.conf / "admin_only.sql"
        files.append(File(locking, script(server.LOCK_ALL)))
        settings["init-file"] = str(locking)
    if node.hidden:
        settings["bind-address"] = private_host(layout.host, credentials.admin_password)
    text = f"[{server.PROGRAM}]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    return (File(layout.conf / "server.cnf", text), *files)


def script(statements: Iterable[str]) -> str:
    """The server takes a line for a statement."""
    return "".join(f"{statement};\n" for statement in statements)


def _settings(node: RenderInput, layout: Layout) -> Mapping[str, str]:
    plan = node.plan
    has_events = not node.admin_only and node.restriction is not Restriction.CLOSED
    return {
        "basedir": str(layout.bin.parent),
        "bind-address": layout.host,
        "port": str(layout.port),
        "socket": "",  # none: its path could be too long, and nobody needs it
        "pid-file": str(layout.run / "server.pid"),
        "tmpdir": str(layout.run),
        "log-error": str(layout.log / "server.log"),
        "skip-name-resolve": "ON",
        "character-set-server": "utf8mb4",
        "default-time-zone": "+00:00",
        "performance-schema": "OFF",
        "event-scheduler": "ON" if has_events else "OFF",  # `configure` turns it on at last
        "max-allowed-packet": "64M",
        **_sizes(plan),
    }


def render_journal_settings(server: Server, plan: Plan) -> Mapping[str, str]:
    """A log of rows as they were and became, as durable as the data, and removed by the platform alone."""
    return {
        **server.JOURNAL_SETTINGS,
        "log-bin": "journal",
        "server-id": "1",
        "binlog-row-image": "FULL",
        "sync-binlog": "1",
        "binlog-expire-logs-seconds": "0",
        "log-bin-trust-function-creators": "ON",
        "max-binlog-size": f"{journal_mb(plan) // FILES_KEPT}M",
        "max-binlog-cache-size": "2G",  # in a log of more than 4 GB a place has no number
    }


def _sizes(plan: Plan) -> Mapping[str, str]:
    return {
        # The tenant stops below the server's limit, so that the admin can always get in.
        "max-connections": str(plan.connections + _RESERVED_CONNECTIONS),
        "max-user-connections": str(plan.connections),
        "innodb-buffer-pool-size": f"{pool_mb(plan)}M",
        "innodb-temp-data-file-path": f"ibtmp1:12M:autoextend:max:{max(plan.disk_mb // 2, 64)}M",
    }
