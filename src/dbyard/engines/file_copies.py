"""Backups that are a running server's own files as they are at one moment, as a tar: what a kill would leave.

InfluxDB and Elasticsearch have in common that they write each file once, beside their logs.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from dbyard.model import DataAccess, File, Layout, Tool

_WRITE_COPY = "write_copy.py"


def render_copy(layout: Layout, patterns: tuple[str, ...], growing: str, changing: str = "") -> Tool:
    """What writes a copy to its standard output: see the program. Pure."""
    argv = ("/usr/bin/python3", "-I", _WRITE_COPY, str(layout.data), growing, changing, *patterns)
    return Tool(argv, data=DataAccess.READ, files=(File(Path(_WRITE_COPY), _script()),))


def render_unpacking(layout: Layout) -> Tool:
    """What reads a copy from its standard input. Pure."""
    argv = ("tar", "--extract", "--no-same-owner", "--directory", str(layout.data))
    return Tool(argv, data=DataAccess.WRITE)


@cache
def _script() -> str:
    return files("dbyard.engines").joinpath("scripts", _WRITE_COPY).read_text(encoding="utf-8")
