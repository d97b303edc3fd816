"""A home whose file system becomes read-only under its databases: what is seen is told, and servers can be stopped."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from dbyard.errors import Conflict
from dbyard.runtimes.local import processes
from tests.e2e.platforms import Platform, kill_processes, wait_for

NAME, NEIGHBOUR = "broken-disk-db", "neighbour-db"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")


def break_file_system(home: Path) -> None:
    """As an error of its disk does it."""
    subprocess.run(["mount", "-o", "remount,errors=remount-ro", home], check=True)
    found = subprocess.run(["findmnt", "-no", "SOURCE", home], check=True, capture_output=True, text=True)
    Path(f"/sys/fs/ext4/{Path(found.stdout.strip()).name}/trigger_fs_error").write_text("1")


def test_is_told_and_its_servers_are_stopped(small_ext4: Platform) -> None:
    small_ext4.start(DBYARD_SPARES="0")
    url = f"{small_ext4.url}/healthz"
    connection = small_ext4.create(NAME, "postgresql")
    small_ext4.create(NEIGHBOUR, "redis")
    assert httpx2.get(url).status_code == 200
    break_file_system(small_ext4.home)
    answer = wait_for(lambda: _failing(url), small_ext4.log, 30)
    assert "cannot be written" in answer.json()["error"]
    with small_ext4.client() as client:
        kill_processes([small_ext4.server(connection.port)])
        wait_for(lambda: client.get_details(NAME).error == "the server does not run", small_ext4.log, 30)
        assert client.get_details(NAME).status == "stopped"
        with pytest.raises(Conflict, match="does not run"):
            client.get_connection(NAME)
        assert client.get_details(NEIGHBOUR).status == "stopped"  # it answers from memory, and keeps nothing
        with pytest.raises(Conflict, match="can write nothing"):
            client.get_connection(NEIGHBOUR)
    assert any(processes.list_of_uid(uid) for uid in small_ext4.uids)
    small_ext4.stop()
    assert not any(processes.list_of_uid(uid) for uid in small_ext4.uids)


def _failing(url: str) -> httpx2.Response | None:
    answer = httpx2.get(url)
    return answer if answer.status_code == 503 else None
