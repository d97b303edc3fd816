"""Bundles of servers: what goes in comes out; what was tampered with is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest

from dbyard import installations
from dbyard.errors import InstallationError
from dbyard.installations import bundles, files, prefix
from dbyard.installations.bundles import Archive, Bundle
from dbyard.installations.prefix import Package
from dbyard.model import Installation, Version
from dbyard.recipes import DebianRecipe

SERVER = "#!/bin/sh\necho Redis server v=7.0.99\n"
VERSION = Version("redis", "7.0", "Redis 7.0", "BSD", "redis-server", DebianRecipe(("redis-server",), "bin"), True)
PACKAGES = (Package("redis-server", "7.0.99-1", "0" * 64),)


@pytest.fixture
def server(engines: Path) -> Installation:
    """A tree with all that a tree may hold."""
    root = engines / "redis" / "7.0.99"
    for directory in ("bin", "lib/x86_64-linux-gnu", "share/empty"):
        (root / directory).mkdir(parents=True)
    (root / "bin" / "redis-server").write_text(SERVER)
    (root / "bin" / "redis-server").chmod(0o755)
    os.link(root / "bin" / "redis-server", root / "bin" / "redis-sentinel")
    (root / "sbin").symlink_to("bin")
    (root / "share" / "certificates").symlink_to("/etc/ssl/certs")
    libraries = (root / "lib" / "x86_64-linux-gnu",)
    made = Installation("redis", "7.0", "7.0.99", root / "bin", libraries, root, "Debian redis-server 7.0.99-1")
    prefix.write(made, PACKAGES)
    return made


@pytest.fixture
def bundle(server: Installation, tmp_path: Path) -> Bundle:
    return bundles.write([server], tmp_path / "bundle", lambda _: None)


@pytest.fixture
def machine(bundle: Bundle, engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DBYARD_ENGINES of another machine, which is empty."""
    monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "other"))
    return tmp_path / "other"


def install(directory: Path) -> Installation:
    return installations.install(VERSION, lambda _: None, bundle=bundles.read(directory))


def tree(root: Path) -> dict[str, str]:
    """Every path with what it is."""
    found = {}
    for path in sorted(root.rglob("*")):
        mode, name = oct(path.lstat().st_mode & 0o777), str(path.relative_to(root))
        found[name] = (
            str(path.readlink()) if path.is_symlink() else mode if path.is_dir() else f"{mode} {path.read_text()}"
        )
    return found


def change_manifest(directory: Path, **changes: object) -> None:
    path = directory / bundles.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def forge(directory: Path, *members: tarfile.TarInfo) -> None:
    """A bundle whose archive holds these members, with digests that match."""
    content = b"forged"
    directory.mkdir()
    with tarfile.open(directory / "redis.tar.gz", "w:gz") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    data = (directory / "redis.tar.gz").read_bytes()
    entry = Archive("redis", "7.0", "7.0.99", "redis.tar.gz", len(data), hashlib.sha256(data).hexdigest())
    manifest = {
        "format": 1,
        "machine": platform.machine(),
        "archives": [{f: getattr(entry, f) for f in entry.__struct_fields__}],
    }
    (directory / bundles.MANIFEST).write_text(json.dumps(manifest))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


class TestWrite:
    def test_the_manifest_names_machine_and_digests(self, bundle: Bundle) -> None:
        manifest = json.loads((bundle.directory / bundles.MANIFEST).read_text())
        (archive,) = manifest["archives"]
        data = (bundle.directory / "redis-7.0.99.tar.gz").read_bytes()
        assert archive["sha256"] == hashlib.sha256(data).hexdigest()
        assert (archive["size"], manifest["machine"]) == (len(data), platform.machine())
        assert sorted(path.name for path in bundle.directory.iterdir()) == ["manifest.json", "redis-7.0.99.tar.gz"]

    def test_one_that_fails_leaves_nothing(self, server: Installation, tmp_path: Path) -> None:
        gone = Installation("redis", "7.0", "7.0.98", tmp_path, (), tmp_path, "elsewhere")
        with pytest.raises(InstallationError, match="was not installed by dbyard and cannot be packed"):
            bundles.write([server, gone], tmp_path / "bundle", lambda _: None)
        assert [path.name for path in tmp_path.iterdir() if "bundle" in path.name] == []

    def test_into_a_filled_directory(self, bundle: Bundle, server: Installation) -> None:
        with pytest.raises(InstallationError, match="is not empty"):
            bundles.write([server], bundle.directory, lambda _: None)


class TestInstall:
    def test_what_went_in_comes_out(self, bundle: Bundle, server: Installation, machine: Path) -> None:
        installed = install(bundle.directory)
        assert installed == installations.find("redis", "7.0")
        assert (installed.root, installed.source) == (machine / "redis" / "7.0.99", server.source)
        assert installed.libraries == (installed.root / "lib" / "x86_64-linux-gnu",)
        assert tree(installed.root) == {**tree(server.root), files.RECORD: tree(installed.root)[files.RECORD]}
        assert files.compare(installed.root) == []
        assert prefix.read_packages(installed.root) == PACKAGES
        assert installed.bin.joinpath("redis-sentinel").stat().st_nlink == 1

    def test_twice_is_once(self, bundle: Bundle, machine: Path) -> None:
        assert install(bundle.directory) == install(bundle.directory)
        assert [path.name for path in (machine / "redis").iterdir()] == ["7.0.99"]

    def test_a_server_that_does_not_run_here(
        self, server: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (server.bin / "redis-server").write_text("#!/bin/sh\necho no library >&2; exit 127\n")
        bundles.write([server], tmp_path / "broken", lambda _: None)
        machine = tmp_path / "other"
        monkeypatch.setenv("DBYARD_ENGINES", str(machine))
        with pytest.raises(InstallationError, match="does not run on this machine: no library"):
            install(tmp_path / "broken")
        assert list((machine / "redis").iterdir()) == []

    def test_killed_in_the_middle(self, bundle: Bundle, machine: Path) -> None:
        program = f"""
            import os, signal
            from pathlib import Path
            from dbyard import installations
            from dbyard.installations import bundles
            from dbyard.model import Version
            from dbyard.recipes import DebianRecipe
            bundles._take_manifest = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            installations.install({VERSION!r}, print, bundle=bundles.read(Path({str(bundle.directory)!r})))
        """
        killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.DEVNULL)
        assert killed.returncode == -signal.SIGKILL
        assert installations.find("redis", "7.0") is None
        assert list((machine / "redis").iterdir()) != []
        install(bundle.directory)
        assert [path.name for path in (machine / "redis").iterdir()] == ["7.0.99"]


