# SPDX-License-Identifier: 0BSD
"""Start SecantusDB with what its own command line does not offer: `serve.py LOG ADMIN CONNECTIONS ACCESS [its own]`.

A program of its own, run by the server's Python beside the server's packages; dbyard never imports it.
"""

import contextlib
import functools
import os
import signal
import socket
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wiredtiger
from secantus import cli, commands, connreg, server, storage

ADMIN_ONLY = "admin only\n"
PLATFORM = 16
PER_LOGIN = 3  # a client has up to two more, which watch the server and never log in

PERIOD = 60.0
WORTH_COMPACTING = 8 * 1024 * 1024
FEW_ENTRIES = 100

ENDS = (signal.SIGTERM, signal.SIGINT)
PANIC_PERIOD = 2.0
PANIC_EXIT = 14  # as mongod ends


class Connections(connreg.ConnectionRegistry):  # type: ignore[misc]
    """Everybody but the admin may log in so many times at once, and while the file `access` allows it."""

    def __init__(self, admin: str, limit: int, access: Path) -> None:
        super().__init__()
        self._admin = f"{admin}@admin"
        self._limit = limit
        self._access = access

    def authenticate(self, conn_id: int, user: str) -> None:
        super().authenticate(conn_id, user)
        if user != self._admin and not self._may_enter():
            self.kill(conn_id)

    def _may_enter(self) -> bool:
        """The file is read each time: the platform writes it anew while the server runs."""
        if self._access.read_text() == ADMIN_ONLY:
            return False
        return len([each for each in self.snapshot() if each.user not in (None, self._admin)]) <= self._limit


class Server(cli.SecantusDBServer):  # type: ignore[misc]
    """Ends at the first signal, and soon.

    No handler is called at a signal, which may come when nothing wakes the thread that would run it, or when that one
    holds what the handler waits for: the signals are blocked in all threads, and waited for.
    """

    _socket: socket.socket | None

    def wait(self) -> None:
        signal.sigwait(ENDS)
        self.stop()

    def stop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # closing it alone does not wake whoever accepts
        super().stop()


class Storage(storage.Storage):  # type: ignore[misc]
    """Gives back to the file system what was deleted: by itself its files never become smaller."""

    oplog_max_entries: int
    _oplog_live_count: int

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        threading.Thread(target=self._keep_small, name="keep-small", daemon=True).start()
        threading.Thread(target=self._end_after_panic, name="end-after-panic", daemon=True).start()

    def checkpoint(self) -> None:
        """What the `fsync` command does, an admin's. The oplog goes too: it holds every document a second time."""
        kept, self.oplog_max_entries = self.oplog_max_entries, FEW_ENTRIES
        try:
            self.prune_oplog()
        finally:
            self.oplog_max_entries = kept
        super().checkpoint()
        self._compact()

    def create_archive(self, output_path: str) -> dict[str, int | str]:
        """Into a pipe that somebody reads. Others wait for the checkpoint alone, not until all is read.

        What the cursor lists stays as it is while it is open, and no log is removed.
        """
        session = self._conn.open_session()
        try:
            with self._lock:
                super().checkpoint()
                listed = session.open_cursor("backup:", None, None)
            with open(os.open(output_path, os.O_WRONLY | os.O_NONBLOCK), "wb") as pipe:
                os.set_blocking(pipe.fileno(), True)
                with tarfile.open(fileobj=pipe, mode="w|") as tar:
                    while listed.next() == 0:
                        tar.add(Path(self.home_path, listed.get_key()), listed.get_key())
                    return {"path": output_path, "sizeBytes": tar.offset}
        except OSError as error:
            raise RuntimeError(f"the archive is not read: {error}") from error
        finally:
            session.close()

    def _prune_oplog_locked(self, *, now: float | None = None) -> int:
        """As its own does it, but at one stroke: each entry by itself would be a write to the disk by itself."""
        since = (self._time() if now is None else now) - self.oplog_retention_seconds
        surplus = self._oplog_live_count - self.oplog_max_entries
        last, count = None, 0
        session = self._conn.open_session()
        try:
            for seq, entry, _ in self._iter_oplog_oldest(session):
                if count >= surplus and entry["ts"].time >= int(since):
                    break
                last, count = seq, count + 1
            if last is not None:
                self._cut(session, last)
        finally:
            session.close()
        self._oplog_live_count -= count
        return count

    def _cut(self, session: wiredtiger.Session, last: int) -> None:
        for table in (storage._OPLOG_TABLE, storage._PREIMAGE_TABLE):
            end = session.open_cursor(table, None, None)
            end.set_key(last)
            session.truncate(None, None, end, None)
            end.close()

    def commit_user_transaction(self, *arguments: Any, **options: Any) -> Any:
        done = super().commit_user_transaction(*arguments, **options)
        end_after_panic(self._conn)
        return done

    def _end_after_panic(self) -> None:
        while not self._closed:
            time.sleep(PANIC_PERIOD)
            with contextlib.suppress(wiredtiger.WiredTigerError):  # it is just being closed
                end_after_panic(self._conn)

    def _keep_small(self) -> None:
        while not self._closed:
            time.sleep(PERIOD)
            self._compact()

    def _compact(self) -> None:
        """Others wait meanwhile, a second for each file at most, and not at all where there is little to gain."""
        for path in Path(self.home_path).glob("secantus_*.wt"):
            if path.stat().st_size < WORTH_COMPACTING:
                continue
            with self._lock:
                if self._closed:
                    return
                session = self._conn.open_session()
                with contextlib.suppress(wiredtiger.WiredTigerError):  # it ran out of its second, or others write
                    session.compact(f"table:{path.stem}", "timeout=1")
                session.close()


