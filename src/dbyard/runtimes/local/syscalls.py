"""The filter of system calls that keeps servers from connecting to anybody: they answer whoever connects to them.

A server whose tenant runs code of its own there would otherwise reach every port of the machine that is open to
loopback: neighbours, the platform's API, and what else listens there. The filter costs nothing in throughput, since
sending and receiving pass it untouched; ADR 0014 compares it with network namespaces.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
_TYPE_MASK = 0xF  # the other bits are flags


def write_filter(path: Path) -> Path | None:
    """Write the filter as bubblewrap takes it; None, with a warning, where the machine has no libseccomp."""
    try:
        import pyseccomp  # raises when the library is not there
    except RuntimeError as error:
        log.warning("%s: servers may connect to every port of this machine", error)
        return None
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)
        _filter(pyseccomp).export_bpf(file)
    new.rename(path)
    return path


def _filter(seccomp: Any) -> Any:
    """Everything is allowed, but what begins a connection, or sends without one. Programs of another machine's kind
    (32 bits) are killed by the library's default.
    """
    found = seccomp.SyscallFilter(seccomp.ALLOW)
    denied = seccomp.ERRNO(errno.EACCES)
    found.add_rule(denied, "connect")
    for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        opens = seccomp.Arg(flags, seccomp.MASKED_EQ, socket.MSG_FASTOPEN, socket.MSG_FASTOPEN)
        found.add_rule(denied, name, opens)
    for arguments in _denied_sockets(seccomp):
        found.add_rule(denied, "socket", *arguments)
    # It would do all of this past the filter. Servers that would use it have another way.
    found.add_rule(seccomp.ERRNO(errno.ENOSYS), "io_uring_setup")
    return found


def _denied_sockets(seccomp: Any) -> Iterator[tuple[Any, ...]]:
    """All but streams of TCP and of Unix, and what asks the kernel for the addresses of the machine."""
    yield (seccomp.Arg(0, seccomp.GT, max(_FAMILIES)),)
    for family in set(range(max(_FAMILIES))) - set(_FAMILIES):
        yield (seccomp.Arg(0, seccomp.EQ, family),)
    for family in set(_FAMILIES) - {socket.AF_NETLINK}:
        is_family = seccomp.Arg(0, seccomp.EQ, family)
        for kind in set(range(_TYPE_MASK + 1)) - {socket.SOCK_STREAM}:
            yield is_family, seccomp.Arg(1, seccomp.MASKED_EQ, _TYPE_MASK, kind)
        yield is_family, seccomp.Arg(2, seccomp.GT, socket.IPPROTO_TCP)
        for protocol in range(1, socket.IPPROTO_TCP):
            yield is_family, seccomp.Arg(2, seccomp.EQ, protocol)
