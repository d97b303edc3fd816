"""A thread that does one thing again and again, whatever goes wrong with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dbyard.errors import Unavailable

log = logging.getLogger(__name__)

_AFTER_FAILURE = 5.0


def loop(name: str, stopping: threading.Event, run_once: Callable[[], float]) -> threading.Thread:
    """A thread, not started yet, that calls `run_once` until `stopping`; it returns the seconds until the next time."""

    def run() -> None:
        while not stopping.wait(_attempt(name, run_once)):
            pass

    return threading.Thread(target=run, name=name, daemon=True)


@contextmanager
def logged(what: str) -> Iterator[None]:
    """What goes wrong with one of many does not stop the others; without the store nothing can go on."""
    try:
        yield
    except Unavailable:
        raise
    except Exception:
        log.exception("%s failed", what)


def _attempt(name: str, run_once: Callable[[], float]) -> float:
    try:
        return run_once()
    except Unavailable as error:
        log.error("%s: %s; it goes on in %.0f s", name, error, _AFTER_FAILURE)
    except Exception:
        log.exception("%s failed; it goes on in %.0f s", name, _AFTER_FAILURE)
    return _AFTER_FAILURE
