"""The master key, sealed secrets, tokens, passwords and secret files."""

from __future__ import annotations

import os
import re
import stat
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard import secrets
from dbyard.errors import ConfigError

KEY = bytes(range(32))
PLACE = {"table": "credential", "column": "password", "row": "5410"}


class TestBox:
    @given(st.text())
    def test_opens_what_it_sealed(self, plain: str) -> None:
        box = secrets.Box(KEY)
        assert box.open(box.seal(plain, **PLACE), **PLACE) == plain

    def test_never_seals_the_same_bytes_twice(self) -> None:
        box = secrets.Box(KEY)
        assert box.seal("x", **PLACE) != box.seal("x", **PLACE)

    @pytest.mark.parametrize("other", [{"table": "token"}, {"column": "private_key"}, {"row": "5411"}])
    def test_refuses_a_value_moved_elsewhere(self, other: dict[str, str]) -> None:
        box = secrets.Box(KEY)
        sealed = box.seal("x", **PLACE)
        with pytest.raises(ConfigError, match="does not open"):
            box.open(sealed, **(PLACE | other))

    def test_place_is_not_a_mere_concatenation(self) -> None:
        box = secrets.Box(KEY)
        sealed = box.seal("x", table="ab", column="c", row="d")
        with pytest.raises(ConfigError):
            box.open(sealed, table="a", column="bc", row="d")

    def test_refuses_another_key_and_every_changed_byte(self) -> None:
        box = secrets.Box(KEY)
        sealed = box.seal("secret", **PLACE)
        with pytest.raises(ConfigError):
            secrets.Box(KEY[::-1]).open(sealed, **PLACE)
        for index in range(len(sealed)):
            changed = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
            with pytest.raises(ConfigError):
                box.open(changed, **PLACE)

    @pytest.mark.parametrize("sealed", [b"", b"x", b"x" * 27])
    def test_refuses_what_is_too_short(self, sealed: bytes) -> None:
        with pytest.raises(ConfigError):
            secrets.Box(KEY).open(sealed, **PLACE)

    @pytest.mark.parametrize("size", [0, 16, 31, 33])
    def test_needs_a_whole_key(self, size: int) -> None:
        with pytest.raises(ConfigError, match="instead of 32"):
            secrets.Box(b"k" * size)


class TestDerive:
    def test_is_stable_and_apart_by_purpose_seed_and_key(self) -> None:
        box = secrets.Box(KEY)
        derived = box.derive("admin", "seed")
        assert derived == secrets.Box(KEY).derive("admin", "seed")
        others = {
            box.derive("admin", "seed2"),
            box.derive("other", "seed"),
            secrets.Box(KEY[::-1]).derive("admin", "seed"),
        }
        assert len(others | {derived}) == 4

    def test_is_url_safe_and_whole(self) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secrets.Box(KEY).derive("admin", "seed"))


class TestLoadOrMakeKey:
    def test_makes_it_once_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        made = secrets.load_or_make_key(path)
        loaded = secrets.load_or_make_key(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_size == 32
        assert loaded.derive("a", "b") == made.derive("a", "b")
        assert os.listdir(tmp_path) == ["key"]

    def test_goes_on_over_what_a_killed_process_left(self, tmp_path: Path) -> None:
        (tmp_path / ".key.new").write_bytes(b"half")
        secrets.load_or_make_key(tmp_path / "key")
        assert os.listdir(tmp_path) == ["key"]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
    def test_refuses_a_key_that_others_may_read(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "key"
        path.write_bytes(KEY)
        path.chmod(mode)
        with pytest.raises(ConfigError, match="chmod 600"):
            secrets.load_or_make_key(path)

    @pytest.mark.parametrize("content", [b"", KEY[:-1], KEY + b"\n"])
    def test_refuses_another_size_and_leaves_the_file(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "key"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigError, match="instead of 32"):
            secrets.load_or_make_key(path)
        assert path.read_bytes() == content

    def test_refuses_a_link_and_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_bytes(KEY)
        (tmp_path / "link").symlink_to(tmp_path / "real")
        (tmp_path / "folder").mkdir()
        for name in ("link", "folder"):
            with pytest.raises(ConfigError, match="not a regular file"):
                secrets.load_or_make_key(tmp_path / name)

    def test_says_when_it_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot write"):
            secrets.load_or_make_key(tmp_path / "missing" / "key")


class TestWriteSecret:
    def test_replaces_the_whole_file_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "admin-token"
        path.write_text("older and longer")
        path.chmod(0o644)
        secrets.write_secret(path, "new\n")
        assert path.read_text() == "new\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(tmp_path) == ["admin-token"]


class TestTokensPasswordsAndIds:
    def test_token_has_its_prefix_and_32_random_bytes(self) -> None:
        assert re.fullmatch(r"tk-us-[A-Za-z0-9_-]{43}", secrets.mint_token())
        assert secrets.mint_token() != secrets.mint_token()

    def test_digest_is_sha256(self) -> None:
        assert secrets.digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    def test_password_needs_no_quoting_anywhere(self) -> None:
        for _ in range(300):
            password = secrets.make_password()
            assert len(password) == 32
            assert quote(password, safe="") == password
            assert password[0] in string.ascii_letters + string.digits

    def test_ids_are_24_hexadecimal_digits_and_unlike(self) -> None:
        ids = [secrets.make_id() for _ in range(1000)]
        assert all(re.fullmatch(r"[0-9a-f]{24}", made) for made in ids)
        assert len(set(ids)) == 1000
