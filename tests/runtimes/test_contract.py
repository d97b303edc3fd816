"""Every promise of the runtime Protocols, held against real processes and against the fake runtime."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator

import pytest

from dbyard.errors import PermanentError, StaleGeneration, TemporaryError
from dbyard.model import MIB, Address, ExitStatus, InstanceState, JobStatus, Progress, Release
from dbyard.runtimes import HostCapacity, PortTaken, Runtime, SparePool, kind_of_spare
from tests.disks import make_directory
from tests.runtimes.worlds import (
    RELEASE,
    FakeWorld,
    Instance,
    LocalWorld,
    World,
    allocate,
    job_of,
    layout_of,
    spec_of,
    start,
    state_of,
    stop,
    until,
)

PLAN = "echo-starter-64"


@pytest.fixture(params=["fake", "local"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    directory = make_directory()
    directory.chmod(0o711)
    made = LocalWorld(directory / "home")
    yield made
    made.close()
    shutil.rmtree(directory)


@pytest.fixture
def instance(world: World) -> Instance:
    return allocate(world)


def spares_of(world: World) -> SparePool:
    return world.runtime.spares


def address_of(world: World, instance: Instance) -> Address:
    layout = layout_of(world, instance)
    return Address(layout.host, layout.port)


def ensure(world: World, instance: Instance, *, generation: int = 1, beside: bool = False) -> None:
    spec = spec_of(world, instance, generation, beside=beside)
    world.runtime.ensure(spec, instance.allocation.placement, instance.release)


class TestManifest:
    def test_is_kept_beside_the_instance(self, world: World, instance: Instance) -> None:
        assert world.runtime.manifest(instance.id) is None
        for text in ("one", "two"):
            world.runtime.put_manifest(instance.id, text)
        assert world.reopen().manifest(instance.id) == "two"
        world.runtime.destroy(instance.id, 1)
        assert world.runtime.manifest(instance.id) is None

    def test_of_what_has_no_place_is_not_kept(self, world: World) -> None:
        world.runtime.put_manifest("nothing", "one")
        assert world.runtime.manifest("nothing") is None


class TestResolve:
    def test_gives_the_newest_build(self, world: World) -> None:
        world.builds.append("1.1")
        assert world.runtime.resolve("echo", "1") == Release("echo", "1", "1.1")

    def test_gives_the_build_that_is_named(self, world: World) -> None:
        world.builds.append("1.1")
        assert world.runtime.resolve("echo", "1", "1.0") == RELEASE

    def test_gives_a_newer_one_where_that_is_gone_but_never_an_older(self, world: World) -> None:
        world.builds[:] = ["1.1"]
        assert world.runtime.resolve("echo", "1", "1.0") == Release("echo", "1", "1.1")
        assert world.runtime.resolve("echo", "1", "1.2") is None


class TestAllocate:
    def test_again_gives_the_same(self, world: World, instance: Instance) -> None:
        assert world.runtime.allocate(instance.id, 1, RELEASE) == instance.allocation
        assert world.reopen().allocate(instance.id, 1, RELEASE) == instance.allocation

    def test_gives_each_instance_a_place_and_a_lineage_of_its_own(self, world: World) -> None:
        found = [allocate(world) for _ in range(3)]
        assert len({each.allocation.placement for each in found}) == 3
        assert len({each.allocation.lineage for each in found}) == 3
        assert len({layout_of(world, each).port for each in found}) == 3

    def test_keeps_the_lineage_of_data_that_come_from_elsewhere(self, world: World, instance: Instance) -> None:
        copy = allocate(world, lineage=instance.allocation.lineage)
        assert copy.allocation.lineage == instance.allocation.lineage
        assert copy.allocation.placement != instance.allocation.placement

    def test_of_an_older_generation_is_stale(self, world: World, instance: Instance) -> None:
        world.runtime.destroy(instance.id, 2)
        with pytest.raises(StaleGeneration):
            world.runtime.allocate(instance.id, 1, RELEASE)
        assert state_of(world, instance) is InstanceState.ABSENT


class TestLayout:
    def test_has_the_port_of_the_endpoint(self, world: World, instance: Instance) -> None:
        address = world.runtime.publish("endpoint", instance.id)
        assert address_of(world, instance) == address
        assert layout_of(world, instance).inner_port != address.port

    def test_needs_the_release(self, world: World, instance: Instance) -> None:
        world.builds.clear()
        with pytest.raises(PermanentError):
            layout_of(world, instance)


class TestEnsure:
    def test_starts_the_server(self, world: World, instance: Instance) -> None:
        start(world, instance)
        assert state_of(world, instance) is InstanceState.RUNNING

    def test_again_changes_nothing(self, world: World, instance: Instance) -> None:
        start(world, instance)
        ensure(world, instance)
        assert world.listens(instance, address_of(world, instance))
        assert world.count_inits(instance) == 1

    def test_of_another_platform_adopts_what_runs(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True)
        world.reopen()
        assert state_of(world, instance) is InstanceState.RUNNING
        ensure(world, instance, beside=True)
        assert world.listens(instance, address_of(world, instance))

    def test_runs_the_init_commands_before_the_first_start_only(self, world: World, instance: Instance) -> None:
        start(world, instance)
        stop(world, instance)
        start(world, instance)
        assert world.count_inits(instance) == 1

    def test_runs_none_where_the_data_come_from_elsewhere(self, world: World, instance: Instance) -> None:
        copy = allocate(world, lineage=instance.allocation.lineage)
        start(world, copy)
        assert world.count_inits(copy) == 0

    def test_starts_what_lacks_beside_a_server_that_goes_on(self, world: World, instance: Instance) -> None:
        start(world, instance)
        ensure(world, instance, beside=True)
        assert world.runtime.status(instance.id).reason == ""
        world.crash(instance, "helper")
        until(lambda: "helper" in world.runtime.status(instance.id).reason)
        ensure(world, instance, beside=True)
        status = world.runtime.status(instance.id)
        assert (status.state, status.reason) == (InstanceState.RUNNING, "")

    def test_starts_all_of_an_instance_whose_server_has_ended(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True)
        world.crash(instance)
        until(lambda: state_of(world, instance) is InstanceState.STOPPED)
        start(world, instance, beside=True)
        status = world.runtime.status(instance.id)
        assert (status.state, status.reason) == (InstanceState.RUNNING, "")

    def test_refuses_a_port_that_another_program_took(self, world: World, instance: Instance) -> None:
        port = world.runtime.publish("endpoint", instance.id).port
        with world.taking(port), pytest.raises(PortTaken, match=str(port)):
            ensure(world, instance)
        start(world, instance)

    def test_needs_a_place(self, world: World, instance: Instance) -> None:
        spec = spec_of(world, instance)
        world.runtime.destroy(instance.id, 1)
        with pytest.raises(PermanentError):
            world.runtime.ensure(spec, instance.allocation.placement, RELEASE)

    def test_of_an_older_generation_is_stale(self, world: World, instance: Instance) -> None:
        spec = spec_of(world, instance)
        world.runtime.destroy(instance.id, 2)
        with pytest.raises(StaleGeneration):
            world.runtime.ensure(spec, instance.allocation.placement, RELEASE)


class TestUpdate:
    def test_leaves_the_server_running(self, world: World, instance: Instance) -> None:
        start(world, instance)
        world.runtime.update(spec_of(world, instance), instance.allocation.placement, RELEASE)
        assert world.listens(instance, address_of(world, instance))

    def test_starts_nothing(self, world: World, instance: Instance) -> None:
        world.runtime.update(spec_of(world, instance), instance.allocation.placement, RELEASE)
        assert state_of(world, instance) is InstanceState.STOPPED


class TestStatus:
    def test_of_nothing(self, world: World) -> None:
        assert world.runtime.status("none").state is InstanceState.ABSENT

    def test_before_the_first_start(self, world: World, instance: Instance) -> None:
        assert state_of(world, instance) is InstanceState.STOPPED

    def test_tells_how_a_server_ended_by_itself(self, world: World, instance: Instance) -> None:
        start(world, instance)
        assert world.runtime.status(instance.id).exit is None
        world.crash(instance)
        until(lambda: state_of(world, instance) is InstanceState.STOPPED)
        assert world.runtime.status(instance.id).exit == ExitStatus(-9, memory_kill=False)
        start(world, instance)
        assert world.runtime.status(instance.id).exit is None

    def test_does_not_depend_on_what_runs_beside_the_server(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True)
        world.crash(instance)
        until(lambda: state_of(world, instance) is InstanceState.STOPPED)


class TestStop:
    def test_ends_everything(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True)
        stop(world, instance)
        assert state_of(world, instance) is InstanceState.STOPPED
        assert not world.listens(instance, address_of(world, instance))

    def test_is_no_end_that_has_a_cause(self, world: World, instance: Instance) -> None:
        start(world, instance)
        stop(world, instance)
        assert world.runtime.status(instance.id).exit is None

    def test_returns_before_the_server_has_ended(self, world: World, instance: Instance) -> None:
        start(world, instance, deaf=True)
        world.runtime.stop(instance.id)
        assert state_of(world, instance) is InstanceState.STOPPING
        assert world.listens(instance, address_of(world, instance))
        stop(world, instance)  # it is killed after its grace

    def test_ends_what_is_beside_the_server_first(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True, deaf=True)
        world.runtime.stop(instance.id)
        assert world.listens(instance, address_of(world, instance))
        stop(world, instance)

    def test_goes_on_when_the_platform_was_killed_meanwhile(self, world: World, instance: Instance) -> None:
        start(world, instance, deaf=True)
        world.runtime.stop(instance.id)
        world.reopen()
        assert state_of(world, instance) is InstanceState.STOPPING
        stop(world, instance)
        assert state_of(world, instance) is InstanceState.STOPPED

    def test_by_force_waits_for_no_grace(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True, deaf=True)
        world.runtime.stop(instance.id, force=True)
        until(lambda: state_of(world, instance) is InstanceState.STOPPED)

    def test_is_ended_by_a_start(self, world: World, instance: Instance) -> None:
        start(world, instance)
        stop(world, instance)
        start(world, instance)
        assert state_of(world, instance) is InstanceState.RUNNING

    def test_is_not_undone_by_a_start_that_comes_too_soon(self, world: World, instance: Instance) -> None:
        start(world, instance, deaf=True)
        world.runtime.stop(instance.id)
        with pytest.raises(TemporaryError):
            ensure(world, instance)

        def started() -> bool:
            try:
                ensure(world, instance)
            except TemporaryError:
                return False
            return True

        until(started)
        assert state_of(world, instance) is InstanceState.RUNNING

    def test_of_what_does_not_run_changes_nothing(self, world: World, instance: Instance) -> None:
        world.runtime.stop("none")
        stop(world, instance)
        stop(world, instance)
        assert state_of(world, instance) is InstanceState.STOPPED


class TestDestroy:
    def test_leaves_nothing(self, world: World, instance: Instance) -> None:
        start(world, instance, beside=True)
        world.runtime.publish("endpoint", instance.id)
        world.runtime.run_job(job_of(instance))
        world.runtime.destroy(instance.id, 1)
        world.runtime.unpublish("endpoint")
        assert state_of(world, instance) is InstanceState.ABSENT
        assert world.runtime.job("job-1").state is JobStatus.ABSENT
        assert world.leftovers() == []

    def test_again_changes_nothing(self, world: World, instance: Instance) -> None:
        world.runtime.destroy(instance.id, 1)
        world.runtime.destroy(instance.id, 1)
        assert state_of(world, instance) is InstanceState.ABSENT

    def test_leaves_the_endpoint_its_address(self, world: World, instance: Instance) -> None:
        address = world.runtime.publish("endpoint", instance.id)
        world.runtime.destroy(instance.id, 1)
        others = [allocate(world) for _ in range(3)]
        assert address.port not in {layout_of(world, each).port for each in others}
        assert world.runtime.publish("endpoint", others[0].id) == address


class TestWatch:
    def watch(self, runtime: Runtime) -> list[str]:
        ended: list[str] = []
        runtime.watch(ended.append)
        return ended

    @pytest.mark.parametrize("name", [None, "helper"])
    def test_tells_of_any_process(self, world: World, instance: Instance, name: str | None) -> None:
        ended = self.watch(world.runtime)
        start(world, instance, beside=True)
        world.crash(instance, name)
        until(lambda: ended == [instance.id])

    def test_tells_of_ends_that_were_asked_for(self, world: World, instance: Instance) -> None:
        ended = self.watch(world.runtime)
        start(world, instance)
        stop(world, instance)
        until(lambda: ended == [instance.id])

    def test_tells_of_servers_that_were_adopted(self, world: World, instance: Instance) -> None:
        start(world, instance)
        ended = self.watch(world.reopen())
        assert state_of(world, instance) is InstanceState.RUNNING
        world.crash(instance)
        until(lambda: ended == [instance.id])


class TestPublish:
    def test_again_gives_the_same_address(self, world: World, instance: Instance) -> None:
        address = world.runtime.publish("endpoint", instance.id)
        assert world.runtime.publish("endpoint", instance.id) == address
        assert world.reopen().publish("endpoint", instance.id) == address
        assert address_of(world, instance) == address

    def test_needs_an_instance_that_has_a_place(self, world: World) -> None:
        with pytest.raises(TemporaryError):
            world.runtime.publish("endpoint", "none")

    def test_leads_to_another_instance_on_the_same_address(self, world: World, instance: Instance) -> None:
        address = world.runtime.publish("endpoint", instance.id)
        start(world, instance)
        second = allocate(world, lineage=instance.allocation.lineage)
        start(world, second)
        assert address_of(world, second) != address
        stop(world, instance)
        stop(world, second)
        assert world.runtime.publish("endpoint", second.id) == address
        start(world, second)
        assert world.listens(second, address)
        assert address_of(world, world_after(world, second)) == address

    def test_leaves_the_first_instance_a_port_of_its_own(self, world: World, instance: Instance) -> None:
        address = world.runtime.publish("endpoint", instance.id)
        second = allocate(world)
        world.runtime.publish("endpoint", second.id)
        start(world, second)
        start(world, instance)
        assert address_of(world, instance) != address
        stop(world, instance)
        stop(world, second)
        world.runtime.publish("endpoint", instance.id)
        assert address_of(world, instance) == address
        assert address_of(world, second) != address

    def test_avoids_a_port_that_another_program_took(self, world: World, instance: Instance) -> None:
        taken = world.runtime.publish("endpoint", instance.id)
        moved = world.runtime.publish("endpoint", instance.id, avoid=taken.port)
        assert moved != taken
        assert world.runtime.publish("endpoint", instance.id, avoid=taken.port) == moved
        assert world.runtime.publish("endpoint", instance.id) == moved
        with world.taking(taken.port):
            start(world, instance)
        again = world.runtime
        with pytest.raises(TemporaryError):
            again.publish("endpoint", instance.id, avoid=moved.port)

    def test_of_two_endpoints_gives_two_addresses(self, world: World, instance: Instance) -> None:
        first = world.runtime.publish("first", instance.id)
        second = allocate(world)
        assert world.runtime.publish("second", second.id) != first


def world_after(world: World, instance: Instance) -> Instance:
    """The same instance as another platform finds it."""
    world.reopen()
    return instance


class TestUnpublish:
    def test_frees_the_address_and_not_the_instance(self, world: World, instance: Instance) -> None:
        world.runtime.publish("endpoint", instance.id)
        world.runtime.unpublish("endpoint")
        world.runtime.unpublish("endpoint")
        start(world, instance)
        stop(world, instance)
        world.runtime.publish("another", instance.id)
        start(world, instance)


class TestJob:
    def test_runs_to_its_end_with_progress_and_result(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        assert world.runtime.job("job-1").state is JobStatus.RUNNING
        world.progress("job-1", 1, 10, "MB")
        world.progress("job-1", 5, 10, "MB")
        assert world.runtime.job("job-1").progress == Progress(5.0, 10.0, "MB")
        world.finish("job-1", 0, "the result")
        until(lambda: world.runtime.job("job-1").state is JobStatus.SUCCEEDED)
        state = world.runtime.job("job-1")
        assert (state.code, state.result, state.progress) == (0, "the result", Progress(5.0, 10.0, "MB"))

    def test_that_fails_tells_its_code_and_last_lines(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        world.finish("job-1", 3, "a result")
        until(lambda: world.runtime.job("job-1").state is JobStatus.FAILED)
        state = world.runtime.job("job-1")
        assert (state.code, state.log_tail, state.result) == (3, ("begun", "ends"), "")

    def test_that_nobody_saw_end_has_failed(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        world.lose("job-1")
        until(lambda: world.runtime.job("job-1").state is JobStatus.FAILED)
        assert world.runtime.job("job-1").code is None
        assert "without an exit status" in world.runtime.job("job-1").reason

    def test_is_started_once(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        world.runtime.run_job(job_of(instance))
        world.finish("job-1", 0, "first")
        until(lambda: world.runtime.job("job-1").state is JobStatus.SUCCEEDED)
        world.reopen().run_job(job_of(instance))
        assert world.runtime.job("job-1").result == "first"

    def test_outlives_the_platform(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        assert world.reopen().job("job-1").state is JobStatus.RUNNING
        world.finish("job-1", 4)
        until(lambda: world.runtime.job("job-1").state is JobStatus.FAILED)
        assert world.reopen().job("job-1").code == 4

    def test_outlives_its_server(self, world: World, instance: Instance) -> None:
        start(world, instance)
        world.runtime.run_job(job_of(instance))
        world.crash(instance)
        until(lambda: state_of(world, instance) is InstanceState.STOPPED)
        start(world, instance)
        stop(world, instance)
        assert state_of(world, instance) is InstanceState.STOPPED
        assert world.runtime.job("job-1").state is JobStatus.RUNNING
        world.finish("job-1", 0)
        until(lambda: world.runtime.job("job-1").state is JobStatus.SUCCEEDED)

    def test_that_was_never_started_is_absent(self, world: World) -> None:
        assert world.runtime.job("none").state is JobStatus.ABSENT

    def test_needs_an_instance_that_has_a_place_and_its_release(self, world: World, instance: Instance) -> None:
        with pytest.raises(PermanentError):
            world.runtime.run_job(job_of(Instance("none", instance.allocation)))
        world.builds.clear()
        with pytest.raises(PermanentError):
            world.runtime.run_job(job_of(instance))
        assert world.runtime.job("job-1").state is JobStatus.ABSENT

    def test_is_cancelled_while_it_runs(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        world.runtime.cancel_job("job-1")
        world.runtime.cancel_job("job-1")
        assert world.runtime.job("job-1").state is JobStatus.ABSENT
        assert not [each for each in world.leftovers() if "job" in each.rpartition("/")[2]]

    def test_is_cancelled_after_its_end_and_may_run_again(self, world: World, instance: Instance) -> None:
        world.runtime.run_job(job_of(instance))
        world.finish("job-1", 1)
        until(lambda: world.runtime.job("job-1").state is JobStatus.FAILED)
        world.runtime.cancel_job("job-1")
        world.runtime.run_job(job_of(instance))
        assert world.runtime.job("job-1").state is JobStatus.RUNNING


class TestSpares:
    def prepare(self, world: World) -> Instance:
        spare_id, allocation = spares_of(world).new_spare()
        spare = Instance(spare_id, allocation)
        spares_of(world).prepare(spec_of(world, spare), allocation.placement, RELEASE)
        return spare

    def run(self, world: World) -> Instance:
        if not spares_of(world).may_run():
            pytest.skip("no server runs in a spare here")
        spare_id, allocation = spares_of(world).new_spare()
        spare = Instance(spare_id, allocation)
        start(world, spare)
        spares_of(world).offer(spare_id, kind_of_spare(RELEASE, PLAN))
        return spare

    def test_a_prepared_one_is_given_once(self, world: World) -> None:
        spare = self.prepare(world)
        assert spares_of(world).count(RELEASE) == 1
        assert spares_of(world).list(running=True) == []
        assert allocate(world).allocation == spare.allocation
        assert spares_of(world).count(RELEASE) == 0
        assert allocate(world).allocation != spare.allocation

    def test_is_for_its_build_only(self, world: World) -> None:
        self.prepare(world)
        world.builds.append("1.1")
        world.runtime.allocate("other", 1, Release("echo", "1", "1.1"))
        assert spares_of(world).count(RELEASE) == 1

    def test_is_not_given_to_data_that_come_from_elsewhere(self, world: World) -> None:
        self.prepare(world)
        allocate(world, lineage="of other data")
        assert spares_of(world).count(RELEASE) == 1

    def test_a_running_one_is_adopted_and_published_where_it_listens(self, world: World) -> None:
        spare = self.run(world)
        assert [each.alive for each in spares_of(world).list(running=True)] == [True]
        instance = allocate(world, plan=PLAN)
        assert instance.allocation == spare.allocation
        address = world.runtime.publish("endpoint", instance.id)
        assert world.listens(instance, address)
        ensure(world, instance)
        assert state_of(world, instance) is InstanceState.RUNNING
        assert world.listens(instance, address_of(world, instance))

    def test_a_running_one_keeps_a_port_when_its_endpoint_moves_on(self, world: World) -> None:
        self.run(world)
        first, second = allocate(world, plan=PLAN), allocate(world)
        address = world.runtime.publish("endpoint", first.id)
        stop(world, first)
        assert world.runtime.publish("endpoint", second.id) == address
        start(world, second)
        start(world, first)
        assert address_of(world, first) != address

    def test_a_running_one_is_for_its_plan_only(self, world: World) -> None:
        self.run(world)
        allocate(world)
        allocate(world, plan="echo-starter-128")
        assert len(spares_of(world).list(running=True)) == 1

    def test_is_discarded_with_everything(self, world: World) -> None:
        spares_of(world).discard(self.prepare(world).id)
        spares_of(world).discard(self.run(world).id)
        unfinished, _ = spares_of(world).new_spare()
        spares_of(world).discard(unfinished)
        assert world.leftovers() == []

    def test_that_was_given_away_is_not_discarded(self, world: World) -> None:
        spare = self.prepare(world)
        instance = allocate(world)
        spares_of(world).discard(spare.id)
        assert state_of(world, instance) is InstanceState.STOPPED

    def test_an_unfinished_one_goes_with_its_platform(self, world: World) -> None:
        spares_of(world).new_spare()
        world.reopen()
        assert world.leftovers() == []

    def test_is_given_to_one_create_only(self, world: World) -> None:
        spare = self.prepare(world)
        found: list[Instance] = []
        threads = [threading.Thread(target=lambda: found.append(allocate(world))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [each.allocation for each in found].count(spare.allocation) == 1
        assert len({each.allocation.placement for each in found}) == 4


class TestFigures:
    def test_disk_grows_with_the_data(self, world: World, instance: Instance) -> None:
        before = world.runtime.disk_used(instance.id)
        world.write(instance, 2 * MIB)
        assert 2 * MIB <= world.runtime.disk_used(instance.id) - before < 3 * MIB

    def test_disk_may_be_told_too_small_by_what_is_tolerated(self, world: World, instance: Instance) -> None:
        exact = world.runtime.disk_used(instance.id)
        world.write(instance, MIB)
        assert exact <= world.runtime.disk_used(instance.id, 4 * MIB) < exact + 2 * MIB
        assert world.runtime.disk_used(instance.id) >= exact + MIB

    def test_of_what_is_not_there(self, world: World) -> None:
        assert world.runtime.disk_used("none") == 0
        assert world.runtime.logs("none", 5) == []
        assert world.runtime.log_state("none") == world.runtime.log_state("none")
        assert not world.runtime.usage("none").memory

    def test_of_the_host(self, world: World) -> None:
        host: HostCapacity = world.runtime.host
        assert 0 < host.space().free < host.space().total
        assert 0 < host.memory().free < host.memory().total
        assert host.has_room()
        assert {"memory", "cpu", "processes", "disk"} <= set(host.limits())
        host.trim_logs()
