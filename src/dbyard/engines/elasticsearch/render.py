"""A server as data: its argv, and the configuration that stands in its files."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from dbyard.engines.elasticsearch.keystore import render_keystore
from dbyard.engines.elasticsearch.servers import server_of
from dbyard.model import MIB, Credentials, File, InstanceSpec, Layout, Plan, ProcessSpec, RenderInput, Restriction

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
# It need not look for the machine's network interfaces, which a sandbox does not let it ask for.
_WITHOUT_INTERFACES = ("-Dio.netty.machineId=02:00:00:00:00:01",)
_QUIET = ("io.netty.util.NetUtilInitializations",)
_LEAST_HEAP_MB = 48
_MOST_HEAP_MB = 31 * 1024  # pointers are short up to there
_SHARDS = (100, 1000)
_STOP_SECONDS = 30.0
_OUT_OF_MEMORY = 3  # ExitOnOutOfMemoryError


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=_render_argv(plan, layout),
                env={"MALLOC_ARENA_MAX": "1", "LIBFFI_TMPDIR": str(layout.run)},
                address_space=None,  # the virtual machine reserves much more than it uses
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
                memory_exit=_OUT_OF_MEMORY,
            ),
        ),
        init=(),
        files=_render_files(node, layout, credentials),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=1024,  # threads count
        disk=plan.disk_mb * MIB,
    )


def home(layout: Layout) -> Path:
    return layout.root / "share" / server_of(layout).NAME


def archive(layout: Layout) -> Path:
    """The classes that a start needs, as one file to be mapped; made when the server was installed."""
    return home(layout) / "classes.jsa"


def _render_argv(plan: Plan, layout: Layout) -> tuple[str, ...]:
    server = server_of(layout)
    prefix = f"-D{server.PROPERTIES}"
    return (
        str(layout.bin / "java"),
        f"-Xms{_LEAST_HEAP_MB}m",
        heap_option(plan),
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # a start takes a third of the time
        f"-XX:SharedArchiveFile={archive(layout)}",
        f"-XX:ActiveProcessorCount={max(1, round(plan.cpu))}",
        "-XX:+ExitOnOutOfMemoryError",
        *_BESIDE_THE_HEAP,
        *_WITHOUT_INTERFACES,
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


def heap_option(plan: Plan) -> str:
    """By which a running server is known to have the plan's memory as well."""
    return f"-Xmx{min(plan.memory_mb, _MOST_HEAP_MB)}m"


def _render_files(node: RenderInput, layout: Layout, credentials: Credentials) -> tuple[File, ...]:
    server, certificate = server_of(layout), credentials.certificate
    keystore = f"{server.NAME}.keystore"
    if not certificate.certificate:  # a directory prepared for nobody yet
        return ()
    contents = {
        f"{server.NAME}.yml": _settings(node, layout, credentials),
        keystore: render_keystore(keystore, node.id).decode("utf-8", "surrogateescape"),
        "log4j2.properties": _logging(layout),
        "server.crt": certificate.certificate,
        **server.render_files(credentials, Restriction.CLOSED if node.admin_only else node.restriction),
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
        **server_of(layout).render_settings(credentials, anew=node.admin_only),
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
            for number, name in enumerate((*_QUIET, *server_of(layout).QUIET))
            for line in (f"name = {name}", "level = error")
        ),
    )
    return "".join(f"{line}\n" for line in lines)
