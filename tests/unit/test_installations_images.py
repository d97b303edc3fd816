"""Servers from container images: a real registry, real skopeo, and layers that try to get out of their tree."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import platform
import re
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbyard import catalogue, installations
from dbyard.__main__ import main
from dbyard.errors import InstallationError
from dbyard.installations import bundles, files, images, layers, oci, prefix, programs
from dbyard.model import Installation, Version
from dbyard.recipes import ImageRecipe
from tests import registries
from tests.registries import HERE, OTHER, Registry, entry, link, write_image, write_layer
from tests.unit.conftest import program

BUBBLEWRAP = installations.find_tool("bwrap")
Entries = Sequence[tuple[tarfile.TarInfo, bytes]]
LINKS = [link(name, f"usr/{name}") for name in ("bin", "lib", "lib64")]
pytestmark = pytest.mark.skipif(
    not (shutil.which("apt-get") and BUBBLEWRAP), reason="needs bubblewrap, and apt for the registry"
)


def server(version: str = "8.0.99") -> tuple[tarfile.TarInfo, bytes]:
    return entry("usr/local/bin/redis-server", f"#!/bin/sh\necho Redis server v={version}\n", 0o755)


@pytest.fixture(scope="module")
def base() -> Entries:
    """What a distribution's image has, as far as a server needs it here."""
    dash = program("dash")
    found = {**dash, **program("setpriv"), "usr/bin/sh": dash["usr/bin/dash"]}
    programs = [entry(path, content, 0o755) for path, content in found.items()]
    return [*LINKS, *programs, entry("etc/os-release", "NAME=toy\n"), entry("var/cache/large", "x" * 100)]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.serving(tmp_path_factory.mktemp("registry") / "store") as serving:
        yield serving


@pytest.fixture
def own_registry(tmp_path: Path) -> Iterator[Registry]:
    """One that a test may break."""
    with registries.serving(tmp_path / "store") as serving:
        yield serving


