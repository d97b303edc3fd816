"""What every technology of the catalogue promises its tenants, on a whole platform with real servers and clients."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest

from dbyard import catalogue, engines, installations, wire
from dbyard.certificates import Authority
from dbyard.model import MIB, Credentials, Layout, RenderInput, Technology, Version
from dbyard.recipes import SharedRecipe
from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process
from tests import tenants
from tests.e2e.platforms import Platform, kill_processes, platform, wait_for
from tests.e2e.tenants import Writer, answers, await_answer
from tests.tenants import REACHES, Tenant, TenantModule

NAME, NEIGHBOUR = "contract-db", "neighbour-db"
KNOWN = catalogue.load().technologies
VERSIONS = [(each, version) for each in KNOWN.values() for version in each.versions]
SERVERS = [(each.slug, version) for each, version in VERSIONS if not isinstance(version.recipe, SharedRecipe)]
ALIASES = [(each, version) for each, version in VERSIONS if isinstance(version.recipe, SharedRecipe)]
"""Technologies that have the server of another one."""
SECONDS = 180


@dataclass
class Contracted:
    """A database of one technology and version on a platform of its own."""

    home: Platform
    technology: str
    version: str
    connection: wire.Connection

    @property
    def url(self) -> str:
        return self.connection.url

    @property
    def server(self) -> Process:
        return self.home.server(self.connection.port)

    @property
    def module(self) -> TenantModule:
        return _load(self.technology)

    @property
    def modules(self) -> list[TenantModule]:
        """With those of its aliases, whose clients use the same server."""
        own = [each.slug for each, version in ALIASES if _is_shared(version, self.technology, self.version)]
        return [self.module, *map(_load, own)]

    def tenant(self) -> Tenant:
        return self.module.Tenant(self.url)

    def lose_server(self, end: Callable[[Process], object]) -> None:
        """End the server and wait until the platform has brought it back where it was."""
        server, operation = self.server, self.home.latest(NAME).id
        end(server)
        wait_for(lambda: not processes.is_alive(server), lambda: f"{server} does not end", SECONDS)
        wait_for(
            lambda: self.home.latest(NAME).id != operation, lambda: f"nothing heals it\n{self.home.log()}", SECONDS
        )
        assert self.home.latest(NAME).kind == "heal"
        assert self.home.await_usable(NAME, seconds=SECONDS) == self.connection


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    with platform() as made:
        yield made.start()


@pytest.fixture(scope="module", params=SERVERS, ids=lambda each: f"{each[0]}-{each[1].version}")
def server(request: pytest.FixtureRequest, home: Platform) -> Iterator[tuple[str, str]]:
    technology, version = request.param
    if installations.find(technology, version.version) is None:
        _refuse(f"{technology} {version.version} is not installed", always=version.on_request)
    yield technology, version.version
    _delete_all(home)


@pytest.fixture
def database(home: Platform, server: tuple[str, str]) -> Contracted:
    """The one of the tests before, unless they have deleted it."""
    technology, version = server
    with home.client() as client:
        there = any(each.name == NAME for each in client.list_databases())
    if there:
        return Contracted(home, technology, version, home.await_usable(NAME, seconds=SECONDS))
    return Contracted(home, technology, version, home.create(NAME, technology, version, seconds=SECONDS))


@pytest.fixture
def neighbour(database: Contracted) -> Iterator[Process]:
    """A server of another database on the same machine."""
    home = database.home
    yield home.server(home.create(NEIGHBOUR, "redis", "7.0").port)
    with home.client() as client:
        client.delete_database(NEIGHBOUR, confirm=NEIGHBOUR)


def test_the_platform_says_which_server_it_is(database: Contracted, server: tuple[str, str]) -> None:
    found = installations.find(*server)
    assert found is not None
    with database.home.client() as client:
        details = client.get_details(NAME)
        stats = client.get_metrics(NAME).database_stats
    assert details.readable_version.startswith(found.full_version)
    assert details.hostname == f"{database.connection.host}:{database.connection.port}"
    assert all(isinstance(value, int | float) for value in stats.values())
    assert stats


def test_what_is_written_outlives_restarts(database: Contracted) -> None:
    with closing(database.tenant()) as tenant:
        tenant.write_many(range(1000))
    server = database.server
    database.home.terminate()
    database.home.start()
    assert database.server == server
    database.lose_server(lambda server: os.kill(server.pid, signal.SIGTERM))
    with closing(database.tenant()) as tenant:
        assert tenant.read() == (set(range(1000)) if database.module.LASTING else set())


def test_what_is_acknowledged_outlives_a_kill(database: Contracted) -> None:
    database.tenant().close()
    writer = Writer(database.technology, database.url, 100_000)
    writer.await_some()
    killed = time.monotonic()
    database.lose_server(lambda server: kill_processes([server]))
    writer.join()
    with closing(database.tenant()) as tenant:
        found = tenant.read()
    acknowledged = set(writer.acknowledged)
    assert writer.lasting(killed) <= found or not database.module.LASTING
    assert found - acknowledged <= {*range(1000), max(acknowledged) + 1}


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused(database: Contracted, password: str) -> None:
    database.tenant().close()
    url = re.sub(r":[^:@/]+@", f":{password}@", database.url)
    assert url != database.url
    assert not answers(database.technology, url)


def test_a_new_password_is_the_only_one(database: Contracted) -> None:
    with closing(database.tenant()) as tenant, database.home.client() as client:
        tenant.write(1_000_000)
        (user,) = client.list_users(NAME)
        password = client.reset_password(NAME, user.name).password
        with pytest.raises((*database.module.ERRORS, OSError)):
            tenant.write(1_000_001)
    renewed = replace(database, connection=database.home.await_usable(NAME, seconds=SECONDS))
    assert renewed.connection.password == password
    assert renewed.url == database.url.replace(database.connection.password, password)
    assert not answers(database.technology, database.url)
    with closing(renewed.tenant()) as tenant:
        assert tenant.read() >= {1_000_000}
    renewed.lose_server(lambda server: os.kill(server.pid, signal.SIGTERM))
    assert not answers(database.technology, database.url)
    with closing(renewed.tenant()) as tenant:
        assert 1_000_000 in tenant.read() or not database.module.LASTING


def test_another_plan_keeps_everything_but_the_limits(database: Contracted) -> None:
    known = KNOWN[database.technology]
    small, large = known.plans[0], next(each for each in known.plans if each.memory_mb > known.plans[0].memory_mb)
    with closing(database.tenant()) as tenant:
        tenant.write(4_000_000)
    for plan in (large, small):
        with database.home.client() as client:
            client.change_plan(client.get_database(NAME), plan.name)
            assert client.get_details(NAME).status == "updating"
            assert database.home.await_usable(NAME, seconds=SECONDS) == database.connection
            assert database.home.latest(NAME).status == "done"
            limits = client.get_details(NAME).limits
            counted = client.get_metrics(NAME).database_stats
        assert (limits.memory.bytes, limits.connections.count) == (plan.memory_mb * MIB, plan.connections)
        assert counted.get("max_connections", plan.connections) == plan.connections
        for own in counted.keys() & {"memory_limit", "heap_limit"}:  # a heap counts itself a little smaller
            assert 0.9 * limits.memory.bytes <= counted[own] <= limits.memory.bytes
        assert database.home.memory_limit(database.connection.port) in (limits.memory.hard_bytes, None)
        with closing(database.tenant()) as tenant:
            assert 4_000_000 in tenant.read() or not database.module.LASTING


def test_a_tenant_gets_at_nothing_but_its_own(database: Contracted) -> None:
    for number, module in enumerate(database.modules, 3_000_000):
        assert set(module.ESCAPES) == REACHES
        with closing(module.Tenant(database.url)) as tenant:
            tenant.write(number)
            assert number in tenant.read()
            attempts = [(reach, escape) for reach, escapes in module.ESCAPES.items() for escape in escapes]
            answered = {(reach, str(escape)): _attempt(tenant, module, escape) for reach, escape in attempts}
        assert [each for each in answered.items() if not re.search(module.REFUSED, each[1])] == []


def test_a_memory_bomb_ends_at_most_its_own_server(database: Contracted, neighbour: Process) -> None:
    module, server, before = database.module, database.server, database.home.latest(NAME).id
    with closing(database.tenant()) as tenant:
        tenant.write(2_000_000)
        with pytest.raises((*module.ERRORS, OSError)) as refused:
            tenant.bomb()
    if not re.search(module.FULL, str(refused.value)):
        wait_for(lambda: not processes.is_alive(server), lambda: f"it lives on: {refused.value!r}", 10)
        healed = database.home.await_operation(NAME, lambda latest: latest.id != before and latest.steps)
        assert healed.steps[0].outcome in ("killed_for_memory", "out_of_memory"), healed
    await_answer(database.technology, database.url, SECONDS)
    with closing(database.tenant()) as tenant:
        assert 2_000_000 in tenant.read() or not module.LASTING
    assert processes.is_alive(neighbour)


def test_nothing_is_left_of_a_deleted_one(database: Contracted) -> None:
    server = database.server
    database.home.delete(NAME)
    assert not processes.is_alive(server)


@pytest.mark.parametrize(("technology", "version"), ALIASES, ids=lambda each: getattr(each, "slug", None))
class TestAlias:
    """What it shares is tested where it is; here that it is the same."""

    def test_is_the_server_that_the_other_one_has(self, technology: Technology, version: Version) -> None:
        other, theirs = _other(version)
        assert (technology.engine, version.command) == (other.engine, theirs.command)
        assert (technology.slow_start, version.running_spares) == (other.slow_start, theirs.running_spares)
        mine, found = (installations.find(each.technology, each.version) for each in (version, theirs))
        if mine is None or found is None:
            _refuse(f"{theirs.technology} {theirs.version} is not installed", always=theirs.on_request)
        assert (mine.root, mine.bin, mine.full_version) == (found.root, found.bin, found.full_version)

    def test_is_created_as_the_other_one(
        self, technology: Technology, version: Version, authority: Authority, tmp_path: Path
    ) -> None:
        other, _ = _other(version)
        paths = (tmp_path / each for each in ("data", "conf", "log", "run", "bin", "root"))
        layout = Layout("127.0.0.1", 20000, 20001, *paths, full_version=version.version)
        credentials = Credentials("admin-secret", "user_1", "tenant-secret", "user_1", authority.issue("my-db"))
        mine, found = (
            engines.load(each.engine).render(
                RenderInput("54100930736f7563d5030000", 1, other.smallest_plan, each.overhead_mb), layout, credentials
            )
            for each in (technology, other)
        )
        assert mine == found


def _other(version: Version) -> tuple[Technology, Version]:
    """Whose server it is."""
    assert isinstance(version.recipe, SharedRecipe)
    other = KNOWN[version.recipe.technology]
    return other, next(each for each in other.versions if each.version == version.version)


def _is_shared(version: Version, technology: str, of: str) -> bool:
    return isinstance(version.recipe, SharedRecipe) and (version.recipe.technology, version.version) == (technology, of)


def _load(technology: str) -> TenantModule:
    if not tenants.exists(technology):
        _refuse(f"tests/tenants/{technology}.py is missing: nobody knows how its clients connect")
    return tenants.load(technology)


def _delete_all(home: Platform) -> None:
    with home.client() as client:
        for database in client.list_databases():
            client.delete_database(database.id, confirm=database.name)
    home.await_nothing_left()


def _attempt(tenant: Tenant, module: TenantModule, escape: object) -> str:
    """What the server says to it."""
    try:
        return f"gives {tenant.attempt(escape)}"
    except module.ERRORS as error:
        return str(error)


def _refuse(reason: str, *, always: bool = False) -> NoReturn:
    """What nobody has asked for is only skipped, everywhere."""
    if os.environ.get("CI") and not always:
        pytest.fail(reason)
    pytest.skip(reason)
