"""The output of commands: tables, JSON, and the progress of a wait."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dbyard import wire

Row = Sequence[str]

_BAR_WIDTH = 20

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API has it.")


def print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(headers: Row, rows: Sequence[Row]) -> None:
    """On a terminal folded to its width; otherwise one whole line per row."""
    if sys.stdout.isatty():
        _print_rich(headers, rows)
    else:
        _print_plain(headers, rows)


def print_fields(fields: Sequence[Row]) -> None:
    """Names and values below each other."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        click.echo(f"{name:<{width}}  {value}")


def when(moment: datetime | None) -> str:
    """A date for display, in UTC so that it can be compared with a log."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if moment else "-"


def exactly(moment: datetime) -> str:
    """A date as commands take it, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def progress(what: str) -> Iterator[Callable[[wire.Operation], None]]:
    """Reports the active operation on stderr: one updated line on a terminal, otherwise a line per change."""
    line = _Progress(what, live=sys.stderr.isatty())
    try:
        yield line.report
    finally:
        line.clear()


class _Progress:
    def __init__(self, what: str, *, live: bool) -> None:
        self._what = what
        self._live = live
        self._begun = time.monotonic()
        self._last = ""

    def report(self, operation: wire.Operation) -> None:
        words = _describe(operation)
        line = f"{self._what}: {words} ({time.monotonic() - self._begun:.1f} s)"
        if self._live:
            click.echo(f"\r\x1b[K{line}", err=True, nl=False, color=True)
        elif words != self._last:
            click.echo(line, err=True)
        self._last = words

    def clear(self) -> None:
        if self._live and self._last:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)


def progress_bar(progress: wire.OperationProgress) -> str:
    """For example `[#####               ]  25 % (250 of 1,000 MB)`, or `250 MB` while the total is unknown."""
    done, unit = f"{progress.done:,.0f}", f" {progress.unit}" if progress.unit else ""
    if not progress.total:
        return f"{done}{unit}"
    share = min(1.0, max(0.0, progress.done / progress.total))
    bar = "#" * round(share * _BAR_WIDTH)
    return f"[{bar:<{_BAR_WIDTH}}] {share:4.0%} ({done} of {progress.total:,.0f}{unit})".replace("%", " %")


def _describe(operation: wire.Operation) -> str:
    words = f"{operation.kind}, {operation.step}"
    if operation.progress is not None:
        words += f" {progress_bar(operation.progress)}"
    if operation.attempt > 1:
        words += f", attempt {operation.attempt}"
    failed = operation.steps and operation.steps[-1].step == operation.step and operation.steps[-1].outcome != "done"
    return f"{words} after: {operation.steps[-1].message}" if failed else words


def _print_plain(headers: Row, rows: Sequence[Row]) -> None:
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in (headers, *rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _print_rich(headers: Row, rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
