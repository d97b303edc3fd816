"""What an object's bytes are: it opens as it was written, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.archive.objects import CHUNK, TAG, pack, seal, unpack, unseal
from dbyard.errors import BackupDamaged

KEY = bytes(range(32))
SIZES = [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17]


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def sealed(content: bytes, name: str = "db/b/data", key: bytes = KEY) -> bytes:
    return b"".join(seal(key, name, [content]))


def opened(stored: bytes, name: str = "db/b/data", key: bytes = KEY, size: int = 70_000) -> bytes:
    return b"".join(unseal(key, name, pieces(stored, size)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("level", [0, 3])
def test_opens_as_it_was_written(size: int, level: int) -> None:
    content = os.urandom(size // 2) + bytes(size - size // 2)
    stored = b"".join(pack(KEY, "name", pieces(content, 300_000), level))
    assert b"".join(unpack(KEY, "name", pieces(stored, 65_537), level)) == content
    if level and size > CHUNK:
        assert len(stored) < size


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 40))
def test_pieces_may_have_any_size(content: bytes, first: int, second: int) -> None:
    stored = b"".join(pack(KEY, "name", pieces(content, first), 3))
    assert b"".join(unpack(KEY, "name", pieces(stored, second), 3)) == content


@given(st.data())
def test_no_bit_can_be_flipped(data: st.DataObject) -> None:
    stored = bytearray(sealed(b"rows" * 100))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BackupDamaged):
        opened(bytes(stored))


@given(st.data())
def test_nothing_can_be_cut_off_or_added(data: st.DataObject) -> None:
    stored = sealed(b"rows" * 100)
    with pytest.raises(BackupDamaged):
        opened(stored[: data.draw(st.integers(0, len(stored) - 1))])
    with pytest.raises(BackupDamaged):
        opened(stored + data.draw(st.binary(min_size=1, max_size=50)))


def test_whole_chunks_cannot_be_left_out_swapped_or_repeated() -> None:
    stored = sealed(os.urandom(4 * CHUNK))
    header, size = len(stored) - 4 * (CHUNK + TAG), CHUNK + TAG
    first, chunks = stored[:header], [stored[header + n * size : header + (n + 1) * size] for n in range(4)]
    assert opened(first + b"".join(chunks))
    for order in [(0, 1, 2), (1, 0, 2, 3), (0, 1, 1, 2, 3), (0, 1, 2, 3, 3), (3,), ()]:
        with pytest.raises(BackupDamaged):
            opened(first + b"".join(chunks[number] for number in order))


def test_belongs_to_its_name_and_its_key() -> None:
    stored = sealed(b"rows")
    with pytest.raises(BackupDamaged):
        opened(stored, name="db/other/data")
    with pytest.raises(BackupDamaged):
        opened(stored, key=bytes(32))
    assert opened(stored) == b"rows"


def test_what_is_no_object_is_told() -> None:
    for stored in (b"", b"dbyard", b"PGDMP" + bytes(100)):
        with pytest.raises(BackupDamaged, match="no object"):
            opened(stored)


def test_two_objects_of_the_same_content_differ() -> None:
    assert sealed(b"rows") != sealed(b"rows")
