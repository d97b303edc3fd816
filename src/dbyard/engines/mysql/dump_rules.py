"""What becomes of each statement of a dump. Rows stay as they are; of other statements only what stands outside of
strings is changed: definers, the name of the database, and what the server here lacks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dbyard.engines.dumps import Findings, Refused, quote
from dbyard.engines.mysql.dump_reader import Statement

_MARK = rb"(?:\s|/\*M?!\d*|\*/)*+"
_NAME = rb"(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|[\w$.%-]+)"
_USER = rb"(?:CURRENT_(?:USER|ROLE)(?:\s*\(\s*\))?|" + _NAME + rb"(?:\s*@\s*" + _NAME + rb")?)"
_DEFINER = re.compile(
    _MARK
    + rb"(?:CREATE|ALTER)\b(?:"
    + _MARK
    + rb"(?:OR\b|REPLACE\b|AGGREGATE\b|TEMPORARY\b|ALGORITHM"
    + _MARK
    + rb"="
    + _MARK
    + rb"\w+))*+"
    + _MARK
    + rb"(DEFINER\s*=\s*("
    + _USER
    + rb"))",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    rb"'(?:[^'\\]++|\\.|'')*+'|\"(?:[^\"\\]++|\\.|\"\")*+\"|`(?:[^`]++|``)*+`|--\s[^\n]*+|#[^\n]*+|/\*(?!M?!).*?\*/"
    rb"|[\w$\x80-\xff]++|\s++|.",
    re.DOTALL,
)
_ROWS = re.compile(_MARK + rb"(?:INSERT|REPLACE)\b", re.IGNORECASE)
_INTO = re.compile(
    _MARK + rb"(?:INSERT|REPLACE)\b[^`'\"(]{0,60}?\bINTO\s+(`(?:[^`]|``)*`|[\w$]+)\s*\.\s*", re.IGNORECASE
)
_HEAD = re.compile(_MARK)
_DATABASE = re.compile(
    r"(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA)\s+(?:/\*!\d*\s*)?(?:IF\s+(?:NOT\s+)?EXISTS\s*)?(?:\*/\s*)?(`(?:[^`]|``)*`|[\w$]+)",
    re.IGNORECASE,
)
_USE = re.compile(r"USE\s+(`(?:[^`]|``)*`|[\w$-]+)\s*$", re.IGNORECASE)
_NOBODYS = re.compile(
    r"(GRANT|REVOKE|FLUSH|SET\s+(?:GLOBAL|PERSIST|PERSIST_ONLY|PASSWORD|ROLE|DEFAULT\s+ROLE)\b"
    r"|(?:CREATE|ALTER|DROP|RENAME)\s+(?:USER|ROLE)\b|RESET\b|CHANGE\s+(?:MASTER|REPLICATION)\b|PURGE\b"
    r"|(?:INSTALL|UNINSTALL)\b)",
    re.IGNORECASE,
)
_PRIVILEGED_SET = re.compile(
    r"SET\s+(?:@@GLOBAL\s*\.\s*\w+|@@(?:SESSION\s*\.\s*)?SQL_LOG_BIN\b|(?:SESSION\s+)?SQL_LOG_BIN\b)", re.IGNORECASE
)
_LOG_BIN = re.compile(r"SET\s+@MYSQLDUMP_TEMP_LOG_BIN\s*=", re.IGNORECASE)
_SQL_MODE = re.compile(
    rb"(SET\s+(?:SESSION\s+|@@(?:SESSION\.)?)?[^']*?SQL_MODE\s*=\s*)'([A-Za-z_,\d ]*)'", re.IGNORECASE
)
_TABLESPACE = re.compile(r"(?:CREATE|ALTER|DROP)\s+(?:UNDO\s+)?(?:TABLESPACE|LOGFILE\s+GROUP|SERVER)\b", re.IGNORECASE)
_LOADS_FILE = re.compile(r"LOAD\s+(?:DATA|XML)\b", re.IGNORECASE)
_CLIENTS = re.compile(r"(?:\\[!.\w]|(?:source|system|tee|pager|edit)\s+\S)", re.IGNORECASE)
_BEFORE_TABLE = frozenset(
    {b"FROM", b"JOIN", b"INTO", b"UPDATE", b"TABLE", b"TABLES", b"VIEW", b"TRIGGER", b"PROCEDURE", b"FUNCTION"}
    | {b"EVENT", b"EXISTS", b"REFERENCES", b"CALL"}
)
_SYSTEM = ("mysql", "sys", "performance_schema", "information_schema")
_MYSQLS_MODES = frozenset(
    [
        "ALLOW_INVALID_DATES",
        "ANSI",
        "ANSI_QUOTES",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "HIGH_NOT_PRECEDENCE",
        "IGNORE_SPACE",
        "NO_AUTO_VALUE_ON_ZERO",
        "NO_BACKSLASH_ESCAPES",
        "NO_DIR_IN_CREATE",
        "NO_ENGINE_SUBSTITUTION",
        "NO_UNSIGNED_SUBTRACTION",
        "NO_ZERO_DATE",
        "NO_ZERO_IN_DATE",
        "ONLY_FULL_GROUP_BY",
        "PAD_CHAR_TO_FULL_LENGTH",
        "PIPES_AS_CONCAT",
        "REAL_AS_FLOAT",
        "STRICT_ALL_TABLES",
        "STRICT_TRANS_TABLES",
        "TIME_TRUNCATE_FRACTIONAL",
        "TRADITIONAL",
    ]
)


@dataclass(frozen=True, slots=True)
class Here:
    """What the server has that the dump is for; names are in lower case."""

    is_mariadb: bool
    database: str
    collations: Collection[str]
    engines: Collection[str]


class Rules:
    """Applies them; what it finds goes into `findings`."""

    def __init__(self, here: Here, findings: Findings) -> None:
        self._here, self._findings = here, findings
        self._database: str | None = None

    def note(self, comment: bytes) -> None:
        """Who wrote the dump, and of which server and database it is."""
        text = comment.decode("utf-8", "replace").strip()
        if found := re.match(r"-- ((?:MySQL|MariaDB|mysqldump|phpMyAdmin)\b.*)", text):
            self._findings.program = self._findings.program or found[1]
        elif found := re.match(r"-- (?:Server version:?)\s+(.+)", text):
            self._findings.source = self._findings.source or found[1]
        elif found := re.match(r"-- Host: .*\bDatabase: (\S+)", text):
            self._is_in(found[1], 0)

    def apply(self, statement: Statement) -> bytes | None:
        """What is sent to the server in its place; None for nothing. Raises Refused."""
        if _ROWS.match(statement.text):
            return self._rename_rows(statement.text)
        head = _HEAD.match(statement.text)
        text = statement.text[head.end() if head else 0 :][:400].decode("utf-8", "replace")
        if not text:  # comments alone
            return None
        if _CLIENTS.match(text):
            raise Refused(
                f"line {statement.line}: the client's command {quote(statement.text)} is not obeyed here: take it out"
            )
        if found := _DATABASE.match(text) or _USE.match(text):
            self._is_in(_plain(found[1]), statement.line)
            return None
        if _LOG_BIN.match(text):
            return None
        if found := _NOBODYS.match(text) or _PRIVILEGED_SET.match(text):
            self._findings.leave_out(" ".join(found[0].upper().split()))
            return None
        if _TABLESPACE.match(text) or _LOADS_FILE.match(text):
            self._findings.refused[
                f"line {statement.line}: it wants a file of a server or of a client, which there is none of here:"
                f" {quote(statement.text)}"
            ] = None
            return None
        return self._rewrite(statement.text)

    def _is_in(self, name: str, line: int) -> None:
        """A dump is of one database, whose name is of no matter."""
        if name.lower() in _SYSTEM or (self._database is not None and name != self._database):
            raise Refused(
                f"line {line}: it holds several databases, {self._database or 'those of the server itself'} and {name}:"
                " dump one, without --all-databases and --databases"
            )
        self._database = name
        self._findings.databases[name] = None

    def _rename_rows(self, text: bytes) -> bytes:
        found = _INTO.match(text)
        if found and self._is_own(found[1]):
            return text[: found.start(1)] + text[found.end() :]
        return text

    def _is_own(self, name: bytes) -> bool:
        return self._database is not None and _plain(name.decode("utf-8", "replace")) == self._database

    def _rewrite(self, text: bytes) -> bytes:
        if found := _DEFINER.match(text):
            owner = re.sub(r"[`'\"]", "", found[2].decode("utf-8", "replace"))
            if not owner.upper().startswith("CURRENT_"):
                self._findings.owners[owner] = None
            text = text[: found.start(1)] + text[found.end(1) :]
        if b"mode" in text[:200].lower():
            text = _SQL_MODE.sub(lambda found: found[1] + b"'" + self._known_modes(found[2]) + b"'", text)
        tokens: list[bytes] = _TOKEN.findall(text)
        significant = [number for number, token in enumerate(tokens) if not token.isspace()]
        for place, number in enumerate(significant):
            before = [tokens[each] for each in significant[max(0, place - 3) : place]]
            self._replace(tokens, number, before, [tokens[each] for each in significant[place + 1 : place + 4]])
        return b"".join(tokens)

    def _replace(self, tokens: list[bytes], number: int, before: Sequence[bytes], after: Sequence[bytes]) -> None:
        token = tokens[number]
        words = [each.upper() for each in before if each != b"="]
        last = words[-1] if words else b""
        if last == b"COLLATE" or last.startswith(b"COLLATION_"):
            tokens[number] = self._known_collation(token)
        elif (
            last == b"ENGINE"
            and before[-1:] == [b"="]
            and token.lower().decode("utf-8", "replace") not in self._here.engines
        ):
            self._findings.replaced[f"ENGINE={token.decode('utf-8', 'replace')}"] = "InnoDB"
            tokens[number] = b"InnoDB"
        elif after[:1] == [b"."] and before[-1:] != [b"."] and self._is_own(token):
            is_in_brackets = last == b"(" and len(words) > 1 and words[-2] in _BEFORE_TABLE
            has_three = after[2:3] in ([b"."], [b"("])
            if last in _BEFORE_TABLE or is_in_brackets or has_three:
                tokens[number] = b"`" + self._here.database.replace("`", "``").encode() + b"`"

    def _known_modes(self, modes: bytes) -> bytes:
        known = []
        for each in modes.decode().split(","):
            name = each.strip().upper()
            is_known = name != "TIME_TRUNCATE_FRACTIONAL" if self._here.is_mariadb else name in _MYSQLS_MODES
            if is_known or not name:
                known.append(each)
            else:
                self._findings.leave_out(f"SQL_MODE {name}")
        return ",".join(known).encode()

    def _known_collation(self, token: bytes) -> bytes:
        name = token.strip(b"'\"`").decode("utf-8", "replace")
        if name.lower() in self._here.collations:
            return token
        found = next((each for each in like(name.lower()) if each in self._here.collations), None)
        if found is None:
            return token
        self._findings.replaced[name] = found
        return found.encode()


def like(collation: str) -> list[str]:
    """Collations that sort much as this one does, the nearest first. Pure."""
    if found := re.fullmatch(r"utf8mb4_(?:\w+?_)?0900_(\w+)", collation):  # MySQL's, which count spaces at the end
        rest = found[1]
        nearest = "utf8mb4_nopad_bin" if rest == "bin" else f"utf8mb4_uca1400_nopad_{rest}"
        return [nearest, "utf8mb4_unicode_520_nopad_ci", "utf8mb4_unicode_ci"]
    if found := re.fullmatch(
        r"(?:(utf8mb[34])_)?uca1400_(?:\w+?_)??(?:nopad_)?(a[is])_(c[is])", collation
    ):  # MariaDB's
        if found[1] == "utf8mb3":
            return ["utf8mb3_unicode_ci"]
        return ["utf8mb4_0900_as_cs"] if found[3] == "cs" else [f"utf8mb4_0900_{found[2]}_ci"]
    if "nopad_" in collation:
        return [collation.replace("nopad_", "")]
    if found := re.fullmatch(r"(utf8mb[34]|utf8)_\w+_ci", collation):
        return [f"{found[1]}_unicode_ci"]
    return []


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name
