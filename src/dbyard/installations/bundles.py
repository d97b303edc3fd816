"""Bundles: the installed trees of servers in a directory, for machines without a network.

A bundle has one archive per server and `manifest.json`, which names the target machine and every archive with its
SHA-256. Unpacking trusts neither: a member that would leave the tree, or is no file, directory or symbolic link, is
refused.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec

from dbyard.errors import InstallationError
from dbyard.installations import prefix
from dbyard.installations.prefix import Unpacked
from dbyard.installations.programs import Report
from dbyard.model import Installation, Version, engines_home

MANIFEST = "manifest.json"
_FORMAT = 1
_LEVEL = 3  # of gzip: half the time of level 6, 5 % larger

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tree of one server."""

    technology: Name
    version: Name
    full_version: Name
    file: Name
    size: int
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    machine: str
    archives: tuple[Archive, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    directory: Path
    archives: tuple[Archive, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which contains the digests of all archives."""
        return sha256((self.directory / MANIFEST).read_bytes()).hexdigest()

    def archive(self, version: Version) -> Archive | None:
        wanted = (version.technology, version.version)
        return next((each for each in self.archives if (each.technology, each.version) == wanted), None)


def write(installations: Sequence[Installation], directory: Path, report: Report) -> Bundle:
    """Write the bundle `directory`, which must be empty or missing. It appears only when it is complete."""
    refuse_filled(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        archives = tuple(_write_archive(each, partial, report) for each in installations)
        manifest = Manifest(_FORMAT, platform.machine(), archives)
        (partial / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        partial.chmod(0o755)
        prefix.publish(partial, directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Bundle(directory, archives)


def refuse_filled(directory: Path) -> None:
    """Raise InstallationError if the directory has contents."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InstallationError(f"{directory} is not empty: name a new directory")


def read(directory: Path) -> Bundle:
    """Raises InstallationError if it is no bundle, or one for another machine."""
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise InstallationError(f"{directory} is no bundle of `dbyard engines pack`: {error}") from error
    except msgspec.DecodeError as error:
        raise InstallationError(f"{path} cannot be read and was refused: {error}") from error
    if manifest.format != _FORMAT:
        raise InstallationError(f"{path} has format {manifest.format}, but this dbyard reads format {_FORMAT}")
    if manifest.machine != platform.machine():
        raise InstallationError(f"{directory} is for {manifest.machine}, but this machine is {platform.machine()}")
    return Bundle(directory, manifest.archives)


def unpack(bundle: Bundle, archive: Archive, tree: Path, report: Report) -> Unpacked:
    """Fill the empty directory `tree`, as a recipe would."""
    path = bundle.directory / archive.file
    report(f"unpacking {path}")
    try:
        with path.open("rb") as file:
            _refuse_wrong_digest(archive, file)
            _extract(file, tree)
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise InstallationError(f"{path} could not be unpacked: {error}") from error
    return _take_manifest(archive, tree)


def _write_archive(installation: Installation, directory: Path, report: Report) -> Archive:
    name = f"{installation.technology}-{installation.full_version}.tar.gz"
    if not installation.root.is_relative_to(engines_home()):
        raise InstallationError(f"{installation.bin} was not installed by dbyard and cannot be packed")
    report(f"packing {installation.technology} {installation.full_version} from {installation.root}")
    with tarfile.open(directory / name, "w:gz", compresslevel=_LEVEL) as archive:
        for path in _walk(installation.root):
            _add(archive, path, str(path.relative_to(installation.root)))
    with (directory / name).open("rb") as file:
        digest, size = file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size
    return Archive(installation.technology, installation.version, installation.full_version, name, size, digest)


def _walk(root: Path) -> Iterator[Path]:
    for directory, directories, files in os.walk(root):
        directories.sort()
        yield from (Path(directory) / name for name in sorted([*directories, *files]))


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """All members belong to root; hard links become separate files."""
    member = archive.gettarinfo(path, name)
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if stat.S_ISREG(path.lstat().st_mode):
        member.type, member.linkname, member.size = tarfile.REGTYPE, "", path.lstat().st_size
        with path.open("rb") as file:
            archive.addfile(member, file)
    else:
        archive.addfile(member)


def _refuse_wrong_digest(archive: Archive, file: io.BufferedReader) -> None:
    digest = file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        raise InstallationError(
            f"{archive.file} is not the file that {MANIFEST} names and was refused: "
            f"its SHA-256 is {digest}, expected is {archive.sha256}"
        )
    file.seek(0)


def _extract(file: io.BufferedReader, tree: Path) -> None:
    """A member's parent must be a directory from the archive itself, so nothing is written through a link."""
    made = {PurePosixPath(".")}
    with tarfile.open(fileobj=file, mode="r|gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or name.parent not in made or name in made:
                raise InstallationError(f"the archive's member {member.name!r} would leave the tree and was refused")
            _extract_member(archive, member, tree / name)
            if member.isdir():
                made.add(name)


def _extract_member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Keep only the executable bit; `prefix.make_readable` sets the final modes."""
    if member.isdir():
        path.mkdir()
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.isreg() and (content := archive.extractfile(member)):
        with path.open("xb") as target:
            shutil.copyfileobj(content, target, 1024 * 1024)
        path.chmod(0o755 if member.mode & 0o111 else 0o644)
    else:
        raise InstallationError(f"the archive's member {member.name!r} is neither file nor directory and was refused")


def _take_manifest(archive: Archive, tree: Path) -> Unpacked:
    """Read the manifest and remove it from the tree: the install writes a new one once the server has run here."""
    found, packages = prefix.read(tree), prefix.read_packages(tree)
    wanted = (archive.technology, archive.version, archive.full_version)
    if found is None or (found.technology, found.version, found.full_version) != wanted:
        raise InstallationError(f"{archive.file} does not hold {' '.join(wanted[::2])} and was refused")
    (tree / prefix.MANIFEST).unlink()
    libraries = tuple(str(each.relative_to(tree)) for each in found.libraries)
    return Unpacked(found.source, packages, libraries, found.whole, str(found.bin.relative_to(tree)))
