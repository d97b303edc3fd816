"""An engine knows one technology: how its server is configured, asked, and secured. It knows nothing of where it runs.

An engine is a package of plain functions, `dbyard.engines.<technology>`, with one concern a file. `Engine` is what
every one has; what only some can do is a Protocol of its own here, and `isinstance(engine, Reload)` tells who has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Protocol, cast, runtime_checkable

from dbyard.model import (
    Action,
    Address,
    Applied,
    Count,
    Credentials,
    Desired,
    InstanceSpec,
    JournalMark,
    JournalPart,
    Layout,
    Plan,
    RenderInput,
    RestartNeeded,
    Setting,
    Technology,
    Tool,
)


class Engine(Protocol):
    @property
    def TECHNOLOGY(self) -> str: ...

    @property
    def PASSWORD_ENCRYPTION(self) -> str:
        """How the server keeps passwords, as its users know the method; empty where they are not told."""

    def name_tenant(self, name: str, suffix: str) -> tuple[str, str]:
        """The tenant's user and database for a database called `name`; `suffix` is four digits. Pure."""

    def render(self, node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
        """The server as data: argv, files, first-start commands, limits. Pure; the same input gives the same output."""

    def ping(self, address: Address, credentials: Credentials) -> None:
        """Ask the server a real query as its admin, a second for each answer; a search may take five.

        Raises NotReady with what it said, Stuck when it answers and can do nothing for its tenants: a start may help.
        """

    def check_login(self, address: Address, credentials: Credentials) -> None:
        """Log in as the tenant and read a little, but nothing that a tenant wrote, within a few seconds.

        Returns also when the tenant's own connections are all that there may be. Raises NotReady without an answer,
        WrongPassword or another LockedOut when the server does not let the tenant in.
        """

    def configure(self, address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
        """Bring database, users, rights and limits to the desired state. Repeating changes nothing.

        What a tenant has given away and cannot take back by itself is part of it: its way in, its own database.

        What is as desired is left alone. Sessions end only for a user with `reset`, or when rights are taken away.
        After a start with what `render` gives for the same state, nothing is left that needs a restart.

        Raises within a few seconds, whatever tenants do, and after some 15 where a server that let the platform in is
        frozen since: NotReady when the server does not answer, TemporaryError when it refuses. The code `held` says
        that something of a tenant's is in the way, and the message says what: after a few such attempts the server is
        started with `RenderInput.admin_only` and `hidden`, and configured before a tenant can log in. What `render`
        gives without these lets the tenant in again: by another start where this returns a hidden `Applied`, from its
        files at once or by `reload` where files hold the tenant out
        (PostgreSQL, MongoDB), else `configure` has done that already.
        """

    def stats(self, address: Address, credentials: Credentials) -> Mapping[str, int | float]:
        """What the server counts of itself, by the technology's own words; raises NotReady when it does not answer."""

    def url(self, address: Address, credentials: Credentials) -> str:
        """The connection URI that a tenant's client takes as it is. Pure."""

    def log_time(self, line: str) -> datetime | None:
        """When the server says that it wrote a line of its log; None for a line that does not tell. Pure."""

    def find_damage(self, lines: Sequence[str]) -> str | None:
        """What of the last lines of its log says that a server cannot read its own data; None if nothing does. Pure."""


@runtime_checkable
class Repair(Protocol):
    def render_repair(self, layout: Layout) -> tuple[str, ...]:
        """The argv of a program that mends data which their server refuses, unless what it acknowledged would be lost.

        It runs while the server does not, and may be killed and run again. It keeps what it takes away in the directory
        `damaged` of the data. Its result is a sentence that says what it did; what it prints says why it failed. Pure.
        """


@runtime_checkable
class InspectData(Protocol):
    def inspect_data(self, address: Address, credentials: Credentials) -> str | None:
        """What of its tenant's data a server that answers cannot read, in a few words; None if it knows of nothing.

        Asked as the admin, a second for each answer; raises as `stats` does.
        """


@runtime_checkable
class Reload(Protocol):
    def reload(self, address: Address, admin_password: str) -> None:
        """Have a running server read its access file and its certificate again; sessions live on.

        Both hold for new connections when this returns. Raises as `configure` does.
        """


@runtime_checkable
class ConnectionForms(Protocol):
    def connection_forms(self, address: Address, credentials: Credentials) -> Mapping[str, str]:
        """The URL as clients want it that do not take the one of `url`, each under a name of its own. Pure."""


@runtime_checkable
class Actions(Protocol):
    @property
    def ACTIONS(self) -> Mapping[str, Action]:
        """What the owner of a database may have done in its running server, by name."""


@runtime_checkable
class Configurable(Protocol):
    @property
    def SETTINGS(self) -> tuple[Setting, ...]:
        """What the owner of a database may choose: `render` and `configure` take it from their `settings`."""


@runtime_checkable
class Backups(Protocol):
    """Backups of a server that runs, and servers made of them. A job's tool may be killed at any instant."""

    @property
    def BACKUP_SUFFIX(self) -> str:
        """Of a file with the content of a backup, as the technology's own tools read it."""

    @property
    def COUNT_DELAY(self) -> float:
        """Seconds after which `count` tells of all that was written before; 0 where it does at once."""

    def render_backup(self, layout: Layout, credentials: Credentials) -> Tool:
        """What writes a backup of the running server to its standard output. Pure."""

    def render_restore(self, layout: Layout) -> Tool:
        """What reads a backup from its standard input into the empty data directory of another server, and checks it.

        That server then starts as any other does, with the admin's password of the data's lineage. It ends with the
        exit code FAULTY when the backup is no good; after another failure the directory is emptied and it runs again.
        Pure.
        """

    def render_check(self, layout: Layout, credentials: Credentials) -> Tool | None:
        """The technology's own checker for the data of a running server; None if it has none. Pure.

        It ends with the exit code FAULTY when it finds faults, and leaves nothing in the server.
        """

    def count(self, address: Address, credentials: Credentials) -> Mapping[str, Count]:
        """What is in the server, by name, as far as it is counted within a few seconds; raises as `stats` does."""


@runtime_checkable
class Imports(Protocol):
    """Dumps that were made elsewhere, loaded into a server that is empty."""

    @property
    def IMPORTS_FILES(self) -> bool:
        """Whether a dump is loaded as files of a server that never ran, and not into one that runs."""

    def render_import(self, layout: Layout, credentials: Credentials, plan: Plan, most: int, *, load: bool) -> Tool:
        """What reads a dump from its standard input, tells what is in it, and with `load` loads it.

        A server that runs has its tenant, and what is loaded has the tenant's rights alone. Its result is JSON: an
        `ImportReport`. It ends with the exit code FAULTY where the dump is no good or unpacks to more than `most`
        bytes; what it prints last says why. After that, or any other failure, some of it may be loaded. Pure.
        """


@runtime_checkable
class Journals(Protocol):
    """Backups that a server's journal continues, so that any moment since can be restored."""

    @property
    def JOURNAL(self) -> str:
        """The directory of the data in which something changes whenever the journal is written to."""

    def keep_journal(self, address: Address, credentials: Credentials) -> JournalMark | None:
        """Have the server keep its journal from here on until it is read, as much of it as `render` allows.

        Where a backup needs it from that begins after this; None for a server that was started without a bound for
        it, before there were any. Repeating changes nothing. Raises NotReady.
        """

    def read_journal(
        self, address: Address, credentials: Credentials, mark: JournalMark, most: int
    ) -> AbstractContextManager[JournalPart]:
        """What was written since the mark and is durable, `most` bytes of it.

        The server may forget it, and what is before, when the body ends without an error and has read all. Raises
        JournalLost when it does not have that any more, NotReady, in the body as well.
        """

    def render_journal(self, layout: Layout, mark: JournalMark) -> Tool:
        """What reads a journal from the mark on from its standard input and puts it beside a backup that it continues.

        The data directory is that of a server that never ran. It may be killed and run again. Pure.
        """

    def render_replay(self, layout: Layout, mark: JournalMark, end: int, until: float | None) -> Tool:
        """What brings those data to the Unix time `until`, or to the end of the journal beside them.

        That goes from the mark to the position `end`; where it ends before `until` is no error. The server then starts
        as any other does. It may be killed and run again. Pure.
        """


class Login(Protocol):
    """How a client gets to its database."""

    @property
    def url(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def database(self) -> str: ...


class Client(Protocol):
    """`dbyard.engines.<technology>.client_program`: the program that `dbyard connect` becomes."""

    @property
    def PROGRAMS(self) -> tuple[str, ...]:
        """Names of the program, the best first."""

    @property
    def PASSWORD_VARIABLE(self) -> str:
        """The environment variable from which it takes the password."""

    @property
    def DUMP_PROGRAMS(self) -> tuple[str, ...]:
        """Names of the program that dumps a server, the best first; it takes the password from the same variable."""

    @property
    def DUMPS_TO_A_FILE(self) -> bool:
        """Whether that program needs a file; others write to their standard output."""

    def client_arguments(self, login: Login) -> list[str]:
        """What it takes to get to its database, without the password. Pure."""

    def dump_arguments(self, login: Login, program: str, path: str) -> list[str]:
        """What has the program of that name dump all that an import takes, to `path` if it needs a file. Pure."""


@cache
def load(name: str) -> Engine:
    """The engine that a technology of the catalogue names; raises ModuleNotFoundError for another name."""
    return cast(Engine, import_module(f"dbyard.engines.{name}"))  # tests/engines/test_protocol.py checks each one


def find_backups(technology: Technology, version: str) -> Backups | None:
    """What makes backups of the servers of this version; None if nothing does."""
    engine = load(technology.engine)
    lacks = any(each.version == version and not each.backups for each in technology.versions)
    return engine if isinstance(engine, Backups) and not lacks else None


def load_client(name: str) -> Client | None:
    """The client program of an engine, if dbyard knows one; imports no database driver."""
    try:
        return cast(Client, import_module(f"dbyard.engines.{name}.client_program"))
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(f"dbyard.engines.{name}"):
            raise
        return None
