"""What is new in a server's log, and how it is followed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.errors import NotFound
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases import databases, logs
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.service.databases.logs import follow, unseen
from tests.conftest import World

NAME = "my-postgres-db"


class TestUnseen:
    @pytest.mark.parametrize(
        ("seen", "latest", "new"),
        [
            ([], [], []),
            ([], ["a"], ["a"]),
            (["a", "b"], ["a", "b"], []),
            (["a", "b"], ["b", "c", "d"], ["c", "d"]),
            (["a", "x"], ["a", "b", "x"], ["b"]),
            (["a", "a"], ["a", "a", "a"], ["a"]),
        ],
    )
    def test_cases(self, seen: list[str], latest: list[str], new: list[str]) -> None:
        assert unseen(seen, latest) == new

    @given(st.lists(st.integers(0, 10_000), unique=True), st.integers(0, 20), st.integers(0, 20))
    def test_a_sliding_window_gives_each_line_once(self, numbers: list[int], size: int, grown: int) -> None:
        lines = [str(number) for number in numbers]
        before, after = lines[:size], lines[min(grown, size) : size + grown]
        assert unseen(before, after) == lines[size : size + grown]


class TestFollow:
    def test_ends_with_its_database(self, service: Service, token: str, world: World) -> None:
        principal = authentication.authenticate(service, token)
        create(service, principal, CreateRequest(NAME, "postgresql", "postgresql-starter-512"))
        world.log = ["one", "two"]
        looks = follow(service, principal, NAME, 1)
        assert next(looks) == ["two"]
        world.log.append("three")
        assert next(looks) == ["three"]
        assert list(next(looks)) == []
        databases.delete(service, principal, NAME, NAME)
        assert list(looks) == []

    def test_reads_no_log_that_was_not_written_to(
        self, service: Service, token: str, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        principal = authentication.authenticate(service, token)
        create(service, principal, CreateRequest(NAME, "postgresql", "postgresql-starter-512"))
        world.log = ["one", "two"]
        looks = follow(service, principal, NAME, 2)
        link = logs.make_link(service, principal, NAME)
        steps = logs.follow_link(service, link.database_id, link.token).steps
        assert next(looks) == ["one", "two"]
        with monkeypatch.context() as read:
            read.setattr(logs, "_add_times", lambda *_: pytest.fail("lines were read that nobody gets"))
            before = world.log_reads
            for _ in range(5):
                assert (list(next(looks)), next(steps)) == ([], [])
            assert world.log_reads == before
            world.log = ["two"]  # cut at its beginning: nothing of it is new
            assert (list(next(looks)), next(steps)) == ([], [])
        world.log = ["two", "three"]
        assert (next(looks), [line.text for line in next(steps)]) == (["three"], ["three"])

    def test_refuses_at_once(self, service: Service, token: str) -> None:
        with pytest.raises(NotFound):
            follow(service, authentication.authenticate(service, token), NAME, 1)
