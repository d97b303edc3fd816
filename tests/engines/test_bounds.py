"""Servers that let the platform in and answer slowly, without end, or no more: every call of an engine ends soon."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import redis

from dbyard.engines.bounded_socket import open_socket
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Address
from tests.engines.test_configure import url
from tests.engines.test_held import SECONDS, VERSIONS, soon

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

PAUSE = 0.2
GREETING = 150
"""Bytes after which a server is frozen: it has answered, and the log-in is not done."""


@pytest.fixture(scope="module", params=list(VERSIONS))
def server(request: pytest.FixtureRequest, launch_shared: Launch) -> Iterator[Server]:
    server = launch_shared(request.param, VERSIONS[request.param])
    server.configure()
    yield server
    server.stop()


@contextmanager
def between(server: Server, answer: Callable[[threading.Event, socket.socket, bytes], bool]) -> Iterator[Address]:
    """The address of a program before the server; `answer` hands on what the server says, and says for how long."""
    over = threading.Event()

    def pass_on(client: socket.socket) -> None:
        with client, socket.create_connection((server.endpoint.host, server.endpoint.port)) as behind:
            while not over.is_set():
                ready, _, _ = select.select([client, behind], [], [], 0.1)
                for each in ready:
                    data = each.recv(65536)
                    if not data:
                        return
                    if each is client:
                        behind.sendall(data)
                    elif not answer(over, client, data):
                        over.wait()

    def serve() -> None:
        while not over.is_set():
            if select.select([listener], [], [], 0.1)[0]:
                client, _ = listener.accept()
                threading.Thread(target=guard, args=(client,), daemon=True).start()

    def guard(client: socket.socket) -> None:
        try:
            pass_on(client)
        except OSError:  # the platform has gone
            return

    with socket.create_server((server.endpoint.host, 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Address(*listener.getsockname())
        over.set()
        thread.join()


def trickle(over: threading.Event, client: socket.socket, data: bytes) -> bool:
    for number in range(len(data)):
        client.sendall(data[number : number + 1])
        over.wait(PAUSE)
    return True


def freeze(_over: threading.Event, client: socket.socket, data: bytes) -> bool:
    client.sendall(data[:GREETING][:-1])
    return False


@pytest.mark.parametrize("answer", [trickle, freeze])
def test_no_call_waits_for_a_slow_answer(server: Server, answer: Callable[..., bool]) -> None:
    with between(server, answer) as address:
        for ask in (server.engine.ping, server.engine.check_login):
            with pytest.raises(NotReady):
                soon(partial(ask, address, server.credentials))


def test_no_call_waits_for_a_frozen_server(server: Server) -> None:
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        for ask in (server.engine.ping, server.engine.check_login, server.engine.stats):
            with pytest.raises(NotReady):
                soon(partial(ask, server.endpoint, server.credentials))
        with pytest.raises((NotReady, TemporaryError)):
            soon(server.configure)
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)
    soon(lambda: server.engine.check_login(server.endpoint, server.credentials))


class TestRedis:
    @pytest.fixture
    def server(self, launch: Launch) -> Server:
        server = launch("redis", VERSIONS["redis"])
        server.configure()
        return server

    @pytest.mark.parametrize("command", [f"SETRANGE dbyard {100 * MIB} x", "LPUSH dbyard 1"])
    def test_its_tenants_keys_are_not_read(self, server: Server, command: str) -> None:
        with redis.Redis.from_url(url(server)) as tenant:
            tenant.execute_command(*command.split())
        soon(lambda: server.engine.check_login(server.endpoint, server.credentials))

    def test_errors_that_it_makes_up_are_not_counted(self, server: Server) -> None:
        script = "return redis.error_reply(ARGV[1] .. ' no')"
        with redis.Redis.from_url(url(server)) as tenant:
            for number in range(200):
                with pytest.raises(redis.ResponseError):
                    tenant.eval(script, 0, f"MADEUP{number}")
            assert len(str(tenant.info("errorstats"))) > 1000
        assert server.engine.stats(server.endpoint, server.credentials)["keys"] == 0


class TestAnswer:
    """What a socket itself takes, from a server that says more or less than it should."""

    @pytest.fixture
    def listener(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener

    def test_without_an_end_is_not_read_to_its_end(self, listener: socket.socket) -> None:
        with open_socket(Address(*listener.getsockname()), SECONDS) as bounded, bounded.makefile("rb") as answers:
            peer, _ = listener.accept()
            writer = threading.Thread(target=send_until_refused, args=(peer,), daemon=True)
            writer.start()
            with pytest.raises(OSError, match="larger than 16 MB"):
                answers.read()
        writer.join(SECONDS)
        assert not writer.is_alive()

    def test_as_large_as_it_may_be_is_read_whole_again_and_again(self, listener: socket.socket) -> None:
        with open_socket(Address(*listener.getsockname()), SECONDS) as bounded, bounded.makefile("rb") as answers:
            peer, _ = listener.accept()
            with peer:
                for _ in range(2):
                    bounded.sendall(b"more")
                    assert peer.recv(4) == b"more"
                    writer = threading.Thread(target=peer.sendall, args=(bytes(10 * MIB),), daemon=True)
                    writer.start()
                    assert len(answers.read(10 * MIB)) == 10 * MIB
                    writer.join(SECONDS)


def send_until_refused(peer: socket.socket) -> None:
    with peer, suppress(OSError):
        while True:
            peer.sendall(bytes(MIB))
