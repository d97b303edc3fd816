"""What a sandbox shows as its system: the machine's own, or that of a server which brought a whole root along.

All paths are options of bubblewrap.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts")
"""What every program in a sandbox has of its own, beside what it sees of files."""
_LINKS = ("bin", "sbin", "lib", "lib64")
_OTHERS = ("opt",)
"""Where some container images have their server."""
_SETTINGS = ("ld.so.cache", "localtime", "nsswitch.conf", "alternatives")
"""Of the machine's `/etc`, what programs of its `/usr` need. Of a whole root it is all but its users."""
_USERS = ("passwd", "group", "shadow", "gshadow")


@cache
def works(bubblewrap: Path) -> bool:
    """Whether bubblewrap can make namespaces here. Without root that takes a kernel that lets users have their own."""
    argv = (str(bubblewrap), *NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true")
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else ""
        log.warning("servers run without a sandbox: %s", said or error)
        return False
    return True


def show_system(root: Path | None) -> list[str]:
    """Options that show `/usr` and what belongs to it; `root` is that of a whole tree, None for the machine's."""
    base = root or Path("/")
    options = ["--perms", "0755", "--dir", "/etc", "--ro-bind", str(base / "usr"), "/usr"]
    for name in (*_LINKS, *_OTHERS) if root else _LINKS:
        options += _show_link(base / name, f"/{name}")
    for name in _list_settings(root) if root else _SETTINGS:
        options += ["--ro-bind-try", str(base / "etc" / name), f"/etc/{name}"]
    return options


def enter(bubblewrap: Path, root: Path, uid: int | None) -> list[str]:
    """The argv in front of a program of a whole tree that sees nothing else, as `uid`. Its path begins at the tree."""
    shown = [*show_system(root), "--proc", "/proc", "--dev", "/dev"]
    drop = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid is not None else []
    return [str(bubblewrap), *NAMESPACES, "--unshare-net", *shown, "--chdir", "/", "--", *drop]


def enter_with_all_else(bubblewrap: Path, root: Path) -> list[str]:
    """The argv in front of a program of a whole tree that has the rest of the machine around it: files, terminal."""
    return [str(bubblewrap), "--dev-bind", "/", "/", "--ro-bind", str(root / "usr"), "/usr", "--"]


def _list_settings(root: Path) -> Iterator[str]:
    etc = root / "etc"
    return iter(sorted(set(os.listdir(etc)) - set(_USERS)) if etc.is_dir() else ())


def _show_link(path: Path, name: str) -> list[str]:
    if path.is_symlink():
        return ["--symlink", os.readlink(path), name]
    return ["--ro-bind", str(path), name] if path.exists() else []
