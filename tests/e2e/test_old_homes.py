"""A home of the version before is taken over with its servers running, and everything can be done to its databases."""

from __future__ import annotations

from contextlib import closing

from dbyard import catalogue, wire
from dbyard.runtimes.local.processes import Process
from dbyard.store import events, open_readonly
from tests.e2e import old_homes, tenants
from tests.e2e.platforms import Platform, wait_for


def name_of(technology: str) -> str:
    return f"old-{technology}-db"


def write(connections: dict[str, wire.Connection]) -> None:
    for technology, connection in connections.items():
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write_many(range(10))


def check_written(technology: str, connection: wire.Connection) -> None:
    with closing(tenants.connect(technology, connection.url)) as tenant:
        assert tenant.read() == set(range(10))


def test_every_technology_goes_on(fresh: Platform) -> None:
    fresh.start()
    before = {each: fresh.create(name_of(each), each, seconds=120) for each in tenants.ONE_OF_EACH_SERVER}
    write(before)
    running: dict[str, Process] = {each: fresh.server(connection.port) for each, connection in before.items()}
    fresh.kill()
    old_homes.age(fresh.home)

    fresh.start()
    for technology, connection in before.items():
        assert fresh.await_usable(name_of(technology)) == connection
        assert fresh.server(connection.port) == running[technology]
        assert fresh.directory(connection.port).joinpath("placement.json").exists()
        check_written(technology, connection)
    with fresh.client() as client:
        created = [
            each for each in client.list_events(None, page=1, per_page=100).events if each.type == "database.created"
        ]
    assert {each.database_name for each in created} == {name_of(each) for each in tenants.ONE_OF_EACH_SERVER}

    for technology, connection in before.items():
        change_all(fresh, technology, connection)
    fresh.await_nothing_left()


def change_all(home: Platform, technology: str, before: wire.Connection) -> None:
    """Another plan, another password, and the end."""
    name = name_of(technology)
    with home.client() as client:
        client.change_plan(client.get_database(name), catalogue.load().technologies[technology].plans[1].name)
        assert home.await_usable(name, seconds=120) == before
        (user,) = client.list_users(name)
        client.reset_password(name, user.name)
    after = home.await_usable(name, seconds=120)
    assert after.password != before.password
    assert not tenants.answers(technology, before.url)
    check_written(technology, after)
    with home.client() as client:
        client.delete_database(name, confirm=name)
    wait_for(lambda: not tenants.answers(technology, after.url), home.log, 90)


def test_what_was_at_work_is_ended(fresh: Platform) -> None:
    """Under the names that kinds and steps have now."""
    fresh.start()
    kinds = {"rotated": "configure", "resized": "resize", "reverted": "resize", "restricted": "configure"}
    kinds["failed"] = "configure"  # nobody knows what its server has: it is asked for again
    before = {each: fresh.create(f"busy-{each}-db", "redis") for each in kinds}
    fresh.kill()
    old_homes.age(fresh.home)
    old_homes.interrupt_with(fresh.home, "busy-rotated-db", "rotate", "apply", rotating=1)
    plans = {"plan": "redis-starter-256", "previous_plan": "redis-starter-128"}
    old_homes.interrupt_with(fresh.home, "busy-resized-db", "update", "stop", **plans)
    old_homes.interrupt_with(fresh.home, "busy-reverted-db", "update", "stop", previous_plan=None)
    old_homes.interrupt_with(fresh.home, "busy-restricted-db", "restrict", "apply")
    old_homes.interrupt_with(fresh.home, "busy-failed-db", "restrict", "apply", "error")
    fresh.start()
    for each, connection in before.items():
        assert fresh.await_usable(f"busy-{each}-db") == connection
        latest = fresh.await_operation(f"busy-{each}-db", lambda found: found.status == "done")
        assert latest.kind == kinds[each]
    with fresh.client() as client:
        assert client.get_metrics("busy-resized-db").database_stats["memory_limit"] == 256 * 1024 * 1024


def test_the_chain_of_events_goes_on(fresh: Platform) -> None:
    fresh.start().create("old-redis-db", "redis")
    fresh.kill()
    old_homes.age(fresh.home)
    fresh.start()
    fresh.await_usable("old-redis-db")
    fresh.delete("old-redis-db")
    with open_readonly(fresh.home / "state" / "dbyard.db") as connection:
        *_, last = events.walk(connection)
        types = {row["type"] for row in connection.execute("SELECT type FROM event")}
    assert last.fault is None
    assert {"new_addon", "database.deleted"} <= types
