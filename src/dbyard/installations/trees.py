"""What is done to a whole root after it was unpacked, wherever it came from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from dbyard.errors import InstallationError


def remove(tree: Path, patterns: Iterable[str]) -> None:
    """Remove what the patterns find, directories with all that is in them."""
    for path in [found for pattern in patterns for found in tree.glob(pattern)]:
        remove_path(path)


def remove_path(path: Path) -> None:
    """A file, a link or a directory; nothing is a success."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def keep_licences(documentation: Path) -> None:
    """Of a package's documentation only that."""
    for path in documentation.glob("*/*"):
        if path.name != "copyright":
            remove_path(path)


def make_links_relative(tree: Path) -> None:
    """A link to `/usr/…` means the tree's, wherever the tree is; one that leads out of it is refused.

    Raises InstallationError. A link may also lead out by way of others, so each is followed to its end.
    """
    links = [(path, path.readlink()) for path in _list_links(tree)]
    for path, target in links:
        if target.is_absolute():
            path.unlink()
            path.symlink_to(os.path.relpath(tree / target.relative_to("/"), path.parent))
    real = os.path.realpath(tree)
    for path, target in links:
        by_name = os.path.normpath(path.parent / path.readlink())
        followed = os.path.realpath(path)
        if not (Path(by_name).is_relative_to(tree) and Path(followed).is_relative_to(real)):
            raise InstallationError(f"/{path.relative_to(tree)} links to {target}, out of the tree, and was refused")


def _list_links(tree: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(tree):
        yield from (path for name in (*names, *files) if (path := Path(directory, name)).is_symlink())
