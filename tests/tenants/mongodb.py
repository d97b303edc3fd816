"""MongoDB, by pymongo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymongo
import pymongo.errors
from pymongo.database import Database

Documents = Database[dict[str, Any]]
Escape = Callable[[Documents], object]

ERRORS: tuple[type[Exception], ...] = (pymongo.errors.PyMongoError,)
REFUSED = r"not authorized|no such command"
FULL = r"memory"
LASTING = True
DELAY = 0.0


def _admin(command: str, value: object = 1, **named: object) -> Escape:
    return lambda database: database.client.admin.command({command: value, **named})


ESCAPES: Mapping[str, Sequence[Escape]] = {
    "files": [_admin("getCmdLineOpts"), _admin("getLog", "global"), _admin("logRotate")],
    "programs": [_admin("shutdown"), lambda database: database.command("eval", "1")],
    "other databases": [
        lambda database: database.client["other"].items.insert_one({}),
        lambda database: database.client["other"].items.find_one(),
        lambda database: database.client.local["oplog.rs"].find_one(),
        lambda database: list(database.written.aggregate([{"$out": {"db": "other", "coll": "items"}}])),
        lambda database: database.client.drop_database("other"),
    ],
    "settings": [_admin("setParameter", logLevel=2), _admin("configureFailPoint", "failCommand", mode="alwaysOn")],
    "snapshots": [
        _admin("fsync"),
        _admin("secantusAdmin.backupArchive", outputPath="/tmp/stolen.tar.gz"),
        _admin("secantusAdmin.restoreArchive", archivePath="/tmp/stolen.tar.gz"),
    ],
    "users": [
        lambda database: database.client.admin["system.users"].find_one(),
        lambda database: database.command("createUser", "eve", pwd="x", roles=["root"]),
        lambda database: database.command("grantRolesToUser", database.name, roles=["dbOwner"]),
        _admin("currentOp"),
    ],
}


class Tenant:
    def __init__(self, url: str) -> None:
        self._client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=5000, retryWrites=False, retryReads=False
        )
        self._database = self._client.get_default_database()
        try:
            self._database.written.find_one({"_id": 0})
        except pymongo.errors.PyMongoError:
            self.close()
            raise

    def write(self, number: int) -> None:
        self._database.written.insert_one({"_id": number})

    def write_many(self, numbers: range) -> None:
        self._database.written.insert_many([{"_id": number} for number in numbers])

    def read(self) -> set[int]:
        return {found["_id"] for found in self._database.written.find({}, {"_id": 1})}

    def attempt(self, escape: Escape) -> object:
        return escape(self._database)

    def bomb(self) -> None:
        doubled = {"$concat": ["$$value", "$$value"]}
        text = {"$reduce": {"input": {"$range": [0, 40]}, "initialValue": "x", "in": doubled}}
        list(self._database.written.aggregate([{"$limit": 1}, {"$project": {"length": {"$strLenCP": text}}}]))

    def close(self) -> None:
        self._client.close()
