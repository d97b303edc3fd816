#!/usr/bin/env python
"""Writes the tables of docs/technologies.md from the catalogue; with --check only says whether that is done."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from dbyard import catalogue
from dbyard.model import Plan, Technology, Version

PAGE = Path(__file__).parent.parent / "docs" / "technologies.md"


def main() -> None:
    page = PAGE.read_text()
    technologies = list(catalogue.load().technologies.values())
    written = page
    for header, rows in (("server", servers(technologies)), ("plans", plans(catalogue.load().all))):
        lines = (f"| {' | '.join(row)} |\n" for row in rows)
        written = replace_rows(written, f"| technology | {header} |", "".join(lines))
    if "--check" in sys.argv and written != page:
        sys.exit(f"{PAGE.name} is not what the catalogue says: run `make docs`")
    if written != page:
        PAGE.write_text(written)


def replace_rows(page: str, header: str, rows: str) -> str:
    """The page with other rows below that header and the line under it."""
    found = re.search(rf"^{re.escape(header)}.*\n\|[-|]+\|\n", page, re.MULTILINE)
    if found is None:
        sys.exit(f"{PAGE.name} has no table that begins with {header!r}")
    rest = re.sub(r"\A(\|.*\n)*", "", page[found.end() :])
    return page[: found.end()] + rows + rest


def servers(technologies: list[Technology]) -> Iterator[tuple[str, ...]]:
    for technology in technologies:
        for version in technology.versions:
            name = f"`{technology.slug}` {version.version}{note(version)}"
            yield name, version.server, version.licence, version.works_with or "–", version.lacks or "–"


def note(version: Version) -> str:
    if version.default:
        return " (default)"
    return " (on request)" if version.on_request else ""


def plans(technologies: list[Technology]) -> Iterator[tuple[str, ...]]:
    for technology in technologies:
        first, last = (end(technology.plans, key=lambda plan: plan.memory_mb) for end in (min, max))
        yield (
            f"`{technology.slug}`",
            f"`{first.name}` … `{last.name}`",
            both(first, last, lambda plan: size(plan.memory_mb)),
            f"{technology.overhead_mb} MB",
            f"{technology.minimum_mb} MB",
            both(first, last, lambda plan: size(plan.disk_mb)),
            both(first, last, lambda plan: str(plan.connections)),
            both(first, last, lambda plan: f"{plan.cpu:g}"),
        )


def both(first: Plan, last: Plan, show: Callable[[Plan], str]) -> str:
    return f"{show(first)} … {show(last)}"


def size(megabytes: int) -> str:
    return f"{megabytes // 1024} GB" if megabytes >= 1024 else f"{megabytes} MB"


if __name__ == "__main__":
    main()
