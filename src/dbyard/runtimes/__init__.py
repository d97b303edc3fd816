"""A runtime knows where servers run: it allocates, starts, stops, watches and destroys instances that engines rendered.

`Runtime` is the portable part. `HostCapacity` and `SparePool` exist where servers are processes of one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbyard.errors import TemporaryError
from dbyard.model import (
    Address,
    Allocation,
    Capacity,
    InstanceSpec,
    InstanceStatus,
    JobSpec,
    JobState,
    Layout,
    Placement,
    Release,
    Usage,
)


class PortTaken(TemporaryError):
    """Another program listens on the port of the instance."""

    code = "port_taken"


class Runtime(Protocol):
    """Every function may be called twice: what is already so is left as it is.

    `allocate`, `ensure`, `update` and `destroy` of one instance are serialised and carry its generation: after a
    `destroy`, calls with an older generation raise StaleGeneration.
    """

    # ---- instances ----------------------------------------------------------------------------------------------

    def resolve(self, technology: str, version: str, full_version: str | None = None) -> Release | None:
        """The build of a server that would run: the newest; with `full_version` that one, else a newer one."""

    def allocate(
        self,
        instance_id: str,
        generation: int,
        release: Release,
        *,
        plan: str | None = None,
        lineage: str | None = None,
    ) -> Allocation:
        """Give the instance a place for its server and its data; called again, it returns what the instance has.

        The place may be a prepared one; with `plan`, one whose server runs already for that plan comes first, and
        `ensure` adopts that. With `lineage` the data come from elsewhere: the place is empty, and `init` commands never
        run there.
        """

    def layout(self, instance_id: str, placement: Placement, release: Release) -> Layout:
        """Paths and address as the instance's server sees them; the port is that of the endpoint that leads to it.

        Raises PermanentError when the release is not there any more.
        """

    def ensure(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:
        """Start every process of the instance that does not run, and adopt those that do; do not wait for them.

        Before the first start, the `init` commands run. Raises PortTaken, TemporaryError (also while the instance is
        being stopped) or PermanentError.
        """

    def update(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:
        """Give the instance the limits and files of the spec; its processes go on. Other changes hold from a start."""

    def status(self, instance_id: str) -> InstanceStatus:
        """RUNNING if the server runs; `reason` then names a process beside it that has ended.

        STOPPING from a `stop` until nothing of the instance runs any more. STOPPED tells how a server ended that
        nobody stopped; that is known until it is started again.
        """

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        """Ask the instance to stop, and return. Call it again until `status` is not STOPPING any more.

        Each call sends the stop signal again: to the processes beside the server first, to the server when those have
        ended. A process that runs on after its `stop_grace` is killed. With `force` all are killed at once. The
        request outlives the platform; only `ensure` ends it.
        """

    def destroy(self, instance_id: str, generation: int) -> None:
        """Remove everything of the instance, its jobs too: afterwards no process, file or limit of it is left.

        Endpoints stay, with their addresses, until `unpublish`.
        """

    def list_instances(self) -> Sequence[str]:
        """The ids of all instances that have a place here, known to anybody or not."""

    def put_manifest(self, instance_id: str, manifest: str) -> None:
        """Keep a text beside the instance, in the place of an older one, until it is destroyed.

        Its server cannot change it. An instance without a place keeps none.
        """

    def manifest(self, instance_id: str) -> str | None:
        """The text that was put last; None when there is none, or none that is whole."""

    def logs(self, instance_id: str, lines: int) -> Sequence[str]:
        """The last lines of the server's log, oldest first; empty when there are none."""

    def log_state(self, instance_id: str) -> str:
        """Another text whenever something was written to that log; much cheaper than to read it."""

    def data_state(self, instance_id: str, directory: str) -> str:
        """Another text whenever something was written to a file of that directory of its data."""

    def watch(self, on_exit: Callable[[str], None]) -> None:
        """Call `on_exit(instance_id)` from another thread as soon as a process of an instance ends, asked to or not."""

    def usage(self, instance_id: str) -> Usage:
        """What the instance's processes use at this moment; its jobs do not count."""

    def disk_used(self, instance_id: str, tolerance: int = 0) -> int:
        """The bytes that the instance takes on disk, logs included.

        The figure may be `tolerance` bytes too small: an idle instance is then told for next to nothing.
        """

    # ---- endpoints ----------------------------------------------------------------------------------------------

    def publish(self, endpoint_id: str, instance_id: str, *, avoid: int | None = None) -> Address:
        """Let the endpoint lead to the instance; its address is the same for as long as it is published.

        The instance must not run while its port changes: it listens there from its next start. An instance has at
        most one endpoint. `avoid` is a port that another program took: an endpoint that has it gets another one,
        which is only right before anybody was told of it. Raises TemporaryError when the instance has no place.
        """

    def unpublish(self, endpoint_id: str) -> None:
        """Give the endpoint's address up."""

    # ---- jobs ---------------------------------------------------------------------------------------------------

    def run_job(self, spec: JobSpec) -> None:
        """Start the job, once: a job that was started before is left alone, whether it still runs or has ended.

        Raises PermanentError when its instance has no place, or its release is not there.
        """

    def job(self, job_id: str) -> JobState:
        """How far the job is, or how it has ended. It is ABSENT when it was never started or is cancelled."""

    def cancel_job(self, job_id: str) -> None:
        """Kill the job and remove everything of it, also what a finished one has left."""


