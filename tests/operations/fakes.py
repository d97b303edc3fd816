"""The inside of a platform on a runtime and an engine in memory: whole operations take milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from dbyard.errors import LockedOut, NotReady
from dbyard.model import (
    Address,
    Applied,
    Credentials,
    Desired,
    InstanceSpec,
    Layout,
    Operation,
    OperationStatus,
    Principal,
    RenderInput,
    RestartNeeded,
)
from dbyard.operations import Context, Outcome
from dbyard.operations.kinds import KINDS
from dbyard.reconciler.queue import Queue
from dbyard.runtimes.fake import FakeRuntime
from dbyard.service import Service
from dbyard.store import operations
from tests.builders import SPEC


@dataclass
class FakeEngine:
    """A server is what it was last configured to; it answers while the runtime says that it listens."""

    runtime: FakeRuntime
    TECHNOLOGY: str = "redis"
    PASSWORD_ENCRYPTION: str = ""
    applied: list[Desired] = field(default_factory=list)
    reloads: int = 0
    answer: Callable[[Desired], Applied | RestartNeeded] = lambda _: Applied()
    """To `configure`; tests let it raise."""

    locked_out: LockedOut | None = None
    """What keeps the tenant out, until it is unlocked."""
    damage: str | None = None
    """What of its tenant's data it cannot read."""

    def name_tenant(self, name: str, suffix: str) -> tuple[str, str]:
        return name, suffix

    def render(self, node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
        admitted = "hidden" if node.hidden else "admin only" if node.admin_only else "everybody"
        argv = ("serve", str(layout.port), admitted)
        return replace(SPEC, id=node.id, generation=node.generation, processes=(replace(SPEC.server, argv=argv),))

    def ping(self, address: Address, credentials: Credentials) -> None:
        if address not in {self.runtime.listens(each) for each in self.runtime.list_instances()}:
            raise NotReady("connection refused")

    def configure(self, address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
        if address not in {self.runtime.listens(each) for each in self.runtime.list_instances()}:
            raise NotReady("connection refused")
        answer = self.answer(desired)
        if isinstance(answer, Applied):
            self.applied.append(desired)
        return answer

    def check_login(self, address: Address, credentials: Credentials) -> None:
        if self.locked_out and not (self.applied and self.applied[-1].unlock):
            raise self.locked_out

    def inspect_data(self, address: Address, credentials: Credentials) -> str | None:
        return self.damage

    def reload(self, address: Address, admin_password: str) -> None:
        self.reloads += 1

    def stats(self, address: Address, credentials: Credentials) -> Mapping[str, int | float]:
        return {}

    def url(self, address: Address, credentials: Credentials) -> str:
        return f"fake://{credentials.user}:{credentials.password}@{address.host}:{address.port}"

    def find_damage(self, lines: Sequence[str]) -> str | None:
        return None

    def log_time(self, line: str) -> datetime | None:
        return None


@dataclass(frozen=True)
class FakeBench:
    """Operations advance only when a test says so."""

    context: Context
    service: Service
    queue: Queue
    runtime: FakeRuntime
    engine: FakeEngine
    principal: Principal

    def run(self, operation: Operation, *, twice: bool = False) -> list[str]:
        """To its end; with `twice` each step is killed once after its effect, and runs again. The steps that ran."""
        steps = []
        following: Operation | None = operation
        while following is not None:
            steps.append(following.step)
            if twice:
                self.act(following)
            following = self.queue._advance(following) or self._claim_released(operation)
        return steps

    def _claim_released(self, operation: Operation) -> Operation | None:
        """The operation where it goes on at once under another claim."""
        with self.context.store.read() as connection:
            found = operations.get(connection, operation.id)
        goes_on = found is not None and (found.status, found.error_code) == (OperationStatus.PENDING, None)
        return self.claim() if goes_on else None

    def act(self, operation: Operation) -> Outcome:
        """What the operation's step does and returns, nothing recorded."""
        return KINDS[operation.kind].steps[operation.step](self.context, operation)

    def claim(self) -> Operation:
        operation = self.queue.claim()
        assert operation is not None, "no operation is due"
        return operation

    def latest(self, operation: Operation) -> Operation:
        with self.context.store.read() as connection:
            found = operations.get(connection, operation.id)
        assert found is not None
        return found


def make_queue(context: Context) -> Queue:
    return Queue(context, threading.Event(), 0)
