"""What the bytes of an object are: compressed by zstd, then sealed in chunks, so that it is read as a stream.

    object  = MAGIC, salt, chunk, chunk, …
    chunk   = AES-256-GCM of 1 MiB, the last one of less

The key of an object follows from its database's, the salt and the object's name; the nonce of a chunk is its number
and whether it is the last. So no byte can be changed, left out, moved or added, nor an object be put in the place of
another, without an error. (The construction is STREAM, of Hoang, Reyhanitabar, Rogaway and Vizár.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dbyard.errors import BackupDamaged

MAGIC = b"dbyard object 1\n"
CHUNK = 1 << 20
TAG = 16
KEY_BYTES = 32
LEVEL = 3
"""Of zstd, for what is not compressed already."""
_SALT = 16
HEADER = len(MAGIC) + _SALT


def pack(key: bytes, name: str, plain: Iterable[bytes], level: int, threads: int = 0) -> Iterator[bytes]:
    """The bytes of an object; `level` is zstd's, 0 for what is compressed already. So many more threads do that."""
    return seal(key, name, compress(plain, level, threads) if level else plain)


def unpack(key: bytes, name: str, stored: Iterable[bytes], level: int) -> Iterator[bytes]:
    """What was packed. Raises BackupDamaged where the object is not as it was written; what came before was right."""
    plain = unseal(key, name, stored)
    return decompress(plain, name) if level else plain


def compress(plain: Iterable[bytes], level: int, threads: int = 0) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, threads=threads).compressobj()
    for each in plain:
        if part := compressor.compress(each):
            yield part
    yield compressor.flush()


def decompress(compressed: Iterable[bytes], name: str) -> Iterator[bytes]:
    """In pieces of 1 MiB at most, however much a few bytes stand for."""
    try:
        yield from zstandard.ZstdDecompressor().read_to_iter(_Reader(compressed), write_size=CHUNK)  # type: ignore[arg-type] # it only reads
    except zstandard.ZstdError as error:
        raise BackupDamaged(f"{name} cannot be decompressed: {error}") from error


def seal(key: bytes, name: str, plain: Iterable[bytes]) -> Iterator[bytes]:
    salt = os.urandom(_SALT)
    cipher = _cipher(key, name, salt)
    yield MAGIC + salt
    for number, is_last, chunk in _chunks(plain, CHUNK):
        yield cipher.encrypt(_nonce(number, is_last), chunk, None)


def unseal(key: bytes, name: str, sealed: Iterable[bytes], first: int = 0) -> Iterator[bytes]:
    """The chunks; `sealed` is the header and what comes from the chunk `first` on. Raises as `unpack`."""
    pieces = iter(sealed)
    header = b""
    while len(header) < HEADER and (piece := next(pieces, b"")):
        header += piece
    if not header.startswith(MAGIC) or len(header) < HEADER:
        raise BackupDamaged(f"{name} is no object of an archive")
    cipher = _cipher(key, name, header[len(MAGIC) : HEADER])
    for number, is_last, chunk in _chunks(_after(header[HEADER:], pieces), CHUNK + TAG, first):
        try:
            yield cipher.decrypt(_nonce(number, is_last), chunk, None)
        except InvalidTag:
            raise BackupDamaged(
                f"{name} is damaged or cut off in its chunk {number}, or not sealed by this key"
            ) from None


class _Reader:
    """Pieces as a file, which may give fewer bytes than it is asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def read(self, size: int) -> bytes:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._held = piece
        given, self._held = self._held[:size], self._held[size:]
        return given


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _chunks(pieces: Iterable[bytes], size: int, number: int = 0) -> Iterator[tuple[int, bool, bytes]]:
    """Number, whether it is the last, and `size` bytes; the last has less, and may be empty."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) > size:
            yield number, False, bytes(held[:size])
            del held[:size]
            number += 1
    yield number, True, bytes(held)


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _cipher(key: bytes, name: str, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"dbyard object " + name.encode()).derive(key))
