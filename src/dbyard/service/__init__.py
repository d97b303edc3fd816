"""The use cases: everything that a client may do.

Each is a plain function of a `Service` in the modules below: it takes typed requests and returns model objects. The
daemon puts into the `Service` what the use cases need of the world; they know no runtime and no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dbyard.archive.locations import Location
from dbyard.catalogue import Catalogue
from dbyard.certificates import Authority
from dbyard.model import Region, Release, Usage
from dbyard.secrets import Box
from dbyard.service.samples import Samples
from dbyard.store import Store


@dataclass(frozen=True, slots=True)
class Service:
    store: Store
    catalogue: Catalogue
    box: Box
    authority: Authority
    resolve: Callable[[str, str], Release | None]
    """The build of a (technology, version) that would run, if there is one."""
    installed_at: Callable[[str, str], float | None]
    """When that build was put on this machine; None if there is none."""
    has_room: Callable[[], bool]
    """Whether the disk has room for another database."""
    logs: Callable[[str, int], Sequence[str]]
    """The last lines (at most so many) of an instance's log."""
    log_state: Callable[[str], str]
    """Another text whenever something was written to that log."""
    usage: Callable[[str], Usage]
    """What an instance's processes use at this moment."""
    disk: Callable[[str], int]
    """The bytes that an instance takes on disk, to a few megabytes; measuring one that is busy costs milliseconds."""
    limits: Callable[[], Mapping[str, str]]
    """Which limit is held by what on this machine."""
    wake: Callable[[], None]
    """Called after an operation was queued; only a hint."""
    on_revoke: Callable[[bytes], None]
    """Called with the digest of a token that is no longer valid."""
    region: Region
    """Where clients find the platform."""
    archive: Location
    """Where backups lie."""
    scheduled_backups: bool = True
    """Whether databases are backed up without being asked."""
    clock: Callable[[], float] = time.time
    journal_read_at: Callable[[str], float | None] = lambda _: None
    """The time before which all that was committed in an instance is in the archive, as far as that was seen."""
    journal_trouble: Callable[[str], str | None] = lambda _: None
    """Why the archive lacks what was committed since."""
    archive_journal: Callable[[str], None] = lambda _: None
    """Bring the archive up to date with the journal of an instance, which takes as long as it takes."""
    seen_down: Callable[[str], str | None] = lambda _: None
    """Why an instance is seen not to serve at this moment, whatever the store says."""
    trouble: Callable[[], str | None] = lambda: None
    """What keeps the platform itself from working."""
    unknown_instances: Callable[[], int] = lambda: 0
    """How many instances this home has that the state does not know."""
    uploads: dict[str, str] = field(default_factory=dict)
    """The upload that is under way for a database, by that one's id."""
    samples: Samples = field(default_factory=Samples)
    """Statistics of servers."""
    logins: Samples = field(default_factory=Samples)
    """Log-ins of tenants that worked lately."""
