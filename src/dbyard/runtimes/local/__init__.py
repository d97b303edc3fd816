"""The runtime of one machine: servers and jobs as its processes, limited by its control groups.

`LocalRuntime` implements the portable Protocol; its `host` and its `spares` implement the two of one machine.
"""

from dbyard.runtimes.local.host import LocalHost
from dbyard.runtimes.local.runtime import LocalRuntime
from dbyard.runtimes.local.spare_pool import LocalSparePool

__all__ = ["LocalHost", "LocalRuntime", "LocalSparePool"]
