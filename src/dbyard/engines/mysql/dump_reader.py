"""Statements of a script of MySQL or MariaDB, read as a stream: with DELIMITER, comments and comments that are code.

What is read as a statement is sent as one, and none of the client's own commands is obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbyard.engines.dump_text import DumpText

_SPACE = re.compile(rb"\s*+")
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)[^\n]*(?:\n|\Z)", re.IGNORECASE)
_STRINGS = {
    b"'": re.compile(rb"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL),
    b'"': re.compile(rb'"(?:[^"\\]++|\\.|"")*+"', re.DOTALL),
    b"`": re.compile(rb"`(?:[^`]++|``)*+`"),
}
_DASHES = re.compile(rb"--(?:[\s\x00-\x1f]|\Z)")
_CODE = re.compile(rb"/\*M?!(?!999999\\-)")
"""A comment that a server reads, but for the one by which a dump speaks to its client."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without its delimiter."""

    line: int
    text: bytes


class Reader(DumpText):
    """`comment` is called with each line of a comment between statements."""

    def __init__(self, read: Callable[[], bytes], comment: Callable[[bytes], None]) -> None:
        super().__init__(read, comment)
        self._set_delimiter(b";")

    def statements(self) -> Iterator[Statement]:
        while self._skip():
            line = self._line
            end, length = self._find_end()
            text = self._take(end + length)[:end]
            if text.strip():
                yield Statement(line, text.rstrip())

    def _set_delimiter(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._stop = re.compile(rb"['\"`#]|--|/\*|\*/|" + re.escape(delimiter))

    def _skip(self) -> bool:
        """Go to the next statement; False where there is none."""
        while True:
            space = _SPACE.match(self._buffer)
            if space and space.end():
                self._take(space.end())
            if len(self._buffer) < 16 and self._fill():
                continue
            if _DASHES.match(self._buffer) or self._buffer.startswith(b"#"):
                self._comment(self._take(self._find_line_end(0)).rstrip())
            elif self._buffer.startswith(b"/*") and not _CODE.match(self._buffer):
                self._take(self._find(b"*/", 2, "a comment"))
            elif self._buffer[:9].upper() == b"DELIMITER"[: len(self._buffer)] and self._is_delimiter():
                continue
            elif self._buffer.startswith(self._delimiter):
                self._take(len(self._delimiter))
            else:
                return bool(self._buffer)

    def _is_delimiter(self) -> bool:
        self._find_line_end(0)
        found = _DELIMITER.match(self._buffer)
        if found is None:
            return False
        self._take(found.end())
        self._set_delimiter(found[1])
        return True

    def _find_end(self) -> tuple[int, int]:
        """Where the statement at the buffer's beginning ends, and how long its delimiter is."""
        at, is_code = 0, False
        margin = max(len(self._delimiter), 3)
        while True:
            found = self._stop.search(self._buffer, at)
            if found is None or found.end() > len(self._buffer) - margin:  # a token may go on in what is not read yet
                at = max(at, len(self._buffer) - margin) if found is None else found.start()
                if self._fill():
                    continue
                if found is None:
                    return len(self._buffer), 0
            sign, start = found[0], found.start()
            if sign == self._delimiter:
                if not is_code:
                    return start, len(sign)
                at = found.end()
            elif sign in _STRINGS:
                at = self._match(_STRINGS[sign], start)
            elif sign == b"#" or (sign == b"--" and _DASHES.match(self._buffer, start)):
                at = self._find_line_end(start)
            elif sign == b"/*" and not _CODE.match(self._buffer, start):
                at = self._find(b"*/", start + 2, "a comment")
            else:
                is_code = sign == b"/*" or (is_code and sign != b"*/")
                at = found.end()

    def _find(self, sign: bytes, at: int, what: str) -> int:
        while (end := self._buffer.find(sign, at)) < 0:
            if not self._fill():
                raise self._cut_off(what)
        return end + len(sign)
