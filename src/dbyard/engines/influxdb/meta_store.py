"""The file `meta.db`, in which the server keeps its users."""

from __future__ import annotations

import hashlib

import bcrypt

from dbyard.engines.influxdb.names import ADMIN

_ADMIN_COST = "04"  # the password has 256 random bits: more rounds add nothing, and every start would pay them


def render_meta_store(password: str) -> bytes:
    """`meta.db` as the server itself would write it after its first statement: a protocol buffer with one admin."""
    digest = hashlib.sha256(f"meta:{password}".encode())
    salt = digest.hexdigest()[:21] + "."  # follows from the password, so that rendering is pure
    hashed = bcrypt.hashpw(password.encode(), f"$2b${_ADMIN_COST}${salt}".encode())
    user = _message((1, ADMIN.encode()), (2, hashed), (3, True))
    cluster = int.from_bytes(digest.digest()[:7], "big")
    last_node, last_shard_group, last_shard = ((number, 0) for number in (7, 8, 9))
    return _message((1, 0), (2, 2), (3, cluster), (6, user), last_node, last_shard_group, last_shard)


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    """Fields of a protocol buffer: their number with their type, and a varint or a length and bytes."""
    encoded = b""
    for number, value in fields:
        if isinstance(value, bytes):
            encoded += _varint(number << 3 | 2) + _varint(len(value)) + value
        else:
            encoded += _varint(number << 3) + _varint(value)
    return encoded


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
