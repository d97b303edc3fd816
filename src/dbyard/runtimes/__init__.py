"""A runtime knows where servers run: places, starts, stops, watches and destroys instances that engines rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbyard.errors import TemporaryError
from dbyard.model import Capacity, ExitStatus, Installation, InstanceSpec, InstanceState, Layout, Placement, Usage


class PortTaken(TemporaryError):
    """Somebody else listens on the instance's port."""

    code = "port_taken"


@dataclass(frozen=True, slots=True)
class Spare:
    """A spare that waits to be claimed by whoever wants its `kind`; `alive` when its server runs at this moment."""

    id: str
    kind: str
    alive: bool


def kind_of_spare(installation: Installation, plan: str | None = None) -> str:
    """What a spare of this server is called; with `plan`, one whose server already runs with that plan's limits."""
    server = f"{installation.technology}-{installation.full_version}"
    return f"running-{server}-{plan}" if plan else server


class Runtime(Protocol):
    """Every function may be called twice: what is already so is left as it is.

    `ensure` and `destroy` of one instance are serialised and carry its generation; an older generation than the
    newest seen raises StaleGeneration.
    """

    def place(
        self, instance_id: str, generation: int, installation: Installation, plan: str | None = None
    ) -> Placement:
        """Give the instance a directory, a port and a uid, from a spare when there is one; or tell what it has.

        With `plan`, a spare that runs for that plan comes first, and its server with it: `ensure` adopts it.
        """

    def replace(self, instance_id: str, generation: int) -> Placement:
        """Give the stopped instance another port (somebody took its own); its data stay."""

    def layout(self, instance_id: str, placement: Placement, installation: Installation) -> Layout:
        """Paths and address as the instance's server sees them. Pure."""

    def ensure(self, spec: InstanceSpec, placement: Placement, installation: Installation) -> None:
        """Start the server, or adopt it when it runs; the first time after its `init` commands.

        Raises PortTaken, TemporaryError or PermanentError; returns without waiting until it answers.
        """

    def adjust(self, spec: InstanceSpec) -> None:
        """Hold a running server to the limits of the spec, which are larger than those that it has."""

    def state(self, instance_id: str) -> InstanceState: ...

    def last_exit(self, instance_id: str) -> ExitStatus:
        """How the instance's server ended that does not run now; to be asked before it is started again."""

    def stop(self, instance_id: str, *, by_force: bool = False) -> None:
        """Stop the server and everything it started, by its stop signal first and by force after its grace.

        With `by_force` at once: one that does not listen any more would only use up its grace.
        """

    def destroy(self, instance_id: str, generation: int) -> None:
        """Afterwards nothing of the instance is left: no process, port, uid, cgroup or file."""

    def logs(self, instance_id: str, lines: int) -> Sequence[str]:
        """The last lines of the server's own log files, oldest first; empty when there are none."""

    def trim_logs(self) -> None:
        """Cut log files that have grown too large down to their last lines."""

    def watch(self, on_exit: Callable[[str], None]) -> None:
        """Call `on_exit(instance_id)` from another thread within milliseconds of a server's death."""

    def has_room(self) -> bool:
        """Whether another server may be made: one that meets a full disk stops, and those that run have to write."""

    def limits(self) -> Mapping[str, str]:
        """Which limit is held by what here: `{"memory": "cgroup v2", "cpu": "cgroup v2", …}`."""

    def usage(self, instance_id: str) -> Usage:
        """What the instance's processes use at this moment."""

    def cpu_seconds(self, instance_id: str) -> float | None:
        """The processor time of the instance alone, if that can be told for next to nothing; else None."""

    def written(self, instance_id: str) -> int | None:
        """The bytes that the instance's processes have sent to disks so far; None where this machine does not tell."""

    def disk(self, instance_id: str) -> int:
        """The bytes that everything of the instance takes on disk, logs included; it costs some milliseconds."""

    def space(self) -> Capacity:
        """The file system that all instances share."""

    def memory(self) -> Capacity:
        """The machine's memory, and what programs could still have of it."""

    # ---- spares: directories made ready beforehand, some with a server that runs ----------------------------

    def new_spare(self) -> tuple[str, Placement]:
        """Begin a spare: an unfinished directory with its own port, uid and seed. Returns its id and placement."""

    def prepare(self, spec: InstanceSpec, placement: Placement, installation: Installation) -> None:
        """Run the `init` commands of the unfinished spare `spec.id`, make it durable, and offer it to `place`."""

    def may_run_spares(self) -> bool:
        """Whether a server that runs here outlives that its directory is renamed."""

    def offer(self, spare_id: str, kind: str) -> None:
        """Offer the unfinished spare to `place` as it is: with the server that `ensure` has started in it."""

    def discard(self, spare_id: str) -> None:
        """Remove a spare, finished or not, and its server; one that was claimed meanwhile is left alone."""

    def spares(self, installation: Installation) -> int:
        """How many finished spares of this server wait to be claimed, running ones aside."""

    def list_spares(self, *, running: bool) -> Sequence[Spare]:
        """The finished spares: prepared directories, or else those whose server was started."""
