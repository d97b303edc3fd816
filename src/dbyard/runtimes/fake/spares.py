"""The spare pool of the fake runtime."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import Allocation, InstanceSpec, Placement, Release
from dbyard.runtimes import Spare, kind_of_spare
from dbyard.runtimes.fake.machine import Machine


class FakeSparePool:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._made = 0

    def new_spare(self) -> tuple[str, Allocation]:
        self._made += 1
        spare_id = f"spare-{self._made}"
        self._machine.unfinished.add(spare_id)
        return spare_id, self._machine.build(spare_id).allocation

    def prepare(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:  # noqa: ARG002
        self._machine.instances[spec.id].inits += 1
        self._machine.instances[spec.id].initialised = True
        self.offer(spec.id, kind_of_spare(release))

    def offer(self, spare_id: str, kind: str) -> None:
        self._machine.unfinished.discard(spare_id)
        self._machine.spares[spare_id] = kind

    def discard(self, spare_id: str) -> None:
        if spare_id in self._machine.unfinished or spare_id in self._machine.spares:
            self._machine.unfinished.discard(spare_id)
            self._machine.spares.pop(spare_id, None)
            self._machine.instances.pop(spare_id, None)

    def count(self, release: Release) -> int:
        return sum(spare.kind == kind_of_spare(release) for spare in self.list(running=False))

    def list(self, *, running: bool) -> Sequence[Spare]:
        found = [
            Spare(each, kind, bool(self._machine.instances[each].running))
            for each, kind in self._machine.spares.items()
        ]
        return [spare for spare in found if spare.kind.startswith("running-") == running]

    def may_run(self) -> bool:
        return True

    def claim(self, kinds: Sequence[str], instance_id: str) -> None:
        """Make a spare of the first kind that there is the instance's place; one whose server has died is left out."""
        if instance_id in self._machine.instances:
            return
        for kind in kinds:
            for spare in (*self.list(running=False), *self.list(running=True)):
                if spare.kind == kind and (spare.alive or not kind.startswith("running-")):
                    del self._machine.spares[spare.id]
                    self._machine.instances[instance_id] = self._machine.instances.pop(spare.id)
                    return
