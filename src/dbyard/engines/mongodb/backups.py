"""Archives of SecantusDB: all its files as of one checkpoint, with its users, and the log from there on.

A real mongod has none here; the catalogue says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbyard.engines.mongodb import secantusdb
from dbyard.engines.mongodb.names import ADMIN
from dbyard.engines.mongodb.session import STATEMENT_SECONDS, admin
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Count, Credentials, DataAccess, File, Layout, Tool

if TYPE_CHECKING:
    from dbyard.engines.mongodb.session import Client

_COUNT_SECONDS = 5.0
_COLLECTION_SECONDS = 1.0  # writers wait for it
_OWN = {"admin", "config", "local"}
_WRITE_ARCHIVE = "write_archive.py"
_RESTORE = """
mkdir "$1" || exit 1
tar --extract --no-same-owner --directory "$1" || exit 1
test -f "$1/WiredTiger.backup"
"""


def render_backup(layout: Layout, credentials: Credentials) -> Tool:
    return Tool(
        (*secantusdb.PYTHON, _WRITE_ARCHIVE, str(layout.data), layout.host, str(layout.port), ADMIN),
        stdin=f"{credentials.admin_password}\n",
        env={"PYTHONPATH": str(layout.root / "lib"), "PYTHONDONTWRITEBYTECODE": "1"},
        data=DataAccess.WRITE,
        files=(File(Path(_WRITE_ARCHIVE), secantusdb.script(_WRITE_ARCHIVE)),),
        connects=True,
    )


def render_restore(layout: Layout) -> Tool:
    return Tool(("/bin/sh", "-c", _RESTORE, "restore", str(secantusdb.storage(layout))), data=DataAccess.WRITE)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:  # noqa: ARG001 - it has none
    return None


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The documents of collections, by `database.collection`; what cannot be counted in time is left out."""
    deadline = time.monotonic() + _COUNT_SECONDS
    found: dict[str, Count] = {}
    try:
        with admin(address, credentials.admin_password, STATEMENT_SECONDS) as server:
            changes = _last_change(server)
            for database, collection in _list_collections(server):
                left = min(deadline - time.monotonic(), _COLLECTION_SECONDS)
                if left < 0.1:
                    break
                number = _count_documents(server, database, collection, left)
                if number is not None:
                    found[f"{database}.{collection}"] = Count(number, changes)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return found


def _last_change(server: Client) -> int:
    """The time of the newest entry of the oplog; each write has one."""
    found = server["local"]["oplog.rs"].find_one(sort=[("$natural", -1)], projection={"ts": 1})
    return 0 if found is None else found["ts"].time << 32 | found["ts"].inc


def _list_collections(server: Client) -> list[tuple[str, str]]:
    databases = [name for name in server.list_database_names() if name not in _OWN]
    return [
        (database, str(each["name"]))
        for database in databases
        for each in server[database].list_collections(filter={"type": "collection"})
        if not str(each["name"]).startswith("system.")
    ]


def _count_documents(server: Client, database: str, collection: str, seconds: float) -> int | None:
    """None where it takes too long, or where the collection is gone."""
    from pymongo.errors import OperationFailure

    try:
        told: Mapping[str, Any] = server[database].command("count", collection, maxTimeMS=int(seconds * 1000))
    except OperationFailure:
        return None
    return int(told["n"])
