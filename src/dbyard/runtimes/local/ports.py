"""Ports claimed for the whole machine, in pairs: a file a pair, in one directory that all homes share.

The first of a pair names the file. A claim names the home that holds it. It is stale when no slot and no endpoint of
that home has the pair any more; the caller therefore writes its record before it leaves `claimed`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dbyard.errors import ConfigError, TemporaryError
from dbyard.runtimes.local import directories

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    claims: Path
    home: Path
    host: str
    first: int
    last: int

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold all claims of the machine still; the lock goes with its holder's death."""
        _make_shared(self.claims)
        fd = _open_shared(self.claims / ".lock")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def claim(self, usable: Callable[[int], bool]) -> int:
        """A port that is free, claimed for this home; call it inside `locked`. `usable` may refuse one."""
        pairs = (self.last - self.first + 1) // 2
        start = random.randrange(max(pairs, 1))  # noqa: S311 (spread over the range, nothing secret)
        for offset in range(pairs):
            port = self.first + 2 * ((start + offset) % pairs)
            if not self._take(port):
                continue
            if is_free(self.host, port) and is_free(self.host, port + 1) and usable(port):
                return port
            self.release(port)
        raise TemporaryError(f"no free port between {self.first} and {self.last}", code="no_free_port")

    @contextmanager
    def claimed(self, usable: Callable[[int], bool]) -> Iterator[int]:
        """Claim a port; given back when the caller cannot write down what it is for."""
        with self.locked():
            port = self.claim(usable)
            try:
                yield port
            except OSError:
                self.release(port)
                raise

    def release(self, port: int) -> None:
        """Give the port back if this home has it; repeating is free."""
        if self._owner(port) == str(self.home):
            (self.claims / str(port)).unlink(missing_ok=True)

    def settle(self) -> None:
        """Bring the claims to what there is; call it inside `locked`.

        This home gives back what it claimed and never used (its platform died in between), and takes what it holds
        under another path (it was moved). Claims of homes that are gone are freed. What another user owns stays.

        Raises ConfigError for a copy of a home that is still there: its servers would be taken for this one's.
        """
        held = list_held(self.home)
        for port in held:
            if self._owner(port) != str(self.home) and not self._take(port):
                self._refuse_copy(Path(self._owner(port) or "/"))
                log.error("port %d of %s is claimed by %s, which has it", port, self.home, self._owner(port))
        for port in _claimed(self.claims):
            owner, path = self._owner(port), self.claims / str(port)
            if owner is not None and (_is_gone(owner) or (owner == str(self.home) and port not in held)):
                with suppress(PermissionError):
                    path.unlink(missing_ok=True)

    def _refuse_copy(self, other: Path) -> None:
        names = [path.name for path in (self.home / "instances").glob("[!.]*")]
        if any(os.path.isdir(other / "instances" / name) for name in names):
            raise ConfigError(
                f"the home {self.home} is a copy of {other}, which has the same instances: their servers would be mixed"
                " up; use one of them, and remove the other"
            )

    def _take(self, port: int) -> bool:
        path = self.claims / str(port)
        owner = self._owner(port)
        if owner is not None and self._is_held(Path(owner), port):
            return False
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            return False  # another user's claim: only that user, or root, can remove it
        with open(path, "x", encoding="utf-8") as file:
            json.dump({"home": str(self.home), "pid": os.getpid()}, file)
        return True

    def _is_held(self, home: Path, port: int) -> bool:
        try:
            return port in list_held(home)
        except PermissionError:
            return True  # another user's home: only that user can tell

    def _owner(self, port: int) -> str | None:
        """The home that has the port; None when there is no claim, `/` when it cannot be read: it is another user's."""
        try:
            home = str(json.loads((self.claims / str(port)).read_text(encoding="utf-8"))["home"])
            return "" if "\0" in home else home
        except FileNotFoundError:
            return None
        except PermissionError:
            return "/"
        except (ValueError, KeyError, TypeError):
            return ""  # half written by a process that died, or no claim of ours; no home is called so, hence stale


def _is_gone(home: str) -> bool:
    """Whether there is no such directory any more; a claim that names none was half written."""
    if not home:
        return True
    try:
        os.stat(home)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # another user's, or a disk that does not answer
    return False


def list_held(home: Path) -> set[int]:
    """The ports that slots and endpoints of a home have, those of directories on their way out included.

    Raises PermissionError when the home is another user's.
    """
    found: set[int] = set()
    for value in directories.list_port_records(home):
        found.update(int(str(value[name])) for name in ("port", "own_port") if name in value)
    return found


def claiming_homes() -> set[Path]:
    """The homes that have a server on this machine, as far as their claims lie where ours do."""
    found: set[Path] = set()
    for port in _claimed(claims_directory()):
        try:
            found.add(Path(json.loads((claims_directory() / str(port)).read_text(encoding="utf-8"))["home"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # given back meanwhile, or half written by a process that died
    return found


def _claimed(claims: Path) -> list[int]:
    """The ports that have a claim. Every user of the machine may leave other files there."""
    return [int(path.name) for path in claims.glob("[0-9]*") if path.name.isascii() and path.name.isdecimal()]


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now (connections that linger do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def claims_directory() -> Path:
    """Where this machine keeps its claims: root's place when it is there for all, else the user's own."""
    shared = Path("/var/lib/dbyard/ports")
    if os.geteuid() == 0 or os.access(shared, os.W_OK):
        return shared
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "dbyard" / "ports"


def _open_shared(path: Path) -> int:
    """A file that every user of the machine may lock."""
    try:
        # Without O_CREAT, which the kernel denies on somebody else's file in a sticky directory.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.fchmod(fd, 0o666)  # whatever the umask
        return fd


def _make_shared(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            directory.chmod(0o1777)
            directory.parent.chmod(0o755)
