"""Secrets: the master key, sealed values, tokens, JWTs, passwords, and files that only their owner can read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
import string
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHash
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from dbyard.errors import ConfigError

if TYPE_CHECKING:
    from jwt.types import Options

TOKEN_PREFIX = "tk-us-"  # noqa: S105 - a prefix, not a token

_ALGORITHM = "HS256"
_JWT_OPTIONS: Options = {"require": ["aud", "exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}
_KEY_BYTES = 32
_NONCE_BYTES = 12
_PASSWORD_LENGTH = 32
_DUMMY_HASH = "$argon2id$v=19$m=19456,t=2,p=1$BbBBW5nMw5qlOhOT0fGuxg$T7mGOKQTQMvOpUCSBWpjBmIGnhsk2cwLmq9K7F+5YZg"
"""The hash of a password that opens nothing; as costly to check as `hash_password` makes them."""
_FIRST_CHARACTERS = string.ascii_letters + string.digits
_CHARACTERS = _FIRST_CHARACTERS + "_-"


class Box:
    """Seals secrets under the master key, each bound to its row and column: moved elsewhere it does not open."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ConfigError(f"the master key has {len(key)} bytes instead of {_KEY_BYTES}")
        self._cipher = AESGCM(_subkey(key, "seal"))
        self._derivation = _subkey(key, "derive")
        self._signing = _subkey(key, "sign")

    def seal(self, plain: str, *, table: str, column: str, row: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain.encode(), _joined(table, column, row))

    def open(self, sealed: bytes, *, table: str, column: str, row: str) -> str:
        """The plain text. Raises ConfigError if it was sealed for another row or column, or under another key."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, _joined(table, column, row)).decode()
        except (InvalidTag, ValueError) as error:
            raise ConfigError(f"the sealed {column} of {table} {row} does not open with this master key") from error

    def derive(self, purpose: str, seed: str) -> str:
        """A URL-safe password of 256 bits that is not stored: the same purpose and seed give the same password."""
        return base64.urlsafe_b64encode(self.derive_key(purpose, seed)).rstrip(b"=").decode()

    def derive_key(self, purpose: str, seed: str) -> bytes:
        """A key of 32 bytes that is not stored: the same purpose and seed give the same key."""
        return hmac.new(self._derivation, _joined(purpose, seed), hashlib.sha256).digest()

    @property
    def fingerprint(self) -> str:
        """Tells master keys apart; it is no secret."""
        return self.derive_key("fingerprint", "").hex()[:16]

    def sign(self, audience: str, claims: Mapping[str, object]) -> str:
        """A signed JWT for that audience. Its claims are readable, so they must not contain a secret."""
        import jwt  # imported late: most platforms never need it, and it imports an HTTP client

        return jwt.encode({**claims, "aud": audience}, self._signing, algorithm=_ALGORITHM)

    def verify(self, text: str, audiences: Sequence[str]) -> dict[str, Any] | None:
        """The claims of a JWT that `sign` made for one of the audiences; None for any other text.

        The caller, which has the clock, checks whether it has expired.
        """
        import jwt

        if not all(map(_is_canonical, text.split("."))):
            return None  # one token has one text: padding and spare bits would make more
        try:
            return jwt.decode(text, self._signing, algorithms=[_ALGORITHM], audience=audiences, options=_JWT_OPTIONS)
        except (jwt.InvalidTokenError, ValueError):
            return None


def load_or_make_key(path: Path) -> Box:
    """The box of the master key at `path`, created at the first call. ConfigError if other users can read the key."""
    if not os.path.lexists(path):
        _write(path, [os.urandom(_KEY_BYTES)])
    return Box(read_key(path))


def read_key(path: Path) -> bytes:
    """The master key at `path`. ConfigError if there is none, or other users can read it."""
    try:
        status = path.lstat()
        _check_key_file(path, status)
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the master key {path}: {error.strerror}") from error


def write_secret(path: Path, text: str) -> None:
    """Write `text` to `path`, readable by its owner only. After a kill the file is either complete or unchanged."""
    _write(path, [text.encode()])


def write_secret_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same of bytes that come in pieces; an error of theirs leaves the file unchanged."""
    _write(path, pieces)


def mint_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """The stored form of a token. A plain hash is enough, because a token has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def hash_password(password: str) -> str:
    """The stored form of an account's password: argon2id, slow on purpose, with 19 MiB of memory."""
    return _hasher().hash(_normal(password))


def check_password(hashed: str | None, password: str) -> bool:
    """Whether the hash is of this password. Without a hash it takes as long, to hide which accounts exist."""
    try:
        return _hasher().verify(hashed or _DUMMY_HASH, _normal(password)) and hashed is not None
    except (Argon2Error, InvalidHash):
        return False


def make_password() -> str:
    """A tenant's password: 190 bits, no character that a URI, a shell or a configuration file would quote."""
    rest = (secrets.choice(_CHARACTERS) for _ in range(_PASSWORD_LENGTH - 1))
    return secrets.choice(_FIRST_CHARACTERS) + "".join(rest)


def make_id() -> str:
    """24 hexadecimal digits: the second in which it was made, then 64 random bits."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def _normal(password: str) -> str:
    """Unicode NFC, because keyboards encode the same letter differently."""
    return unicodedata.normalize("NFC", password)


def _subkey(key: bytes, purpose: str) -> bytes:
    return HKDFExpand(SHA256(), _KEY_BYTES, b"dbyard " + purpose.encode()).derive(key)


def _joined(*parts: str) -> bytes:
    """The parts joined without ambiguity: other parts never give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in map(str.encode, parts))


def _is_canonical(part: str) -> bool:
    """Whether this is the only way to write these bytes in base64url without padding."""
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(content).rstrip(b"=") == part.encode()


def _check_key_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"the master key {path} is not a regular file")
    if status.st_uid != os.geteuid():
        raise ConfigError(f"the master key {path} belongs to uid {status.st_uid}, not to this process ({os.geteuid()})")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(f"other users can read the master key {path}: run `chmod 600 {path}`")


def _write(path: Path, content: Iterable[bytes]) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(descriptor)
        temporary.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """What was renamed in it outlives a power cut from here on."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