def end_after_panic(connection: wiredtiger.Connection) -> None:
    """End, as mongod does, if WiredTiger has met an error of its disk: until the next start it does nothing else."""
    try:
        connection.open_session().close()
    except wiredtiger.WiredTigerError as error:
        if "WT_PANIC" not in str(error):
            raise
        os.write(2, f"the server ends itself: {error}\n".encode())
        os._exit(PANIC_EXIT)


def commit(own: Callable[..., None], session: wiredtiger.Session, sync: bool) -> None:
    """A commit whose log could not be written returns as if all were well: nobody may be told that it is kept."""
    own(session, sync)
    end_after_panic(session.connection)


# Commands whose own table of rights has forgotten them, and what they should ask for.
FORGOTTEN = {
    "bulkWrite": (commands.A_INSERT, commands.SCOPE_COLLECTION),
    "replSetStepDown": (commands.A_FSYNC, commands.SCOPE_CLUSTER),
    "killAllSessions": (commands.A_KILLOP, commands.SCOPE_CLUSTER),
    "killAllSessionsByPattern": (commands.A_KILLOP, commands.SCOPE_CLUSTER),
}

Resource = tuple[str | None, bool]


def resource(own: Callable[[str, Any, str], Resource], name: str, order: Any, default: str) -> Resource:
    """What rights a command needs on what; for those that name several databases its own looks at one, or at none.

    Where they really are several, the rights are those on everything, which only the admin has.
    """
    if name == "bulkWrite":
        spaces = [each.get("ns") if isinstance(each, dict) else None for each in order.get("nsInfo") or [None]]
    elif name == "renameCollection":
        spaces = [order.get("renameCollection"), order.get("to")]
    elif name in ("create", "collMod") and not is_reading(order, default):
        return None, True
    else:
        return own(name, order, default)
    databases = {str(each).partition(".")[0] for each in spaces}
    return (databases.pop(), False) if len(databases) == 1 else (None, True)


def is_reading(order: Any, database: str) -> bool:
    """Whether a view only reads, and from its own database: it would write for whoever reads it."""
    wanted = commands._pipeline_secondary_requirements(order, database)
    return all(each == (commands.A_FIND, database) for each in wanted)


def list_databases(own: Callable[[Any, Any], dict[str, Any]], order: Any, context: Any) -> dict[str, Any]:
    """Everybody may ask, as of a mongod: who may not see all databases is told of those that it may read."""

    def may(action: str, database: str | None) -> bool:
        roles, cluster = context.connection_auth.effective_roles, database is None
        resolve = context.storage.get_role
        allowed = commands.check_privilege(roles, action, target_db=database, cluster=cluster, role_resolver=resolve)
        return bool(allowed)

    answer = own(order, context)
    if "databases" not in answer or may(commands.A_LIST_DATABASES, None):
        return answer
    seen = [each for each in answer["databases"] if may(commands.A_FIND, each["name"])]
    return {**answer, "databases": seen, "totalSize": sum(each.get("sizeOnDisk", 0) for each in seen)}


def tell_options(limit: int, _order: object, context: Any) -> dict[str, object]:
    """What a mongod tells of its command line, with the limits that are in force."""
    cache = {"wiredTiger": {"engineConfig": {"cacheSizeGB": int(context.storage.cache_size.removesuffix("M")) / 1024}}}
    net = {"maxIncomingConnections": limit}
    return {"argv": [], "parsed": {"net": net, "storage": cache, "security": {"authorization": "enabled"}}, "ok": 1.0}


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    log, admin, connections, access = sys.argv[1:5]
    del sys.argv[1:5]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    limit = int(connections)
    server.ConnectionRegistry = functools.partial(Connections, admin, limit, Path(access))
    server.Storage = Storage
    storage._commit_batch_transaction = functools.partial(commit, storage._commit_batch_transaction)
    cli.SecantusDBServer = functools.partial(Server, max_connections=limit * PER_LOGIN + PLATFORM)
    commands._HANDLERS["getCmdLineOpts"] = functools.partial(tell_options, limit)
    commands._COMMAND_ACTIONS.update(FORGOTTEN)
    del commands._COMMAND_ACTIONS["listDatabases"]
    commands._HANDLERS["listDatabases"] = functools.partial(list_databases, commands._HANDLERS["listDatabases"])
    commands._resource_for_command = functools.partial(resource, commands._resource_for_command)
    return int(cli.main())


if __name__ == "__main__":
    sys.exit(main())
