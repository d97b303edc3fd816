"""What `configure` promises for every technology, on real servers: the same server goes through all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from dbyard import catalogue
from dbyard.engines import Reload
from dbyard.engines.postgresql import session
from dbyard.model import Applied, RestartNeeded, Restriction
from dbyard.polling import wait_until
from tests.e2e.tenants import ERRORS, Tenant, connect

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

SERVERS = [
    (each.slug, each.default_version.version)
    for each in catalogue.load().technologies.values()
    if each.slug == each.engine
] + [("mariadb", "10.11")]
NUMBERS = count(1)
LARGER = {"redis": Applied}
"""What a running server makes of a larger plan; the others need a restart."""
SECONDS = 60.0
CAN_BE_CLOSED = {"postgresql", "mysql", "redis", "mongodb"}
"""Those whose files can keep every tenant out."""


@pytest.fixture(scope="module", params=SERVERS, ids=lambda each: "-".join(each))
def started(request: pytest.FixtureRequest, launch_shared: Launch) -> Server:
    return launch_shared(*request.param)


@pytest.fixture
def server(started: Server) -> Iterator[Server]:
    """It lets its tenant in, and has what the tests before have written."""
    started.configure()
    yield started
    if started.process is None or started.process.poll() is not None:
        started.start()


def url(server: Server) -> str:
    return server.engine.url(server.endpoint, server.credentials)


def open_tenant(server: Server) -> Tenant:
    return connect(server.engine.TECHNOLOGY, url(server))


def reads(server: Server) -> bool:
    """InfluxDB lets in whom it then shows nothing."""
    try:
        with closing(open_tenant(server)) as tenant:
            tenant.read()
    except ERRORS:
        return False
    return True


def comes_in(server: Server) -> bool:
    """A busy machine may let a client wait for longer than it has patience."""
    return wait_until(lambda: reads(server), SECONDS)


def write(tenant: Tenant) -> int:
    """A number that was not there before."""
    number = next(NUMBERS)
    tenant.write(number)
    return number


def renew_password(server: Server) -> None:
    """As the platform makes a new one, before the server knows it."""
    server.credentials = replace(server.credentials, password=server.credentials.password[::-1])


class TestUsers:
    def test_repeating_changes_nothing_and_ends_nothing(self, server: Server) -> None:
        with closing(open_tenant(server)) as tenant:
            before = write(tenant)
            for _ in range(2):
                assert server.configure() == Applied()
            assert {before, write(tenant)} <= tenant.read()

    def test_another_password_is_not_set_without_reset(self, server: Server) -> None:
        old = server.credentials
        renew_password(server)
        assert server.configure() == Applied()
        assert not reads(server)
        server.credentials = old
        assert comes_in(server)

    def test_a_reset_leaves_one_password_and_no_session(self, server: Server) -> None:
        old = server.credentials
        with closing(open_tenant(server)) as tenant:
            write(tenant)
            renew_password(server)
            for _ in range(2):
                assert server.configure(reset=True) == Applied()
            with pytest.raises(ERRORS):
                write(tenant)
        assert comes_in(server)
        new, server.credentials = server.credentials, old
        assert not reads(server)
        server.credentials = new

    def test_none_is_made_for_a_running_spare(self, server: Server) -> None:
        nobody = replace(server.credentials, user="", password="")
        assert server.configure(credentials=nobody) == Applied()
        assert comes_in(server)


class TestRestrictions:
    @pytest.mark.parametrize("restriction", [Restriction.READ_ONLY, Restriction.CLOSED])
    def test_are_lifted_without_a_trace(self, server: Server, restriction: Restriction) -> None:
        with closing(open_tenant(server)) as tenant:
            before = write(tenant)
        for _ in range(2):
            assert server.configure(restriction) == Applied()
        with pytest.raises(ERRORS), closing(open_tenant(server)) as tenant:
            write(tenant)
        assert reads(server) is (restriction is Restriction.READ_ONLY)
        server.engine.ping(server.endpoint, server.credentials)
        server.configure()
        with closing(open_tenant(server)) as tenant:
            assert {before, write(tenant)} <= tenant.read()

    def test_a_new_password_waits_behind_a_closed_door(self, server: Server) -> None:
        old = server.credentials
        with closing(open_tenant(server)) as tenant:
            write(tenant)
        server.configure(Restriction.CLOSED)
        renew_password(server)
        for _ in range(2):
            assert server.configure(Restriction.CLOSED, reset=True) == Applied()
        assert not reads(server)
        server.configure()
        assert comes_in(server)
        new, server.credentials = server.credentials, old
        assert not reads(server)
        server.credentials = new


class TestPlans:
    def test_a_larger_one_and_back(self, server: Server) -> None:
        small = server.node.plan
        technology = server.engine.TECHNOLOGY
        plans = sorted(catalogue.load().technologies[technology].plans, key=lambda each: each.memory_mb)
        large = next(each for each in plans if each.memory_mb > small.memory_mb and each.connections > 0)
        assert isinstance(server.configure(plan=large), LARGER.get(technology, RestartNeeded))
        server.restart(plan=large)
        assert server.configure() == Applied()
        assert isinstance(server.configure(plan=small), RestartNeeded)
        server.restart(plan=small)
        assert server.configure() == Applied()


class TestAdminOnly:
    def test_a_start_that_lets_nobody_in_until_all_is_done(self, server: Server) -> None:
        """As the platform does it where a tenant holds up the change."""
        old = server.credentials
        renew_password(server)
        server.restart(admin_only=True)
        for credentials in (old, server.credentials):
            server.credentials, new = credentials, server.credentials
            assert not reads(server) or server.engine.TECHNOLOGY not in CAN_BE_CLOSED
            server.credentials = new
        assert server.configure(reset=True) == Applied()
        server.update_files(admin_only=False)
        if isinstance(server.engine, Reload):
            server.engine.reload(server.endpoint, server.credentials.admin_password)
        assert comes_in(server)


@pytest.mark.parametrize("reset", [True, False])
def test_postgresql_recovers_from_half_a_reset(launch: Launch, reset: bool) -> None:
    server = launch("postgresql", "17")
    server.configure()
    with session.connect(server.endpoint, server.credentials.admin_password) as admin:
        admin.execute(f'ALTER ROLE "{server.credentials.user}" NOLOGIN')
    assert not reads(server)
    renew_password(server)
    server.configure(reset=reset)
    assert reads(server)
