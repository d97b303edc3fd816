"""Rules of the tree that no single module can hold: sizes, and that the docs know every command, route and setting."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from dbyard import catalogue, engines
from dbyard.__main__ import COMMANDS
from dbyard.config import Config
from dbyard.model import Technology
from dbyard.web.app import list_routes

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


class TestSizes:
    @pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_no_file_passes_400_lines(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= 400

    def test_functions_are_short(self) -> None:
        sizes = dict(found for path in SOURCES for found in functions(path))
        assert {name: size for name, size in sizes.items() if size > 60} == {}
        assert statistics.median(sizes.values()) <= 9

    def test_every_module_says_what_it_is(self) -> None:
        texts = {path: path.read_text() for path in SOURCES}
        assert [path for path, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))] == []


class TestEngines:
    @pytest.mark.parametrize("technology", catalogue.load().technologies.values(), ids=lambda each: each.slug)
    def test_every_technology_has_one(self, technology: Technology) -> None:
        assert technology.engine == engines.load(technology.engine).TECHNOLOGY


class TestEvents:
    def test_every_use_case_that_writes_tells_it(self) -> None:
        """But for the notes that a token is in use and that an object is damaged, which are no deeds."""
        silent = set()
        for path in (ROOT / "src" / "dbyard" / "service").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                words = ast.unparse(node) if isinstance(node, ast.FunctionDef) else ""
                if "store.tx(" in words and "record(connection" not in words:
                    silent.add(f"{path.stem}: {words.partition('(')[0]}")
        assert silent == {"authentication: def touch", "backups: def _note_damaged"}


class TestDocs:
    def test_know_every_setting(self) -> None:
        names = {f"DBYARD_{field.name.upper()}" for field in fields(Config)}
        assert {name for name in names if name not in DOCS} == set()

    def test_know_every_route(self) -> None:
        paths = {route.path for route in list_routes(catalogue.load())}
        assert {path for path in paths if path not in DOCS} == set()

    def test_know_what_really_answers(self) -> None:
        checked = subprocess.run(
            [sys.executable, ROOT / "scripts" / "tables.py", "--check"], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr

    def test_know_every_command(self) -> None:
        commands = {name for section in COMMANDS.values() for name in section}
        assert {name for name in commands if f"dbyard {name}" not in DOCS} == set()
