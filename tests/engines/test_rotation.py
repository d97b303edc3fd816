"""A new password on real servers, where the disk has closed the tenant out: it opens nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dbyard import catalogue
from dbyard.engines import postgresql
from dbyard.model import Restriction
from tests.e2e.tenants import ERRORS, connect

if TYPE_CHECKING:
    from tests.engines.conftest import Launch

SERVERS = [
    (each.slug, each.default_version.version)
    for each in catalogue.load().technologies.values()
    if each.slug == each.engine
]


def reads(technology: str, url: str) -> bool:
    """InfluxDB lets in whom it then shows nothing."""
    try:
        with closing(connect(technology, url)) as tenant:
            tenant.read()
    except ERRORS:
        return False
    return True


@pytest.mark.parametrize(("technology", "version"), SERVERS)
def test_a_new_password_waits_behind_a_closed_door(technology: str, version: str, launch: Launch) -> None:
    server = launch(technology, version)
    server.secure()
    engine, endpoint, old = server.engine, server.endpoint, server.credentials
    new = replace(old, password="anotherPassword-0123456789_abcdef")
    with closing(connect(technology, engine.url(endpoint, old))) as tenant:
        tenant.write(1)
    engine.restrict(endpoint, old, Restriction.CLOSED)
    for _ in range(2):
        assert engine.rotate(endpoint, new)
    assert not reads(technology, engine.url(endpoint, new))
    engine.restrict(endpoint, new, Restriction.NONE)
    assert reads(technology, engine.url(endpoint, new))
    assert not reads(technology, engine.url(endpoint, old))


@pytest.mark.parametrize("again", ["rotate", "secure"])
@pytest.mark.parametrize("done", [1, 2])
def test_postgresql_recovers_from_half_a_rotation(launch: Launch, done: int, again: str) -> None:
    server = launch("postgresql", "17")
    server.secure()
    new = replace(server.credentials, password="anotherPassword-0123456789_abcdef")
    for statement in postgresql.plan_rotation(new)[:done]:
        with postgresql._session(server.endpoint, new) as session:
            postgresql._execute(session, statement)
    assert not reads("postgresql", server.engine.url(server.endpoint, server.credentials))
    getattr(server.engine, again)(server.endpoint, new)
    assert reads("postgresql", server.engine.url(server.endpoint, new))
