"""A real mongod as data, as its manual describes it: a replica set of one, so that transactions and streams work.

It has a key file, by which the platform gets in as the server's own `__system` user before there is any other: no
moment at which whoever comes first may make the first user.
"""

from __future__ import annotations

import base64
import hashlib
import json
import signal

from dbyard.model import MIB, Command, Credentials, File, InstanceSpec, Layout, Plan, ProcessSpec, RenderInput

REPLICA_SET = "dbyard"
SYSTEM_USER = "__system"

_STOP_SECONDS = 60.0
_OWN_CONNECTIONS = 8
_OTHER_THREADS = 120
_LEAST_CACHE_MB = 256  # mongod's own


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    configuration, key = layout.conf / "mongod.yaml", layout.conf / "keyfile"
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(str(layout.bin / "mongod"), "--config", str(configuration)),
                env={},
                address_space=None,
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        # It refuses a key that a group may read, as conf's files are.
        init=(Command(("/usr/bin/install", "-m", "600", str(key), str(layout.data / "keyfile"))),),
        files=(
            File(configuration, json.dumps(_configuration(node, layout), indent=2) + "\n"),  # JSON is YAML
            File(key, system_key(credentials.admin_password) + "\n"),
        ),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=plan.connections + _OWN_CONNECTIONS + _OTHER_THREADS,
        disk=plan.disk_mb * MIB,
    )


def cache_mb(plan: Plan) -> int:
    """Half of the memory; queries are worked on outside it."""
    return max(_LEAST_CACHE_MB, plan.memory_mb // 2)


def connections(plan: Plan) -> int:
    return plan.connections + _OWN_CONNECTIONS


def system_key(admin_password: str) -> str:
    """The key file's content, which is the system user's password; only letters of base64 are allowed."""
    return base64.b64encode(hashlib.sha512(admin_password.encode()).digest()).decode()


def _configuration(node: RenderInput, layout: Layout) -> dict[str, object]:
    plan = node.plan
    return {
        "net": {
            "bindIp": layout.host,
            "port": layout.port,
            "maxIncomingConnections": connections(plan),
            "unixDomainSocket": {"enabled": False},
        },
        "storage": {"dbPath": str(layout.data), "wiredTiger": {"engineConfig": {"cacheSizeGB": cache_mb(plan) / 1024}}},
        "replication": {"replSetName": REPLICA_SET, "oplogSizeMB": max(64, plan.disk_mb // 20)},
        "security": {"authorization": "enabled", "keyFile": str(layout.data / "keyfile")},
        "setParameter": {"enableLocalhostAuthBypass": False, "diagnosticDataCollectionEnabled": False},
        "systemLog": {"destination": "file", "logAppend": True, "path": str(layout.log / "server.log")},
    }
