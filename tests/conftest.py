"""What tests of several folders share: a store in a file, a clock that stands still, a service and an HTTP client."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

from dbyard import catalogue as catalogues
from dbyard.archive.locations import Location
from dbyard.archive.stores import prepare
from dbyard.catalogue import Catalogue
from dbyard.certificates import Authority
from dbyard.metrics import Metrics
from dbyard.model import Principal, Region, Release, Usage
from dbyard.secrets import Box
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.store import Store
from dbyard.web.app import create_app
from tests.answers import Checked
from tests.groups import arrange

settings.register_profile("dbyard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dbyard")  # a busy machine is no fault of the code

_OWN = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    arrange(items)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A folder of this run's own: pytest's usual one is closed to other users whenever another run begins.

    Bytecode is kept, or each of some hundred platforms would compile itself again, which takes most of its start.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if config.option.basetemp is None:
        directory = Path(tempfile.mkdtemp(prefix="dbyard-tests-"))
        directory.chmod(0o711)
        config.option.basetemp = directory / "run"
        config.stash[_OWN] = directory


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failed leaves its files."""
    if exitstatus == pytest.ExitCode.OK and _OWN in session.config.stash:
        shutil.rmtree(session.config.stash[_OWN])


@dataclass
class Clock:
    """Time as tests want it: it moves only when told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class World:
    """What a service is told of the world, and what it told the world."""

    missing: set[tuple[str, str]] = field(default_factory=set)
    """The (technology, version) pairs whose server is not on this machine."""
    room: bool = True
    """Whether its disk has room for another database."""
    log: list[str] = field(default_factory=list)
    log_reads: int = 0
    disk_used: int = 0
    usages: list[Usage] = field(default_factory=list)
    """What is told one after the other, the last one for ever."""
    wakes: int = 0
    revoked: list[bytes] = field(default_factory=list)

    def resolve(self, technology: str, version: str, full_version: str | None = None) -> Release | None:
        if (technology, version) in self.missing:
            return None
        return Release(technology, version, full_version or f"{version}.1")

    def logs(self, _instance_id: str, lines: int) -> list[str]:
        self.log_reads += 1
        return self.log[-lines:]

    def log_state(self, _instance_id: str) -> str:
        return repr(self.log)

    def usage(self, _instance_id: str) -> Usage:
        if len(self.usages) > 1:
            return self.usages.pop(0)
        return self.usages[0] if self.usages else Usage(None, None, None, None)

    def disk(self, _instance_id: str) -> int:
        return self.disk_used

    def limits(self) -> dict[str, str]:
        return {
            "memory": "cgroup v2",
            "cpu": "cgroup v2",
            "processes": "none",
            "disk": "watched by the platform",
            "sandbox": "bubblewrap",
            "network": "no outgoing connections",
            "ports": "its own",
            "uid": "one per instance",
        }

    def wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def rng() -> random.Random:
    """Chance that can be had again: its seed is shown with a test that fails."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    sys.stdout.write(f"SEED={seed}\n")
    return random.Random(seed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return catalogues.load()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.load_or_make(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file that is up to date and closed, to be copied: that takes a tenth of the time of making one."""
    path = tmp_path_factory.mktemp("empty") / "state.db"
    Store(path).close()
    assert [each.name for each in path.parent.iterdir()] == [path.name], "the file is not whole"
    return path


@pytest.fixture
def store(empty_state: Path, tmp_path: Path) -> Iterator[Store]:
    store = Store(shutil.copyfile(empty_state, tmp_path / "state.db"))
    yield store
    store.close()


@pytest.fixture
def service(
    store: Store, catalogue: Catalogue, authority: Authority, world: World, clock: Clock, tmp_path: Path
) -> Service:
    return make_service(store, catalogue, authority, world, clock, tmp_path / "archive")


def make_service(
    store: Store, catalogue: Catalogue, authority: Authority, world: World, clock: Clock, archive: Path
) -> Service:
    location = Location(f"file://{archive}")
    prepare(location)
    return Service(
        store=store,
        catalogue=catalogue,
        box=Box(bytes(32)),
        authority=authority,
        resolve=world.resolve,
        installed_at=lambda technology, version: None if (technology, version) in world.missing else 1_790_000_000.0,
        has_room=lambda: world.room,
        logs=world.logs,
        log_state=world.log_state,
        usage=world.usage,
        disk=world.disk,
        limits=world.limits,
        wake=world.wake,
        on_revoke=world.revoked.append,
        region=Region("osc-fr1", "http://127.0.0.1:7878"),
        archive=location,
        clock=clock,
    )


@pytest.fixture
def token(service: Service) -> str:
    """The admin's first token."""
    token = authentication.bootstrap(service, lambda _: None)
    assert token is not None
    return token


@pytest.fixture
def principal(service: Service, token: str) -> Principal:
    """The admin."""
    return authentication.authenticate(service, token)


@pytest.fixture
def anonymous(service: Service) -> Iterator[TestClient]:
    """The HTTP API in process, without a token; errors are answers, not exceptions, and each answer is as described."""
    app = Checked(create_app(service, Metrics()))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
    assert app.faults == []


@pytest.fixture
def api(anonymous: TestClient, token: str) -> TestClient:
    """The HTTP API in process, asked by the admin."""
    anonymous.headers["Authorization"] = f"Bearer {token}"
    return anonymous
