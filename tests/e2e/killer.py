"""`dbyard serve` that kills itself with SIGKILL at one point of its work, named by the environment's KILL_AT.

Points are `KIND STEP effect` (the step's effect is there, nothing is recorded), `KIND STEP recorded`, and the instants
inside of steps that `INSTANTS` names. With KILL_COUNT it does so when as many operations have come there.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from dbyard.__main__ import main
from dbyard.archive import journals
from dbyard.model import Operation
from dbyard.reconciler.journals import JournalArchiver
from dbyard.reconciler.queue import Queue
from dbyard.runtimes.local import cgroups, directories, endpoints, members, ports, slots, spawn

Instant = tuple[Any, str, str]

CREATE_INSTANTS: dict[str, Instant] = {
    "a port is claimed": (ports.Ports, "claim", "after"),
    "a directory is laid out, without its placement": (directories, "build", "after"),
    "a placement is written, in an unfinished directory": (slots, "write", "after"),
    "the endpoint is recorded": (endpoints, "_write", "after"),
    "an init command has run": (spawn, "run", "after"),
    "the init commands are done, not yet marked as such": (directories, "sync", "after"),
    "the server is written ahead, not yet started": (spawn, "start", "before"),
    "the server runs, its pid is recorded nowhere": (spawn, "start", "after"),
}
DELETE_INSTANTS: dict[str, Instant] = {
    "the processes are killed": (members, "kill", "after"),
    "the directory is in the trash": (cgroups.Cgroups, "remove", "before"),
    "the control group is removed": (cgroups.Cgroups, "remove", "after"),
    "the endpoint is forgotten, its port still claimed": (endpoints.Endpoints, "_release", "before"),
    "the port is released": (ports.Ports, "release", "after"),
}

JOURNAL_INSTANTS: dict[str, Instant] = {
    "a piece of a journal is in the archive, and recorded nowhere": (journals, "put", "after"),
    "a piece of a journal is recorded, and its server not told": (JournalArchiver, "_advance", "after"),
}

NEED_CGROUPS = {name for name, (owner, _, _) in DELETE_INSTANTS.items() if owner is cgroups.Cgroups}


MOMENTS = ("effect", "recorded")
"""Of a step: what it does is done, and that is written down."""


def arm(point: str) -> None:
    """Die there."""
    all_there = threading.Barrier(int(os.environ.get("KILL_COUNT", "1")))

    def reach(name: str) -> None:
        if name == point:
            all_there.wait()
            os.kill(os.getpid(), signal.SIGKILL)

    for name, (owner, attribute, moment) in {**CREATE_INSTANTS, **DELETE_INSTANTS, **JOURNAL_INSTANTS}.items():
        setattr(owner, attribute, _watched(getattr(owner, attribute), name, moment, reach))
    apply = Queue._apply

    def watched_apply(self: Queue, operation: Operation, outcome: Any) -> Any:
        reach(f"{operation.kind} {operation.step} effect")
        result = apply(self, operation, outcome)
        reach(f"{operation.kind} {operation.step} recorded")
        return result

    Queue._apply = watched_apply  # type: ignore[method-assign]


def _watched(function: Callable[..., Any], name: str, moment: str, reach: Callable[[str], None]) -> Callable[..., Any]:
    def watched(*args: Any, **named: Any) -> Any:
        if moment == "before":
            reach(name)
        result = function(*args, **named)
        if moment == "after":
            reach(name)
        return result

    return watched


if __name__ == "__main__":
    sys.argv = ["dbyard", *sys.argv[1:]]
    arm(os.environ["KILL_AT"])
    main()
