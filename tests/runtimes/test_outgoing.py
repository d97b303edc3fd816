"""A server answers at its own ports, and reaches nobody: not a neighbour, not the platform, no other socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard import installations
from dbyard.model import File, Release
from dbyard.runtimes.local import LocalRuntime, own_ports, processes, syscalls
from tests.runtimes.conftest import Server, place

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or installations.find_tool("bwrap") is None, reason="needs root and bubblewrap"
)
Open = Callable[..., LocalRuntime]

# What somebody could try who runs code of his own in a server: each line is a name and what is tried.
ATTACKER = r"""
import ctypes, json, os, socket, sys
own, neighbour = (sys.argv[1], int(sys.argv[2])), ("127.0.0.1", int(sys.argv[3]))
abstract = "\0" + sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)

def connect(family, kind, address):
    with socket.socket(family, kind) as client:
        client.settimeout(2)
        client.connect(address)

def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", neighbour)

def fast_open(send):
    with socket.socket() as client:
        client.settimeout(2)
        send(client)

def ring():
    if libc.syscall(425, 1, ctypes.create_string_buffer(120)) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")

def sctp():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()

TRIES = {
    "connect": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, neighbour),
    "connect to itself": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, own),
    "connect by version 6": lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::ffff:127.0.0.1", neighbour[1])),
    "connect to an abstract name": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, abstract),
    "datagram": datagram,
    "datagram of Unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close(),
    "send that connects": lambda: fast_open(lambda client: client.sendto(b"x", socket.MSG_FASTOPEN, neighbour)),
    "message that connects": lambda: fast_open(
        lambda client: client.sendmsg([b"x"], [], socket.MSG_FASTOPEN, neighbour)
    ),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    "sctp": sctp,
    "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close(),
    "alg": lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close(),
    "io_uring": ring,
}

LISTENS = {
    "listen on another port": lambda: socket.create_server(("127.0.0.1", int(sys.argv[5]))).close(),
    "listen by version 6": lambda: socket.create_server(("::1", int(sys.argv[5])), family=socket.AF_INET6).close(),
    "listen on a port of the kernel's choice": lambda: socket.create_server(("127.0.0.1", 0)).close(),
}
if sys.argv[6] == "held":
    TRIES |= LISTENS

def attempt(what):
    try:
        what()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return "done"

listener = socket.create_server(own)
os.listdir("/sys/class/net") if os.path.isdir("/sys/class/net") else None
socket.if_nameindex()  # netlink, by which servers learn the machine's addresses
found = {name: attempt(what) for name, what in TRIES.items()}
with open("tries.json.new", "w") as file:
    json.dump(found, file)
os.rename("tries.json.new", "tries.json")
while True:
    client, _ = listener.accept()
    client.sendall(client.recv(100))
    client.close()
"""


def start(server: Server, neighbour: int, abstract: str) -> Path:
    """A server that does all of it, beside answering its port; where it writes what came of it."""
    layout = server.layout
    script = layout.conf / "server.py"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    held = "held" if own_ports.is_held(None) else "free"
    argv = ("/usr/bin/python3", str(script), layout.host, str(layout.port), str(neighbour), abstract, str(free), held)
    process = replace(server.spec().server, argv=argv)
    server.runtime.ensure(
        replace(server.spec(), processes=(process,), files=(File(script, ATTACKER),)),
        server.allocation.placement,
        server.release,
    )
    return layout.run / "tries.json"


class TestOutgoing:
    def test_nothing_gets_out_and_its_own_port_answers(self, server: Server) -> None:
        abstract = f"dbyard-test-{server.id}"
        with socket.create_server(("127.0.0.1", 0)) as neighbour, socket.socket(socket.AF_UNIX) as named:
            named.bind(f"\0{abstract}")
            named.listen()
            tries = start(server, neighbour.getsockname()[1], abstract)
            assert processes.wait_until(tries.exists, 10)
            found = json.loads(tries.read_text())
            neighbour.setblocking(False)
            with pytest.raises(BlockingIOError):
                neighbour.accept()
        refused = {"Permission denied", "Function not implemented"}
        assert {name: said for name, said in found.items() if said not in refused} == {}
        with socket.create_connection((server.layout.host, server.layout.port), 5) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"

    def test_says_so(self, runtime: LocalRuntime) -> None:
        limits = runtime.host.limits()
        assert limits["network"] == "no outgoing connections"
        assert limits["ports"] == ("its own" if own_ports.is_held(None) else "any free one")

    def test_without_a_sandbox_it_says_that_too(self, open_runtime: Open) -> None:
        assert open_runtime(sandboxed=False).host.limits()["network"] == "the machine's"

    def test_without_the_library_servers_start_all_the_same(
        self, open_runtime: Open, program: Release, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(syscalls, "write_filter", lambda _: None)
        runtime = open_runtime()
        server = place(runtime, program)
        runtime.ensure(server.spec(), server.allocation.placement, server.release)
        assert processes.wait_until(server.accepts, 10)
        assert runtime.host.limits()["network"] == "the machine's"
