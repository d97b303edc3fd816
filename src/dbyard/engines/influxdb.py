"""InfluxDB 1.6 and 1.8, asked over plain HTTP.

Its first admin stands in the meta store before the server ever runs: one that asks for passwords but has no admin yet
lets anybody make one. The tenant has every privilege on its database and none beside it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bcrypt

from dbyard.errors import DbyardError, NotReady, TemporaryError
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

TECHNOLOGY = "influxdb"
CAPABILITIES: frozenset[Capability] = frozenset()

ADMIN = "dbyard"

# The backup port asks nobody for a password, and no setting turns it off. At the broadcast address the kernel lets a
# program listen and never lets a TCP connection through, be it root's: neither from this machine nor from another.
_UNREACHABLE = "255.255.255.255"
_ADMIN_COST = "04"  # the password has 256 random bits: more rounds add nothing, and every start would pay them
_SERIES_PER_MB = 200
_POINTS_PER_MB = 50_000
_BUCKETS_PER_MB = 1_000
_ANSWER_SECONDS = 1.0
_STATEMENT_SECONDS = 15.0
_STOP_SECONDS = 35.0  # after 30 the server gives up by itself
_COUNTERS: Mapping[str, Mapping[str, str]] = {
    "database": {"numMeasurements": "measurements", "numSeries": "series"},
    "httpd": {
        "queryReq": "queries",
        "writeReq": "writes",
        "pointsWrittenOK": "points_written",
        "pointsWrittenDropped": "points_dropped",
        "reqActive": "active_requests",
        "authFail": "refused_logins",
    },
    "queryExecutor": {"queriesActive": "active_queries"},
    "runtime": {"HeapInUse": "memory_used"},
}
"""What `stats` takes of what the server counts, by its modules, and how it is called here."""
_GRANTS = {Restriction.NONE: "GRANT ALL", Restriction.READ_ONLY: "GRANT READ"}


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    stem = name.replace("-", "_")
    if not stem[0].isalpha():  # must be quoted in InfluxQL
        stem = f"db_{stem}"
    tenant = f"{stem}_{suffix}"
    return tenant, tenant


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


def ping(address: Address, credentials: Credentials) -> None:
    try:
        _ask(address, credentials, ["SHOW DATABASES"], _ANSWER_SECONDS)
    except _Full:
        return  # by its tenant: it is ready all the same
    except _Refused as refused:
        raise NotReady(str(refused)) from refused


def secure(address: Address, credentials: Credentials) -> None:
    _tell(address, credentials, plan_statements(_observe(address, credentials), credentials))


def restrict(address: Address, credentials: Credentials, restriction: Restriction) -> None:
    """The server keeps privileges over restarts. None of them deletes and does not write.

    A tenant that may only read waits for its retention policies to free space, or takes a bigger plan.
    """
    database, user = _identifier(credentials.database), _identifier(credentials.user)
    if restriction in _GRANTS:
        _tell(address, credentials, [f"{_GRANTS[restriction]} ON {database} TO {user}"])
    else:
        _tell(address, credentials, [f"REVOKE ALL ON {database} FROM {user}"])
        _end_queries(address, credentials)


def rotate(address: Address, credentials: Credentials) -> bool:
    """Each request logs in by itself; those that run are queries, and end."""
    user, password = _identifier(credentials.user), _text(credentials.password)
    _tell(address, credentials, [f"SET PASSWORD FOR {user} = {password}"])
    _end_queries(address, credentials)
    return True


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    statements = [f"SHOW STATS FOR '{module}'" for module in _COUNTERS]
    try:
        results = _ask(address, credentials, statements, _ANSWER_SECONDS)
    except _Refused as refused:
        raise NotReady(str(refused)) from refused
    counted: dict[str, int | float] = {}
    for names, result in zip(_COUNTERS.values(), results, strict=True):
        for row in _rows(result):
            counted |= {ours: row[theirs] for theirs, ours in names.items() if theirs in row}
    return counted


def url(address: Address, credentials: Credentials) -> str:
    """The path names the database, as clients that take a URL read it; InfluxDB itself wants it as `db=`."""
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"http://{access}/{credentials.database}"


# ---- what a server is made of -----------------------------------------------------------------------------------


def _make_admin(directory: Path, password: str) -> Command:
    script = 'umask 077 && mkdir -p "$1" && base64 -d > "$1/meta.db"'
    meta = base64.b64encode(_meta_store(password)).decode()
    return Command(("/bin/sh", "-c", script, "make-admin", str(directory)), stdin=meta)


def _meta_store(password: str) -> bytes:
    """`meta.db` as the server itself would write it after its first statement: a protocol buffer with one admin."""
    digest = hashlib.sha256(f"meta:{password}".encode())
    salt = digest.hexdigest()[:21] + "."  # follows from the password, so that rendering is pure
    hashed = bcrypt.hashpw(password.encode(), f"$2b${_ADMIN_COST}${salt}".encode())
    user = _message((1, ADMIN.encode()), (2, hashed), (3, True))
    cluster = int.from_bytes(digest.digest()[:7], "big")
    last_node, last_shard_group, last_shard = ((number, 0) for number in (7, 8, 9))
    return _message((1, 0), (2, 2), (3, cluster), (6, user), last_node, last_shard_group, last_shard)


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    """Fields of a protocol buffer: their number with their type, and a varint or a length and bytes."""
    encoded = b""
    for number, value in fields:
        if isinstance(value, bytes):
            encoded += _varint(number << 3 | 2) + _varint(len(value)) + value
        else:
            encoded += _varint(number << 3) + _varint(value)
    return encoded


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


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
            **_sizes(plan),
        },
        "coordinator": {
            "max-concurrent-queries": max(plan.connections // 2, 10),
            "query-timeout": "5m",
            "log-queries-after": "30s",
            "max-select-point": plan.memory_mb * _POINTS_PER_MB,
            "max-select-series": plan.memory_mb * _SERIES_PER_MB,
            "max-select-buckets": plan.memory_mb * _BUCKETS_PER_MB,
        },
        "monitor": {"store-enabled": False},
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


def _sizes(plan: Plan) -> Mapping[str, int]:
    """Bytes that writes may take in memory, for each shard, and how many series there may be."""
    series = plan.memory_mb * _SERIES_PER_MB
    return {
        "cache-max-memory-size": plan.memory_mb * MIB // 4,
        "cache-snapshot-memory-size": min(plan.memory_mb * MIB // 16, 25 * MIB),
        "max-series-per-database": series,
        "max-values-per-tag": series,
    }


# ---- securing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the tenant's."""

    database: bool
    user: bool
    grant: bool


