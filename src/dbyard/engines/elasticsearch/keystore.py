"""The keystore that a server wants beside its configuration, and would write itself if it could. It keeps no secret."""

from __future__ import annotations

import hashlib
import struct
from zlib import crc32

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

_MAGIC = 0x3FD76C17  # of every file that Lucene writes
_VERSION = 4
_ROUNDS = 10_000


def render_keystore(name: str, seed: str) -> bytes:
    """A keystore for the file `name`, without a password and with nothing in it but the seed that servers ask for."""
    salt = hashlib.sha512(f"salt {seed}".encode()).digest()
    nonce = hashlib.sha256(f"nonce {seed}".encode()).digest()[:12]
    key = PBKDF2HMAC(SHA512(), 16, salt, _ROUNDS).derive(b"")
    entries = struct.pack(">i", 1) + _named("keystore.seed") + _sized(seed.encode())
    sealed = _sized(salt) + _sized(nonce) + _sized(AESGCM(key).encrypt(nonce, entries, salt))
    header = struct.pack(">iB", _MAGIC, len(name)) + name.encode() + struct.pack(">i", _VERSION)
    body = header + b"\0" + _sized(sealed) + struct.pack(">Ii", ~_MAGIC & 0xFFFFFFFF, 0)
    return body + struct.pack(">q", crc32(body))


def _named(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _sized(content: bytes) -> bytes:
    return struct.pack(">i", len(content)) + content
