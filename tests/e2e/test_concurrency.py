"""Many at once: creates of one name, and platforms of one machine."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2

from dbyard.runtimes.local import processes
from tests.e2e import tenants
from tests.e2e.platforms import Platform, claimed_ports, new_database, platform
from tests.ports import HOMES, bounds

QUICK = "redis"
NAME = "wanted-db"


class TestCreates:
    def test_of_one_name_make_one_database(self, fresh: Platform) -> None:
        fresh.start()
        wanted = new_database(NAME, QUICK)
        body = {"database": {"name": wanted.name, "technology": wanted.technology, "plan": wanted.plan}}
        token = (fresh.home / "admin-token").read_text().strip()

        def create(_: int) -> tuple[int, str]:
            answer = httpx2.post(
                f"{fresh.url}/v1/databases", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
            )
            return answer.status_code, "" if answer.status_code == 201 else str(answer.json())

        with ThreadPoolExecutor(50) as pool:
            answers = Counter(pool.map(create, range(50)))
        assert answers == {(201, ""): 1, (422, "{'errors': {'name': ['has already been taken']}}"): 49}
        with fresh.client() as client:
            assert [database.name for database in client.list_databases()] == [NAME]
        fresh.await_usable(NAME)
        fresh.delete(NAME)


class TestHomes:
    def test_share_no_port_and_no_uid(self, fresh: Platform) -> None:
        """In a range that just holds all of them, so that each wants what the other has."""
        first, last = bounds(HOMES)
        limits = {"DBYARD_FIRST_PORT": str(first), "DBYARD_LAST_PORT": str(last)}
        with platform(**limits) as other:
            fresh.environment = {**fresh.environment, **limits}
            homes = (fresh.start(), other.start())
            names = [f"home-db-{number}" for number in range(3)]
            with ThreadPoolExecutor(6) as pool:
                made = list(
                    pool.map(lambda each: each[0].create(each[1], QUICK), [(h, n) for h in homes for n in names])
                )
            assert len({connection.port for connection in made}) == 6
            assert not claimed_ports(fresh.home) & claimed_ports(other.home)
            assert fresh.uids.isdisjoint(other.uids)
            before = other.servers()
            fresh.stop()
            self.check(other, before)
            fresh.start()
            for name in names:
                fresh.await_usable(name)
                with fresh.client() as client:
                    client.delete_database(name, confirm=name)
            fresh.await_nothing_left()
            self.check(other, before)

    def check(self, home: Platform, before: list[processes.Process]) -> None:
        assert [process for process in before if not processes.is_alive(process)] == []
        for number in range(3):
            assert tenants.answers(QUICK, home.await_usable(f"home-db-{number}").url)