@pytest.fixture(autouse=True)
def machine(registry: Registry, engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has bubblewrap and skopeo, no servers, and nobody's login."""
    found = registries.tools()[1]
    libraries = ":".join(map(str, found.libraries))
    argv = ["env", f"LD_LIBRARY_PATH={libraries}", str(found.bin / "skopeo")]
    monkeypatch.setattr(installations, "find_tool", lambda _: BUBBLEWRAP)
    monkeypatch.setattr(installations, "_find_skopeo", lambda _: argv)
    monkeypatch.setenv("HOME", str(engines.parent))
    for name in (images.MIRROR, images.CREDENTIALS, "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def toy(reference: str, **changes: object) -> Version:
    recipe = ImageRecipe(reference=f"http://{reference}", **changes)  # type: ignore[arg-type]
    return Version("redis", "8.0", "Redis 8.0", "BSD", "redis-server", recipe, False, on_request=True)


def install(version: Version, **options: object) -> tuple[Installation, list[str]]:
    lines: list[str] = []
    return installations.install(version, lines.append, **options), lines  # type: ignore[arg-type]


def left_in(engines: Path) -> list[str]:
    return sorted(path.name for path in (engines / "redis").iterdir())


class TestPull:
    @pytest.fixture
    def digest(self, registry: Registry, tmp_path: Path, base: Entries) -> str:
        write_image(tmp_path / "image", [base, [server()]])
        return registry.push(tmp_path / "image", "team/redis", "8.0")

    @pytest.fixture
    def version(self, registry: Registry, digest: str) -> Version:
        return toy(f"{registry.host}/team/redis:8.0")

    def test_by_tag(self, registry: Registry, version: Version, digest: str, engines: Path) -> None:
        installed, lines = install(version)
        root = installed.root
        assert installed == installations.find("redis", "8.0")
        assert (installed.full_version, installed.whole) == ("8.0.99", True)
        assert installed.source == f"image {registry.host}/team/redis:8.0"
        assert installed.bin == root / "usr" / "local" / "bin", "as the image's own PATH says"
        assert prefix.read_packages(root)[0].sha256 == digest.removeprefix("sha256:")
        assert (os.readlink(root / "bin"), (root / "etc/os-release").read_text()) == ("usr/bin", "NAME=toy\n")
        assert not (root / "var/cache/large").exists()
        assert any(line.startswith(f"Redis 8.0: downloading {registry.host}/team/redis:8.0") for line in lines)
        assert left_in(engines) == ["8.0.99"]

    def test_by_digest(self, registry: Registry, digest: str) -> None:
        installed, _ = install(toy(f"{registry.host}/team/redis@{digest}"))
        assert installed.source == f"image {registry.host}/team/redis@{digest}"
        assert prefix.read_packages(installed.root)[0].version == digest

    def test_by_both_the_digest_decides(self, registry: Registry, digest: str, tmp_path: Path, base: Entries) -> None:
        write_image(tmp_path / "image", [base, [server("8.0.100")]])
        registry.push(tmp_path / "image", "team/redis", "8.0")
        installed, _ = install(toy(f"{registry.host}/team/redis:8.0@{digest}"))
        assert installed.full_version == "8.0.99"

    def test_twice_is_once_and_upgrade_looks_again(
        self, registry: Registry, version: Version, tmp_path: Path, base: Entries, engines: Path
    ) -> None:
        first, _ = install(version)
        assert install(version) == (first, [])
        assert install(version, upgrade=True)[0] == first
        write_image(tmp_path / "image", [base, [server("8.0.100")]])
        registry.push(tmp_path / "image", "team/redis", "8.0")
        assert install(version) == (first, [])
        assert install(version, upgrade=True)[0].full_version == "8.0.100"
        assert left_in(engines) == ["8.0.100", "8.0.99"]

    def test_stays_though_the_catalogue_names_another_source(self, version: Version) -> None:
        install(version)
        assert not installations.needs_install(catalogue.load().version("redis", "8.0"))

    def test_pruned(self, registry: Registry, digest: str) -> None:
        installed, _ = install(toy(f"{registry.host}/team/redis:8.0", prune=("etc/os-*",)))
        assert list((installed.root / "etc").iterdir()) == []

    def test_packed_and_installed_offline(
        self, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed, _ = install(version)
        bundle = bundles.write([installed], tmp_path / "bundle", lambda _: None)
        monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "other-engines"))
        unpacked, _ = install(replace(version, recipe=ImageRecipe(reference="a.b/c:d")), bundle=bundle)
        assert (unpacked.whole, unpacked.bin) == (True, unpacked.root / "usr" / "local" / "bin")
        assert files.compare(unpacked.root) == []

    def test_from_a_mirror(self, registry: Registry, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(images.MIRROR, f"http://{registry.host}/team")
        version = toy("")
        installed, _ = install(replace(version, recipe=ImageRecipe(reference="docker.io/redis:8.0")))
        assert installed.source == "image docker.io/redis:8.0"

    def test_by_the_command(self, registry: Registry, digest: str) -> None:
        options = ["--image", f"http://{registry.host}/team/redis@{digest}"]
        done = CliRunner().invoke(main, ["engines", "install", "redis@8.0", *options])
        assert done.exit_code == 0, done.output
        assert installations.find("redis", "8.0") is not None
        refused = CliRunner().invoke(main, ["engines", "install", "redis", "mysql", *options])
        assert (refused.exit_code, "--image goes with one" in refused.output) == (2, True)


class TestMachine:
    """What else the machine does meanwhile."""

    @pytest.fixture
    def small(self, engines: Path) -> Iterator[Path]:
        """A disk of 24 MB for the servers."""
        engines.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", engines], check=False)
        if mounted.returncode != 0:
            pytest.skip("nothing can be mounted here")
        yield engines
        subprocess.run(["umount", engines], check=True)

    @pytest.mark.parametrize("part", ["what is downloaded", "what is unpacked"])
    def test_a_disk_that_becomes_full(
        self, registry: Registry, tmp_path: Path, base: Entries, small: Path, part: str
    ) -> None:
        large = os.urandom(40_000_000) if part == "what is downloaded" else bytes(40_000_000)
        write_image(tmp_path / "image", [base, [server(), entry("usr/large", large)]])
        registry.push(tmp_path / "image", "large", "1")
        with pytest.raises(InstallationError, match=r"(?i)no space left on device"):
            install(toy(f"{registry.host}/large:1"))
        assert left_in(small) == []

    def test_two_installs_of_it_at_once(self, registry: Registry, tmp_path: Path, base: Entries, engines: Path) -> None:
        write_image(tmp_path / "image", [base, [server()]])
        registry.push(tmp_path / "image", "twice", "1")
        version = toy(f"{registry.host}/twice:1")
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(install, [version, version])
        assert first[0] == second[0]
        assert left_in(engines) == ["8.0.99"]
        assert sum("downloading" in line for _, lines in (first, second) for line in lines) == 1

    def test_what_was_killed_is_cleaned_and_begun_anew(
        self, registry: Registry, tmp_path: Path, base: Entries, engines: Path
    ) -> None:
        write_image(tmp_path / "image", [base, [server()]])
        registry.push(tmp_path / "image", "anew", "1")
        for name in (".partial-8.0-killed", ".partial-8.0-killed-scratch/image"):
            (engines / "redis" / name).mkdir(parents=True)
        assert install(toy(f"{registry.host}/anew:1"))[0].full_version == "8.0.99"
        assert left_in(engines) == ["8.0.99"]

    def test_tells_how_much_has_come(
        self, registry: Registry, tmp_path: Path, base: Entries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(programs, "_WATCH_SECONDS", 0.001)
        write_image(tmp_path / "image", [base, [server(), entry("usr/large", os.urandom(40_000_000))]])
        registry.push(tmp_path / "image", "large", "2")
        _, lines = install(toy(f"{registry.host}/large:2"))
        told = [int(found[1]) for line in lines if (found := re.search(r"(\d+) of 4\d MB$", line))]
        assert told == sorted(told)
        assert told[-1] > 0


class TestMongoDB:
    """The catalogue's own image, from a mirror that has another program under its name."""

    def test_is_pulled_when_asked_for_by_name(
        self, registry: Registry, tmp_path: Path, base: Entries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mongod = entry("usr/bin/mongod", "#!/bin/sh\necho db version v8.0.15\n", 0o755)
        write_image(tmp_path / "image", [base, [mongod, entry("usr/bin/mongos", "x" * 100, 0o755)]])
        registry.push(tmp_path / "image", "hub/library/mongo", "8.0")
        monkeypatch.setenv(images.MIRROR, f"http://{registry.host}/hub")
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        done = CliRunner().invoke(main, ["engines", "install", "mongodb@8.0"])
        assert done.exit_code == 0, done.output
        assert "Server Side Public License" in done.output
        found = installations.find("mongodb", "8.0")
        assert found is not None
        assert (found.full_version, found.bin, found.whole) == ("8.0.15", found.root / "usr" / "bin", True)
        assert found.source == "image docker.io/library/mongo:8.0"
        assert not (found.bin / "mongos").exists()
        assert installations.find("mongodb", "8.0", "mongod-8.0.4") == found, "as a database of a mongod on PATH asks"

    def test_is_not_pulled_by_default(self) -> None:
        assert all(each.on_request for each in catalogue.load().technologies["mongodb"].versions if not each.default)


class TestIndex:
    @pytest.fixture
    def digest(self, registry: Registry, tmp_path: Path, base: Entries) -> str:
        write_image(tmp_path / "image", [base, [server()]], architectures=(OTHER, HERE))
        return registry.push(tmp_path / "image", "team/many", "8.0")

    def test_this_machine_s_is_taken(self, registry: Registry, digest: str) -> None:
        by_tag, _ = install(toy(f"{registry.host}/team/many:8.0"))
        (package,) = prefix.read_packages(by_tag.root)
        assert package.sha256 != digest.removeprefix("sha256:"), "of the image, not of the index"
        by_digest, _ = install(toy(f"{registry.host}/team/many@{digest}"), upgrade=True)
        assert prefix.read_packages(by_digest.root)[0].sha256 == package.sha256

    @pytest.mark.parametrize("architectures", [(OTHER,), (OTHER, "s390x")])
    def test_of_other_machines_is_refused(
        self, registry: Registry, tmp_path: Path, base: Entries, architectures: Sequence[str], engines: Path
    ) -> None:
        write_image(tmp_path / "image", [base], architectures=architectures)
        registry.push(tmp_path / "image", "team/others", "8.0")
        names = ", ".join(sorted(f"linux/{each}" for each in architectures))
        with pytest.raises(InstallationError, match=rf"is for {names}, but this machine is linux/{HERE}"):
            install(toy(f"{registry.host}/team/others:8.0"))
        assert left_in(engines) == []


class TestRefused:
    @pytest.fixture
    def pushed(self, own_registry: Registry, tmp_path: Path, base: Entries) -> list[str]:
        digests = write_image(tmp_path / "image", [base, [server()]])
        return [own_registry.push(tmp_path / "image", "redis", "8.0"), *digests]

    @pytest.fixture
    def version(self, own_registry: Registry, pushed: list[str]) -> Version:
        return toy(f"{own_registry.host}/redis:8.0")

    def test_a_digest_that_is_not_there(self, own_registry: Registry, pushed: list[str], engines: Path) -> None:
        wrong = f"sha256:{'0' * 64}"
        with pytest.raises(InstallationError, match="manifest unknown"):
            install(toy(f"{own_registry.host}/redis@{wrong}"))
        assert left_in(engines) == []

    def test_a_manifest_that_was_changed(self, own_registry: Registry, pushed: list[str], engines: Path) -> None:
        blob = own_registry.blob(pushed[0])
        blob.write_bytes(blob.read_bytes() + b" ")
        with pytest.raises(InstallationError, match=r"the registry answers .* which was refused"):
            install(toy(f"{own_registry.host}/redis@{pushed[0]}"))
        assert left_in(engines) == []

    def test_a_tag_that_is_not_there(self, own_registry: Registry, version: Version) -> None:
        with pytest.raises(InstallationError, match="manifest unknown"):
            install(toy(f"{own_registry.host}/redis:9"))

    @pytest.mark.parametrize("harm", ["truncated", "changed", "gone"])
    def test_a_layer_that_is(
        self, own_registry: Registry, version: Version, pushed: list[str], engines: Path, harm: str
    ) -> None:
        blob = own_registry.blob(pushed[1])
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        if harm == "gone":
            blob.unlink()
        else:
            blob.write_bytes(content if harm == "changed" else content[:-1000])
        with pytest.raises(InstallationError, match=r"could not be downloaded: .*(digest|blob|EOF)"):
            install(version)
        assert left_in(engines) == []

    def test_a_registry_that_is_gone(self, own_registry: Registry, version: Version, engines: Path) -> None:
        own_registry.stop()
        with pytest.raises(InstallationError, match="connection refused"):
            install(version)
        assert left_in(engines) == []

    @pytest.mark.parametrize("frozen", [False, True])
    def test_a_registry_that_is_gone_in_the_middle(
        self,
        own_registry: Registry,
        version: Version,
        pushed: list[str],
        engines: Path,
        frozen: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(images, "_STALL_SECONDS", 2.0 if frozen else 60.0)
        size = own_registry.blob(pushed[1]).stat().st_size
        with closing(Cut(own_registry.port, size // 2, frozen)) as cut:
            with pytest.raises(
                InstallationError, match="nothing came for 2 seconds" if frozen else "connection refused"
            ):
                install(toy(f"127.0.0.1:{cut.port}/redis:8.0"))
            assert cut.passed >= size // 2, "the layer was on its way"
        assert left_in(engines) == []
        assert install(version)[0].full_version == "8.0.99", "as if nothing had been"

    def test_an_image_without_the_server(self, own_registry: Registry, tmp_path: Path, base: Entries) -> None:
        write_image(tmp_path / "image", [base])
        own_registry.push(tmp_path / "image", "empty", "1")
        with pytest.raises(InstallationError, match="redis-server"):
            install(toy(f"{own_registry.host}/empty:1"))

    def test_another_version(self, own_registry: Registry, tmp_path: Path, base: Entries) -> None:
        write_image(tmp_path / "image", [base, [server("7.2.4")]])
        own_registry.push(tmp_path / "image", "old", "1")
        with pytest.raises(InstallationError, match=r"is version 7\.2\.4, but Redis 8\.0 was requested"):
            install(toy(f"{own_registry.host}/old:1"))

    def test_an_image_without_setpriv(self, own_registry: Registry, tmp_path: Path, base: Entries) -> None:
        write_image(tmp_path / "image", [base, [server(), entry("usr/bin/.wh.setpriv")]])
        own_registry.push(tmp_path / "image", "bare", "1")
        with pytest.raises(InstallationError, match="no setpriv"):
            install(toy(f"{own_registry.host}/bare:1"))

    @pytest.mark.parametrize("machine", ["riscv64", "i686"])
    def test_on_another_machine(self, version: Version, monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
        monkeypatch.setattr(platform, "machine", lambda: machine)
        with pytest.raises(InstallationError, match=f"images are for x86_64, aarch64, but this machine is {machine}"):
            install(version)

    def test_without_a_sandbox_nothing_is_downloaded(self, version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(installations, "find_tool", lambda _: None)
        lines: list[str] = []
        with pytest.raises(InstallationError, match="runs in a sandbox only"):
            installations.install(version, lines.append)
        assert lines == []


class TestLogin:
    @pytest.fixture
    def version(self, tmp_path: Path, base: Entries) -> Iterator[Version]:
        with registries.serving(tmp_path / "store", login=True) as closed:
            write_image(tmp_path / "image", [base, [server()]])
            closed.push(tmp_path / "image", "secret/redis", "8.0")
            yield toy(f"{closed.host}/secret/redis:8.0")

    @staticmethod
    def write_login(path: Path, version: Version, password: str) -> Path:
        host = images.parse(version.recipe.reference).registry  # type: ignore[union-attr]
        encoded = base64.b64encode(f"{registries.USER}:{password}".encode()).decode()
        path.write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
        path.chmod(0o600)
        return path

    def test_by_a_file(self, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        login = self.write_login(tmp_path / "auth.json", version, registries.PASSWORD)
        monkeypatch.setenv(images.CREDENTIALS, str(login))
        installed, lines = install(version)
        assert installed.full_version == "8.0.99"
        assert registries.PASSWORD not in "\n".join(lines)
        assert not any(registries.PASSWORD in path.read_text() for path in installed.root.glob("*.json"))

    def test_without_one_says_what_to_do(self, version: Version) -> None:
        with pytest.raises(InstallationError, match=r"the registry's login, .* in DBYARD_IMAGE_AUTH"):
            install(version)

    def test_a_wrong_one_is_not_shown(self, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        login = self.write_login(tmp_path / "auth.json", version, "a-wrong-password")
        monkeypatch.setenv(images.CREDENTIALS, str(login))
        lines: list[str] = []
        with pytest.raises(InstallationError, match="DBYARD_IMAGE_AUTH") as raised:
            installations.install(version, lines.append)
        assert "a-wrong-password" not in "\n".join([*lines, str(raised.value)])


class Cut:
    """A way to the registry that ends, for good, after so many bytes of its answers; or says nothing any more."""

    def __init__(self, port: int, limit: int, frozen: bool) -> None:
        self._behind, self._limit, self._frozen, self.passed = port, limit, frozen, 0
        self._lock, self._open = threading.Lock(), list[socket.socket]()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._door, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # closing alone would wait for those who read
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._behind))
                self._open += [near, far]
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.passed += len(data) if counted else 0
                    if self.passed > self._limit:
                        if not self._frozen:
                            self.close()
                        return
                target.sendall(data)


# ---- what a layer may say ---------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Beside it lies what nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("untouched")
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


def apply(tree: Path, *given: Entries) -> None:
    for number, entries in enumerate(given):
        layers.apply(write_layer(tree.parent / f"layer{number}", entries), tree)


def untouched(tree: Path) -> bool:
    outside = tree.parent / "outside"
    return [path.name for path in outside.iterdir()] == ["file"] and (outside / "file").read_text() == "untouched"


class TestLayers:
    def test_one_over_the_other(self, tree: Path) -> None:
        apply(
            tree,
            [entry("a/file", "1"), entry("a/kept", "1"), entry("b", "1"), link("c", "a")],
            [entry("a/file", "2", 0o755), entry("b/now-a-directory", "2"), entry("c/through", "2")],
        )
        assert (tree / "a/file").read_text() == "2"
        assert (tree / "a/kept").read_text() == "1"
        assert (tree / "b/now-a-directory").read_text() == "2"
        assert (tree / "a/through").read_text() == "2"
        assert stat.S_IMODE((tree / "a/file").stat().st_mode) == 0o755

    def test_whiteouts_remove_what_is_below(self, tree: Path) -> None:
        lower = [entry("a/one", "1"), entry("a/two", "1"), entry("b/x/old", "1"), entry("b/y", "1"), link("l", "a/one")]
        upper = [
            entry("a/one", "2"),
            entry("a/.wh.two"),
            entry("a/.wh.one"),
            entry("b/x/new", "2"),
            entry("b/.wh..wh..opq"),
            entry(".wh.l"),
            entry("no/such/.wh.thing"),
        ]
        apply(tree, lower, upper)
        assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*")) == ["a", "a/one", "b", "b/x", "b/x/new"]
        assert (tree / "a/one").read_text() == "2", "what a layer brings it does not remove"

    def test_a_whiteout_through_a_link_stays_in_the_tree(self, tree: Path) -> None:
        outside = str(tree.parent / "outside")
        apply(tree, [link("evil", outside)], [entry("evil/.wh.file"), entry("evil/.wh..wh..opq")])
        assert untouched(tree)

    @pytest.mark.parametrize("name", ["../outside/file", "a/../../outside/file", "/../outside/file", ".wh..."])
    def test_names_that_lead_out_are_refused(self, tree: Path, name: str) -> None:
        with pytest.raises(InstallationError, match="would leave the tree"):
            apply(tree, [entry(name, "evil")])
        assert untouched(tree)

    @pytest.mark.parametrize("target", ["absolute", "../outside", "../../../../../../{outside}"])
    def test_a_file_through_a_link_stays_in_the_tree(self, tree: Path, target: str) -> None:
        outside = tree.parent / "outside"
        to = str(outside) if target == "absolute" else target.format(outside=str(outside).lstrip("/"))
        with suppress(InstallationError):
            apply(tree, [link("evil", to)], [entry("evil/file", "evil"), entry("evil/new", "evil")])
        assert untouched(tree)

    def test_a_file_over_a_link_replaces_it(self, tree: Path) -> None:
        apply(tree, [link("evil", str(tree.parent / "outside" / "file")), entry("evil", "mine")])
        assert untouched(tree)
        assert (tree / "evil").read_text() == "mine"

    def test_a_hard_link_to_a_file_of_the_tree(self, tree: Path) -> None:
        apply(tree, [entry("a", "1"), entry("b/c", type=tarfile.LNKTYPE, linkname="/a")])
        assert (tree / "b/c").read_text() == "1"

    @pytest.mark.parametrize("target", ["../outside/file", "{outside}", "evil/file", "missing", "d"])
    def test_a_hard_link_to_anything_else_is_refused(self, tree: Path, target: str) -> None:
        outside = tree.parent / "outside"
        to = target.format(outside=outside / "file")
        hard = entry("hard", type=tarfile.LNKTYPE, linkname=to)
        with pytest.raises(InstallationError, match=r"no file of the tree|would leave the tree"):
            apply(tree, [entry("d/x"), link("evil", str(outside)), hard])
        assert (outside / "file").stat().st_nlink == 1

    def test_a_file_over_a_hard_link_leaves_the_other(self, tree: Path) -> None:
        apply(tree, [entry("a", "1"), entry("b", type=tarfile.LNKTYPE, linkname="a")], [entry("b", "2")])
        assert (tree / "a").read_text() == "1"

    @pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
    def test_devices_are_left_out(self, tree: Path, kind: bytes) -> None:
        apply(tree, [entry("device", type=kind, devmajor=1, devminor=3), entry("file", "1")])
        assert [path.name for path in tree.iterdir()] == ["file"]

    def test_nothing_runs_as_its_owner(self, tree: Path) -> None:
        apply(tree, [entry("su", "1", 0o6755, uid=12345, gid=12345), entry("d", mode=0o7777, type=tarfile.DIRTYPE)])
        assert stat.S_IMODE((tree / "su").stat().st_mode) == 0o755
        assert (tree / "su").stat().st_uid == os.geteuid()
        assert not stat.S_IMODE((tree / "d").stat().st_mode) & 0o7000

    def test_links_in_a_circle_are_refused(self, tree: Path) -> None:
        with pytest.raises(InstallationError, match="too many links"):
            apply(tree, [link("a", "b"), link("b", "a"), entry("a/file", "1")])

    @pytest.mark.parametrize("harm", ["cut", "no archive", "no gzip"])
    def test_what_is_no_archive_is_refused(self, tree: Path, harm: str) -> None:
        whole = write_layer(tree.parent / "layer", [entry("a", os.urandom(5000))]).read_bytes()
        content = {"cut": whole[:-2000], "no archive": gzip.compress(b"x" * 2000), "no gzip": b"x" * 2000}[harm]
        (tree.parent / "layer").write_bytes(content)
        with pytest.raises(InstallationError, match="could not be unpacked"):
            layers.apply(tree.parent / "layer", tree)


class TestHostileImages:
    """As far as the tree: what only shows when all layers are there."""

    @pytest.mark.parametrize(
        "evil",
        [
            [link("usr/lib/evil", "../../../outside")],
            [entry("deep/er/x"), link("up", "deep/er"), link("usr/lib/evil", "../../up/../../../outside")],
            [link("usr/lib/top", "../.."), link("usr/lib/evil", "top/../outside")],
            [entry(".wh.usr"), link("usr", "/")],
        ],
        ids=["plain", "by another link", "by a link to the top", "instead of usr"],
    )
    def test_links_out_of_the_tree_are_refused(
        self, registry: Registry, tmp_path: Path, base: Entries, evil: Entries, engines: Path
    ) -> None:
        write_image(tmp_path / "image", [base, [server()], evil])
        registry.push(tmp_path / "image", "evil", "1")
        with pytest.raises(InstallationError, match=r"out of the tree|no directory /usr"):
            install(toy(f"{registry.host}/evil:1"))
        assert left_in(engines) == []

    def test_links_to_the_system_mean_the_tree(self, registry: Registry, tmp_path: Path, base: Entries) -> None:
        own = [
            link(prefix.MANIFEST, "/etc/passwd"),
            link(files.RECORD, "/etc/passwd"),
            link("etc/shadow2", "/etc/shadow"),
        ]
        write_image(tmp_path / "image", [base, [server(), *own]])
        registry.push(tmp_path / "image", "links", "1")
        installed, _ = install(toy(f"{registry.host}/links:1"))
        assert os.readlink(installed.root / "etc/shadow2") == "shadow"
        assert not (installed.root / prefix.MANIFEST).is_symlink()
        assert not (installed.root / files.RECORD).is_symlink()
        assert not (installed.root / "etc/passwd").exists()


class TestVerify:
    def test_says_which_files_differ(self, registry: Registry, tmp_path: Path, base: Entries) -> None:
        write_image(tmp_path / "image", [base, [server()]])
        registry.push(tmp_path / "image", "whole", "1")
        installed, _ = install(toy(f"{registry.host}/whole:1"))
        asked = CliRunner().invoke(main, ["engines", "verify"])
        assert (asked.exit_code, asked.output) == (0, f"redis 8.0.99 in {installed.root}: as installed\n")
        (installed.root / "etc/os-release").write_text("NAME=other\n")
        (installed.root / "usr/bin/setpriv").unlink()
        (installed.root / "usr/bin/new").touch()
        (installed.root / "lib").unlink()
        (installed.root / "lib").symlink_to("usr/lib64")
        asked = CliRunner().invoke(main, ["engines", "verify", "redis@8.0"])
        lines = [line.strip().split(" ")[:3] for line in asked.output.splitlines()[1:]]
        assert asked.exit_code == 1
        assert lines == [
            ["etc/os-release:", "is", "644"],
            ["lib:", "is", "a"],
            ["usr/bin/new:", "was", "added"],
            ["usr/bin/setpriv:", "is", "missing"],
        ]

    def test_one_of_before_has_no_record(self, registry: Registry, tmp_path: Path, base: Entries) -> None:
        write_image(tmp_path / "image", [base, [server()]])
        registry.push(tmp_path / "image", "whole", "1")
        installed, _ = install(toy(f"{registry.host}/whole:1"))
        (installed.root / files.RECORD).unlink()
        with pytest.raises(InstallationError, match="no record of its files"):
            files.compare(installed.root)


class TestMakeImage:
    @pytest.fixture
    def installed(self, registry: Registry, tmp_path: Path, base: Entries) -> Installation:
        write_image(tmp_path / "image", [base, [server(), entry("usr/bin/su", "x", 0o4755)]])
        registry.push(tmp_path / "image", "first", "1")
        return install(toy(f"{registry.host}/first:1"))[0]

    def test_goes_round(self, registry: Registry, installed: Installation, tmp_path: Path, engines: Path) -> None:
        version = toy("")
        digest = oci.write(version, installed, tmp_path / "made", lambda _: None)
        assert registry.push(tmp_path / "made", "second", "1") == digest
        again, _ = install(toy(f"{registry.host}/second@{digest}"), upgrade=True)
        assert again.bin.relative_to(again.root) == installed.bin.relative_to(installed.root)
        changes = files.compare(again.root)
        assert changes == []
        first, second = (json.loads((each.root / files.RECORD).read_text()) for each in (installed, again))
        assert {**first, "etc/passwd": "", "etc/group": ""} == {**second, "etc/passwd": "", "etc/group": ""}

    def test_is_the_same_each_time(self, installed: Installation, tmp_path: Path) -> None:
        digests = {oci.write(toy(""), installed, tmp_path / name, lambda _: None) for name in ("one", "two")}
        assert len(digests) == 1

    def test_by_the_command(self, installed: Installation, tmp_path: Path) -> None:
        done = CliRunner().invoke(main, ["engines", "image", "redis@8.0", str(tmp_path / "made")])
        assert done.exit_code == 0, done.output
        manifest = read_blob(tmp_path / "made", json.loads((tmp_path / "made/index.json").read_text())["manifests"][0])
        settings = json.loads(read_blob(tmp_path / "made", json.loads(manifest)["config"]))["config"]
        assert (settings["User"], settings.get("Entrypoint")) == ("65532:65532", None)
        assert settings["Cmd"] == ["/usr/local/bin/redis-server", "--version"]
        assert settings["Labels"]["io.dbyard.technology"] == "redis"
        (layer,) = json.loads(manifest)["layers"]
        with tarfile.open(fileobj=io.BytesIO(read_blob(tmp_path / "made", layer))) as archive:
            members = {each.name: each for each in archive}
        assert {each.uid for each in members.values()} == {0, 65532}
        assert (members["data"].uid, members["tmp"].mode, members["usr/bin/su"].mode) == (65532, 0o1777, 0o755)
        assert not members.keys() & {prefix.MANIFEST, files.RECORD}

    def test_what_needs_this_machine_is_refused(self, installed: Installation, tmp_path: Path) -> None:
        with pytest.raises(InstallationError, match="needs libraries of this machine"):
            oci.write(toy(""), replace(installed, whole=False), tmp_path / "made", lambda _: None)
        assert not (tmp_path / "made").exists()

    def test_a_directory_that_holds_something(self, installed: Installation, tmp_path: Path) -> None:
        with pytest.raises(InstallationError, match="is not empty"):
            oci.write(toy(""), installed, installed.root, lambda _: None)


def read_blob(layout: Path, blob: dict[str, str]) -> bytes:
    return (layout / "blobs" / blob["digest"].replace(":", "/")).read_bytes()


class TestParse:
    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("docker.io/library/mongo:8.0", ("docker.io", "library/mongo", "8.0", "", False)),
            ("localhost/redis", ("localhost", "redis", "latest", "", False)),
            (f"http://127.0.0.1:5000/a/b@sha256:{'0' * 64}", ("127.0.0.1:5000", "a/b", "", f"sha256:{'0' * 64}", True)),
            (f"r.example/a:1@sha256:{'f' * 64}", ("r.example", "a", "1", f"sha256:{'f' * 64}", False)),
        ],
    )
    def test_names_in_full(self, text: str, parts: tuple[object, ...]) -> None:
        assert images.parse(text) == images.Reference(*parts)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "text",
        [
            "mongo:8.0",
            "library/mongo:8.0",
            "r.example/UPPER:1",
            "r.example/a@sha256:12",
            "r.example/a:b c",
            "",
            "--x/a.b:1",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InstallationError, match="an image is named REGISTRY/PATH:TAG"):
            images.parse(text)


def test_every_image_of_the_catalogue_has_a_name_in_full() -> None:
    recipes = [each.recipe for known in catalogue.load().technologies.values() for each in known.versions]
    found = [images.parse(each.reference) for each in recipes if isinstance(each, ImageRecipe)]
    assert [str(each) for each in found] == ["docker.io/library/mongo:8.0", "docker.io/library/mongo:7.0"]


def test_skopeo_is_installed_with_the_first_image(engines: Path) -> None:
    assert catalogue.load().tools["skopeo"].on_request
    assert subprocess.run([*installations._find_skopeo(print), "--version"], check=True).returncode == 0
