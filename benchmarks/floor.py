"""The floor of everything that starts servers: prepared directories, started by hand without any platform.

The servers have the same programs, settings and statements as the platform's; what they lack is all that the platform
adds: sandbox, limits, ports and uids of their own, records that survive a kill, certificates made for each.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.places import free_port, scratch
from benchmarks.tenant import Tenant, await_answer, retry
from dbyard import catalogue, engines
from dbyard.certificates import Authority
from dbyard.engines import Engine
from dbyard.errors import NotReady
from dbyard.model import (
    Address,
    Certificate,
    Credentials,
    Desired,
    Installation,
    InstanceSpec,
    Layout,
    Plan,
    RenderInput,
    Restriction,
    User,
)

_DIRECTORIES = ("data", "conf", "log", "run")
_NO_CERTIFICATE = Certificate("", "", "")


@dataclass(frozen=True, slots=True)
class Floor:
    """Makes copies of one prepared directory; each can be started once."""

    installation: Installation
    template: Path
    admin_password: str
    certificate: Certificate
    plan: Plan

    def prepare(self, count: int, like: Server | None = None) -> list[Server]:
        """So many directories, durable before they are used; with the tenant of another one."""
        servers = [self._copy(like) for _ in range(count)]
        os.sync()
        return servers

    def _copy(self, like: Server | None) -> Server:
        directory = self.template.with_name(secrets.token_hex(6))
        subprocess.run(["cp", "-a", self.template, directory], check=True)
        user, database = engine_of(self.installation).name_tenant("floor", secrets.token_hex(4))
        credentials = Credentials(self.admin_password, user, secrets.token_urlsafe(24), database, self.certificate)
        credentials = like.credentials if like else credentials
        return Server(self.installation, _layout(directory, self.installation), credentials, self.plan)


class Server:
    """One server started by hand."""

    def __init__(self, installation: Installation, layout: Layout, credentials: Credentials, plan: Plan) -> None:
        self._installation = installation
        self._engine = engine_of(installation)
        self.layout = layout
        self.credentials = credentials
        self._plan = plan
        self._process: subprocess.Popen[bytes] | None = None
        endpoint = Address(layout.host, layout.port)
        self.tenant = Tenant(
            installation.technology,
            self._engine.url(endpoint, credentials),
            *(endpoint.host, endpoint.port, credentials.user, credentials.password, credentials.database),
        )

    def open(self) -> None:
        """From the prepared directory to the tenant's first answer."""
        self.start()
        retry(self.configure, (NotReady,))
        await_answer(self.tenant)

    def start(self) -> None:
        spec = _render(self._installation, self.layout, self.credentials, self._plan)
        _write(spec)
        with (self.layout.log / "output.log").open("ab") as output:
            argv = (*_as_uid(), *_loader(self._installation), *spec.server.argv)
            self._process = _popen(self._installation, self.layout, argv, spec.server.env, output.fileno())

    def end(self) -> None:
        """As SIGKILL does it."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def command(self, *argv: str) -> tuple[list[str], dict[str, str]]:
        """A program of the server's own with its environment, to be run beside it."""
        its = str(self.layout.bin)
        # What enters a whole root is the machine's own: the root may have programs of these names too.
        places = (os.defpath, its) if self._installation.whole else (its, os.defpath)
        env = {"PATH": ":".join(places), "HOME": str(self.layout.run), **_libraries(self._installation)}
        return [*in_its_root(self._installation), *_as_uid(), *argv], env

    def run(self, *argv: str, into: Path | None = None, out_of: Path | None = None, **env: str) -> None:
        """Such a program to its end; what it reads and writes are files."""
        with ExitStack() as stack:
            source = stack.enter_context(out_of.open("rb")) if out_of else subprocess.DEVNULL
            target = stack.enter_context(into.open("wb")) if into else subprocess.DEVNULL
            command, known = self.command(*argv)
            subprocess.run(command, check=True, env=known | env, stdin=source, stdout=target, cwd=self.layout.run)

    def restart_after_crash(self) -> None:
        """Killed and started again at once; again when what the dead one left was still in the way."""
        self.end()
        self.start()
        await_answer(self.tenant, self._start_if_ended)

    def _start_if_ended(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self.start()

    def configure(self) -> None:
        credentials = self.credentials
        tenant = User(credentials.user, credentials.password)
        desired = Desired(credentials.database, (tenant,), Restriction.NONE, self._plan)
        self._engine.configure(Address(self.layout.host, self.layout.port), credentials.admin_password, desired)


@contextmanager
def floor(installation: Installation, plan: Plan | None = None) -> Iterator[Floor]:
    """Of the smallest plan, if not of another. In the end no server of its directories runs, and they are gone."""
    plan = plan or catalogue.load().technologies[installation.technology].plans[0]
    with scratch() as directory:
        admin_password = secrets.token_urlsafe(32)
        certificate = Authority.load_or_make(directory / "ca").issue("floor")
        template = _make_template(installation, directory / "template", admin_password, plan)
        try:
            yield Floor(installation, template, admin_password, certificate, plan)
        finally:
            _end_all(directory)


def engine_of(installation: Installation) -> Engine:
    return engines.load(catalogue.load().technologies[installation.technology].engine)


def _make_template(installation: Installation, directory: Path, admin_password: str, plan: Plan) -> Path:
    """What a spare is: the directory after the engine's own first-start commands."""
    for name in _DIRECTORIES:
        (directory / name).mkdir(parents=True)
        (directory / name).chmod(0o700)
    layout = _layout(directory, installation)
    spec = _render(installation, layout, Credentials(admin_password, "spare", "spare", "spare", _NO_CERTIFICATE), plan)
    _write(spec)
    for command in spec.init:
        argv = (*in_its_root(installation), *_as_uid(), *command.argv)
        process = _popen(installation, layout, argv, spec.server.env, subprocess.DEVNULL, subprocess.PIPE)
        process.communicate(command.stdin.encode())
        if process.returncode:
            raise RuntimeError(f"{command.argv[0]} ended with {process.returncode}")
    return directory


def _layout(directory: Path, installation: Installation) -> Layout:
    data, conf, log, run = (directory / name for name in _DIRECTORIES)
    where = (data, conf, log, run, installation.bin, installation.root)
    return Layout("127.0.0.1", free_port(), free_port(), *where, full_version=installation.full_version)


def _render(installation: Installation, layout: Layout, credentials: Credentials, plan: Plan) -> InstanceSpec:
    technology = catalogue.load().technologies[installation.technology]
    node = RenderInput("5410093073f7563d50300001", 1, plan, technology.overhead_mb)
    return engine_of(installation).render(node, layout, credentials)


def _write(spec: InstanceSpec) -> None:
    for file in spec.files:
        file.path.write_bytes(file.content.encode("utf-8", "surrogateescape"))
        file.path.chmod(0o600)
        shutil.chown(file.path, _uid(), _uid())


def _popen(
    installation: Installation,
    layout: Layout,
    argv: Sequence[str],
    env: Mapping[str, str],
    output: int,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    for path in (layout.data, layout.conf, layout.log, layout.run):
        os.chown(path, _uid(), _uid())
    return subprocess.Popen(
        argv,
        cwd=layout.run,
        env={"PATH": os.defpath, "HOME": str(layout.run), "TMPDIR": str(layout.run), **_libraries(installation), **env},
        stdin=stdin,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _libraries(installation: Installation) -> dict[str, str]:
    found = ":".join(map(str, installation.libraries))
    return {"LD_LIBRARY_PATH": found} if found else {}


def own(path: Path) -> None:
    """The servers' uid gets it, with all that is in it."""
    for each in (path, *path.rglob("*")):
        os.chown(each, _uid(), _uid())


def _loader(installation: Installation) -> tuple[str, ...]:
    """In front of a server that brings a root along: its own libraries, in no time."""
    if not installation.whole:
        return ()
    usr = installation.root / "usr"
    loader = next((usr / "lib64").glob("ld-linux*"))
    return (str(loader), "--library-path", ":".join(map(str, (usr / "lib").glob("*-linux-gnu"))))


def in_its_root(installation: Installation) -> tuple[str, ...]:
    """In front of a program of a whole root, and of what it starts: it has its own `/usr`; the pid stays."""
    if not installation.whole:
        return ()
    script = 'mount --bind "$0" /usr && exec "$@"'
    usr = str(installation.root / "usr")
    return ("unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", script, usr)


def _as_uid() -> tuple[str, ...]:
    """Not by Popen's own `user`: it would then fork the whole of this process, which costs more than setpriv."""
    uid = str(_uid())
    return () if os.geteuid() else ("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups")


def _uid() -> int:
    """Servers refuse to run as root."""
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def _end_all(directory: Path) -> None:
    """End the servers of these directories, told by their working directory."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if Path(os.readlink(entry / "cwd")).is_relative_to(directory):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue
