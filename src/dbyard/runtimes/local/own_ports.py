"""Landlock's rule that a program, and all that it starts, binds TCP sockets to its own ports only.

Code of a tenant's own in a server could otherwise take the port of a neighbour that is down, and read the password that
the neighbour's clients send there. The kernel holds a single thread to the rule, so a thread of its own starts the
program. The structures and numbers are those of `linux/landlock.h`; no library of Python knows them.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all kinds of processors
_VERSION = 1
_RULES_OF_THE_NETWORK = 4
"""The version of Landlock that has them: Linux 6.7."""
_BIND_TCP, _NET_PORT = 1, 2
_SET_NO_NEW_PRIVS = 38

_kernel = ctypes.CDLL(None, use_errno=True)


def is_held(bubblewrap: Path | None) -> bool:
    """Whether this machine's kernel can hold programs to their ports, and bubblewrap works under that.

    What is held gains no privileges by set-uid bits any more, but for root.
    """
    if os.geteuid() != 0 and bubblewrap is not None and bubblewrap.stat().st_mode & stat.S_ISUID:
        return False
    version: int = _kernel.syscall(_CREATE_RULESET, None, 0, _VERSION)
    return version >= _RULES_OF_THE_NETWORK


def start_held(ports: Collection[int], start: Callable[[], T]) -> T:
    """What `start` returns or raises; the programs that it starts listen on these ports, or where the kernel chooses.

    Raises OSError where the kernel does not do it.
    """

    def run() -> T:
        _hold_this_thread(ports)
        return start()

    with ThreadPoolExecutor(1, "start") as thread:
        return thread.submit(run).result()


def _hold_this_thread(ports: Collection[int]) -> None:
    rules = struct.pack("=QQ", 0, _BIND_TCP)
    ruleset = _call(_CREATE_RULESET, rules, len(rules), 0)
    try:
        for port in ports:
            _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _BIND_TCP, port), 0)
        if os.geteuid() != 0 and _kernel.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _call(number: int, *arguments: bytes | int) -> int:
    result: int = _kernel.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
