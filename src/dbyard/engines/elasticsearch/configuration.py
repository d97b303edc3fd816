"""How a server is started: its argv, and the configuration that stands in its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from dbyard.model import Credentials, File, Layout, Plan, RenderInput, Restriction

from . import elastic, opensearch
from .client import Session
from .keystore import render_keystore

# The memory of a Java virtual machine beside its heap: it fits into the overhead that the catalogue states.
_BESIDE_THE_HEAP = (
    "-Xss1m",
    "-XX:CompressedClassSpaceSize=64m",
    "-XX:MaxMetaspaceSize=224m",
    "-XX:ReservedCodeCacheSize=64m",
    "-XX:MaxDirectMemorySize=96m",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
)
_LEAST_HEAP_MB = 48
_MOST_HEAP_MB = 31 * 1024  # pointers are short up to there
_SHARDS = (100, 1000)


class Server(Protocol):
    """What the two servers, each a module, do in their own ways; otherwise one is as the other."""

    @property
    def NAME(self) -> str: ...
    @property
    def MAIN(self) -> str: ...
    @property
    def PROPERTIES(self) -> str: ...
    @property
    def SYSTEM_INDICES(self) -> str: ...
    @property
    def QUIET(self) -> tuple[str, ...]: ...
    def render_options(self, layout: Layout) -> list[str]: ...
    def render_files(self, credentials: Credentials) -> dict[str, str]: ...
    def render_settings(self, credentials: Credentials) -> dict[str, object]: ...
    def secure(self, session: Session, credentials: Credentials) -> None: ...
    def restrict(self, session: Session, credentials: Credentials, restriction: Restriction) -> None: ...
    def rotate(self, session: Session, tenant: Session, credentials: Credentials) -> bool: ...


def server_of(layout: Layout) -> Server:
    return elastic if layout.full_version.startswith("7.") else opensearch


def server_at(session: Session) -> Server:
    """By what the server says of itself."""
    distribution = session.ask("GET", "/")["version"].get("distribution")
    return opensearch if distribution == opensearch.NAME else elastic


def home(layout: Layout) -> Path:
    return layout.root / "share" / server_of(layout).NAME


def archive(layout: Layout) -> Path:
    """The classes that a start needs, as one file to be mapped; made when the server was installed."""
    return home(layout) / "classes.jsa"


def render_argv(plan: Plan, layout: Layout) -> tuple[str, ...]:
    server, heap = server_of(layout), min(plan.memory_mb, _MOST_HEAP_MB)
    prefix = f"-D{server.PROPERTIES}"
    return (
        str(layout.bin / "java"),
        f"-Xms{_LEAST_HEAP_MB}m",
        f"-Xmx{heap}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # a start takes a third of the time
        f"-XX:SharedArchiveFile={archive(layout)}",
        f"-XX:ActiveProcessorCount={max(1, round(plan.cpu))}",
        "-XX:+ExitOnOutOfMemoryError",
        *_BESIDE_THE_HEAP,
        f"-XX:ErrorFile={layout.log / 'crash.log'}",
        f"-Djava.io.tmpdir={layout.run}",
        "-Djava.awt.headless=true",
        "-Djava.locale.providers=SPI,COMPAT",
        "-Dfile.encoding=UTF-8",
        "-Djna.nosys=true",
        "-XX:-OmitStackTraceInFastThrow",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        *server.render_options(layout),
        f"{prefix}.path.home={home(layout)}",
        f"{prefix}.path.conf={layout.conf}",
        f"{prefix}.distribution.type=zip",
        f"{prefix}.bundled_jdk=false",
        "-cp",
        str(home(layout) / "lib" / "*"),
        server.MAIN,
    )


def render_files(node: RenderInput, layout: Layout, credentials: Credentials) -> tuple[File, ...]:
    server, certificate = server_of(layout), credentials.certificate
    keystore = f"{server.NAME}.keystore"
    if not certificate.certificate:  # a directory prepared for nobody yet
        return ()
    contents = {
        f"{server.NAME}.yml": _settings(node, layout, credentials),
        keystore: render_keystore(keystore, node.id).decode("utf-8", "surrogateescape"),
        "log4j2.properties": _logging(layout),
        "server.crt": certificate.certificate,
        "server.key": certificate.key,
        **server.render_files(credentials),
    }
    return tuple(File(layout.conf / name, content) for name, content in contents.items())


def _settings(node: RenderInput, layout: Layout, credentials: Credentials) -> str:
    settings = {
        "cluster.name": credentials.database,
        "node.name": node.id,
        "path.data": str(layout.data),
        "path.logs": str(layout.log),
        "network.host": layout.host,
        "http.port": layout.port,
        "transport.port": layout.inner_port,
        "discovery.type": "single-node",
        "node.store.allow_mmap": False,  # hosts allow too few maps
        "cluster.max_shards_per_node": _most_shards(node.plan),
        "cluster.routing.allocation.disk.threshold_enabled": False,  # the host's disk is not the tenant's
        **server_of(layout).render_settings(credentials),
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())


def _most_shards(plan: Plan) -> int:
    """Each costs memory, and time at every start."""
    least, most = _SHARDS
    return max(least, min(plan.memory_mb // 5, most))


def _logging(layout: Layout) -> str:
    lines = (
        "status = error",
        "appender.file.type = File",
        "appender.file.name = file",
        f"appender.file.fileName = {layout.log / 'server.log'}",
        "appender.file.layout.type = PatternLayout",
        "appender.file.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n",
        # Said to whoever asks before the server has read its users: a line for each ping of a start.
        "appender.file.filter.start.type = RegexFilter",
        "appender.file.filter.start.regex = Not yet initialized.*",
        "appender.file.filter.start.onMatch = DENY",
        "appender.file.filter.start.onMismatch = NEUTRAL",
        "rootLogger.level = info",
        "rootLogger.appenderRef.file.ref = file",
        *(
            f"logger.{number}.{line}"
            for number, name in enumerate(server_of(layout).QUIET)
            for line in (f"name = {name}", "level = error")
        ),
    )
    return "".join(f"{line}\n" for line in lines)
