"""Imports: a dump that was made elsewhere is uploaded, and takes the place of a database's data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from dbyard import engines
from dbyard.archive import uploads
from dbyard.engines import Engine, Imports
from dbyard.errors import ArchiveUnavailable, Conflict, Invalid, NotFound, NotReady, StepError, TooLarge, Unavailable
from dbyard.model import (
    MIB,
    Access,
    Address,
    Credentials,
    Database,
    EventType,
    ImportReport,
    Operation,
    OperationKind,
    Principal,
)
from dbyard.secrets import make_id
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases import stats
from dbyard.service.databases.backups import check_no_other
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import find_last
from dbyard.service.samples import Question
from dbyard.store import Connection, events, instances, operations

_PACKED = 2
"""So many times its plan's disk a dump may have as it is sent."""
_LEAST_MOST = 64 * MIB
_ANSWER_SECONDS = 10.0
_NAMED = 5


@dataclass(frozen=True, slots=True)
class DatabaseImport:
    """An import, and the operation that tells how far it is: itself, or the switch that it ends with."""

    operation: Operation
    last: Operation

    @property
    def report(self) -> ImportReport | None:
        found = self.operation.result.get("report")
        return msgspec.convert(found, ImportReport) if found else None

    @property
    def counts(self) -> Mapping[str, int]:
        return msgspec.convert(self.operation.result.get("counts", {}), dict[str, int])


@dataclass(frozen=True, slots=True)
class Place:
    """What an import into a database would meet: its imports so far, what is in it, how large a dump may be.

    `content` is None where the server does not answer.
    """

    imports: Sequence[DatabaseImport]
    content: Mapping[str, int] | None
    most: int


@dataclass(frozen=True, slots=True)
class Looking:
    """A look at a database that has begun."""

    database: Database
    imports: Sequence[DatabaseImport]
    most: int
    question: Question | None


def begin_look(service: Service, principal: Principal, key: str) -> Looking:
    """Ask a database what is in it. Raises Invalid for a technology without imports."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key)
        found = [each for each, _ in operations.list_for(reading, database.id) if each.kind == OperationKind.IMPORT]
        imports = [DatabaseImport(each, find_last(reading, each)) for each in found]
    _check_engine(service, database)
    return Looking(database, imports, _most(service, database), _ask(service, database))


def end_look(service: Service, looking: Looking, *, at_last: bool) -> Place | None:
    """None as long as the server may still answer."""
    question = looking.question
    if question is not None and not question.answer.done() and not at_last:
        return None
    try:
        content = _tell(service, looking.database, question)
    except Unavailable:
        content = None
    return Place(looking.imports, content, looking.most)


def get(service: Service, principal: Principal, key: str, import_id: str) -> DatabaseImport:
    """Raises NotFound."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key)
        return _find(reading, database, import_id)


def create(
    service: Service,
    principal: Principal,
    key: str,
    pieces: Iterable[bytes],
    *,
    size: int | None = None,
    replace: bool = False,
    check: bool = False,
) -> DatabaseImport:
    """Upload a dump and ask for its import; with `check` for a report on it alone. Takes as long as the upload takes.

    Raises Conflict for a database that is not empty, unless `replace` or `check` is wanted, and while another restore
    or import is at work; TooLarge, also for a `size` that is announced; Invalid for a technology without imports. An
    error of `pieces` leaves nothing.
    """
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key, Access.CHANGE)
        check_no_other(reading, database)
        instance = instances.get_primary(reading, database.id)
    _check_engine(service, database)
    if instance is None or instance.ready_at is None:
        raise Conflict("The database never got ready")
    most = _most(service, database)
    if size is not None and size > most:
        raise _too_large(most)
    if not (replace or check):
        _check_empty(service, database)
    now = service.clock()
    upload_id = f"{round(now * 1000)}-{make_id()}"
    if service.uploads.setdefault(database.id, upload_id) != upload_id:
        raise Conflict("Another dump is being uploaded for the database")
    try:
        return _take(service, principal, database, upload_id, _Metered(pieces, most), replace=replace, check=check)
    finally:
        del service.uploads[database.id]


