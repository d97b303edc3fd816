"""The two servers that speak this protocol, and which of them one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from dbyard.engines.mysql import mariadb, mysqld
from dbyard.model import Command, Layout, Plan

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_FIRST_OF_MARIADB = 10
"""Its versions go on from there; MySQL's, as far as the catalogue knows them, end at 9."""


class Server(Protocol):
    """What the two servers, each a module, do in their own ways; otherwise one is as the other."""

    @property
    def NAME(self) -> str: ...
    @property
    def PROGRAM(self) -> str: ...
    @property
    def SESSION_SETTINGS(self) -> str:
        """A statement: no statement of the platform's waits or works for long."""

    @property
    def LOCKED_USERS(self) -> str:
        """A query of one value: JSON, of the `users` of host % whether each is locked."""

    @property
    def RIGHTS_OF_READERS(self) -> str:
        """All on a database that neither take space nor let anybody make more of it."""

    @property
    def STATUS_TABLE(self) -> str:
        """Where the server keeps what it counts."""

    @property
    def LOCK_ALL(self) -> tuple[str, ...]:
        """Statements that lock every account but the platform's, whoever they are. Each is a line."""

    @property
    def REMOVE_OTHERS(self) -> tuple[str, ...]:
        """Statements that remove the accounts of the installer, which have no password. Each is a line."""

    @property
    def KEEP_ROOT(self) -> tuple[str, ...]:
        """The same, but for the root of this machine."""

    @property
    def CLIENT(self) -> str: ...
    @property
    def DUMP(self) -> str: ...
    @property
    def CHECK(self) -> str: ...

    @property
    def CLIENT_OPTIONS(self) -> tuple[str, ...]:
        """Of all client programs: without TLS, which costs time, on this machine."""

    @property
    def DUMP_OPTIONS(self) -> tuple[str, ...]:
        """Those that the other one's dump does not have, or need not have."""

    @property
    def DUMP_ALL(self) -> str:
        """A function of the shell: it dumps databases, and says before where in the journal their snapshot is."""

    @property
    def READ_LOG(self) -> tuple[str, ...]:
        """The argv of the program that shows a file of a server's binary log."""

    @property
    def JOURNAL_SETTINGS(self) -> Mapping[str, str]:
        """Of the binary log, beside those of both: it holds rows, and nothing else."""

    @property
    def LOAD_SETTINGS(self) -> tuple[str, ...]:
        """Options of a server that only loads a dump, beside those of both."""

    @property
    def REPLAY_SETTINGS(self) -> tuple[str, ...]:
        """Options of a server that replays a journal, beside those of one that loads a dump."""

    @property
    def REPLAYS_OTHERS(self) -> bool:
        """Whether it replays with the tenant's rights alone, also what another version of it wrote."""

    @property
    def BE_IDEMPOTENT(self) -> str:
        """A statement: what is replayed may have been there already."""

    @property
    def LET_GO(self) -> str:
        """A statement: nobody waits any more for a dump that was killed."""

    @property
    def REPLAY(self) -> str:
        """What `replay` runs: statements and functions of the shell. `is_idle` is asked when all of the log is read."""

    def render_install(self, layout: Layout) -> Command:
        """Makes the first files, with the time zones and what `admin.sql` says; the runtime makes them durable."""

    def render_settings(self, plan: Plan, layout: Layout) -> Mapping[str, str]:
        """Those that the other server does not have, or has in another way."""

    def render_places(self, layout: Layout) -> Mapping[str, str]:
        """The settings that name where its own files are."""

    def render_admin(self, user: str, password: str) -> tuple[str, ...]:
        """Statements that make this account, with all rights. Each is a line."""

    def derived(self, password: str) -> str:
        """As `identified`, and the same clause for the same password. Pure."""

    def identified(self, password: str) -> str:
        """The clause of CREATE USER and ALTER USER that sets a password without telling it."""

    def limit_statements(self, seconds: float) -> str:
        """A statement: none of the session's queries takes longer from then on. Pure."""

    def reload_tls(self, session: Cursor) -> None:
        """Have the server read its certificate again, if it has one."""


def server_of(layout: Layout) -> Server:
    major = int(layout.full_version.partition(".")[0] or _FIRST_OF_MARIADB)
    return mariadb if major >= _FIRST_OF_MARIADB else mysqld


def server_at(session: Cursor) -> Server:
    """By what the server says of itself."""
    session.execute("SELECT version()")
    row: Any = session.fetchone()
    return mariadb if "MariaDB" in row[0] else mysqld
