"""A script as a stream of which no more is held than the statement that is being read."""

from __future__ import annotations

import re
from collections.abc import Callable

from dbyard.engines.dumps import PIECE, Refused, quote

_MOST = 256 << 20
"""Bytes of a statement, or of a row."""
_LEAST = 8 << 10
"""Bytes that are looked at at once: what is taken off them costs as much as what is left."""


class DumpText:
    """What the readers of both kinds of scripts share; `comment` is called with each line of a comment."""

    def __init__(self, read: Callable[[], bytes], comment: Callable[[bytes], None]) -> None:
        self._read, self._comment = read, comment
        self._buffer, self._line = b"", 1
        self._piece, self._at, self._whole = b"", 0, False

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        self._line += taken.count(b"\n")
        return taken

    def _fill(self, least: int = _LEAST) -> bool:
        """Hold at least as much again as there is; False at the end."""
        if len(self._buffer) > _MOST:
            raise Refused(f"line {self._line}: a statement or a row has more than {_MOST >> 20} MB")
        parts, wanted = [], max(len(self._buffer), least)
        while wanted > 0 and not self._whole:
            part = self._piece[self._at : self._at + wanted]
            parts.append(part)
            wanted -= len(part)
            self._at += len(part)
            if self._at >= len(self._piece):
                self._piece, self._at = self._read(), 0
                self._whole = not self._piece
        found = b"".join(parts)
        self._buffer += found
        return bool(found)

    def _fill_rows(self) -> bool:
        """As `_fill`, where what is held is passed on at once."""
        return self._fill(PIECE)

    def _match(self, pattern: re.Pattern[bytes], start: int) -> int:
        """Where the string or the name ends, which goes on behind two of its signs."""
        while True:
            found = pattern.match(self._buffer, start)
            if found and found.end() < len(self._buffer):
                return found.end()
            if not self._fill():
                if found:
                    return found.end()
                raise self._cut_off("a string")

    def _find_line_end(self, start: int = 0) -> int:
        while (end := self._buffer.find(b"\n", start)) < 0:
            if not self._fill():
                return len(self._buffer)
        return end + 1

    def _cut_off(self, what: str) -> Refused:
        return Refused(f"it is cut off: {what} in the statement of line {self._line} has no end: {quote(self._buffer)}")
