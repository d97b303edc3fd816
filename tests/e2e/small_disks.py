"""`dbyard serve` with plans of the environment's DISK_MB, and killed where KILL_AT says, if it does."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from dbyard import catalogue
from dbyard.__main__ import main
from dbyard.catalogue import Catalogue
from dbyard.model import Technology
from dbyard.runtimes.local import disk_meter
from tests.e2e import killer


def shrink(known: Catalogue, disk_mb: int) -> Catalogue:
    """The same catalogue, but every plan has this much disk."""

    def with_small_disks(technology: Technology) -> Technology:
        return replace(technology, plans=tuple(replace(plan, disk_mb=disk_mb) for plan in technology.plans))

    return replace(known, technologies={slug: with_small_disks(each) for slug, each in known.technologies.items()})


if __name__ == "__main__":
    sys.argv = ["dbyard", *sys.argv[1:]]
    small = shrink(catalogue.load(), int(os.environ["DISK_MB"]))
    disk_meter.MOST_AGE = 1.0  # tests write to the directories of servers that do nothing
    catalogue.load = lambda: small  # type: ignore[assignment]
    if "KILL_AT" in os.environ:
        killer.arm(os.environ["KILL_AT"])
    main()
