"""Real servers, run as their engine renders them; as `nobody` when the tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import IO, NoReturn

import pytest
from benchmarks.floor import in_its_root

from dbyard import catalogue, engines, installations
from dbyard.certificates import Authority
from dbyard.errors import NotReady
from dbyard.model import (
    Address,
    Applied,
    Certificate,
    Credentials,
    Installation,
    InstanceSpec,
    Layout,
    Plan,
    RenderInput,
    RestartNeeded,
    Restriction,
    User,
)
from dbyard.runtimes.local.ports import is_free
from tests.disks import make_directory
from tests.engines.desired import desire
from tests.ports import LAUNCHED, own
from tests.strangers import where_all_may_pass

ADMIN_PASSWORD = "Qf3-admin_x0123456789ABCDEFGHIJKLMNOPQRSTUV"
NO_CERTIFICATE = Certificate("", "", "")
SPARE = Credentials(ADMIN_PASSWORD, "spare", "spare-password", "spare", NO_CERTIFICATE)
NODE = "5410093073f7563d50300001"


@dataclass
class Server:
    """One server: prepared as a spare, then started for `credentials`."""

    engine: engines.Engine
    installation: Installation
    layout: Layout
    node: RenderInput
    credentials: Credentials
    uid: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def endpoint(self) -> Address:
        return Address(self.layout.host, self.layout.port)

    @property
    def spec(self) -> InstanceSpec:
        return self.engine.render(self.node, self.layout, self.credentials)

    def prepare(self, credentials: Credentials = SPARE) -> None:
        spec = self.engine.render(self.node, self.layout, credentials)
        self._write(spec)
        for command in spec.init:
            done = self._popen(command.argv, spec.server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            output, _ = done.communicate(command.stdin.encode(), timeout=120)
            assert done.returncode == 0, output.decode()

    def start(self) -> Server:
        spec = self.spec
        self._write(spec)
        with (self.layout.log / "output.log").open("ab") as output:
            argv = ("prlimit", f"--as={spec.server.address_space or 'unlimited'}", *spec.server.argv)
            self.process = self._popen(argv, spec.server.env, stdin=subprocess.DEVNULL, stdout=output)
        self.await_ready()
        return self

    def await_ready(self, seconds: float = 120) -> None:
        assert self.process is not None
        deadline = time.monotonic() + seconds
        said = ""
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return self.engine.ping(self.endpoint, self.credentials)
            except NotReady as error:
                said = str(error)
                time.sleep(0.002)
        pytest.fail(f"the server is not ready: {said}\n{self.log()}")

    def configure(
        self,
        restriction: Restriction = Restriction.NONE,
        *,
        reset: bool = False,
        unlock: bool = False,
        plan: Plan | None = None,
        credentials: Credentials | None = None,
        settings: Mapping[str, str] | None = None,
        users: tuple[User, ...] = (),
        removed: tuple[str, ...] = (),
    ) -> Applied | RestartNeeded:
        """Bring the server to its credentials, and other users, as the platform does."""
        credentials = credentials or self.credentials
        settings = self.node.settings if settings is None else settings
        plan = plan or self.node.plan
        changes = {"reset": reset, "unlock": unlock, "settings": settings, "others": users, "removed": removed}
        desired = desire(credentials, plan, restriction, **changes)  # type: ignore[arg-type]
        return self.engine.configure(self.endpoint, credentials.admin_password, desired)

    def restart(self, *, signum: int | None = None, **changes: object) -> Server:
        """Stopped, and started as `render` gives it with changes of its input."""
        self.stop(signum)
        self.node = replace(self.node, **changes)  # type: ignore[arg-type]
        return self.start()

    def update_files(self, **changes: object) -> None:
        """What a runtime does for a running server."""
        self.node = replace(self.node, **changes)  # type: ignore[arg-type]
        self._write(self.spec)

    def stop(self, signum: int | None = None) -> int:
        assert self.process is not None
        self.process.send_signal(self.spec.server.stop_signal if signum is None else signum)
        return self.process.wait(30)

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.layout.log.glob("*.log")))

    def run(self, *argv: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        """A client program of the same installation; its output."""
        done = subprocess.run(
            [*in_its_root(self.installation), *argv],
            input=stdin,
            env=self._environment(env or {}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _write(self, spec: InstanceSpec) -> None:
        for file in spec.files:
            file.path.write_bytes(file.content.encode("utf-8", "surrogateescape"))
            file.path.chmod(0o640 if os.geteuid() == 0 else 0o600)
            os.chown(file.path, -1, self.uid)

    def _popen(
        self, argv: Sequence[str], env: Mapping[str, str], stdin: int, stdout: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        command = list(argv)
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", *command]
        command = where_all_may_pass([*in_its_root(self.installation), *command], self.layout.run)
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            cwd=self.layout.run,
            env=self._environment(env),
            start_new_session=True,
        )

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        libraries = ":".join(map(str, self.installation.libraries))
        run = str(self.layout.run)  # MariaDB clears its temporary directory of what others have there
        base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": run, "TMPDIR": run, "LC_ALL": "C.UTF-8"}
        return {**base, **({"LD_LIBRARY_PATH": libraries} if libraries else {}), **env}


Launch = Callable[..., Server]


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    with tempfile.TemporaryDirectory() as directory:
        yield Authority.load_or_make(Path(directory) / "ca")


@pytest.fixture(scope="session")
def templates() -> Iterator[dict[tuple[str, str], Path]]:
    """Prepared spares, made once for each server: (technology, version) -> a directory to copy."""
    made: dict[tuple[str, str], Path] = {}
    yield made
    for path in made.values():
        shutil.rmtree(path)


@pytest.fixture
def launch(authority: Authority, templates: dict[tuple[str, str], Path]) -> Iterator[Launch]:
    """`launch(technology, version)`: a running server; `start=False` leaves it prepared."""
    with _launching(authority, templates) as launch:
        yield launch


@pytest.fixture(scope="module")
def launch_shared(authority: Authority, templates: dict[tuple[str, str], Path]) -> Iterator[Launch]:
    """The same for servers that all tests of a module use, because they start slowly."""
    with _launching(authority, templates) as launch:
        yield launch


@contextmanager
def _launching(authority: Authority, templates: dict[tuple[str, str], Path]) -> Iterator[Launch]:
    servers: list[Server] = []

    def launch(technology: str, version: str, *, start: bool = True) -> Server:
        installation = installations.find(technology, version)
        if installation is None:
            on_request = catalogue.load().version(technology, version).on_request
            missing = f"{technology} {version} is missing: dbyard engines install {technology}@{version}"
            _refuse(missing, fail=not on_request)
        server = _build(technology, installation, authority)
        servers.append(server)
        template = templates.get((technology, version))
        if template is None:
            server.prepare()
            templates[technology, version] = _copy(server.layout.data, make_directory() / "data", server.uid)
        else:
            server.layout.data.rmdir()
            _copy(template, server.layout.data, server.uid)
        return server.start() if start else server

    yield launch
    for server in servers:
        if server.process is not None and server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(10)
        shutil.rmtree(server.layout.data.parent, ignore_errors=True)


def _build(technology: str, installation: Installation, authority: Authority) -> Server:
    known = catalogue.load().technologies[technology]
    engine = engines.load(known.engine)
    port = _free_port()
    uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    parent = make_directory()
    parent.chmod(0o711)
    data, conf, log, run = (parent / name for name in ("data", "conf", "log", "run"))
    layout = Layout(
        "127.0.0.1",
        port,
        port + 1,
        data,
        conf,
        log,
        run,
        installation.bin,
        installation.root,
        full_version=installation.full_version,
    )
    for path in (layout.data, layout.log, layout.run, layout.conf):
        path.mkdir(mode=0o750 if path == layout.conf else 0o700)
        os.chown(path, 0 if path == layout.conf and os.geteuid() == 0 else uid, uid if os.geteuid() == 0 else -1)
    plan = min(known.plans, key=lambda plan: plan.memory_mb)
    user, database = engine.name_tenant("my-test-db", "1234")
    certificate = authority.issue("my-test-db")
    credentials = Credentials(ADMIN_PASSWORD, user, "tenantPassword-0123456789_abcdef", database, certificate)
    return Server(engine, installation, layout, RenderInput(NODE, 1, plan, known.overhead_mb), credentials, uid)


def _refuse(reason: str, *, fail: bool) -> NoReturn:
    if fail and os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _copy(source: Path, target: Path, uid: int) -> Path:
    shutil.copytree(source, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        os.chown(path, uid, uid if os.geteuid() == 0 else -1, follow_symlinks=False)
    return target


@cache
def _pairs() -> Iterator[int]:
    return cycle(own(LAUNCHED)[::2])


def _free_port() -> int:
    """The first of two in a row, each pair in its turn."""
    return next(port for port in _pairs() if is_free("127.0.0.1", port) and is_free("127.0.0.1", port + 1))
