"""Builds the platform from its parts and serves it: one process for each home."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from dbyard import catalogue, certificates, home_files, installations, isolation, secrets, state_mark
from dbyard.archive import settings as archives
from dbyard.clocks import steady_clock
from dbyard.config import Config
from dbyard.errors import ConfigError
from dbyard.metrics import Metrics
from dbyard.model import Region, engines_home
from dbyard.operations import Context, restored_state
from dbyard.operations.upgrade_home import move_certificates
from dbyard.polling import wait_until
from dbyard.reconciler import Reconciler
from dbyard.reconciler.loop import loop
from dbyard.runtimes.local import LocalRuntime
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.store import Store, credentials
from dbyard.store.reserve import Reserve
from dbyard.web.app import create_app
from dbyard.web.protocol import configure

log = logging.getLogger(__name__)

_TOKEN_REQUEST = ".admin-token-wanted"  # noqa: S105 - a file
_TOKEN_SECONDS = 15.0
_HOME_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Platform:
    service: Service
    metrics: Metrics
    reconciler: Reconciler


def serve(config: Config, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; databases keep running. Calls `announce` as soon as requests are accepted.

    Raises ConfigError if the home or the address cannot be used.
    """
    with locked(config.home), _listen(config) as listener:
        home_files.check(config.home)
        platform = build(config, config.public_url or _url(listener))
        token_file = _token_file(config)
        authentication.bootstrap(platform.service, lambda token: secrets.write_secret(token_file, token + "\n"))
        platform.reconciler.start()
        stopping = threading.Event()
        loop("home", stopping, lambda: _look_after_home(config.home, platform.service.store)).start()
        try:
            _serve_http(platform, config, listener, announce)
        finally:
            stopping.set()
            platform.reconciler.stop()
            platform.service.store.close()


def build(config: Config, url: str) -> Platform:
    """The parts of a platform on its locked home, not yet started; `url` is where clients reach it."""
    runtime = open_runtime(config)
    warn_of_isolation(runtime)
    (config.home / "engines").write_text(f"{engines_home()}\n")  # read by `dbyard engines uninstall`
    state = config.home / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    store = Store(state / "dbyard.db", Reserve(config.home / "reserve"), steady_clock())
    store.set_aside()
    box = secrets.load_or_make_key(config.home / "master.key")
    _check_key(store, box, config.home)
    authority = certificates.Authority.load_or_make(config.home / "ca")
    known = catalogue.load()
    metrics = Metrics()
    archive = archives.location_of(config)
    archives.prepare(config.home, store, archive)
    context = Context(
        store, known, box, authority, runtime, runtime.host, runtime.spares, metrics, archive, time.time, _hosts(url)
    )
    move_certificates(context)
    state_mark.check(config.home, store)
    if state_mark.is_accepted(config.home):
        log.error("the state of %s is older than its servers: they are brought to what it says", config.home)
        restored_state.reconcile(context)
        state_mark.note(config.home, store)
    reconciler = Reconciler(
        context,
        workers=config.workers,
        spares=config.spares,
        running_spares=config.running_spares,
        timeout=config.unresponsive_after,
        scheduled_backups=config.scheduled_backups,
        home=config.home,
    )
    service = Service(
        store=store,
        catalogue=known,
        box=box,
        authority=authority,
        resolve=runtime.resolve,
        installed_at=installations.installed_at,
        has_room=runtime.host.has_room,
        logs=runtime.logs,
        log_state=runtime.log_state,
        usage=runtime.usage,
        disk=reconciler.disk_used,
        limits=runtime.host.limits,
        wake=reconciler.wake,
        on_revoke=lambda digest: _forget_token(_token_file(config), digest),
        region=Region(config.region, url),
        archive=archive,
        scheduled_backups=config.scheduled_backups,
        seen_down=reconciler.observed.reason,
        trouble=reconciler.observed.trouble,
        unknown_instances=lambda: reconciler.observed.unknown_instances,
        journal_read_at=reconciler.journals.read_at,
        journal_trouble=reconciler.journals.trouble,
        archive_journal=reconciler.journals.archive,
    )
    return Platform(service, metrics, reconciler)


def _check_key(store: Store, box: secrets.Box, home: Path) -> None:
    """Raises ConfigError when the home has the master key of another one: what it seals could never be opened."""
    with store.read() as reading:
        found = credentials.any_sealed(reading)
    if found is None:
        return
    try:
        credentials.open_password(box, *found)
    except ConfigError as error:
        raise ConfigError(
            f"{home / 'master.key'} is not the key that this state was sealed with ({error}): put that one back from a"
            " backup; nothing was changed"
        ) from error


def warn_of_isolation(runtime: LocalRuntime) -> None:
    """Say in the log what does not hold on this machine; SECURITY.md says what it means."""
    for sentence in isolation.list_missing(runtime.host.limits()):
        log.warning("isolation: %s", sentence)


def _hosts(url: str) -> tuple[str, ...]:
    """The names and addresses by which clients reach a server of this machine."""
    return tuple(dict.fromkeys(("localhost", "127.0.0.1", urlsplit(url).hostname or "localhost")))


def is_readonly(home: Path) -> bool:
    """Whether the home's file system takes no write, mounted so or become so by an error."""
    try:
        os.utime(home / "lock")
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in (errno.EROFS, errno.EIO)
    return False