def _take(
    service: Service,
    principal: Principal,
    database: Database,
    upload_id: str,
    dump: _Metered,
    *,
    replace: bool,
    check: bool,
) -> DatabaseImport:
    key = service.box.derive_key("archive", database.id)
    try:
        uploads.put(service.archive, key, database.id, upload_id, dump)
        asked = _queue(service, principal, database.id, upload_id, dump.size, replace=replace, check=check)
    except BaseException as error:
        _remove(service, database.id, upload_id)
        if isinstance(error, ArchiveUnavailable):
            raise Unavailable(f"The dump cannot be kept: {error}") from error
        raise
    service.wake()
    return asked


def _queue(
    service: Service, principal: Principal, key: str, upload_id: str, size: int, *, replace: bool, check: bool
) -> DatabaseImport:
    """The upload may have taken hours: all is looked at again."""
    if not size:
        raise Invalid({"body": ["should be a dump: it is empty"]})
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        check_no_other(connection, database)
        params = {"upload_id": upload_id, "size": size, "replace": replace, "check": check}
        operation_id = operations.insert(connection, database.id, OperationKind.IMPORT, now, params=params)
        data = event_data(database) | {"operation_id": operation_id, "size": size, "replace": replace, "check": check}
        events.record(connection, principal, EventType.IMPORT_ASKED, now, database=database, data=data)
        return _find(connection, database, operation_id)


def _remove(service: Service, database_id: str, upload_id: str) -> None:
    """Where the archive does not serve it goes later."""
    try:
        uploads.remove(service.archive, database_id, upload_id)
    except ArchiveUnavailable:
        return


class _Metered:
    """Pieces as they come, and how many bytes they had; raises TooLarge."""

    def __init__(self, pieces: Iterable[bytes], most: int) -> None:
        self._pieces, self._most = pieces, most
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            if self.size > self._most:
                raise _too_large(self._most)
            yield piece


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        f"The dump should have at most {most // MIB} MB for the database's plan: choose a larger plan first"
    )


def _most(service: Service, database: Database) -> int:
    plan = service.catalogue.plan(database.technology, database.plan)
    return max(_PACKED * plan.disk_mb * MIB, _LEAST_MOST) if plan else _LEAST_MOST


def _check_engine(service: Service, database: Database) -> None:
    technology = service.catalogue.get(database.technology)
    has = isinstance(engines.load(technology.engine), Imports)
    if not has or engines.find_backups(technology, database.version) is None:
        raise Invalid({"database": [f"takes no dumps: there is no import into {technology.name} {database.version}"]})


def _check_empty(service: Service, database: Database) -> None:
    question = _ask(service, database)
    if question is not None:
        question.answer.exception(_ANSWER_SECONDS)
    content: Mapping[str, int] = {name: each for name, each in _tell(service, database, question).items() if each}
    if content:
        some = ", ".join(f"{name} ({number})" for name, number in list(content.items())[:_NAMED])
        more = f" and {len(content) - _NAMED} more" if len(content) > _NAMED else ""
        raise Conflict(
            f"The database is not empty: it has {some}{more}. With `replace` the dump takes their place, and they are"
            " kept for a day"
        )


def _ask(service: Service, database: Database) -> Question | None:
    try:
        account_id, engine, address, login = stats.prepare(service, database)
    except NotReady:
        return None
    return service.samples.ask(f"{database.id}/content", account_id, partial(_count, engine, address, login))


def _tell(service: Service, database: Database, question: Question | None) -> Mapping[str, int]:
    try:
        found = service.samples.tell(f"{database.id}/content", question)
    except (NotReady, StepError) as error:
        raise Unavailable(f"The database does not say what is in it: {error}") from error
    return {name: int(number) for name, number in found.items()}


def _count(engine: Engine, address: Address, login: Credentials) -> Mapping[str, int]:
    if not isinstance(engine, engines.Backups):
        return {}
    return {name: each.number for name, each in engine.count(address, login).items()}


def _find(reading: Connection, database: Database, import_id: str) -> DatabaseImport:
    operation = operations.get(reading, import_id)
    if operation is None or operation.database_id != database.id or operation.kind != OperationKind.IMPORT:
        raise NotFound("Import not found", resource="import")
    return DatabaseImport(operation, find_last(reading, operation))
