"""What becomes of each statement of a dump: most stay as they are, as `pg_restore --no-owner --no-privileges` has them.

A statement is looked at by how it begins, never at what stands in its strings.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from dbyard.engines.dumps import Findings, Refused, quote
from dbyard.engines.postgresql.dump_reader import Statement

_NAME = r'("(?:[^"]|"")*"|[\w$.-]+)'
_VALUE = r"(?:'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"|([\w$.-]+))"


@dataclass(frozen=True, slots=True)
class Here:
    """What the server has that the dump is for. `extensions` are those that its tenant may make."""

    version: int
    settings: Collection[str]
    extensions: Collection[str]


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


_OWNER = _rule(rf"ALTER (?!DATABASE).*\bOWNER TO {_NAME}\s*$")
_AUTHORIZATION = _rule(rf"SET (?:SESSION AUTHORIZATION|ROLE) {_VALUE}")
_DATABASE = _rule(rf"CREATE DATABASE {_NAME}")
_EXTENSION = _rule(rf"CREATE EXTENSION (?:IF NOT EXISTS )?{_NAME}(?: WITH)?(?: SCHEMA {_NAME})?")
_SCHEMA = _rule(rf"CREATE SCHEMA (?!IF NOT EXISTS){_NAME}(?: AUTHORIZATION {_NAME})?\s*$")
_ROLE = _rule(rf"CREATE (?:ROLE|USER|GROUP) {_NAME}")
_SET = _rule(rf"SET (?:SESSION |LOCAL )?([\w.]+)\s*(?:=|TO\b)\s*{_VALUE}?")
_CONNECT = re.compile(r"\\(?:connect|c)\s+(?:-\S+\s+)*(?:\"?dbname='?)?[\"']?([^\"'\s]*)")
_NOBODYS = _rule(
    "(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES|SECURITY LABEL|COMMENT ON EXTENSION|ALTER EXTENSION|ALTER DATABASE"
    "|DROP DATABASE|COMMENT ON DATABASE|ALTER ROLE|ALTER USER|DROP ROLE|DROP USER|COMMENT ON ROLE"
    "|(?:CREATE|ALTER|COMMENT ON|DROP) EVENT TRIGGER|(?:CREATE|ALTER|COMMENT ON|DROP) SUBSCRIPTION"
    r"|CREATE (?:OR REPLACE )?(?:TRUSTED )?(?:PROCEDURAL )?LANGUAGE \"?plpgsql\"?|ALTER SYSTEM)\b"
)
_TABLESPACE = _rule(r"(?:CREATE|ALTER|DROP) TABLESPACE\b")
_FROM_FILE = _rule(r"COPY\b.*\b(?:FROM|TO) (?:PROGRAM|')")
_NO_TABLESPACES = "it wants tablespaces, which databases here do not have: dump it once more with --no-tablespaces"


class Rules:
    """Applies them; what it finds goes into `findings`."""

    def __init__(self, here: Here, findings: Findings) -> None:
        self._here, self._findings = here, findings
        self._database: str | None = None

    def note(self, comment: bytes) -> None:
        """Who wrote the dump, and of which server it is."""
        text = comment.decode("utf-8", "replace")
        if found := re.match(r"--\s+Dumped from database version (.+)", text):
            self._findings.source = self._findings.source or f"PostgreSQL {found[1]}"
        elif found := re.match(r"--\s+Dumped by (.+)", text):
            self._findings.program = self._findings.program or found[1]

    def apply(self, statement: Statement) -> bytes | None:
        """What is sent to the server in its place; None for nothing. Raises Refused."""
        if statement.is_command:
            self._obey(statement)
            return None
        text = statement.text[:2000].decode("utf-8", "replace").strip()
        first = text[:12].upper()
        if not first.startswith(("ALTER", "SET", "CREATE", "GRANT", "REVOKE", "SECURITY", "COMMENT", "DROP", "COPY")):
            return statement.text
        return self._look(statement, text, first)

    def _look(self, statement: Statement, text: str, first: str) -> bytes | None:
        if found := _OWNER.match(text) if len(statement.text) <= 2000 else None:
            self._findings.owners[_plain(found[1])] = None
            return self._leave_out("ALTER … OWNER TO")
        if found := _NOBODYS.match(text):
            return self._leave_out(" ".join(found[1].upper().split()))
        if _TABLESPACE.match(text):
            return self._refuse(_NO_TABLESPACES)
        if first.startswith("COPY") and not statement.copies and _FROM_FILE.match(text):
            return self._refuse(
                f"line {statement.line}: it reads a file or a program of its server: {quote(statement.text)}"
            )
        if first.startswith("SET"):
            return self._set(statement, text)
        if first.startswith("CREATE"):
            return self._create(statement, text)
        return statement.text

    def _set(self, statement: Statement, text: str) -> bytes | None:
        if found := _AUTHORIZATION.match(text):
            name = found[1] or found[2] or found[3]
            if name.upper() not in ("DEFAULT", "NONE"):
                self._findings.owners[name] = None
            return self._leave_out("SET ROLE")
        found = _SET.match(text)
        if found is None:
            return statement.text
        name = found[1].lower()
        if name == "default_tablespace" and (found[2] or found[3] or found[4]):
            return self._refuse(_NO_TABLESPACES)
        if "." not in name and name not in self._here.settings and name not in ("names", "transaction", "session"):
            return self._leave_out(f"SET {name}")
        return statement.text

    def _create(self, statement: Statement, text: str) -> bytes | None:
        if found := _DATABASE.match(text):
            self._findings.databases[_plain(found[1])] = None
            return self._leave_out("CREATE DATABASE")
        if found := _ROLE.match(text):
            self._findings.owners[_plain(found[1])] = None
            return self._leave_out("CREATE ROLE")
        if found := _EXTENSION.match(text):
            return self._make_extension(found)
        if found := _SCHEMA.match(text):
            return f"CREATE SCHEMA IF NOT EXISTS {found[1]}".encode()
        return statement.text

    def _make_extension(self, found: re.Match[str]) -> bytes | None:
        name = _plain(found[1])
        is_given = name in self._here.extensions
        self._findings.extensions[name] = is_given
        if not is_given:
            return self._refuse(
                f"it needs the extension {name}, which the server here does not give:"
                f" drop it there, or dump without it (pg_dump --extension names those that are wanted)"
            )
        schema = f" SCHEMA {found[2]}" if found[2] else ""
        return f"CREATE EXTENSION IF NOT EXISTS {found[1]}{schema}".encode()

    def _obey(self, statement: Statement) -> None:
        """Of psql's commands only that goes unsaid which means nothing here."""
        text = statement.text.decode("utf-8", "replace")
        word = text.split(None, 1)[0]
        if found := _CONNECT.match(text):
            if self._database not in (None, found[1]) and found[1] not in ("", "-"):
                raise Refused(
                    f"line {statement.line}: it holds several databases, {self._database} and {found[1]}:"
                    " dump one by pg_dump"
                )
            self._database = found[1]
            self._findings.databases[found[1]] = None
        elif word not in ("\\restrict", "\\unrestrict", "\\encoding"):
            raise Refused(
                f"line {statement.line}: psql's command {quote(statement.text)} is not obeyed here: take it out"
            )

    def _leave_out(self, what: str) -> bytes | None:
        self._findings.leave_out(what)
        return None

    def _refuse(self, reason: str) -> bytes | None:
        self._findings.refused[reason] = None
        return None


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.rpartition(".")[2].lower()
