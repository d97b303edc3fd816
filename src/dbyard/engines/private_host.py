"""Where a server listens that must take the platform's connection before anybody else's."""

from __future__ import annotations

import hashlib


def private_host(host: str, admin_password: str) -> str:
    """An address of the machine's loopback that only who knows the password knows; `host` on any other network. Pure.

    Few servers keep a place for their admin among those who have not logged in yet, which takes no password.
    """
    if not host.startswith("127."):
        return host
    first, second, third, *_ = hashlib.sha256(f"private {admin_password}".encode()).digest()
    return f"127.{first % 254 + 1}.{second}.{third % 254 + 1}"


def is_private(listens: str | None, host: str, admin_password: str) -> bool:
    """Whether a server that should listen at `host` listens where only the platform finds it. Pure."""
    return listens != host and listens == private_host(host, admin_password)
