"""What outlives a platform in the fake runtime: instances, endpoints, jobs and spares, all in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbyard.model import Allocation, ExitStatus, InstanceSpec, JobSpec, JobState, Placement, ProcessSpec

HOST = "127.0.0.1"
_FIRST_PORT = 20000


@dataclass
class Instance:
    slot: int
    lineage: str
    own_port: int
    """Where its server listens while no endpoint leads to it."""
    spec: InstanceSpec | None = None
    initialised: bool = False
    """Its data come from elsewhere, or its init commands have run."""
    inits: int = 0
    """How often its init commands have run."""
    starts: int = 0
    """How often its server was started."""
    running: dict[str, ProcessSpec] = field(default_factory=dict)
    """The server is called "" here, whatever its spec calls it."""
    started: set[str] = field(default_factory=set)
    exit: ExitStatus | None = None
    asked: dict[str, float] | None = None
    held: bool = False
    listens_on: int = 0
    disk: int = 0
    log: list[str] = field(default_factory=list)
    manifest: str | None = None

    @property
    def allocation(self) -> Allocation:
        return Allocation(Placement(f'{{"slot": {self.slot}}}'), self.lineage)


@dataclass
class Machine:
    """What outlives a platform."""

    instances: dict[str, Instance] = field(default_factory=dict)
    endpoints: dict[str, tuple[int, str]] = field(default_factory=dict)
    jobs: dict[str, tuple[JobSpec, JobState]] = field(default_factory=dict)
    spares: dict[str, str] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    """Spares that are not in the pool yet."""
    next_port: int = _FIRST_PORT

    def build(self, instance_id: str, lineage: str | None = None) -> Instance:
        port = self.new_port()
        made = Instance(port, lineage or f"lineage-{port}", port, initialised=lineage is not None)
        return self.instances.setdefault(instance_id, made)

    def new_port(self) -> int:
        self.next_port += 2
        return self.next_port - 2

    def port_of(self, instance_id: str) -> int | None:
        """The port of the endpoint that leads to the instance."""
        return next((port for port, each in self.endpoints.values() if each == instance_id), None)
