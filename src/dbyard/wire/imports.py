"""What the API answers about imports of dumps."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date, OperationProgress


class ImportReport(Struct, frozen=True):
    """What a dump tells of itself, and what becomes of it; each list has its first fifty.

    `form` is how it is written, `source` the server that it is of, `program` what wrote it. `size` is bytes, unpacked.
    The tenant takes the place of `owners`. `extensions` tells of each whether the server gives it; `replaced` what is
    taken instead of what the server lacks; `left_out` how many statements are not carried out, by how they begin;
    `refused` why it cannot be loaded.
    """

    form: str
    size: int
    source: str | None
    program: str | None
    databases: list[str]
    owners: list[str]
    extensions: dict[str, bool]
    replaced: dict[str, str]
    left_out: dict[str, int]
    refused: list[str]


class Import(Struct, frozen=True):
    """An import. `status` is pending, running, done or error, and then `error` says why. `size` is bytes as sent.

    With `check` only the report was wanted. `counts` are rows, keys or documents by name, as they were loaded.
    """

    id: str
    database_id: str
    status: str
    step: str
    replace: bool
    check: bool
    size: int
    created_at: Date
    finished_at: Date | None
    error: str | None
    progress: OperationProgress | None
    report: ImportReport | None
    counts: dict[str, int]


class ImportAnswer(Struct, frozen=True):
    database_import: Import


class ImportsAnswer(Struct, frozen=True):
    """Newest first. `content` is what is in the database now, null while its server does not answer; `most_bytes` how
    large a dump may be as it is sent.
    """

    database_imports: list[Import]
    content: dict[str, int] | None
    most_bytes: int
