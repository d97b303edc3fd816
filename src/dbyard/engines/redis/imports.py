"""Imports of snapshots: a job's program that puts one where a server finds it at its first start."""

from __future__ import annotations

from dbyard.engines import dumps
from dbyard.model import Credentials, Layout, Plan, Tool

IMPORTS_FILES = True


def render_import(layout: Layout, credentials: Credentials, plan: Plan, most: int, *, load: bool) -> Tool:
    return dumps.render("dbyard.engines.redis.load_dump", layout, credentials, plan, most, load=load, files=True)
