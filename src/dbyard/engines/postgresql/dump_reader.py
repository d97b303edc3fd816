"""Statements of a script of PostgreSQL and the rows between them, read as a stream.

What is read as a statement is sent as one; where psql would read it otherwise, the server finds an error in it. So no
text of a dump is ever a command of a client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbyard.engines.dump_text import DumpText
from dbyard.engines.dumps import Refused

_SPACE = re.compile(rb"[\s;]*+")
_STOP = re.compile(rb"['\"$\-/;()\\]")
_STOP_IN_BODY = re.compile(rb"['\"$\-/;()\\]|(?<![\w$\x80-\xff])(?i:BEGIN|CASE|END)(?![\w$\x80-\xff])")
_STRING = re.compile(rb"'(?:[^']++|'')*+'")
_ESCAPED = re.compile(rb"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)
_NAME = re.compile(rb'"(?:[^"]++|"")*+"')
_DOLLAR = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*+)?\$")
_IN_WORD = re.compile(rb"[\w$\x80-\xff]")
_ROUTINE = re.compile(rb"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_COPY = re.compile(rb"\s*COPY\b(?:[^'\"]|'[^']*'|\"[^\"]*\")*\bFROM\s+STDIN\b", re.IGNORECASE)
_END = re.compile(rb"^\\\.\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without its semicolon, or a command of psql; rows follow it where it `copies`."""

    line: int
    text: bytes
    copies: bool = False

    @property
    def is_command(self) -> bool:
        return self.text.startswith(b"\\")


class Reader(DumpText):
    """`comment` is called with each line of a comment between statements."""

    def __init__(self, read: Callable[[], bytes], comment: Callable[[bytes], None]) -> None:
        super().__init__(read, comment)
        self.standard_strings = True
        """Whether a backslash in a plain string stands for itself: the server says."""

    def statements(self) -> Iterator[Statement]:
        """All of it; where a statement copies, `rows` has to be read before the next one."""
        while self._skip():
            line = self._line
            text = self._take(self._find_line_end() if self._buffer.startswith(b"\\") else self._find_end())
            copies = _COPY.match(text) is not None
            if copies:
                self._take(self._find_line_end())
            yield Statement(line, text.rstrip(b" \t\r\n").removesuffix(b";"), copies)

    def rows(self) -> Iterator[bytes]:
        """The rows that follow, as they are."""
        start = self._line
        while True:
            found = _END.search(self._buffer)
            if found and (found.end() < len(self._buffer) or not self._fill_rows()):
                if found.start():
                    yield self._take(found.start())
                self._take(min(len(self._buffer), found.end() - found.start() + 1))
                return
            if found:
                continue
            whole = self._buffer.rfind(b"\n") + 1
            if whole:
                yield self._take(whole)
            if not self._fill_rows():
                raise Refused(f"it is cut off: the rows that begin at line {start} have no end")

    def _skip(self) -> bool:
        """Go to the next statement; False where there is none."""
        while True:
            space = _SPACE.match(self._buffer)
            if space and space.end():
                self._take(space.end())
            if len(self._buffer) < 2 and self._fill():
                continue
            if self._buffer.startswith(b"--"):
                self._comment(self._take(self._find_line_end()).rstrip())
            elif self._buffer.startswith(b"/*"):
                self._take(self._find_comment_end(0))
            else:
                return bool(self._buffer)

    def _find_end(self) -> int:
        """Where the statement at the buffer's beginning ends, behind its semicolon."""
        at, depth, blocks = 0, 0, 0
        stop = _STOP_IN_BODY if _ROUTINE.match(self._first(200)) else _STOP
        while True:
            found = stop.search(self._buffer, at)
            if found is None or found.end() == len(self._buffer):  # a token may go on in what is not read yet
                at = max(at, len(self._buffer) - 8) if found is None else found.start()
                if self._fill():
                    continue
                if found is None:
                    return len(self._buffer)
            sign = found[0].upper()
            if sign == b";" and depth <= 0 and blocks <= 0:
                return found.end()
            depth += (sign == b"(") - (sign == b")")
            if sign in (b"BEGIN", b"CASE", b"END"):
                blocks += -1 if sign == b"END" else 1 if blocks or sign == b"BEGIN" else 0
            at = self._find_token_end(found.start())

    def _find_token_end(self, start: int) -> int:
        sign = self._buffer[start : start + 1]
        if sign == b"'":
            is_escaped = not self.standard_strings or self._is_escape(start)
            return self._match(_ESCAPED if is_escaped else _STRING, start)
        if sign == b'"':
            return self._match(_NAME, start)
        if sign == b"$":
            return self._find_dollar_end(start)
        if self._buffer[start : start + 2] == b"--":
            return self._find_line_end(start)
        if self._buffer[start : start + 2] == b"/*":
            return self._find_comment_end(start)
        return start + 1

    def _is_escape(self, start: int) -> bool:
        before = self._buffer[max(0, start - 2) : start]
        return before[-1:] in (b"e", b"E") and not _IN_WORD.match(before[:-1])

    def _find_dollar_end(self, start: int) -> int:
        if start and _IN_WORD.match(self._buffer, start - 1):
            return start + 1
        while not (opening := _DOLLAR.match(self._buffer, start)):
            if len(self._buffer) - start > 80 or not self._fill():
                return start + 1
        at = opening.end()
        while (end := self._buffer.find(opening[0], at)) < 0:
            at = max(at, len(self._buffer) - len(opening[0]))
            if not self._fill():
                raise self._cut_off("a string")
        return end + len(opening[0])

    def _find_comment_end(self, start: int) -> int:
        """Comments nest."""
        at, depth = start, 0
        while True:
            opened, closed = self._buffer.find(b"/*", at), self._buffer.find(b"*/", at)
            if closed < 0:
                if not self._fill():
                    raise self._cut_off("a comment")
            elif 0 <= opened < closed:
                at, depth = opened + 2, depth + 1
            else:
                at, depth = closed + 2, depth - 1
                if depth <= 0:
                    return at

    def _first(self, size: int) -> bytes:
        while len(self._buffer) < size and self._fill():
            pass
        return self._buffer[:size]
