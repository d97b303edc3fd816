"""Files that a passphrase opens: a line of JSON that says how their key is made, then an object as in an archive."""

from __future__ import annotations

import base64
import os
import unicodedata
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dbyard.archive import objects
from dbyard.errors import BackupDamaged, ConfigError

LEAST_PASSPHRASE = 12
"""Characters of a passphrase that something is sealed by."""
_VERSION = 1
_SALT = 16
_LONGEST_HEADER = 4096
_N, _R, _P = 1 << 17, 8, 1
_MOST_N = 1 << 20
"""Of scrypt: 128 MiB of memory and half a second; no file makes the reader take more than eight times as much."""
_PIECE = 1 << 20


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """`dbyard` says what is sealed. `key` is the fingerprint of the platform's master key; it opens nothing."""

    dbyard: str
    version: int = _VERSION
    key: str
    kdf: str = "scrypt"
    n: int = _N
    r: int = _R
    p: int = _P
    salt: bytes


def seal(kind: str, fingerprint: str, passphrase: str, plain: Iterable[bytes], level: int) -> Iterator[bytes]:
    """The line first. Raises ConfigError for a passphrase that is too short."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise ConfigError(f"the passphrase has {len(passphrase)} characters: it needs {LEAST_PASSPHRASE}")
    header = Header(dbyard=kind, key=fingerprint, salt=os.urandom(_SALT))
    yield msgspec.json.encode(header) + b"\n"
    yield from objects.pack(_key(header, passphrase), kind, plain, level)


def unseal(kind: str, passphrase: str, file: BinaryIO, level: int) -> Iterator[bytes]:
    """What was sealed. Raises ConfigError for a file of another kind, BackupDamaged for another passphrase."""
    header = _read_header(kind, file)
    return _open(header, passphrase, iter(lambda: file.read(_PIECE), b""), level)


def seal_key(fingerprint: str, passphrase: str, key: bytes) -> bytes:
    """A master key as a file of text."""
    line, *sealed = seal("key", fingerprint, passphrase, [key], 0)
    return line + base64.encodebytes(b"".join(sealed))


def unseal_key(passphrase: str, file: BinaryIO) -> bytes:
    """Raises as `unseal`."""
    header = _read_header("key", file)
    try:
        sealed = base64.b64decode(file.read(_PIECE).translate(None, b" \r\n"), validate=True)
    except ValueError as error:
        raise BackupDamaged(f"the key is damaged: {error}") from error
    return b"".join(_open(header, passphrase, [sealed], 0))


def _open(header: Header, passphrase: str, sealed: Iterable[bytes], level: int) -> Iterator[bytes]:
    begun = False
    try:
        for piece in objects.unpack(_key(header, passphrase), header.dbyard, sealed, level):
            begun = True
            yield piece
    except BackupDamaged as error:
        if begun:
            raise
        raise BackupDamaged(f"this is not its passphrase, or the file is damaged ({error})") from error


def _read_header(kind: str, file: BinaryIO) -> Header:
    try:
        header = msgspec.json.decode(file.readline(_LONGEST_HEADER), type=Header)
    except msgspec.MsgspecError:
        raise ConfigError(f"the file is no {kind} that was sealed by dbyard") from None
    if header.dbyard != kind:
        raise ConfigError(f"the file holds a sealed {header.dbyard}, not a sealed {kind}")
    sound = header.kdf == "scrypt" and 1 < header.n <= _MOST_N and (header.r, header.p) == (_R, _P)
    if header.version != _VERSION or not sound:
        raise ConfigError("the file was sealed in a way that this dbyard does not know, or its first line is damaged")
    return header


def _key(header: Header, passphrase: str) -> bytes:
    """The same for all ways in which keyboards encode the letters of the passphrase."""
    given = unicodedata.normalize("NFC", passphrase).encode()
    try:
        return Scrypt(header.salt, objects.KEY_BYTES, header.n, header.r, header.p).derive(given)
    except ValueError as error:
        raise ConfigError(f"the first line of the file is damaged: {error}") from error
