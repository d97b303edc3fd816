"""How an OpenSearch server is started: its argv, and the configuration that stands in its files."""

from __future__ import annotations

import json
from pathlib import Path

from dbyard.model import Credentials, File, Layout, Node, Plan

from . import security
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
# They warn at each start, or each request, of what is so on purpose.
_QUIET = (
    "org.opensearch.bootstrap.BootstrapChecks",
    "org.opensearch.deprecation",
    "org.opensearch.security.OpenSearchSecurityPlugin",
    "org.opensearch.security.auditlog",
)


def home(layout: Layout) -> Path:
    return layout.root / "share" / "opensearch"


def archive(layout: Layout) -> Path:
    """The classes that a start needs, as one file to be mapped; made when the server was installed."""
    return home(layout) / "classes.jsa"


def render_argv(plan: Plan, layout: Layout) -> tuple[str, ...]:
    heap = min(plan.memory_mb, _MOST_HEAP_MB)
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
        f"-Dsecurity.default_init.dir={layout.conf}",
        f"-Dopensearch.path.home={home(layout)}",
        f"-Dopensearch.path.conf={layout.conf}",
        "-Dopensearch.distribution.type=zip",
        "-Dopensearch.bundled_jdk=false",
        "-cp",
        str(home(layout) / "lib" / "*"),
        "org.opensearch.bootstrap.OpenSearch",
    )


def render_files(node: Node, layout: Layout, credentials: Credentials) -> tuple[File, ...]:
    certificate = credentials.certificate
    if not certificate.certificate:  # a directory prepared for nobody yet
        return ()
    contents = {
        "opensearch.yml": _settings(node, layout, credentials),
        "opensearch.keystore": render_keystore("opensearch.keystore", node.id).decode("utf-8", "surrogateescape"),
        "log4j2.properties": _logging(layout),
        "server.crt": certificate.certificate,
        "server.key": certificate.key,
        **security.render_files(credentials),
    }
    return tuple(File(layout.conf / name, content) for name, content in contents.items())


def _settings(node: Node, layout: Layout, credentials: Credentials) -> str:
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
        **security.render_settings(credentials),
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
            for number, name in enumerate(_QUIET)
            for line in (f"name = {name}", "level = error")
        ),
    )
    return "".join(f"{line}\n" for line in lines)
