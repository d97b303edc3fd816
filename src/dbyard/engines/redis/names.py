"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

import hashlib

from dbyard.model import Address, Credentials

ADMIN = "dbyard"
TENANT = "default"  # the user of clients that know a password only


def name_tenant(name: str, suffix: str) -> tuple[str, str]:  # noqa: ARG001 - the same for every name
    return TENANT, "0"


def private_host(host: str, admin_password: str) -> str:
    """An address of the machine's loopback that only who knows the password knows; `host` on any other network. Pure.

    There a server listens that must take the platform's connection before anybody else's: Redis reserves none for it.
    """
    if not host.startswith("127."):
        return host
    first, second, third, *_ = hashlib.sha256(f"private {admin_password}".encode()).digest()
    return f"127.{first % 254 + 1}.{second}.{third % 254 + 1}"


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"redis://{access}/{credentials.database}"
