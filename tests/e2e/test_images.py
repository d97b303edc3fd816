"""A server as a container image: made, pushed to a real registry, pulled from there, and a database on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbyard import installations
from dbyard.__main__ import main
from dbyard.model import engines_home
from tests import registries
from tests.disks import make_directory
from tests.e2e import tenants
from tests.e2e.platforms import kill_processes, platform, require

SECONDS = 60
BUBBLEWRAP = installations.find_tool("bwrap")
pytestmark = pytest.mark.skipif(BUBBLEWRAP is None, reason="a whole root needs bubblewrap")


@pytest.fixture
def directory() -> Iterator[Path]:
    made = make_directory()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def reference(directory: Path) -> Iterator[str]:
    """PostgreSQL 17 of this machine, in a registry, by digest."""
    require("postgresql", "17")
    done = CliRunner().invoke(main, ["engines", "image", "postgresql@17", str(directory / "image")])
    if "needs libraries of this machine" in done.stderr:
        pytest.skip(done.stderr)
    assert done.exit_code == 0, done.output
    with registries.serving(directory / "registry") as registry:
        digest = registry.push(directory / "image", "team/postgresql", "17")
        assert digest in done.stdout
        yield f"http://{registry.host}/team/postgresql@{digest}"


def test_a_database_on_a_server_from_a_registry(
    reference: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("bubblewrap", "skopeo"):
        if (engines_home() / tool).is_dir():
            shutil.copytree(engines_home() / tool, directory / "engines" / tool, symlinks=True)
    monkeypatch.setenv("DBYARD_ENGINES", str(directory / "engines"))
    done = CliRunner().invoke(main, ["engines", "install", "postgresql@17", "--image", reference])
    assert done.exit_code == 0, done.output
    with platform(DBYARD_ENGINES=str(directory / "engines")) as made:
        made.start()
        connection = made.create("own-db", "postgresql", "17")
        server = made.server(connection.port)
        assert f"{directory}/engines/postgresql/17." in " ".join(server.argv)
        with closing(tenants.connect("postgresql", connection.url)) as tenant:
            tenant.write(1)
        kill_processes([server])
        tenants.await_answer("postgresql", connection.url, SECONDS)
        with closing(tenants.connect("postgresql", connection.url)) as tenant:
            tenant.write(2)
            assert tenant.read() == {1, 2}
        made.delete("own-db")
    assert CliRunner().invoke(main, ["engines", "verify", "postgresql@17"]).exit_code == 0, (
        "no server writes into its tree"
    )
    assert CliRunner().invoke(main, ["engines", "uninstall", "postgresql@17"]).exit_code == 0
    assert list((directory / "engines" / "postgresql").iterdir()) == []
