"""Which files an installation has, with their digests: written once at the install, compared by `engines verify`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

from dbyard.errors import InstallationError
from dbyard.installations.prefix import MANIFEST

RECORD = "files.json"


def write(root: Path) -> None:
    """Record all files and links of a complete tree."""
    path = root / RECORD
    path.unlink(missing_ok=True)  # a bundle's may be a link to elsewhere
    path.write_text(json.dumps(_read_tree(root), indent=0, sort_keys=True) + "\n")
    path.chmod(0o644)


def compare(root: Path) -> list[str]:
    """What differs from the record, a path with what happened to it on each line; empty if nothing does.

    Raises InstallationError if there is no record.
    """
    try:
        recorded = dict(json.loads((root / RECORD).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InstallationError(
            f"{root} has no record of its files ({error}): uninstall it and install it again to have one"
        ) from error
    found = _read_tree(root)
    both = sorted(recorded.keys() | found.keys())
    return [
        f"{path}: {_tell(recorded.get(path), found.get(path))}"
        for path in both
        if recorded.get(path) != found.get(path)
    ]


def walk(root: Path) -> Iterator[Path]:
    """All that an installation consists of, in a fixed order, without what dbyard itself wrote at its top."""
    own = {root / MANIFEST, root / RECORD}
    for directory, directories, files in os.walk(root):
        directories.sort()
        yield from (path for name in sorted([*directories, *files]) if (path := Path(directory, name)) not in own)


def _tell(recorded: str | None, found: str | None) -> str:
    if recorded is None:
        return "was added"
    return "is missing" if found is None else f"is {found}, was {recorded}"


def _read_tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): _read(path) for path in walk(root) if path.is_symlink() or not path.is_dir()}


def _read(path: Path) -> str:
    if path.is_symlink():
        return f"a link to {os.readlink(path)}"
    if not path.is_file():
        return "no file"
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        return f"{os.fstat(file.fileno()).st_mode & 0o7777:o} {digest}"
