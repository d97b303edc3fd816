"""Servers that die, alone or all with the platform as in a reboot, and pids and ports that strangers have meanwhile."""

from __future__ import annotations

import json
import socket

from dbyard import wire
from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process
from tests.e2e import tenants
from tests.e2e.platforms import Platform, kill_processes, platform, read_json, wait_for
from tests.ports import CLOSED, own

QUICK = "redis"
NAME = "server-db"
BACK_SECONDS = 60.0
"""The promise is 5 seconds; a machine that runs other tests beside gets more."""


def listen(connection: wire.Connection) -> socket.socket:
    """Take the port of a server that does not run."""
    listener = wait_for(lambda: try_listen(connection.port), lambda: f"port {connection.port} stays taken", 10)
    assert listener is not None
    return listener


def try_listen(port: int) -> socket.socket | None:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


def listen_after(home: Platform, connection: wire.Connection) -> socket.socket:
    """Kill platform and server, and take the server's port."""
    home.kill()
    kill_processes(home.servers())
    return listen(connection)


class TestReboot:
    def test_brings_every_database_back(self, fresh: Platform) -> None:
        fresh.start()
        before = {each: fresh.create(f"{each}-db", each) for each in tenants.ONE_OF_EACH_SERVER}
        for technology, connection in before.items():
            tenant = tenants.connect(technology, connection.url)
            tenant.write_many(range(100))
            tenant.close()
        fresh.kill()
        kill_processes(fresh.servers())
        assert fresh.servers() == []
        fresh.start()
        for technology, connection in before.items():
            assert fresh.await_usable(f"{technology}-db").url == connection.url
            tenant = tenants.connect(technology, connection.url)
            assert tenant.read() == set(range(100))
            tenant.close()


class TestRestart:
    def test_of_the_platform_leaves_servers_alone(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, QUICK)
        tenant = tenants.connect(QUICK, connection.url)
        before = fresh.server(connection.port)
        fresh.terminate()
        fresh.start()
        assert fresh.await_usable(NAME).url == connection.url
        tenant.write(1)
        assert tenant.read() == {1}
        assert processes.is_alive(before)
        tenant.close()

    def test_that_was_hard_still_sees_servers_die(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, QUICK)
        fresh.kill()
        fresh.start()
        kill_processes([fresh.server(connection.port)])
        tenants.await_answer(QUICK, connection.url, BACK_SECONDS)

    def test_that_was_hard_finds_its_own_address_free(self, fresh: Platform) -> None:
        """No server has inherited the platform's socket."""
        fresh.listen = f"127.0.0.1:{own(CLOSED).start}"
        url = fresh.start().url
        fresh.create(NAME, QUICK)
        with fresh.client() as client:
            client.get_health()
            fresh.kill()
        assert fresh.start().url == url


class TestStrangersPid:
    def test_is_never_signalled(self, fresh: Platform, stranger: Process) -> None:
        connection = fresh.start().create(NAME, QUICK)
        self.give(fresh, connection, stranger)
        fresh.start()
        tenants.await_answer(QUICK, connection.url, BACK_SECONDS)  # healed beside the stranger
        assert fresh.server(connection.port).pid != stranger.pid
        fresh.delete(NAME)

    def test_is_not_signalled_by_a_delete(self, fresh: Platform, stranger: Process) -> None:
        connection = fresh.start().create(NAME, QUICK)
        with listen_after(fresh, connection):  # so that nothing is healed, and the lie stays
            self.give(fresh, connection, stranger)
            fresh.start()
            fresh.await_operation(NAME, lambda latest: latest.kind == "heal" and latest.error is not None)
            fresh.delete(NAME)

    def test_is_not_signalled_by_stop(self, fresh: Platform, stranger: Process) -> None:
        connection = fresh.start().create(NAME, QUICK)
        self.give(fresh, connection, stranger)
        fresh.stop()

    def give(self, home: Platform, connection: wire.Connection, stranger: Process) -> None:
        """Let the record of a dead server name the stranger's process."""
        home.kill()
        kill_processes(home.servers())
        record = home.directory(connection.port) / "process.json"
        lie = {**read_json(record), "pid": stranger.pid, "start_time": stranger.start_time}
        record.write_text(json.dumps(lie))


class TestTakenPort:
    def test_before_the_first_run_means_another_one(self) -> None:
        with platform(DBYARD_SPARES="1") as home:
            home.start()
            spares = home.home / "spares"
            spare = wait_for(lambda: next(spares.glob(f"{QUICK}-*/placement.json"), None), home.log, 30)
            assert spare is not None
            taken = read_json(spare)["port"]
            home.terminate()
            home.start(DBYARD_SPARES="0")  # the spare that is there is claimed, and no other one
            with socket.create_server(("127.0.0.1", taken)):
                connection = home.create(NAME, QUICK)
                assert connection.port != taken
                assert tenants.answers(QUICK, connection.url)
            home.delete(NAME)

    def test_afterwards_is_a_cause_until_the_stranger_goes(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, QUICK)
        with listen_after(fresh, connection):
            fresh.start()
            latest = fresh.await_operation(NAME, lambda each: each.kind == "heal" and each.attempt >= 2)
            assert latest.error is not None
            assert (latest.error.code, latest.status in ("pending", "running")) == ("port_taken", True)
            assert str(connection.port) in latest.error.message
        assert fresh.await_usable(NAME).url == connection.url
        assert tenants.answers(QUICK, connection.url)
