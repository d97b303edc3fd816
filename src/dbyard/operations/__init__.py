"""Operations: everything that changes the world, as rows that advance step by step.

A step is a function of (context, operation) that observes, acts at most once, and returns what comes next. It may be
killed at any instant and run again. What it wants written goes into `save`, which is applied in the transaction that
advances the operation, and only if the operation is still its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbyard.archive.locations import Location
from dbyard.catalogue import Catalogue
from dbyard.certificates import Authority
from dbyard.metrics import Metrics
from dbyard.model import Operation, Progress
from dbyard.runtimes import HostCapacity, Runtime, SparePool
from dbyard.secrets import Box
from dbyard.store import Connection, Store

Save = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Next:
    """The step is done; go on at `step`.

    `outcome` and `message` are what it found, for the operation's history; `result` is added to the operation's.
    """

    step: str
    save: Save | None = None
    outcome: str = "done"
    message: str = ""
    result: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is wrong, it only takes time: run the same step again in `seconds`. `reason` is for a passed deadline.

    With `counts` false it waits for others, and the time that the operation may take begins again afterwards. The same
    holds for each progress of a kind that has a stall time instead of a deadline.
    """

    seconds: float
    reason: str
    counts: bool = True
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is done; `result` is added to the operation's."""

    save: Save | None = None
    result: Mapping[str, object] | None = None


Outcome = Next | Wait | Done


@dataclass(frozen=True, slots=True)
class Context:
    """What steps work with; `now()` is Unix time.

    `hosts` are names and addresses under which servers are reached beside those of their endpoints.
    """

    store: Store
    catalogue: Catalogue
    box: Box
    authority: Authority
    runtime: Runtime
    host: HostCapacity
    spares: SparePool
    metrics: Metrics
    archive: Location
    """Where backups lie."""
    now: Callable[[], float]
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1")


Step = Callable[[Context, Operation], Outcome]


@dataclass(frozen=True, slots=True)
class Kind:
    """The steps of a kind of operation, and what is done when it ends in error or is cancelled.

    `on_failure(context, operation, reason)` tidies up the world, may be repeated, and returns what is written in the
    transaction that ends the operation.
    """

    steps: Mapping[str, Step]
    on_failure: Callable[[Context, Operation, str], Save | None]


def save_all(*saves: Save | None) -> Save:
    """All of them, in one transaction."""

    def save(connection: Connection) -> None:
        for each in saves:
            if each is not None:
                each(connection)

    return save
