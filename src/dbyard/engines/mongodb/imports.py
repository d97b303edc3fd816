"""Imports of archives: a job's program that loads one as the tenant."""

from __future__ import annotations

from dbyard.engines import dumps
from dbyard.model import Credentials, Layout, Plan, Tool

IMPORTS_FILES = False


def render_import(layout: Layout, credentials: Credentials, plan: Plan, most: int, *, load: bool) -> Tool:
    return dumps.render("dbyard.engines.mongodb.load_dump", layout, credentials, plan, most, load=load)
