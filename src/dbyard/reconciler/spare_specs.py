"""What spares are rendered from: servers of no database yet, with the admin that they will keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dbyard import engines
from dbyard.engines import Engine
from dbyard.model import Allocation, Certificate, Credentials, InstanceSpec, Plan, Release, RenderInput, Technology
from dbyard.operations import Context

_YIELD_SECONDS = 5.0


def credentials_of(
    context: Context, given: Allocation, *, user: str, database: str, certificate: Certificate
) -> Credentials:
    """The admin's password follows from the lineage that the spare's data have; `user` is empty for no tenant."""
    return Credentials(
        admin_password=context.box.derive("admin", given.lineage),
        user=user,
        password=context.box.derive("spare", given.lineage) if user else "",
        database=database,
        certificate=certificate,
    )


def render_spare(
    context: Context,
    technology: Technology,
    plan: Plan,
    spare_id: str,
    given: Allocation,
    release: Release,
    credentials: Credentials,
) -> InstanceSpec:
    layout = context.runtime.layout(spare_id, given.placement, release)
    return engine_of(technology).render(RenderInput(spare_id, 1, plan, technology.overhead_mb), layout, credentials)


def engine_of(technology: Technology) -> Engine:
    return engines.load(technology.engine)


def yield_to_operations(is_busy: Callable[[], bool], stopping: threading.Event) -> None:
    """A create that waits for the processor is worth more than a spare, but spares must come some time."""
    until = time.monotonic() + _YIELD_SECONDS
    while is_busy() and time.monotonic() < until and not stopping.is_set():
        stopping.wait(0.05)
