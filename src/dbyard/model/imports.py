"""Imports: what a dump that was made elsewhere tells of itself before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was found in a dump, and what becomes of it here; each list has its first fifty.

    `form` is how it is written, `source` the server that it is of and `program` what wrote it, where they tell.
    `size` is in bytes, unpacked.
    """

    form: str
    size: int
    source: str | None = None
    program: str | None = None
    databases: Sequence[str] = ()
    """What they are called there."""
    owners: Sequence[str] = ()
    """Roles and definers whose place the tenant takes."""
    extensions: Mapping[str, bool] = field(default_factory=dict)
    """Those that it makes, and whether the server here gives them."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Collations, engines and modes that the server here lacks, and what is taken instead."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Statements that are not carried out, by how they begin."""
    refused: Sequence[str] = ()
    """Why it cannot be loaded, and what to do; empty if nothing is known to be in the way."""
