"""`dbyard serve` with plans of DISK_MB that looks often, by a clock that is off by what the file CLOCK says."""

from __future__ import annotations

import os
import sys

from dbyard import catalogue
from dbyard.__main__ import main
from dbyard.reconciler import backups, journals
from tests.e2e import jumping_clock
from tests.e2e.small_disks import shrink

if __name__ == "__main__":
    sys.argv = ["dbyard", *sys.argv[1:]]
    small = shrink(catalogue.load(), int(os.environ["DISK_MB"]))
    catalogue.load = lambda: small  # type: ignore[assignment]
    jumping_clock.arm()
    backups._PERIOD, journals._PERIOD, journals._AFTER_FAILURE = 1.0, 1.0, 1.0
    main()
