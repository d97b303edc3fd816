"""What servers were last heard to say: asked in threads of their own, so that nobody waits long for one that is slow.

A tenant can keep its server from answering. One question at a time is asked of each server, a few of those of one
account, and not many of all together.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass

from dbyard.errors import LockedOut, NotReady, StepError

log = logging.getLogger(__name__)

Stats = Mapping[str, int | float]

_WAIT_SECONDS = 1.0
_MOST_AGE = 60.0
"""Seconds for which an answer is told again while the server gives no other."""
_AT_ONCE, _OF_ONE_ACCOUNT = 64, 16
"""Questions, of all servers and of those of one account; each has a thread until it is answered."""
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Question:
    """What a server is being asked in another thread."""

    account_id: str
    answer: Future[Stats]


class Samples:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[str, Question] = {}
        self._last: dict[str, tuple[float, Stats]] = {}

    def get(self, key: str, account_id: str, ask: Callable[[], Stats], *, age: float = 0.0) -> Stats:
        """What `ask` returns, or what it returned lately, within a second. Raises NotReady, or what `ask` raises.

        An answer that is younger than `age` seconds is told without asking.
        """
        at, last = self._last.get(key, (0.0, {}))
        if last and time.monotonic() - at < age:
            return last
        question = self.ask(key, account_id, ask)
        if question is not None:
            wait([question.answer], _WAIT_SECONDS)
        return self.tell(key, question)

    def tell(self, key: str, question: Question | None) -> Stats:
        """The answer to a question if it is there, else an older one. Waits for nothing; raises as `get` does."""
        if question is not None and question.answer.done():
            return question.answer.result()
        at, last = self._last.get(key, (0.0, {}))
        if not last or time.monotonic() - at > _MOST_AGE:
            raise NotReady("the server does not answer in time")
        return last

    def ask(self, key: str, account_id: str, ask: Callable[[], Stats]) -> Question | None:
        """The question that is asked of this server, which is this account's; None when too many are asked of others.

        `ask` runs in a thread of its own, which ends with it: it must not read the store, which keeps a connection for
        each thread.
        """
        with self._lock:
            question = self._questions.get(key)
            if question is not None or not self._may_ask(account_id):
                return question
            question = Question(account_id, Future())
            try:
                threading.Thread(target=self._run, args=(key, ask, question), name="sample", daemon=True).start()
            except RuntimeError as error:  # the machine has no thread left
                log.error("database %s is not asked for its statistics: %s", key, error)
                return None
            self._questions[key] = question  # which its thread ends under this lock
            return question

    def _may_ask(self, account_id: str) -> bool:
        asked = self._questions.values()
        return len(asked) < _AT_ONCE and sum(each.account_id == account_id for each in asked) < _OF_ONE_ACCOUNT

    def _run(self, key: str, ask: Callable[[], Stats], question: Question) -> None:
        try:
            stats = dict(ask())
        except BaseException as error:
            if not isinstance(error, NotReady | StepError | LockedOut):
                log.exception("what the server of database %s says cannot be told", key)
            self._end(key, None)
            question.answer.set_exception(error)
        else:
            self._end(key, stats)
            question.answer.set_result(stats)

    def _end(self, key: str, stats: Stats | None) -> None:
        with self._lock:
            del self._questions[key]
            self._last.pop(key, None)
            if stats is not None:
                self._last[key] = (time.monotonic(), stats)
                while len(self._last) > _KEPT:
                    del self._last[next(iter(self._last))]
