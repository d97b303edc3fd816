"""Which server brings a database back."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbyard.errors import PermanentError
from dbyard.model import InstanceSpec, Layout, Operation, OperationKind, Placement, Release
from dbyard.operations import Context, Next, heal
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import instances, operations
from tests.builders import claim, get_ready


class Runtime:
    """Starts nothing, and remembers by which server it was asked to. Has some full versions, the newest first."""

    def __init__(self) -> None:
        self.full_versions: tuple[str, ...] = ()
        self.started: list[str] = []

    def resolve(self, technology: str, version: str, full_version: str | None = None) -> Release | None:
        known = self.full_versions
        fitting = [each for each in known if full_version in (None, each)] or [each for each in known if full_version]
        return Release(technology, version, fitting[0]) if fitting else None

    def layout(self, instance_id: str, _: Placement, release: Release) -> Layout:
        data, conf, log, run = (Path("/nowhere") / instance_id / name for name in ("data", "conf", "log", "run"))
        return Layout("127.0.0.1", 20017, 20018, data, conf, log, run, data, data, full_version=release.full_version)

    def ensure(self, _spec: InstanceSpec, _placement: Placement, release: Release) -> None:
        self.started.append(release.full_version)


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def healing(service: Service, token: str) -> Operation:
    """The heal operation of a database whose instance records Redis 7.0.1."""
    draft = CreateRequest("my-redis-db", "redis", "redis-starter-128")
    create(service, authentication.authenticate(service, token), draft)
    get_ready(service)
    with service.store.tx() as connection:
        (instance,) = instances.list_should_run(connection)
        operations.insert(connection, instance.database_id, OperationKind.HEAL, service.clock())
    return claim(service)


@pytest.fixture
def context(service: Service, runtime: Runtime) -> Context:
    none: object = None
    return Context(
        store=service.store,
        catalogue=service.catalogue,
        box=service.box,
        authority=service.authority,
        runtime=runtime,  # type: ignore[arg-type]
        metrics=none,  # type: ignore[arg-type]
        archive=service.archive,
        now=service.clock,
        host=none,  # type: ignore[arg-type]
        spares=none,  # type: ignore[arg-type]
    )


class TestStart:
    def test_by_the_server_that_the_instance_records(
        self, context: Context, runtime: Runtime, healing: Operation
    ) -> None:
        runtime.full_versions = ("7.0.2", "7.0.1")
        outcome = heal.start(context, healing)
        assert (outcome, runtime.started) == (Next("await_ready"), ["7.0.1"])

    def test_by_a_newer_one_where_that_is_gone_and_records_it(
        self, context: Context, runtime: Runtime, healing: Operation
    ) -> None:
        runtime.full_versions = ("7.0.2",)
        outcome = heal.start(context, healing)
        assert isinstance(outcome, Next)
        assert outcome.save is not None
        with context.store.tx() as connection:
            outcome.save(connection)
            instance = instances.get_primary(connection, healing.database_id)
        assert instance is not None
        assert (instance.full_version, runtime.started) == ("7.0.2", ["7.0.2"])

    def test_by_none_where_none_is_left(self, context: Context, healing: Operation) -> None:
        with pytest.raises(PermanentError, match=r"run dbyard engines install redis@7\.0"):
            heal.start(context, healing)
