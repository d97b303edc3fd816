"""Reads an archive of `mongodump --archive`, and loads one database of it as the tenant: documents, then indexes.

    archive = MAGIC, prelude, block, block, …
    prelude = a header, the metadata of each collection, END
    block   = the name of a collection, documents of it, END; blocks of several collections alternate

Everything but MAGIC and END is a document of BSON, which begins with its length.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbyard.engines import dumps
from dbyard.engines.dumps import Findings, Input, Order, Refused
from dbyard.engines.mongodb.session import connect
from dbyard.model import Address

if TYPE_CHECKING:
    from pymongo.database import Database

_MAGIC, _END = b"\x6d\xe2\x99\x81", b"\xff\xff\xff\xff"
_MOST_DOCUMENT, _LEAST_DOCUMENT = 48 << 20, 5
_BATCH, _BATCH_BYTES = 1000, 8 << 20
_SECONDS = 600.0
_OF_THE_SERVER = frozenset({"admin", "config", "local", ""})
_NOT_OF_AN_INDEX = ("v", "ns", "background", "safe")
_OPTIONS = (
    "capped",
    "size",
    "max",
    "collation",
    "validator",
    "validationLevel",
    "validationAction",
    "viewOn",
    "pipeline",
)

Document = Mapping[str, Any]


@dataclass
class Collection:
    """What an archive tells of one, and what was read of it."""

    name: str
    options: dict[str, Any]
    indexes: list[dict[str, Any]]
    ended: bool = False
    held: list[bytes] = field(default_factory=list)
    held_bytes: int = 0

    @property
    def is_view(self) -> bool:
        return "viewOn" in self.options


def load(order: Order, dump: Input, findings: Findings) -> None:
    reader = Reader(dump)
    if dump.peek(4) != _MAGIC:
        raise Refused("it is no archive of MongoDB: take what `mongodump --archive` writes, also with --gzip")
    reader.take(4)
    findings.form = f"mongodump --archive{f', packed by {dump.packing}' if dump.packing else ''}"
    collections = _read_prelude(reader, findings)
    if not order.load:
        _read_blocks(reader, collections, None)
        return
    with connect(Address(order.host, order.port), (order.user, order.password, order.database), _SECONDS) as client:
        database: Database[Any] = client[order.database]
        for each in sorted(collections.values(), key=lambda each: each.is_view):
            _do(each.name, lambda each=each: database.command("create", each.name, **each.options))
        _read_blocks(reader, collections, database)
        for each in collections.values():
            if each.indexes:
                _do(each.name, lambda each=each: database.command("createIndexes", each.name, indexes=each.indexes))


class Reader:
    """Documents as bytes, and the marks between them."""

    def __init__(self, dump: Input) -> None:
        self._dump = dump
        self._buffer = b""

    def take(self, size: int) -> bytes:
        """So many bytes; raises Refused where there are fewer."""
        if not self._have(size):
            raise Refused("it is cut off in the middle of a document")
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def is_at_end(self) -> bool:
        return not self._have(1)

    def documents(self) -> Iterator[bytes]:
        """Up to the next mark."""
        while (head := self.take(4)) != _END:
            size = int.from_bytes(head, "little")
            if not _LEAST_DOCUMENT <= size <= _MOST_DOCUMENT:
                raise Refused(f"it is damaged: a document of {size} bytes")
            document = head + self.take(size - 4)
            if document[-1] != 0:
                raise Refused("it is damaged: a document does not end where it should")
            yield document

    def _have(self, size: int) -> bool:
        if len(self._buffer) < size:
            pieces, got = [self._buffer], len(self._buffer)
            while got < size and (piece := self._dump.read()):
                pieces.append(piece)
                got += len(piece)
            self._buffer = b"".join(pieces)
        return len(self._buffer) >= size


def _read_prelude(reader: Reader, findings: Findings) -> dict[str, Collection]:
    """The collections of the one database that is taken, by name."""
    from bson import json_util

    documents = reader.documents()
    header = _decode(next(documents, b""))
    findings.source = f"MongoDB {header['server_version']}" if "server_version" in header else None
    findings.program = f"mongodump {header['tool_version']}" if "tool_version" in header else None
    found: dict[str, Collection] = {}
    for document in documents:
        told = _decode(document)
        database, name = str(told.get("db", "")), str(told.get("collection", ""))
        if database in _OF_THE_SERVER or name.startswith("system."):
            findings.leave_out(f"{database}.{name}")
            continue
        findings.databases[database] = None
        try:
            found[name] = _collection(name, json_util.loads(told.get("metadata") or "{}"), findings)
        except (ValueError, TypeError, AttributeError) as error:
            raise Refused(f"it is damaged: what it tells of the collection {name} cannot be read: {error}") from error
    if len(findings.databases) > 1:
        raise Refused(f"it holds several databases, {', '.join(findings.databases)}: dump one (--db)")
    return found


def _collection(name: str, metadata: Document, findings: Findings) -> Collection:
    options = metadata.get("options") or {}
    if "timeseries" in options:
        findings.refused[f"it has a time series, {name}: dump without it (--excludeCollection)"] = None
    for option in options:
        if option not in _OPTIONS:
            findings.leave_out(f"option {option} of a collection")
    indexes = [
        {key: value for key, value in each.items() if key not in _NOT_OF_AN_INDEX}
        for each in metadata.get("indexes") or []
        if each.get("name") != "_id_"
    ]
    return Collection(name, {key: value for key, value in options.items() if key in _OPTIONS}, indexes)


def _read_blocks(reader: Reader, collections: Mapping[str, Collection], database: Database[Any] | None) -> None:
    while not reader.is_at_end():
        documents = reader.documents()
        head = _decode(next(documents, b""))
        collection = None
        if head.get("db") not in _OF_THE_SERVER:
            collection = collections.get(str(head.get("collection")))
        for document in documents:
            if collection is not None and database is not None:
                _hold(database, collection, document)
        if collection is not None and head.get("EOF"):
            collection.ended = True
            _flush(database, collection)
    if lacking := [each.name for each in collections.values() if not each.ended and not each.is_view]:
        raise Refused(f"it is cut off: the collection {lacking[0]} has no end")


def _hold(database: Database[Any], collection: Collection, document: bytes) -> None:
    collection.held.append(document)
    collection.held_bytes += len(document)
    if len(collection.held) >= _BATCH or collection.held_bytes >= _BATCH_BYTES:
        _flush(database, collection)


def _flush(database: Database[Any] | None, collection: Collection) -> None:
    from bson.raw_bson import RawBSONDocument

    if database is None or not collection.held:
        return
    documents = [RawBSONDocument(each) for each in collection.held]
    _do(collection.name, lambda: database[collection.name].insert_many(documents))
    collection.held, collection.held_bytes = [], 0


def _do(name: str, action: Any) -> None:
    """What the server refuses of a collection is the dump's fault; that it is gone is not."""
    from bson.errors import BSONError
    from pymongo.errors import BulkWriteError, OperationFailure

    try:
        action()
    except BulkWriteError as error:
        first = (error.details.get("writeErrors") or [{}])[0]
        raise Refused(f"the collection {name}: {first.get('errmsg', error)}") from error
    except (OperationFailure, BSONError) as error:
        raise Refused(f"the collection {name}: {str(error).split(', full error:')[0]}") from error


def _decode(document: bytes) -> dict[str, Any]:
    import bson
    from bson.errors import BSONError

    try:
        return bson.decode(document)
    except BSONError as error:
        raise Refused(f"it is damaged: {error}") from error


if __name__ == "__main__":
    sys.exit(dumps.run(load))
