"""Files that a passphrase opens, and nothing else does."""

from __future__ import annotations

import io

import pytest

from dbyard.archive import sealed_files
from dbyard.errors import BackupDamaged, ConfigError

PASSPHRASE = "correct horse battery"
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return b"".join(sealed_files.seal("state", "f1", PASSPHRASE, [b"one", b"two"], 3))


@pytest.fixture(scope="module")
def key_file() -> bytes:
    return sealed_files.seal_key("f1", PASSPHRASE, KEY)


def opened(content: bytes, passphrase: str = PASSPHRASE, kind: str = "state") -> bytes:
    return b"".join(sealed_files.unseal(kind, passphrase, io.BytesIO(content), 3))


class TestFiles:
    def test_are_opened_by_their_passphrase(self, sealed: bytes) -> None:
        assert opened(sealed) == b"onetwo"
        assert b"two" not in sealed

    def test_are_opened_however_a_keyboard_encodes_it(self) -> None:
        content = b"".join(sealed_files.seal("state", "f1", "caf\u00e9 caf\u00e9 caf\u00e9", [b"x"], 3))
        assert opened(content, "cafe\u0301 cafe\u0301 cafe\u0301") == b"x"

    def test_are_closed_to_others(self, sealed: bytes) -> None:
        with pytest.raises(BackupDamaged, match="not its passphrase"):
            opened(sealed, "another passphrase")

    @pytest.mark.parametrize("at", [-1, -20])
    def test_are_not_opened_when_damaged(self, sealed: bytes, at: int) -> None:
        damaged = bytearray(sealed)
        damaged[at] ^= 1
        with pytest.raises(BackupDamaged):
            opened(bytes(damaged))

    @pytest.mark.parametrize(
        ("old", "new"), [(b'"n":131072', b'"n":1099511627776'), (b'"version":1', b'"version":2'), (b"{", b"[")]
    )
    def test_with_another_first_line_cost_nothing(self, sealed: bytes, old: bytes, new: bytes) -> None:
        with pytest.raises(ConfigError):
            opened(sealed.replace(old, new, 1))

    def test_of_another_kind_are_refused(self, sealed: bytes) -> None:
        with pytest.raises(ConfigError, match="holds a sealed state, not a sealed key"):
            sealed_files.unseal_key(PASSPHRASE, io.BytesIO(sealed))

    def test_need_a_passphrase_that_is_one(self) -> None:
        with pytest.raises(ConfigError, match="needs 12"):
            sealed_files.seal_key("f1", "short", KEY)


class TestKeys:
    def test_are_text(self, key_file: bytes) -> None:
        assert key_file.isascii()
        retyped = key_file.replace(b"\n", b"\r\n") + b"\r\n"
        assert sealed_files.unseal_key(PASSPHRASE, io.BytesIO(retyped)) == KEY

    def test_that_are_cut_off_are_damaged(self, key_file: bytes) -> None:
        with pytest.raises(BackupDamaged):
            sealed_files.unseal_key(PASSPHRASE, io.BytesIO(key_file[:-10]))
