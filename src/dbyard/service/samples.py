"""What servers were last heard to say: asked in threads of their own, so that nobody waits long for one that is slow.

A tenant can keep its server from answering. One question at a time is asked of each server, and a few of all together.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass

from dbyard.errors import NotReady, StepError

log = logging.getLogger(__name__)

Stats = Mapping[str, int | float]

_WAIT_SECONDS = 1.0
_MOST_AGE = 60.0
"""Seconds for which an answer is told again while the server gives no other."""
_AT_ONCE, _KEPT = 32, 1000


@dataclass(frozen=True, slots=True)
class Question:
    """What a server is being asked in another thread."""

    answer: Future[Stats]


class Samples:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[str, Question] = {}
        self._last: dict[str, tuple[float, Stats]] = {}

    def get(self, key: str, ask: Callable[[], Stats]) -> Stats:
        """What `ask` returns, or what it returned lately, within a second. Raises NotReady, or what `ask` raises."""
        question = self.ask(key, ask)
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

    def ask(self, key: str, ask: Callable[[], Stats]) -> Question | None:
        """The question that is asked of this server now; None when too many are asked of others."""
        with self._lock:
            question = self._questions.get(key)
            if question is None and len(self._questions) < _AT_ONCE:
                question = self._questions[key] = Question(Future())
                threading.Thread(target=self._run, args=(key, ask, question), name="sample", daemon=True).start()
            return question

    def _run(self, key: str, ask: Callable[[], Stats], question: Question) -> None:
        try:
            stats = dict(ask())
        except BaseException as error:
            if not isinstance(error, NotReady | StepError):
                log.exception("the statistics of database %s cannot be told", key)
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
