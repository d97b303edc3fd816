"""What does not keep servers from each other and from the machine here, in sentences for the operator."""

from __future__ import annotations

from collections.abc import Mapping

_MISSING = {
    (
        "sandbox",
        "none",
    ): "servers have no sandbox: they see the machine's processes, and all files that their user may read",
    ("network", "the machine's"): "servers may connect to every port of this machine, the API and their neighbours too",
    ("ports", "any free one"): "servers may listen on every free port, as that of a neighbour that is down",
    ("uid", "shared"): "all servers run as the platform's user: only a sandbox keeps them from each other's data",
    ("memory", "engine settings and rlimit"): "memory is held by the servers' own settings and rlimits only",
    ("cpu", "none"): "one server may take all processors",
    ("processes", "none"): "one server may start any number of processes",
}


def list_missing(limits: Mapping[str, str]) -> list[str]:
    """A sentence for each thing that is not held; `limits` says what is held by what, as the runtime tells it."""
    return [sentence for held, sentence in _MISSING.items() if held in limits.items()]
