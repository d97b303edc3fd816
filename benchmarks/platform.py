"""A platform of our own for a benchmark: `dbyard serve` as users run it, on a fresh home and a free port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import wait_until
from benchmarks.places import free_port, scratch
from benchmarks.tenant import Tenant, await_answer
from dbyard import config, daemon, installations, model
from dbyard.catalogue import load

_CREATE_SECONDS = 300.0
_POLL, _SLOW_POLL = 0.002, 0.05
_KEPT_SECONDS = 2.0


class Platform:
    """Requests on a running platform; each thread has its own connection, kept alive."""

    def __init__(self, home: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.home = home
        self.port = port
        self.process = process
        self.token = (home / "admin-token").read_text(encoding="ascii").strip()
        self._local = threading.local()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = self._connection()
        connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def _connection(self) -> http.client.HTTPConnection:
        """A new one after a pause in which the server may have closed the last one."""
        now, local = time.monotonic(), self._local
        if now - getattr(local, "used_at", 0.0) > _KEPT_SECONDS:
            local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        local.used_at = now
        connection: http.client.HTTPConnection = local.connection
        return connection

    def create(self, technology: str, name: str, plan: str | None = None) -> None:
        plan = plan or load().technologies[technology].plans[0].name
        status, answer = self.request("POST", "/v1/databases", {"name": name, "technology": technology, "plan": plan})
        assert status == 201, answer

    def await_tenant(self, technology: str, name: str, pause: float = _POLL) -> Tenant:
        """How to connect, once the platform says so."""
        deadline = time.monotonic() + _CREATE_SECONDS
        while True:
            status, answer = self.request("GET", f"/v1/databases/{name}/connection")
            if status == 200:
                access = answer["connection"]
                keys = ("url", "host", "port", "user", "password", "database")
                return Tenant(technology, *(access[key] for key in keys))
            assert status == 409, answer
            assert "current_operation_id" in answer, answer
            assert answer["current_operation_id"], answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name}: not running within {_CREATE_SECONDS:.0f} s")
            time.sleep(pause)

    def open(self, technology: str, name: str) -> None:
        """From the request to the tenant's first answer."""
        self.create(technology, name)
        # What takes seconds is asked for less often, or asking would take the time from it.
        pause = _SLOW_POLL if load().technologies[technology].slow_start else _POLL
        await_answer(self.await_tenant(technology, name, pause))

    def await_spares(self, technology: str, count: int, seconds: float = 60) -> None:
        """Of a technology, or with `running-` before its name those that run."""
        spares = self.home / "spares"
        wait_until(lambda: len(list(spares.glob(f"{technology}-*"))) >= count, seconds, f"{count} spares")


@contextmanager
def running(*technologies: str, spares: int = 3, running_spares: int = 0, **more: str) -> Iterator[Platform]:
    """A platform that knows the servers of these technologies only; in the end it and its databases are gone."""
    with scratch() as directory:
        engines = _only(technologies, directory / "engines")
        settings = {"spares": str(spares), "running_spares": str(running_spares), "engines": str(engines), **more}
        with serving(directory / "home", **settings) as platform:
            try:
                yield platform
            finally:
                _end(platform.process)
                _destroy_all(directory / "home")


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[Platform]:
    """A platform on the caller's home until the block ends; databases go on."""
    process = _start(home, port := free_port(), settings)
    try:
        _await_serving(home, port, process)
        yield Platform(home, port, process)
    finally:
        _end(process)


def _only(technologies: Sequence[str], place: Path) -> Path:
    """The place of database servers with the default ones of these alone: spares of others would only take time."""
    place.mkdir(mode=0o755)
    known = load().technologies
    wanted = {installations.resolve_shared(known[each].default_version) for each in technologies}
    for entry in model.engines_home().iterdir():
        if entry.name not in known:
            (place / entry.name).symlink_to(entry)
    for version in wanted:
        (place / version.technology).mkdir(exist_ok=True)
        for each in installations.list_managed(version):
            (place / version.technology / each.root.name).symlink_to(each.root)
    return place


def _start(home: Path, port: int, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **{f"DBYARD_{name.upper()}": value for name, value in settings.items()}}
    home.mkdir(exist_ok=True)
    with (home.parent / f"{home.name}.log").open("ab") as output:
        argv = [sys.executable, "-m", "dbyard", "serve", "--home", str(home), "--listen", f"127.0.0.1:{port}"]
        return subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _await_serving(home: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError((home.parent / f"{home.name}.log").read_text(encoding="utf-8"))
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    wait_until(answers, 20, "the platform answers")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(20)


def _destroy_all(home: Path) -> None:
    """By the platform's own means, with nobody serving: no server, port or cgroup is left."""
    settings = config.load(home=home)
    with daemon.locked(home):
        runtime = daemon.open_runtime(settings)
        for spare in (*runtime.spares.list(running=False), *runtime.spares.list(running=True)):
            runtime.spares.discard(spare.id)
        for instance_id in runtime.list_instances():
            runtime.destroy(instance_id, sys.maxsize)