class HostCapacity(Protocol):
    """What one machine has left for its servers."""

    def space(self) -> Capacity:
        """The file system that all instances share."""

    def memory(self) -> Capacity:
        """The machine's memory; `free` is what programs could still have of it."""

    def has_room(self) -> bool:
        """Whether the file system has room for another server and its first files."""

    def trouble(self) -> str:
        """Why the file system cannot be written; empty when it can."""

    def limits(self) -> Mapping[str, str]:
        """What holds `memory`, `cpu`, `processes` and `disk` here, and what isolates: `sandbox`, `network` and `uid`.

        For example `{"memory": "cgroup v2", "sandbox": "bubblewrap", "network": "no outgoing connections", …}`.
        """

    def trim_logs(self) -> None:
        """Cut log files that have grown too large down to their last lines."""


@dataclass(frozen=True, slots=True)
class Spare:
    """A spare that waits for an `allocate` that wants its `kind`; `alive` when its server runs at this moment."""

    id: str
    kind: str
    alive: bool


def kind_of_spare(release: Release, plan: str | None = None) -> str:
    """The kind of a spare of this server; with `plan`, of one whose server already runs with that plan's limits."""
    server = f"{release.technology}-{release.full_version}"
    return f"running-{server}-{plan}" if plan else server


class SparePool(Protocol):
    """Places made ready beforehand, some with a server that runs, which `Runtime.allocate` gives away.

    To start and watch the server of a running spare, pass the spare's id to the `Runtime` like an instance's.
    """

    def new_spare(self) -> tuple[str, Allocation]:
        """Begin an unfinished spare; returns its id and what it has been given."""

    def prepare(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:
        """Run the `init` commands of the unfinished spare `spec.id`, make it durable, and add it to the pool."""

    def offer(self, spare_id: str, kind: str) -> None:
        """Add the unfinished spare to the pool as it is: with the server that `ensure` has started in it."""

    def discard(self, spare_id: str) -> None:
        """Remove a spare, finished or not, and its server; one that was given away meanwhile is left alone."""

    def count(self, release: Release) -> int:
        """How many prepared spares of this server are in the pool; running ones do not count."""

    def list(self, *, running: bool) -> Sequence[Spare]:
        """The finished spares: prepared ones, or else those whose server was started."""

    def may_run(self) -> bool:
        """Whether a spare may be offered with a server that runs."""
