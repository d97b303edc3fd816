"""Slots and endpoints on this machine: their records, their claims, and homes that were made before there were any."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard.model import InstanceState, Placement, Release
from dbyard.runtimes.local import LocalRuntime, endpoints, members, ports, processes, slots
from tests.runtimes.conftest import Server, place

Open = Callable[..., LocalRuntime]


def claimed(runtime: LocalRuntime) -> set[int]:
    home = runtime._home
    found = {int(path.name) for path in home.ports.claims.glob("[0-9]*")}
    return {port for port in found if home.ports._owner(port) == str(home.path)}


def record(runtime: LocalRuntime, endpoint_id: str) -> dict[str, object]:
    value: dict[str, object] = json.loads((runtime._home.path / "endpoints" / f"{endpoint_id}.json").read_text())
    return value


def pid_of(server: Server) -> int:
    found = members.find(server.runtime._home, server.id, members.SERVER)
    assert found is not None
    return found.pid


class TestOldHome:
    """Made when an instance was welded to its port: `placement.json`, and no `endpoints/`."""

    @pytest.fixture
    def old(self, server: Server) -> Server:
        server.start()
        assert processes.wait_until(server.accepts, 10)
        shutil.rmtree(server.runtime._home.path / "endpoints")
        assert set(json.loads((server.directory / "placement.json").read_text())) == {"host", "port", "uid", "seed"}
        return server

    def test_is_taken_over_with_its_servers_running(self, old: Server, open_runtime: Open) -> None:
        pid, port = pid_of(old), old.slot.port
        later = replace(old, runtime=open_runtime())
        assert later.state is InstanceState.RUNNING
        later.start()
        assert (pid_of(later), later.layout.port, later.layout.inner_port) == (pid, port, port + 1)
        assert later.runtime.publish(later.id, later.id).port == port
        assert later.allocation == old.allocation
        assert later.accepts()

    def test_is_taken_over_once(self, old: Server, open_runtime: Open) -> None:
        later = open_runtime()
        later.unpublish(old.id)
        unpublished = place(later, old.release)
        open_runtime()
        assert not (later._home.path / "endpoints" / f"{old.id}.json").exists()
        assert not (later._home.path / "endpoints" / f"{unpublished.id}.json").exists()

    def test_is_taken_over_as_a_whole_or_not_at_all(
        self, old: Server, open_runtime: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(endpoints, "_write", die)
            with pytest.raises(KeyboardInterrupt):
                open_runtime()
        assert record(open_runtime(), old.id) == {"port": old.slot.port, "instance": old.id}

    def test_keeps_its_claim_as_long_as_slot_or_endpoint_lives(self, old: Server, open_runtime: Open) -> None:
        runtime, port = open_runtime(), old.slot.port
        runtime.destroy(old.id, 1)
        assert port in claimed(runtime)
        assert port in claimed(open_runtime())
        runtime.unpublish(old.id)
        assert port not in claimed(runtime)


class TestPlacement:
    def test_of_an_old_row_tells_the_slot_as_well(self, server: Server) -> None:
        slot = server.slot
        old = json.dumps({"host": slot.host, "port": slot.port, "uid": slot.uid, "seed": slot.lineage})
        assert slots.parse(Placement(old)) == slot
        assert slots.parse(server.allocation.placement) == replace(slot, lineage="")


class TestClaims:
    def test_are_none_for_a_first_endpoint(self, server: Server) -> None:
        before = claimed(server.runtime)
        assert server.runtime.publish("endpoint", server.id).port == server.slot.port
        assert claimed(server.runtime) == before

    def test_of_the_first_instance_go_when_it_is_destroyed_and_unpublished(
        self, server: Server, runtime: LocalRuntime, program: Release
    ) -> None:
        first = runtime.publish("endpoint", server.id).port
        second = place(runtime, program)
        runtime.publish("endpoint", second.id)
        own = server.slot.own_port
        assert claimed(runtime) == {first, own, second.slot.port}
        runtime.destroy(server.id, 1)
        assert claimed(runtime) == {first, second.slot.port}
        runtime.destroy(second.id, 1)
        assert claimed(runtime) == {first}
        runtime.unpublish("endpoint")
        assert claimed(runtime) == set()

    def test_of_an_endpoint_that_goes_first_stay_with_the_slot(self, server: Server) -> None:
        port = server.runtime.publish("endpoint", server.id).port
        server.runtime.unpublish("endpoint")
        assert port in claimed(server.runtime)
        server.runtime.destroy(server.id, 1)
        assert claimed(server.runtime) == set()

    def test_of_an_avoided_port_go_unless_the_slot_has_it(self, server: Server) -> None:
        runtime, own = server.runtime, server.slot.port
        second = runtime.publish("endpoint", server.id, avoid=runtime.publish("endpoint", server.id).port).port
        assert claimed(runtime) == {own, second}
        third = runtime.publish("endpoint", server.id, avoid=second).port
        assert claimed(runtime) == {own, third}

    def test_are_respected_by_another_home(self, open_runtime: Open, home: Path, program: Release) -> None:
        """That of an endpoint whose instances are gone, too."""
        first, other = open_runtime(home / "a", (15700, 15701)), open_runtime(home / "b", (15700, 15703))
        server = place(first, program)
        assert first.publish("endpoint", server.id).port == 15700
        first.destroy(server.id, 1)
        assert place(other, program).slot.port == 15702
        first.unpublish("endpoint")

    @pytest.mark.parametrize("killed", ["claimed", "recorded"])
    def test_of_a_platform_that_was_killed(
        self, server: Server, open_runtime: Open, killed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At an instant inside of publishing an address of its own."""
        runtime = server.runtime
        taken = runtime.publish("endpoint", server.id).port

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(*((endpoints, "_write", die) if killed == "claimed" else (endpoints, "list_held", die)))
            with pytest.raises(KeyboardInterrupt):
                runtime.publish("endpoint", server.id, avoid=taken)
        later = open_runtime()
        moved = later.publish("endpoint", server.id, avoid=taken).port
        assert moved != taken
        assert claimed(later) == {taken, moved}

    def test_are_never_given_to_a_slot_while_an_endpoint_has_them(self, open_runtime: Open, program: Release) -> None:
        runtime = open_runtime(ports=(15710, 15713))
        server = place(runtime, program)
        port = runtime.publish("endpoint", server.id).port
        runtime.destroy(server.id, 1)
        assert place(runtime, program).slot.port != port


class TestUid:
    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    def test_is_that_of_the_slot_whatever_the_port(self, server: Server, runtime: LocalRuntime) -> None:
        taken = runtime.publish("endpoint", server.id)
        runtime.publish("endpoint", server.id, avoid=taken.port)
        with socket.create_server((taken.host, taken.port)):
            server.start()
            assert processes.wait_until(server.accepts, 10)
        assert os.stat(f"/proc/{pid_of(server)}").st_uid == slots.UID_BASE + server.slot.port
        assert server.layout.inner_port == server.slot.port + 1
        assert ports.is_free(server.layout.host, taken.port)