def plan_statements(observed: Observed, credentials: Credentials) -> list[str]:
    """The statements that are missing. Pure."""
    database, user = _identifier(credentials.database), _identifier(credentials.user)
    statements = []
    if not observed.database:
        statements.append(f"CREATE DATABASE {database}")
    if not observed.user:
        statements.append(f"CREATE USER {user} WITH PASSWORD {_text(credentials.password)}")
    if not observed.grant:
        statements.append(f"GRANT ALL ON {database} TO {user}")
    return statements


def _observe(address: Address, credentials: Credentials) -> Observed:
    found, users = _tell(address, credentials, ["SHOW DATABASES", "SHOW USERS"])
    database = any(row["name"] == credentials.database for row in _rows(found))
    user = any(row["user"] == credentials.user for row in _rows(users))
    if not user:
        return Observed(database, user=False, grant=False)
    (grants,) = _tell(address, credentials, [f"SHOW GRANTS FOR {_identifier(credentials.user)}"])
    return Observed(database, user, any(row["database"] == credentials.database for row in _rows(grants)))


def _end_queries(address: Address, credentials: Credentials) -> None:
    (running,) = _tell(address, credentials, ["SHOW QUERIES"])
    for row in _rows(running):
        if row["database"] == credentials.database:
            try:
                _ask(address, credentials, [f"KILL QUERY {row['qid']}"], _STATEMENT_SECONDS)
            except _Refused:
                continue  # it has ended by itself


def _identifier(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


# ---- talking to a server ----------------------------------------------------------------------------------------


class _Refused(DbyardError):
    """The server answers, and says no."""


class _Full(NotReady):
    """The server closes the connection that it has just accepted: its tenant has as many as it may."""


def _tell(address: Address, credentials: Credentials, statements: Sequence[str]) -> list[Any]:
    if not statements:
        return []
    try:
        return _ask(address, credentials, statements, _STATEMENT_SECONDS)
    except _Refused as refused:
        raise TemporaryError(f"InfluxDB refuses: {refused}", code="secure_failed") from refused


def _ask(address: Address, credentials: Credentials, statements: Sequence[str], seconds: float) -> list[Any]:
    """The result of each statement, as the admin. Raises NotReady without an answer, _Refused by the first error."""
    access = base64.b64encode(f"{ADMIN}:{credentials.admin_password}".encode()).decode()
    headers = {"Authorization": f"Basic {access}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = _post(address, urlencode({"q": ";".join(statements)}), headers, seconds)
    results: list[Any] = answer.get("results", [])
    for error in (part["error"] for part in (answer, *results) if "error" in part):
        raise _Refused(error)
    return results


def _post(address: Address, body: str, headers: Mapping[str, str], seconds: float) -> dict[str, Any]:
    connection = HTTPConnection(address.host, address.port, timeout=seconds)
    try:
        connection.connect()
        try:
            connection.request("POST", "/query", body, dict(headers))
            text = connection.getresponse().read()
        except ConnectionError as error:
            raise _Full("InfluxDB takes no more connections") from error
        answer: dict[str, Any] = json.loads(text)
    except (OSError, HTTPException, ValueError) as error:
        raise NotReady(str(error)) from error
    finally:
        connection.close()
    return answer


def _rows(result: Any) -> list[dict[str, Any]]:
    """A result's rows by the names of their columns, of all its series."""
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in result.get("series", ())
        for values in series.get("values", ())
    ]
