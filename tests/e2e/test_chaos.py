"""Random kills, creates and deletes; then everything is as asked for. The seed is printed: DBYARD_CHAOS_SEED=…"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import dataclass, field

from dbyard.catalogue import Catalogue
from dbyard.errors import Conflict
from tests.e2e import tenants
from tests.e2e.platforms import Platform, kill_processes, new_database

ROUNDS = 30
MOST_DATABASES = 6


@dataclass
class Chaos:
    home: Platform
    dice: random.Random
    technologies: list[str]
    wanted: dict[str, str] = field(default_factory=dict)
    """The technology of each database that was asked for."""
    written: dict[str, int] = field(default_factory=dict)
    """How many numbers each database has acknowledged."""

    def round(self) -> str:
        act = self.dice.choices(
            [self.create, self.delete, self.write, self.kill_server, self.kill_platform], [6, 2, 6, 4, 3]
        )[0]
        return f"{act.__name__} {act()}"

    def create(self) -> str:
        name = f"chaos-db-{self.dice.randrange(10_000)}"
        technology = self.dice.choice(self.technologies)
        if len(self.wanted) == MOST_DATABASES or name in self.wanted:
            return "nothing"
        with self.home.client() as client:
            client.create_database(new_database(name, technology))
        self.wanted[name] = technology
        return f"{technology} {name}"

    def delete(self) -> str:
        if not self.wanted:
            return "nothing"
        name = self.dice.choice(sorted(self.wanted))
        with self.home.client() as client:
            client.delete_database(name, confirm=name)
        del self.wanted[name]
        self.written.pop(name, None)
        return name

    def write(self) -> str:
        """What is acknowledged must be there in the end."""
        if not self.wanted:
            return "nothing"
        name = self.dice.choice(sorted(self.wanted))
        with suppress(Conflict, *tenants.ERRORS), self.home.client() as client:
            tenant = tenants.connect(self.wanted[name], client.get_connection(name).url)
            tenant.write(self.written.get(name, 0))
            self.written[name] = self.written.get(name, 0) + 1
            tenant.close()
        return f"{name}: {self.written.get(name, 0)}"

    def kill_server(self) -> str:
        victims = [process for process in self.home.servers() if "/data" in " ".join(process.argv)]
        if not victims:
            return "nothing"
        victim = self.dice.choice(sorted(victims, key=lambda process: process.pid))
        kill_processes([victim])
        return " ".join(victim.argv[:3])

    def kill_platform(self) -> str:
        self.home.kill()
        if self.dice.random() < 0.3:
            kill_processes(self.home.servers())
        self.home.start()
        return ""


class TestChaos:
    def test_converges(self, fresh: Platform, catalogue: Catalogue) -> None:
        seed = int(os.environ.get("DBYARD_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
        print(f"DBYARD_CHAOS_SEED={seed}")  # noqa: T201
        quick = sorted(slug for slug, each in catalogue.technologies.items() if not each.slow_start)
        chaos = Chaos(fresh, random.Random(seed), quick)
        fresh.environment = {**fresh.environment, "DBYARD_SPARES": "1"}
        fresh.start()
        for number in range(ROUNDS):
            print(number, chaos.round())  # noqa: T201
        for name, technology in chaos.wanted.items():
            tenant = tenants.connect(technology, fresh.await_usable(name, seconds=60).url)
            assert tenant.read() >= set(range(chaos.written.get(name, 0)))
            tenant.close()
        with fresh.client() as client:
            assert {database.name for database in client.list_databases()} == set(chaos.wanted)
            for name in chaos.wanted:
                client.delete_database(name, confirm=name)
        fresh.terminate()
        fresh.start(DBYARD_SPARES="0")
        fresh.await_nothing_left()
