"""One platform a home: whoever is second is refused, whoever died is no obstacle, and no stranger is signalled."""

from __future__ import annotations

from dbyard import daemon
from dbyard.runtimes.local.processes import Process
from tests.e2e.platforms import Platform


class TestLock:
    def test_of_a_living_platform_refuses_with_its_pid(self, fresh: Platform) -> None:
        first = fresh.start().process
        assert first is not None
        second = fresh.launch()
        assert second.wait(30) == 1
        assert f"pid {first.pid}" in fresh.log()
        fresh.process = first

    def test_of_a_dead_platform_is_no_obstacle(self, fresh: Platform) -> None:
        fresh.start().kill()
        fresh.start()
        with fresh.client() as client:
            assert client.get_health().status == "ok"

    def test_file_with_a_strangers_pid_signals_nobody(self, fresh: Platform, stranger: Process) -> None:
        fresh.start().kill()
        (fresh.home / "lock").write_text(f"{stranger.pid}\n")
        fresh.stop()
        assert daemon.ask_to_end(fresh.home) is None

    def test_held_with_a_strangers_pid_in_it_signals_nobody(self, fresh: Platform, stranger: Process) -> None:
        """As for an instant when a platform has the lock and not yet written its pid."""
        fresh.start()
        (fresh.home / "lock").write_text(f"{stranger.pid}\n")
        assert daemon.holder(fresh.home) is None
        assert daemon.ask_to_end(fresh.home) is None
