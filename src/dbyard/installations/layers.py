"""A layer of a container image, applied to a tree: a tar archive in which `.wh.NAME` removes what lower layers have.

Nothing of an archive is trusted. Every path is followed inside the tree, as a container that has it as its root would:
a link to `/etc` means the tree's, and `..` stops at its top. Owners, devices, set-uid bits and extended attributes are
not taken, so that a tree can do nothing that its files cannot.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dbyard.errors import InstallationError
from dbyard.installations import trees

_REMOVES = ".wh."
_REMOVES_ALL = ".wh..wh..opq"
_MOST_LINKS = 40
_CHUNK = 1024 * 1024


def apply(layer: Path, tree: Path) -> None:
    """Apply the archive, which may be compressed by gzip. Raises InstallationError for what would leave the tree.

    What it removes is of lower layers only, wherever in the archive that is said, so it is done first.
    """
    try:
        with tarfile.open(layer, "r:*") as archive:
            members = archive.getmembers()
            for member in members:
                _remove_lower(member, tree)
            for member in members:
                _place(archive, member, tree)
    except (EOFError, OverflowError, ValueError, tarfile.TarError, zlib.error) as error:
        raise InstallationError(f"the layer {layer.name} could not be unpacked: {error}") from error


def _remove_lower(member: tarfile.TarInfo, tree: Path) -> None:
    *above, name = _parts(member.name) or ("",)
    if not name.startswith(_REMOVES):
        return
    directory = _follow(tree, above)
    if directory is None:
        return
    if name == _REMOVES_ALL:
        for path in directory.iterdir():
            trees.remove_path(path)
    elif hidden := _parts(name.removeprefix(_REMOVES)):
        trees.remove_path(directory / hidden[0])


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, tree: Path) -> None:
    *above, name = _parts(member.name) or ("",)
    if not name or name.startswith(_REMOVES):
        return
    path = _make_directory(tree, above) / name
    if member.isdir() and path.is_dir() and not path.is_symlink():
        return
    if member.islnk():
        _link(tree, member, path)
        return
    trees.remove_path(path)
    if member.isdir():
        path.mkdir()
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.isreg() and (content := archive.extractfile(member)):
        with path.open("xb") as target:
            shutil.copyfileobj(content, target, _CHUNK)
        path.chmod(0o755 if member.mode & 0o111 else 0o644)


def _link(tree: Path, member: tarfile.TarInfo, path: Path) -> None:
    *above, name = _parts(member.linkname) or ("",)
    directory = _follow(tree, above)
    target = directory / name if directory and name else None
    if target is None or not (target.is_symlink() or target.is_file()):
        raise InstallationError(f"{member.name!r} is a hard link to {member.linkname!r}, which is no file of the tree")
    if target != path:
        trees.remove_path(path)
        os.link(target, path, follow_symlinks=False)


def _parts(name: str) -> tuple[str, ...]:
    """Of a member's name, from the top of the tree."""
    path = PurePosixPath(name.lstrip("/"))
    if ".." in path.parts:
        raise InstallationError(f"the layer's member {name!r} would leave the tree and was refused")
    return path.parts


def _make_directory(tree: Path, parts: Sequence[str]) -> Path:
    """The directory that a member lies in, which a layer need not name."""
    path = tree
    for count in range(1, len(parts) + 1):
        found = _follow(tree, parts[:count])
        if found is None:
            found = path / parts[count - 1]
            trees.remove_path(found)  # a link that leads nowhere
            found.mkdir()
        path = found
    return path


def _follow(tree: Path, parts: Sequence[str]) -> Path | None:
    """Where a path of directories leads in the tree; None if there is none."""
    path, left, links = tree, list(parts), 0
    while left:
        part = left.pop(0)
        if part in ("..", "/"):
            path = tree if part == "/" or path == tree else path.parent
            continue
        path = path / part
        if path.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise InstallationError(f"{'/'.join(parts)} has too many links")
            left = [*PurePosixPath(path.readlink()).parts, *left]
            path = path.parent
        elif not path.is_dir():
            return None
    return path
