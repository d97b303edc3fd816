"""Servers as whole roots: real apt and dpkg on packages made here, and programs that run in the tree alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbyard import installations
from dbyard.errors import InstallationError
from dbyard.installations import bundles, debian_root
from dbyard.model import Installation, Version
from dbyard.recipes import DebianAddon, DebianRecipe, DebianRootRecipe
from dbyard.roots import enter_with_all_else
from tests.unit.conftest import Repository, program

BUBBLEWRAP = installations.find_tool("bwrap")
pytestmark = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb") and BUBBLEWRAP),
    reason="needs apt, dpkg-deb and bubblewrap",
)
# It says where its shell is from: the tree's `/usr`, not the machine's.
SERVER = '#!/bin/sh\necho "Redis server v=8.0.99 $(cat /usr/share/toy/name 2>/dev/null)"\n'
LINKS = (("usr/share/toy/control", "control-3"),)
CONTROL = {"usr/share/toy/control-3": "x"}
LINES = (("usr/share/toy/control-3", "trusted = true"),)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """What every tree has."""
    repository = Repository(tmp_path_factory.mktemp("base"))
    dash = program("dash")
    repository.add("dash", {**dash, "usr/bin/sh": dash["usr/bin/dash"]})
    repository.add("util-linux", program("setpriv"))
    repository.add("coreutils", program("cat"))
    for name in ("grep", "libc-bin", "sed", "tar"):
        repository.add(name, {f"usr/share/doc/{name}/{file}": "x" for file in ("copyright", "changelog", "more/text")})
    return repository


@pytest.fixture
def release(base: Repository, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A release with a toy server."""
    lines = [f"deb [trusted=yes] file:{each.directory} ./\n" for each in (base, repository)]
    monkeypatch.setattr(installations, "find_tool", lambda _: BUBBLEWRAP)
    monkeypatch.setattr(debian_root, "_sources", lambda _: "".join(lines))
    repository.add(
        "toy-server",
        {
            "usr/bin/redis-server": SERVER,
            "usr/share/toy/name": "of the tree",
            **CONTROL,
            "usr/share/toy/large": "x",
            "lib/toy/old-place": "x",
            "etc/toy/toy.conf": "x",
        },
        depends="libtoy",
        version="8.0.99-1",
    )
    repository.add("libtoy", {"usr/lib/libtoy.so.1": "toy"}, section="anything")
    return repository


def toy(**changes: object) -> Version:
    fields = {"suites": ("toy",), "packages": ("toy-server",), "bin": "usr/bin", "links": LINKS, "added_lines": LINES}
    recipe = DebianRootRecipe(**{**fields, **changes})  # type: ignore[arg-type]
    return Version("redis", "8.0", "Redis 8.0", "BSD", "redis-server", recipe, False, on_request=True)


def install(version: Version) -> tuple[Installation, list[str]]:
    lines: list[str] = []
    return installations.install(version, lines.append), lines


