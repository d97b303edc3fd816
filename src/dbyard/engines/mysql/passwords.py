"""What the servers keep of a password: neither they nor their logs ever see the password itself.

MariaDB takes `mysql_native_password`, which every client of the protocol knows. MySQL has only `caching_sha2_password`:
SHA-256 crypt (Drepper's specification) with a salt of 20 characters, which no library at hand makes.
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import lru_cache

_ROUNDS = 5000
"""The least that MySQL takes, and its default."""
_SALT = 20
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def native_hash(password: str) -> str:
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def sha2_hash(password: str) -> str:
    """Of a tenant's password: another one each time."""
    return _mysql_crypt(password, base64.b64encode(os.urandom(_SALT))[:_SALT])


@lru_cache(maxsize=256)
def derived_sha2_hash(password: str) -> str:
    """The same for the same password, so that rendering is pure; it takes some milliseconds."""
    salt = base64.b64encode(hashlib.sha256(b"salt " + password.encode()).digest())
    return _mysql_crypt(password, salt[:_SALT])


def _mysql_crypt(password: str, salt: bytes) -> str:
    return f"$A${_ROUNDS // 1000:03X}${salt.decode()}{sha256_crypt(password.encode(), salt, _ROUNDS)}"


def sha256_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """The last part of what crypt(3) makes for `$5$`; the salt may have any length. Pure."""
    digest = _first_digest(password, salt)
    stretched_password = _stretch(hashlib.sha256(password * len(password)).digest(), len(password))
    stretched_salt = _stretch(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        parts = [stretched_password if number % 2 else digest]
        parts += [stretched_salt] if number % 3 else []
        parts += [stretched_password] if number % 7 else []
        parts += [digest if number % 2 else stretched_password]
        digest = hashlib.sha256(b"".join(parts)).digest()
    return _encode(digest)


def _first_digest(password: bytes, salt: bytes) -> bytes:
    other = hashlib.sha256(password + salt + password).digest()
    text = password + salt + _stretch(other, len(password))
    length = len(password)
    while length:
        text += other if length & 1 else password
        length >>= 1
    return hashlib.sha256(text).digest()


def _stretch(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _encode(digest: bytes) -> str:
    """Three bytes a time, in an order of its own, and what is left over."""
    groups = [[(number * 21 + shift) % 30 for shift in (0, 10, 20)] for number in range(10)]
    text = "".join(_letters(int.from_bytes(bytes(digest[at] for at in group)), 4) for group in groups)
    return text + _letters(int.from_bytes(bytes((digest[31], digest[30]))), 3)


def _letters(value: int, count: int) -> str:
    return "".join(_ALPHABET[value >> 6 * place & 63] for place in range(count))