def open_runtime(config: Config, *, readonly: bool = False) -> LocalRuntime:
    """With `readonly` nothing is tidied up: servers can be looked at and stopped."""
    bubblewrap = installations.find_tool("bwrap")
    if bubblewrap is None:
        log.warning("bubblewrap is not installed (make setup, or dbyard engines install, installs it)")
    try:
        return LocalRuntime(
            config.home,
            config.server_host,
            (config.first_port, config.last_port),
            bubblewrap,
            installations.find,
            readonly=readonly,
        )
    except OSError as error:
        raise ConfigError(f"cannot use the home {config.home}: {error}") from error


@contextmanager
def locked(home: Path, *, readonly: bool = False) -> Iterator[None]:
    """Hold the home's lock; the kernel releases it with the process. ConfigError names the pid of another holder.

    With `readonly` nothing is written, because nothing can be.
    """
    try:
        if not readonly:
            home.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDONLY if readonly else os.O_RDWR | os.O_CREAT
        fd = os.open(home / "lock", flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot use the home {home}: {error}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not readonly:
                Reserve(home / "reserve").give_back_if_full()
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            pid = holder(home)
            other = f"another platform, pid {pid}" if pid else "another platform, which has just started"
            raise ConfigError(f"the home {home} is served by {other}") from None
        except OSError as error:
            raise ConfigError(f"cannot use the home {home}: {error}") from error
        yield
    finally:
        os.close(fd)


def holder(home: Path) -> int | None:
    """The pid of the platform that holds the home's lock; None if there is none or it has not written its pid yet."""
    text = (home / "lock").read_text(encoding="ascii").strip()
    return int(text) if text.isdecimal() and _has_open(int(text), home / "lock") else None


def ask_to_end(home: Path) -> int | None:
    """Send SIGTERM to the platform that holds the home and return its pid. A process that reuses the pid gets none."""
    pid = holder(home)
    try:
        fd = os.pidfd_open(pid) if pid is not None else None
    except ProcessLookupError:
        return None
    if fd is None:
        return None
    try:
        if holder(home) != pid:
            return None
        signal.pidfd_send_signal(fd, signal.SIGTERM)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    return pid


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has the file open: a recorded pid may belong to another program, but the holder has it open."""
    try:
        wanted, handles = path.stat(), os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    return any(_is_same(f"/proc/{pid}/fd/{handle}", wanted) for handle in handles)


def _is_same(path: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), wanted)
    except OSError:
        return False  # closed since the listing


@contextmanager
def _listen(config: Config) -> Iterator[socket.socket]:
    host, port = config.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise ConfigError(f"cannot listen on {config.listen}: {error.strerror}") from error
        yield listener


def _url(listener: socket.socket) -> str:
    """The listener's URL for clients on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = "127.0.0.1"
    return f"http://{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _serve_http(platform: Platform, config: Config, listener: socket.socket, announce: Callable[[str], None]) -> None:
    host, port = listener.getsockname()[:2]
    app = create_app(platform.service, platform.metrics, rate_limit=config.rate_limit)
    settings = configure(app, config.trusted_proxies)
    server = _Server(settings, lambda: announce(f"http://{_bracketed(host)}:{port}"))
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Announces that it accepts requests, and handles signals itself: uvicorn would re-raise them too early."""

    def __init__(self, settings: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(settings)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.handle_exit)
        yield


def _token_file(config: Config) -> Path:
    return config.home / "admin-token"


def replace_admin_token(home: Path) -> None:
    """Put another first token into HOME/admin-token, whether the home is served or not; the old one ends.

    Raises ConfigError: also where this user may not do so, or the platform does not answer.
    """
    home_files.check(home)
    if not (home / "state" / "dbyard.db").exists():
        raise ConfigError(f"there is no platform in {home}: name its home with --home")
    try:
        with locked(home):
            _refuse_of_another(home)
            _replace_token(home, Store(home / "state" / "dbyard.db", Reserve(home / "reserve")))
            return
    except ConfigError:
        if holder(home) is None:
            raise
    request = home / _TOKEN_REQUEST
    secrets.write_secret(request, "")
    if not wait_until(lambda: not request.exists(), _TOKEN_SECONDS):
        request.unlink(missing_ok=True)
        raise ConfigError(f"the platform of {home} does not answer; its log says more")


def _refuse_of_another(home: Path) -> None:
    """Raises ConfigError where this user would leave files that the platform, which is another's, could not open."""
    owner = (home / "state" / "dbyard.db").stat().st_uid
    if owner != os.geteuid():
        raise ConfigError(f"the home {home} belongs to the user with uid {owner}: run this as that user")


def _look_after_home(home: Path, store: Store) -> float:
    """The seconds until the next look. Only who owns the home can put a request there."""
    try:
        if (home / _TOKEN_REQUEST).exists():
            _replace_token(home, store)
            (home / _TOKEN_REQUEST).unlink()
        state_mark.note(home, store)
    except OSError as error:
        log.error("the home %s cannot be written: %s", home, error.strerror or error)
        return _HOME_PAUSE
    return 1.0


def _replace_token(home: Path, store: Store) -> None:
    save = lambda token: secrets.write_secret(home / "admin-token", token + "\n")  # noqa: E731
    authentication.replace_first_token(store, save, time.time())
    log.warning("the first token was replaced at the request of the owner of %s", home)


def _forget_token(path: Path, digest: bytes) -> None:
    """Empty the file if it holds the revoked token."""
    if path.exists() and secrets.digest(path.read_text(encoding="ascii").strip()) == digest:
        secrets.write_secret(path, "")
