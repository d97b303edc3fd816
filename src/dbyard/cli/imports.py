"""import: a dump that was made elsewhere becomes the data of a database."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_fields, print_json, progress, progress_bar
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.client import Client
    from dbyard.wire import imports as wire

_POLL_SECONDS = 0.2
_TELL_SECONDS = 0.5
_ENDED = ("done", "error")
_NAMED = 5


@click.command("import")
@click.argument("database")
@click.option(
    "--from",
    "source",
    metavar="FILE|URI",
    required=True,
    help="The dump; `-` for standard input; the URI of a server to dump.",
)
@click.option("--replace", is_flag=True, help="Replace the data that are there; they are kept for a day.")
@click.option("--check", is_flag=True, help="Only read the dump and report on it.")
@click.option("--yes", is_flag=True, help="Do not ask before data are replaced.")
@click.option("--wait/--no-wait", default=True, help="Wait until the database has the data (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=86400, show_default=True, help="Seconds to wait.")
@json_option
def import_(
    database: str, source: str, replace: bool, check: bool, yes: bool, wait: bool, timeout: float, as_json: bool
) -> None:
    """Load a dump that was made elsewhere into a database.

    DATABASE is its name or its id. The dump is loaded into a server beside the database, as its own user; only when
    all of it is there the database gets those data, and where anything fails it stays as it was. `dbyard backup undo`
    puts back what was there before. The dump may be packed by gzip or zstd.

    A URI such as postgresql://me:secret@db.example.org/shop is dumped on this machine, by the technology's own tools.
    """
    with session() as client:
        found = client.get_database(database)
        _look_before(client, found.name, replace=replace, check=check, yes=yes)
        asked = _upload(client, found.name, source, replace=replace, check=check)
        ended = _await(client, found.name, asked, timeout) if wait or check else asked
    _print(ended, as_json)
    _judge(ended)


def _look_before(client: Client, name: str, *, replace: bool, check: bool, yes: bool) -> None:
    """What cannot be is said before anything is sent."""
    from dbyard.errors import Conflict

    content = {each: number for each, number in (client.list_imports(name).content or {}).items() if number}
    if check or not content:
        return
    some = ", ".join(f"{each} ({number})" for each, number in list(content.items())[:_NAMED])
    some += f" and {len(content) - _NAMED} more" if len(content) > _NAMED else ""
    if not replace:
        raise Conflict(f"{name} is not empty: it has {some}. --replace puts the dump in their place")
    if not yes:
        click.confirm(f"Replace {some} of {name} by the dump?", abort=True, err=True)


def _upload(client: Client, name: str, source: str, *, replace: bool, check: bool) -> wire.Import:
    from dbyard.cli.dump_source import open_dump

    details = client.get_details(name)
    try:
        with open_dump(source, details.type_name, details.readable_version) as dump:
            told = _told(dump.pieces, dump.size)
            return client.create_import(name, told, size=dump.size, replace=replace, check=check)
    except KeyboardInterrupt:
        click.echo(f"\nthe upload was broken off: {name} is as it was", err=True)
        raise


def _told(pieces: Iterable[bytes], total: int | None) -> Iterator[bytes]:
    """The pieces; on a terminal their progress."""
    from dbyard.wire import OperationProgress

    sent, tell_at = 0, 0.0
    live = sys.stderr.isatty()
    for piece in pieces:
        sent += len(piece)
        yield piece
        if live and time.monotonic() >= tell_at:
            tell_at = time.monotonic() + _TELL_SECONDS
            shown = progress_bar(OperationProgress(sent / 1e6, total / 1e6 if total else None, "MB"))
            click.echo(f"\r\x1b[Kuploading: {shown}", err=True, nl=False, color=True)
    if live:
        click.echo("\r\x1b[K", err=True, nl=False, color=True)


def _await(client: Client, name: str, asked: wire.Import, timeout: float) -> wire.Import:
    """The import once it has ended. Raises TimedOut."""
    from dbyard.errors import TimedOut

    deadline = time.monotonic() + timeout
    try:
        with progress(f"importing into {name}") as report:
            while (now := client.get_import(name, asked.id)).status not in _ENDED:
                for each in client.list_operations(name):
                    if each.kind in ("import", "switch") and each.finished_at is None:
                        report(each)
                if time.monotonic() > deadline:
                    raise TimedOut(f"the dump is not imported after {timeout:g} s; the platform continues")
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        click.echo(
            f"\nthe platform continues: `dbyard operations {name}` shows how far it is, and"
            f" `dbyard cancel {name} {asked.id}` ends it",
            err=True,
        )
        raise
    return now


def _judge(ended: wire.Import) -> None:
    from dbyard.errors import PermanentError

    if ended.status == "error":
        raise PermanentError(f"the import failed, and the database is as it was: {ended.error}", code="import_failed")
    if ended.check and ended.report is not None and ended.report.refused:
        raise PermanentError("the dump cannot be loaded as it is", code="import_refused")


def _print(found: wire.Import, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from rich.filesize import decimal

    report = found.report
    shown = [("import", found.id), ("status", found.status), ("sent", decimal(found.size))]
    if report is not None:
        shown += [
            ("form", report.form),
            ("source", report.source or "-"),
            ("written by", report.program or "-"),
            ("unpacked", decimal(report.size)),
            *(("database", each) for each in report.databases),
            *(("owner", f"{each}: becomes the database's user") for each in report.owners),
            *(("extension", f"{each}: {'given' if given else 'missing'}") for each, given in report.extensions.items()),
            *(("replaced", f"{each} by {other}") for each, other in report.replaced.items()),
            *(("left out", f"{each} ({number})") for each, number in report.left_out.items()),
            *(("refused", each) for each in report.refused),
        ]
    shown += [("loaded", f"{name}: {number}") for name, number in found.counts.items()]
    print_fields(shown)
