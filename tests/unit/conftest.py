"""Fixtures for tests of installations: an empty DBYARD_ENGINES, and a Debian repository in a directory."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from dbyard import installations


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DBYARD_ENGINES that every uid can reach, on a machine without servers of its own."""
    for path in (tmp_path, *tmp_path.parents[:-2]):
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o711)
    monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setattr(installations, "_SYSTEM", tmp_path / "usr")
    return tmp_path / "engines"


class Repository:
    """A Debian repository of small packages in a directory, and an apt configuration that knows nothing else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "pool").mkdir(parents=True)
        (directory / "Packages").touch()
        (directory / "sources.list").write_text(f"deb [trusted=yes] file:{directory} ./\n")
        self.configuration = directory / "apt.conf"
        self.configuration.write_text(
            f'Dir::Etc::sourcelist "{directory}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
        )

    def add(
        self,
        name: str,
        files: Mapping[str, str | bytes],
        *,
        depends: str = "",
        section: str = "misc",
        more: str = "",
        version: str = "7.0.99-1",
        links: Mapping[str, str] = {},
    ) -> None:
        tree = self.directory / "trees" / f"{name}-{version}"
        fields = f"Package: {name}\nVersion: 5:{version}\nArchitecture: all\nSection: {section}\nMaintainer: nobody\n"
        fields += f"Description: a test\n{f'Depends: {depends}' if depends else 'Suggests: nothing'}\n{more}"
        for path, target in links.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).symlink_to(target)
        for path, content in {"DEBIAN/control": fields, **files}.items():
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            file.chmod(0o4755 if "bin/" in path or "/ld-" in path else 0o640)
        archive = self.directory / "pool" / f"{name}_5%3a{version}_all.deb"
        for control in (tree / "DEBIAN", tree / "DEBIAN" / "control"):
            control.chmod(0o755)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, archive], check=True, capture_output=True)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        place = f"Filename: ./pool/{archive.name}\nSize: {archive.stat().st_size}\nSHA256: {digest}\n"
        with (self.directory / "Packages").open("a") as index:
            index.write(f"{fields}{place}\n")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.add("base", {"etc/base": "base"}, depends="libbase", more="Essential: yes\n")
    repository.add("libbase", {"usr/lib/x86_64-linux-gnu/libbase.so.1": "base"}, section="libs")
    monkeypatch.setenv("APT_CONFIG", str(repository.configuration))
    return repository


def program(name: str) -> Mapping[str, bytes]:
    """A program of this machine with its libraries, as files of a package or a layer."""
    path = shutil.which(name)
    assert path is not None
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    libraries = re.findall(r"(/\S+)", told)
    files = {f"usr/{library.removeprefix('/usr').lstrip('/')}": Path(library).read_bytes() for library in libraries}
    return {f"usr/bin/{name}": Path(path).read_bytes(), **files}
