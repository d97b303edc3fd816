"""A platform that an ordinary user serves: its servers have a sandbox all the same, where the kernel allows that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from dbyard import installations
from dbyard.model import engines_home
from dbyard.runtimes.local import processes
from tests.e2e import tenants
from tests.e2e.platforms import Platform, kill_processes, platform, require
from tests.strangers import as_user

UID = 64_999
TECHNOLOGIES = {"redis": "7.0", "postgresql": "15"}
SECONDS = 30

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    for technology, version in TECHNOLOGIES.items():
        require(technology, version)
    with platform(DBYARD_ENGINES=str(engines_home()), HOME="/nonexistent") as made:
        made.wrap = lambda argv: as_user(UID, argv)
        os.chown(made.home.parent, UID, UID)
        yield made.start()


def may_have_namespaces() -> bool:
    """Whether the kernel of this machine lets ordinary users have them."""
    bubblewrap = installations.find_tool("bwrap")
    argv = [str(bubblewrap), "--unshare-pid", "--ro-bind", "/", "/", "true"]
    return bubblewrap is not None and subprocess.run(as_user(UID, argv), capture_output=True).returncode == 0


def test_says_what_isolates_its_servers(home: Platform) -> None:
    home.create("own-db", "redis")
    with home.client() as client:
        found = client.get_details("own-db").isolation
    sandboxed = may_have_namespaces()
    assert (found.sandbox, found.uid) == ("bubblewrap" if sandboxed else "none", "shared")
    assert found.network == ("no outgoing connections" if sandboxed else "the machine's")
    assert "isolation: all servers run as the platform's user" in home.log()
    assert ("isolation: servers have no sandbox" in home.log()) == (not sandboxed)
    home.delete("own-db")


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_a_database_lives_as_on_root_s_platform(home: Platform, technology: str) -> None:
    """Created, killed and brought back, adopted by another platform, deleted without a trace."""
    if technology == "postgresql" and not may_have_namespaces():
        pytest.skip("initdb wants a user with a name, which only a sandbox gives")
    connection = home.create("own-db", technology, TECHNOLOGIES[technology])
    server = home.server(connection.port)
    assert os.stat(f"/proc/{server.pid}").st_uid == UID
    with closing(tenants.connect(technology, connection.url)) as tenant:
        tenant.write(1)
    kill_processes([server])
    tenants.await_answer(technology, connection.url, SECONDS)
    healed = home.server(connection.port)
    home.kill()
    home.start()
    assert home.await_usable("own-db") == connection
    assert processes.is_alive(healed)
    with closing(tenants.connect(technology, connection.url)) as tenant:
        tenant.write(2)
        assert tenant.read() == {1, 2}
    home.delete("own-db")


@pytest.mark.skipif(not may_have_namespaces(), reason="ordinary users have no namespaces on this machine")
def test_its_servers_do_not_see_each_other(home: Platform) -> None:
    """They share a uid, so only the sandbox keeps one from the files and processes of another."""
    first, second = home.create("own-db", "redis"), home.create("other-db", "redis")
    seen = as_user(UID, ["/bin/sh", "-c", f"ls {home.directory(second.port)}/data"])
    assert subprocess.run(seen, capture_output=True).returncode == 0, "the user itself may look"
    root = f"/proc/{home.server(first.port).pid}/root"
    assert not os.path.exists(f"{root}{home.directory(second.port)}")
    assert os.path.exists(f"{root}{home.directory(first.port)}/data")
    pids = {int(name) for name in os.listdir(f"{root}/proc") if name.isdigit()}
    assert pids == {1}
    with home.client() as client:
        client.delete_database("other-db", confirm="other-db")
    home.delete("own-db")
