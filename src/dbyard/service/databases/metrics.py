"""What a database uses at this moment, and what its server reports of itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from dbyard.errors import NotReady, StepError
from dbyard.model import Plan, Principal, Usage
from dbyard.service import Service
from dbyard.service.databases import stats
from dbyard.service.databases.details import ServerFacts, get_facts
from dbyard.service.samples import Question

SAMPLE_SECONDS = 0.1
"""In which it is seen how much processor time a server uses."""


@dataclass(frozen=True, slots=True)
class DatabaseMetrics:
    """`cpu_percent` is of the plan's cores; memory, swap and disk in bytes.

    `stats` is empty while the server does not answer.
    """

    facts: ServerFacts
    cpu_percent: int
    memory: int
    memory_peak: int
    swap: int
    disk: int
    stats: Mapping[str, int | float]


@dataclass(frozen=True, slots=True)
class Measuring:
    """A measurement that has begun; `started` is monotonic time."""

    facts: ServerFacts
    started: float
    first: Usage
    disk: int
    question: Question | None


def begin(service: Service, principal: Principal, key: str) -> Measuring:
    """Begin to see how much processor time a server uses, and ask it what it reports."""
    facts = get_facts(service, principal, key)
    started, first = time.monotonic(), service.usage(facts.instance.id)
    return Measuring(facts, started, first, service.disk(facts.instance.id), stats.begin(service, facts.database))


def finish(service: Service, measuring: Measuring, *, at_last: bool) -> DatabaseMetrics | None:
    """None as long as the server may still answer; `at_last` takes what there is."""
    seconds, question = time.monotonic() - measuring.started, measuring.question
    if not at_last and (seconds < SAMPLE_SECONDS or (question is not None and not question.answer.done())):
        return None
    facts, last = measuring.facts, service.usage(measuring.facts.instance.id)
    memory = last.memory or 0
    return DatabaseMetrics(
        facts=facts,
        cpu_percent=_cpu_percent(measuring.first, last, seconds, facts.plan),
        memory=memory,
        memory_peak=last.memory_peak or memory,
        swap=last.swap or 0,
        disk=measuring.disk,
        stats=_tell(service, measuring),
    )


def _tell(service: Service, measuring: Measuring) -> Mapping[str, int | float]:
    try:
        return dict(stats.tell(service, measuring.facts.database, measuring.question))
    except (NotReady, StepError):
        return {}


def _cpu_percent(first: Usage, last: Usage, seconds: float, plan: Plan) -> int:
    if first.cpu_seconds is None or last.cpu_seconds is None:
        return 0
    return min(100, round(max(0.0, last.cpu_seconds - first.cpu_seconds) * 100 / (seconds * plan.cpu)))