class TestRefused:
    def refuse(self, directory: Path, machine: Path, why: str) -> None:
        with pytest.raises(InstallationError, match=why):
            install(directory)
        assert not (machine / "redis").exists() or list((machine / "redis").iterdir()) == []

    def test_another_machine(self, bundle: Bundle, machine: Path) -> None:
        change_manifest(bundle.directory, machine="s390x")
        self.refuse(bundle.directory, machine, f"is for s390x, but this machine is {platform.machine()}")

    def test_a_format_to_come(self, bundle: Bundle, machine: Path) -> None:
        change_manifest(bundle.directory, format=2)
        self.refuse(bundle.directory, machine, "has format 2, but this dbyard reads format 1")

    def test_no_pack(self, tmp_path: Path, machine: Path) -> None:
        self.refuse(tmp_path, machine, "is no bundle of `dbyard engines pack`")

    @pytest.mark.parametrize("text", ["", "{", '{"format": 1}', '{"format": 1, "machine": "m", "archives": [{}]}'])
    def test_a_broken_manifest(self, bundle: Bundle, machine: Path, text: str) -> None:
        (bundle.directory / bundles.MANIFEST).write_text(text)
        self.refuse(bundle.directory, machine, "cannot be read and was refused")

    @pytest.mark.parametrize("name", ["../redis-7.0.99.tar.gz", "/etc/passwd", ".hidden", ""])
    def test_a_file_elsewhere(self, bundle: Bundle, machine: Path, name: str) -> None:
        (archive,) = json.loads((bundle.directory / bundles.MANIFEST).read_text())["archives"]
        change_manifest(bundle.directory, archives=[archive | {"file": name}])
        self.refuse(bundle.directory, machine, "cannot be read and was refused")

    @pytest.mark.parametrize("at", [0, 40, -1])
    def test_a_changed_archive(self, bundle: Bundle, machine: Path, at: int) -> None:
        path = bundle.directory / "redis-7.0.99.tar.gz"
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        self.refuse(bundle.directory, machine, "is not the file that manifest.json names and was refused")

    def test_a_missing_archive(self, bundle: Bundle, machine: Path) -> None:
        (bundle.directory / "redis-7.0.99.tar.gz").unlink()
        self.refuse(bundle.directory, machine, "could not be unpacked: .*No such file")

    def test_no_archive_although_its_digest_is_right(self, bundle: Bundle, machine: Path) -> None:
        (archive,) = json.loads((bundle.directory / bundles.MANIFEST).read_text())["archives"]
        (bundle.directory / "redis-7.0.99.tar.gz").write_bytes(b"no archive")
        digest = hashlib.sha256(b"no archive").hexdigest()
        change_manifest(bundle.directory, archives=[archive | {"sha256": digest}])
        self.refuse(bundle.directory, machine, "could not be unpacked: ")

    def test_another_server_than_the_manifest_says(self, bundle: Bundle, machine: Path) -> None:
        (archive,) = json.loads((bundle.directory / bundles.MANIFEST).read_text())["archives"]
        change_manifest(bundle.directory, archives=[archive | {"full_version": "7.0.98"}])
        self.refuse(bundle.directory, machine, r"does not hold redis 7\.0\.98 and was refused")

    @pytest.mark.parametrize(
        "members",
        [
            [member("../outside")],
            [member("/tmp/outside")],
            [member("bin", tarfile.DIRTYPE), member("bin/../../outside")],
            [member("bin", tarfile.SYMTYPE, ".."), member("bin/outside")],
            [member("bin", tarfile.SYMTYPE, "/tmp"), member("bin/outside")],
            [member("bin", tarfile.SYMTYPE, "../outside"), member("bin")],
            [member("absent/outside")],
            [member("bin", tarfile.DIRTYPE), member("bin", tarfile.SYMTYPE, ".."), member("bin/outside")],
            [member(".")],
        ],
    )
    def test_members_that_would_leave_the_tree(
        self, tmp_path: Path, machine: Path, members: list[tarfile.TarInfo]
    ) -> None:
        forge(tmp_path / "forged", *members)
        self.refuse(tmp_path / "forged", machine, "(would leave the tree and was refused|could not be unpacked)")
        assert list(tmp_path.rglob("outside")) == []
        assert not Path("/tmp/outside").exists()

    @pytest.mark.parametrize(
        "odd",
        [
            member("link", tarfile.LNKTYPE, "/etc/passwd"),
            member("device", tarfile.CHRTYPE),
            member("disk", tarfile.BLKTYPE),
            member("pipe", tarfile.FIFOTYPE),
        ],
        ids=lambda odd: str(odd.name),
    )
    def test_members_that_are_no_files(self, tmp_path: Path, machine: Path, odd: tarfile.TarInfo) -> None:
        forge(tmp_path / "forged", odd)
        self.refuse(tmp_path / "forged", machine, "is neither file nor directory and was refused")
