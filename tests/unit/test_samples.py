"""Statistics of servers, some of which never answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dbyard.errors import NotReady, PermanentError
from dbyard.service import samples
from dbyard.service.samples import Samples, Stats


class Server:
    """Answers when it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.asked = 0

    def __call__(self) -> Stats:
        self.asked += 1
        self.may.wait(60)
        return {"asked": self.asked}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(samples, "_WAIT_SECONDS", 0.05)
    server = Server()
    yield server
    server.may.set()


@pytest.fixture
def known() -> Samples:
    return Samples()


class TestGet:
    def test_of_a_server_that_answers_is_new_each_time(self, known: Samples) -> None:
        numbers = iter(range(1, 9))
        assert [known.get("a", "owner", lambda: {"n": next(numbers)})["n"] for _ in range(3)] == [1, 2, 3]

    def test_of_one_that_does_not_is_asked_once(self, known: Samples, silent: Server) -> None:
        for _ in range(20):
            with pytest.raises(NotReady, match="in time"):
                known.get("a", "owner", silent)
        assert silent.asked == 1

    def test_tells_the_last_answer_meanwhile(self, known: Samples, silent: Server) -> None:
        known.get("a", "owner", lambda: {"n": 7})
        assert known.get("a", "owner", silent) == {"n": 7}

    def test_but_not_for_long(self, known: Samples, silent: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        known.get("a", "owner", lambda: {"n": 7})
        monkeypatch.setattr(samples, "_MOST_AGE", -1.0)
        with pytest.raises(NotReady):
            known.get("a", "owner", silent)

    def test_of_another_server_is_not_held_up(self, known: Samples, silent: Server) -> None:
        with pytest.raises(NotReady):
            known.get("a", "owner", silent)
        assert known.get("b", "owner", lambda: {"n": 1}) == {"n": 1}

    def test_too_many_silent_ones_are_not_asked(
        self, known: Samples, silent: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(samples, "_AT_ONCE", 2)
        for number in range(5):
            with pytest.raises(NotReady):
                known.get(str(number), f"owner-{number}", silent)
        assert silent.asked == 2

    def test_silent_ones_of_one_account_take_no_places_of_another(
        self, known: Samples, silent: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(samples, "_OF_ONE_ACCOUNT", 2)
        for number in range(5):
            with pytest.raises(NotReady):
                known.get(str(number), "greedy", silent)
        assert silent.asked == 2
        assert known.get("modest", "another", lambda: {"n": 1}) == {"n": 1}

    def test_without_a_thread_it_can_be_asked_again(self, known: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", refuse)
            with pytest.raises(NotReady):
                known.get("a", "owner", lambda: {"n": 1})
        assert known.get("a", "owner", lambda: {"n": 1}) == {"n": 1}

    def test_an_error_is_the_callers_and_forgets_what_was(self, known: Samples, silent: Server) -> None:
        known.get("a", "owner", lambda: {"n": 7})

        def refuse() -> Stats:
            raise PermanentError("no")

        with pytest.raises(PermanentError, match="no"):
            known.get("a", "owner", refuse)
        with pytest.raises(NotReady):
            known.get("a", "owner", silent)

    def test_keeps_no_more_than_it_should(self, known: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(samples, "_KEPT", 3)
        for number in range(9):
            known.get(str(number), f"owner-{number}", lambda: {"n": 1})
        assert list(known._last) == ["6", "7", "8"]