@pytest.mark.usefixtures("engines", "release")
class TestDebianRoot:
    def test_a_root_with_all_that_the_server_needs(self) -> None:
        installed, _ = install(toy(prune=("usr/share/toy/lar*",)))
        root = installed.root
        assert (installed.full_version, installed.source, installed.whole) == (
            "8.0.99",
            "Debian toy: toy-server 5:8.0.99-1",
            True,
        )
        assert (installed.bin, installed.libraries) == (root / "usr" / "bin", ())
        assert (root / "usr/lib/libtoy.so.1").exists()
        assert (root / "usr/lib/toy/old-place").exists(), "what packages of before have in /lib"
        assert {name: os.readlink(root / name) for name in ("bin", "lib")} == {"bin": "usr/bin", "lib": "usr/lib"}
        assert os.readlink(root / "usr/share/toy/control") == "control-3"
        assert (root / "usr/share/toy/control").read_text().endswith("trusted = true\n")
        assert [path.name for path in (root / "usr/share/doc/sed").iterdir()] == ["copyright"]
        assert not (root / "usr/share/toy/large").exists()
        assert installations.find("redis", "8.0") == installed
        assert installations.find("redis", "8.0", whole=False) is None
        assert BUBBLEWRAP is not None
        argv = [*enter_with_all_else(BUBBLEWRAP, root), "redis-server", "--version"]
        done = subprocess.run(argv, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True)
        assert done.stdout == "Redis server v=8.0.99 of the tree\n"

    def test_a_link_that_leads_nowhere_is_refused(self) -> None:
        with pytest.raises(InstallationError, match="no package has"):
            install(toy(links=(("usr/share/toy/control", "control-4"),)))

    def test_is_packed_and_installed_offline(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Repository
    ) -> None:
        installed, _ = install(toy())
        bundle = bundles.write([installed], tmp_path / "bundle", lambda _: None)
        monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "other-engines"))
        unpacked = installations.install(toy(bin="elsewhere"), lambda _: None, bundle=bundle)
        assert (unpacked.whole, unpacked.full_version) == (True, "8.0.99")
        assert unpacked.bin == unpacked.root / "usr" / "bin", "as it was made, whatever the recipe says now"

    @pytest.mark.parametrize("target", ["/../../outside", "../../../../../outside"])
    def test_a_link_out_of_the_tree_is_refused(self, release: Repository, target: str) -> None:
        release.add("libevil", {}, links={"usr/lib/evil": target})
        with pytest.raises(InstallationError, match="out of the tree"):
            install(toy(packages=("toy-server", "libevil")))

    def test_a_link_to_the_system_means_the_tree(self, release: Repository) -> None:
        release.add("liblinked", {}, links={"lib/toy/linked": "/usr/share/toy/name"})
        installed, _ = install(toy(packages=("toy-server", "liblinked")))
        linked = installed.root / "usr/lib/toy/linked"
        assert linked.read_text() == "of the tree"
        assert os.readlink(linked) == "../../share/toy/name"

    def test_a_newer_one_goes_beside(self, engines: Path, release: Repository) -> None:
        first, _ = install(toy())
        (engines / ".apt" / "toy" / "refreshed").unlink()  # as if it were long ago
        release.add("toy-server", {"usr/bin/redis-server": SERVER.replace("99", "100")}, version="8.0.100-1")
        second = installations.install(toy(links=(), added_lines=()), lambda _: None, upgrade=True)
        assert (second.full_version, first.root.exists()) == ("8.0.100", True)
        assert installations.find("redis", "8.0", "8.0.99") == first

    def test_other_edits_of_the_same_packages_make_another_one(self) -> None:
        first, _ = install(toy())
        assert install(toy())[0] == first
        edited = toy(added_lines=(("usr/share/toy/name", "x"),))
        second, _ = install(edited)
        assert (second.root.name, second.full_version) == ("8.0.99+2", "8.0.99")
        assert (second.root / "usr/share/toy/name").read_text().endswith("x\n")
        assert install(edited)[0] == second

    @pytest.mark.parametrize(("wanted", "rolling"), [("7.4", True), ("8.1", True), ("7.4", False)])
    def test_another_version_than_was_asked_for_is_refused(
        self, engines: Path, release: Repository, wanted: str, rolling: bool
    ) -> None:
        with pytest.raises(InstallationError, match=r"toy-server 5:8\.0\.99-1 is version 8\.0\.99, but"):
            install(replace(toy(rolling=rolling), version=wanted))

    def test_a_newer_one_of_a_release_that_moves_on(self, engines: Path, release: Repository) -> None:
        release.add("toy-server", {"usr/bin/redis-server": SERVER.replace("8.0.99", "8.4.1")}, version="8.4.1-1")
        installation, lines = install(toy(rolling=True, links=(), added_lines=()))
        assert (installation.version, installation.full_version) == ("8.0", "8.4.1")
        assert any(line.startswith("Redis 8.0: warning: ") for line in lines)
        assert installations.list_managed(toy(rolling=True)) == [installation]


