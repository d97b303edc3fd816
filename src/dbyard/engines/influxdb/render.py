"""A server as data: its configuration, and what makes its first files."""

from __future__ import annotations

import base64
import json
import math
import signal
from collections.abc import Mapping
from pathlib import Path

from dbyard.engines.influxdb.meta_store import render_meta_store
from dbyard.model import MIB, Command, Credentials, File, InstanceSpec, Layout, Plan, ProcessSpec, RenderInput

# The backup port asks nobody for a password, and no setting turns it off. At the broadcast address the kernel lets a
# program listen and never lets a TCP connection through, be it root's: neither from this machine nor from another.
_UNREACHABLE = "255.255.255.255"
_SERIES_PER_MB = 200
_POINTS_PER_MB = 50_000
_BUCKETS_PER_MB = 1_000
_STOP_SECONDS = 35.0  # after 30 the server gives up by itself


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    configuration = layout.conf / "influxdb.conf"
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(str(layout.bin / "influxd"), "-config", str(configuration)),
                env={"GOMEMLIMIT": f"{plan.memory_mb}MiB", "GOMAXPROCS": str(math.ceil(plan.cpu))},
                address_space=None,  # every file of data is mapped
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        init=(_make_admin(layout.data / "meta", credentials.admin_password),),
        files=(File(configuration, _configuration(plan, layout)),),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=plan.connections + 256,  # threads count, and a Go program that gets no more of them dies
        disk=plan.disk_mb * MIB,
    )


def _make_admin(directory: Path, password: str) -> Command:
    script = 'umask 077 && mkdir -p "$1" && base64 -d > "$1/meta.db"'
    meta = base64.b64encode(render_meta_store(password)).decode()
    return Command(("/bin/sh", "-c", script, "make-admin", str(directory)), stdin=meta)


def _configuration(plan: Plan, layout: Layout) -> str:
    text = f'reporting-disabled = true\nbind-address = "{_UNREACHABLE}:{layout.inner_port}"\n'
    for section, settings in _settings(plan, layout).items():
        text += f"\n[{section}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    return text


def _settings(plan: Plan, layout: Layout) -> Mapping[str, Mapping[str, object]]:
    return {
        "meta": {"dir": str(layout.data / "meta"), "logging-enabled": False},
        "data": {
            "dir": str(layout.data / "data"),
            "wal-dir": str(layout.data / "wal"),
            "wal-fsync-delay": "0s",  # what is acknowledged is on the disk
            "query-log-enabled": False,
            "index-version": "inmem",  # the two limits on series hold for no other
            **sizes(plan),
        },
        "coordinator": {
            "max-concurrent-queries": 0,  # there are as many as connections: a limit would count the platform's, too
            "query-timeout": "5m",
            "log-queries-after": "30s",
            "max-select-point": plan.memory_mb * _POINTS_PER_MB,
            "max-select-series": plan.memory_mb * _SERIES_PER_MB,
            "max-select-buckets": plan.memory_mb * _BUCKETS_PER_MB,
        },
        "monitor": {"store-enabled": False},
        "retention": {"enabled": True, "check-interval": "1m"},  # a full disk waits for it
        "subscriber": {"enabled": False},
        "continuous_queries": {"log-enabled": False},
        "http": {
            "bind-address": f"{layout.host}:{layout.port}",
            "auth-enabled": True,
            "log-enabled": False,
            # 1.8 asks for a password at /debug when profiles are on; 1.6 never does, and has only profiles to turn off.
            "pprof-enabled": not layout.full_version.startswith("1.6."),
            "pprof-auth-enabled": True,
            "max-connection-limit": plan.connections,
            "max-concurrent-write-limit": max(plan.memory_mb // 64, 4),
            "max-enqueued-write-limit": plan.connections,
        },
        "logging": {"suppress-logo": True},
    }


def sizes(plan: Plan) -> Mapping[str, int]:
    """Bytes that writes may take in memory, for each shard, and how many series there may be."""
    series = plan.memory_mb * _SERIES_PER_MB
    return {
        "cache-max-memory-size": plan.memory_mb * MIB // 4,
        "cache-snapshot-memory-size": min(plan.memory_mb * MIB // 16, 25 * MIB),
        "max-series-per-database": series,
        "max-values-per-tag": series,
    }
