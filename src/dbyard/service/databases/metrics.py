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

_SAMPLE_SECONDS = 0.1


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


def measure(service: Service, principal: Principal, key: str) -> DatabaseMetrics:
    """Takes a tenth of a second, to see how much processor time the server uses in it."""
    facts = get_facts(service, principal, key)
    first, started = service.usage(facts.instance.id), time.monotonic()
    disk, reported = service.disk(facts.instance.id), _ask_server(service, facts)
    time.sleep(max(0.0, _SAMPLE_SECONDS - (time.monotonic() - started)))
    last, seconds = service.usage(facts.instance.id), time.monotonic() - started
    memory = last.memory or 0
    return DatabaseMetrics(
        facts=facts,
        cpu_percent=_cpu_percent(first, last, seconds, facts.plan),
        memory=memory,
        memory_peak=last.memory_peak or memory,
        swap=last.swap or 0,
        disk=disk,
        stats=reported,
    )


def _ask_server(service: Service, facts: ServerFacts) -> Mapping[str, int | float]:
    try:
        return dict(stats.ask(service, facts.database))
    except (NotReady, StepError):
        return {}


def _cpu_percent(first: Usage, last: Usage, seconds: float, plan: Plan) -> int:
    if first.cpu_seconds is None or last.cpu_seconds is None:
        return 0
    return min(100, round(max(0.0, last.cpu_seconds - first.cpu_seconds) * 100 / (seconds * plan.cpu)))
