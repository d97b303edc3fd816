"""Operations: everything that changes the world, as rows that advance step by step.

A step is a function of (context, operation) that observes, acts at most once, and returns what comes next. It may be
killed at any instant and run again. What it wants written goes into `save`, which is applied in the transaction that
advances the operation, and only if the operation is still its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dbyard.catalogue import Catalogue
from dbyard.certificates import Authority
from dbyard.metrics import Metrics
from dbyard.model import Installation, Operation, Version
from dbyard.runtimes import Runtime
from dbyard.secrets import Box
from dbyard.store import Connection, Store

Save = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Next:
    """The step is done; go on at `step`. `outcome` and `message` are what it found, for the operation's history."""

    step: str
    save: Save | None = None
    outcome: str = "done"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is wrong, it only takes time: run the same step again in `seconds`. `reason` is for a passed deadline.

    With `counts` false it waits for others, and the time that the operation may take begins again afterwards.
    """

    seconds: float
    reason: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is done."""

    save: Save | None = None


Outcome = Next | Wait | Done


class FindServer(Protocol):
    def __call__(self, technology: str, version: str, full_version: str | None = None, /) -> Installation | None:
        """The newest server of this version; with the `full_version` of an instance that one, else a newer."""


@dataclass(frozen=True, slots=True)
class Context:
    """What steps work with; `now()` is Unix time."""

    store: Store
    catalogue: Catalogue
    box: Box
    authority: Authority
    runtime: Runtime
    installed: FindServer
    metrics: Metrics
    now: Callable[[], float]


Step = Callable[[Context, Operation], Outcome]


@dataclass(frozen=True, slots=True)
class Kind:
    """The steps of a kind of operation, and how to tidy up the world when it ends in error."""

    steps: Mapping[str, Step]
    on_failure: Callable[[Context, Operation], None]


def version_of(context: Context, technology: str, version: str) -> Version:
    """The catalogue's entry; a version that left the catalogue is a LookupError."""
    found = context.catalogue.get(technology)
    return next(entry for entry in found.versions if entry.version == version)