class TestAddons:
    """What a server may have beside, for who asks for it."""

    @pytest.fixture
    def version(self, release: Repository) -> Version:
        release.add("toy-maps", {"usr/share/toy/maps-3": "x"}, version="3.5-1")
        lines = (("usr/share/toy/maps-3", "trusted = true"),)
        maps = DebianAddon("maps", ("toy-maps",), links=(("usr/share/toy/maps", "maps-3"),), added_lines=lines)
        return toy(addons=(maps,))

    @staticmethod
    def install(version: Version, *addons: str, **options: Any) -> Installation:
        return installations.install(version, lambda _: None, with_addons=addons, **options)

    def test_come_when_they_are_asked_for(self, engines: Path, version: Version) -> None:
        plain = self.install(version)
        assert not (plain.root / "usr/share/toy/maps").exists()
        mapped = self.install(version, "maps")
        assert (mapped.root.name, mapped.full_version) == ("8.0.99+2", "8.0.99")
        assert (mapped.root / "usr/share/toy/maps").read_text().endswith("trusted = true\n")
        assert (mapped.root / "usr/share/toy/control").read_text().endswith("trusted = true\n")
        assert installations.find("redis", "8.0", "8.0.99") == mapped, "for databases that exist as well"
        assert self.install(version, "maps") == self.install(version) == mapped

    def test_stay_when_a_newer_server_comes(self, engines: Path, release: Repository, version: Version) -> None:
        self.install(version, "maps")
        (engines / ".apt" / "toy" / "refreshed").unlink()  # as if it were long ago
        release.add("toy-server", {"usr/bin/redis-server": SERVER.replace("99", "100"), **CONTROL}, version="8.0.100-1")
        newer = self.install(version, upgrade=True)
        assert newer.full_version == "8.0.100"
        assert (newer.root / "usr/share/toy/maps").exists()

    def test_are_packed_with_their_server(self, tmp_path: Path, engines: Path, version: Version) -> None:
        bundle = bundles.write([self.install(version, "maps")], tmp_path / "bundle", lambda _: None)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("DBYARD_ENGINES", str(tmp_path / "other-engines"))
            unpacked = installations.install(version, lambda _: None, bundle=bundle)
            assert (unpacked.root / "usr/share/toy/maps").exists()
            assert self.install(version) == unpacked

    def test_of_another_name_are_refused(self, engines: Path, version: Version) -> None:
        with pytest.raises(InstallationError, match="no add-on charts: it has maps"):
            self.install(version, "charts")
        with pytest.raises(InstallationError, match="it has none"):
            self.install(toy(), "maps")


class TestFallback:
    """Where a whole root cannot be had, another recipe of the same version serves."""

    @pytest.fixture
    def version(self, repository: Repository) -> Version:
        repository.add("plain-server", {"usr/bin/redis-server": SERVER})
        return replace(toy(packages=("no-such-server",)), fallback=DebianRecipe(("plain-server",), "bin"))

    def test_without_a_sandbox(
        self, engines: Path, release: Repository, version: Version, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(installations, "find_tool", lambda _: None)
        installed, lines = install(version)
        assert (installed.whole, installed.source) == (False, "Debian plain-server 5:7.0.99-1")
        assert not any("takes its place" in line for line in lines), "nothing was tried in vain"
        assert install(version) == (installed, [])

    def test_out_of_reach(self, engines: Path, release: Repository, version: Version) -> None:
        installed, lines = install(version)
        assert not installed.whole
        (told,) = [line for line in lines if "takes its place" in line]
        assert "no-such-server" in told
        assert told.endswith("Debian plain-server takes its place")


class TestSources:
    def test_are_the_machines_own_mirrors(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a machine whose mirror is elsewhere."""
        said = (
            "Debian|http://mirror.example/debian/\nDebian-Security|http://mirror.example/security/\nOther|http://o/\n"
        )
        monkeypatch.setattr(debian_root, "run", lambda _: said)
        lines = debian_root._sources(("trixie", "trixie-updates", "trixie-security")).splitlines()
        assert [line.partition("] ")[2] for line in lines] == [
            "http://mirror.example/debian/ trixie main",
            "http://mirror.example/debian/ trixie-updates main",
            "http://mirror.example/security/ trixie-security main",
        ]
        assert all("signed-by=" in line for line in lines)

    def test_are_debians_own_where_the_machine_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian_root, "run", lambda _: "Ubuntu|http://archive.ubuntu.com/ubuntu/\n")
        (line,) = debian_root._sources(("sid",)).splitlines()
        assert line.endswith("http://deb.debian.org/debian sid main")
