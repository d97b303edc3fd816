"""backup create, list, show, verify, window, restore, undo, download, delete; fork."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from dbyard.cli.databases import wait_usable
from dbyard.cli.output import exactly, json_option, print_fields, print_json, print_table, progress, when
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.client import Client
    from dbyard.wire import Database
    from dbyard.wire import backups as wire

_POLL_SECONDS = 0.2
_MADE, _PROVED = ("done", "error"), ("verified", "failed")


@click.group()
def backup() -> None:
    """Create, list, prove, restore, download and delete backups of a database."""


@backup.command()
@click.argument("database")
@click.option("--wait/--no-wait", default=True, help="Wait until it is made and proved (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, help="Seconds to wait.")
@json_option
def create(database: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Back a database up, and prove the backup by restoring it.

    DATABASE is its name or its id. If the wait is interrupted the platform continues.
    """
    with session() as client:
        made = client.create_backup(client.get_database(database).id)
        if wait:
            made = _await_proof(client, made, timeout)
    _print(made, as_json)


@backup.command("list")
@click.argument("database", required=False)
@click.option("--deleted", is_flag=True, help="List the backups of databases that are deleted.")
@json_option
def list_(database: str | None, deleted: bool, as_json: bool) -> None:
    """List the backups of a database, newest first.

    With --deleted those of databases that are deleted, all or only of those that had the name or the id DATABASE:
    `dbyard fork --deleted` makes a new database of one.
    """
    if deleted:
        _list_deleted(database, as_json)
        return
    if database is None:
        raise click.UsageError("name a database, or use --deleted")
    with session() as client:
        found = client.list_backups(client.get_database(database).id)
    if as_json:
        print_json(found)
    else:
        print_table(("ID", "CREATED", "METHOD", "STATUS", "SIZE", "STORED", "PROOF"), [_row(each) for each in found])


@backup.command()
@click.argument("database")
@click.argument("backup_id", metavar="ID")
@json_option
def show(database: str, backup_id: str, as_json: bool) -> None:
    """Show one backup and what its proof found."""
    with session() as client:
        _print(client.get_backup(client.get_database(database).id, backup_id), as_json)


@backup.command()
@click.argument("database")
@click.argument("backup_id", metavar="ID")
@click.option("--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, help="Seconds to wait.")
@json_option
def verify(database: str, backup_id: str, timeout: float, as_json: bool) -> None:
    """Prove a backup again, by restoring it into a server of its own."""
    with session() as client:
        asked = client.verify_backup(client.get_database(database).id, backup_id)
        _print(_await_proof(client, asked, timeout), as_json)


@backup.command()
@click.argument("database")
@click.argument("backup_id", metavar="[ID]", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.")
def download(database: str, backup_id: str | None, output: Path | None) -> None:
    """Download a backup, the newest one unless ID names another, as the technology's own tools read it.

    A download that broke off goes on where it ended when it is asked for again.
    """
    from dbyard.errors import NotFound

    with session() as client:
        found = client.get_database(database)
        made = [each for each in client.list_backups(found.id) if each.status == "done"]
        wanted = next((each for each in made if backup_id in (None, each.id)), None)
        if wanted is None:
            raise NotFound("Backup not found" if backup_id else f"{found.name} has no backup yet")
        path = output or Path(f"{wanted.name}.backup")
        _download(client, wanted, path)
    click.echo(f"{path} has {_size(wanted.size)}", err=True)


@click.command()
@click.argument("database")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, help="Seconds to wait.")
def export(database: str, file: Path, timeout: float) -> None:
    """Write a database as it is now into a file that its technology's own tools read.

    A backup is made and proved for that, and stays one.
    """
    with session() as client:
        made = _await_proof(client, client.create_backup(client.get_database(database).id), timeout)
        _download(client, made, file)
    click.echo(f"{file} has {_size(made.size)}", err=True)


@backup.command()
@click.argument("database")
@click.argument("backup_id", metavar="[ID]", required=False)
@click.option("--at", metavar="TIME", help="The moment to restore, such as 2026-11-28T14:03:00Z, instead of a backup.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait/--no-wait", default=True, help="Wait until the database has those data (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, help="Seconds to wait.")
def restore(database: str, backup_id: str | None, at: str | None, yes: bool, wait: bool, timeout: float) -> None:
    """Put a backup, or what there was at a moment, in the place of a database's data.

    `dbyard backup window` shows which moments there are. The database serves on until the data are restored beside it
    and checked, then it is stopped for a moment. Its URL and its password stay. What it had before is kept for a day:
    `dbyard backup undo` puts that back.
    """
    if (backup_id is None) == (at is None):
        raise click.UsageError("Name either the ID of a backup or a moment by --at.")
    what = f"the backup {backup_id}" if backup_id else str(at)
    with session() as client:
        found = client.get_database(database)
        if not yes:
            click.confirm(f"Replace the data of {found.name} by those of {what}?", abort=True, err=True)
        asked = client.restore_backup(found.id, backup_id) if backup_id else client.restore_moment(found.id, str(at))
        if wait:
            _await_restoration(client, asked, timeout)
    click.echo(f"{found.name} {'has' if wait else 'gets'} the data of {what}", err=True)


@backup.command()
@click.argument("database")
@json_option
def window(database: str, as_json: bool) -> None:
    """Show which moments of a database's past can be restored by `--at`."""
    with session() as client:
        found = client.get_recovery_window(client.get_database(database).id)
    if as_json:
        print_json(found)
        return
    if not found.intervals:
        click.echo("No moment can be restored yet: a backup comes first, within ten minutes.", err=True)
    for each in found.intervals:
        click.echo(f"{exactly(each.earliest_recoverable_at)}  to  {exactly(each.latest_recoverable_at)}")
    if found.trouble:
        click.echo(f"The newest writes are not in the archive: {found.trouble}", err=True)


@click.command()
@click.argument("database")
@click.argument("name")
@click.option("--deleted", is_flag=True, help="DATABASE is the name or the id of a database that is deleted.")
@click.option("--backup", "backup_id", metavar="ID", help="The backup to take; by default the newest that is proved.")
@click.option("--at", metavar="TIME", help="The moment to take instead, such as 2026-11-28T14:03:00Z.")
@click.option("--wait/--no-wait", default=True, help="Wait until it can be used (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, help="Seconds to wait.")
def fork(
    database: str, name: str, deleted: bool, backup_id: str | None, at: str | None, wait: bool, timeout: float
) -> None:
    """Make a new database of a backup, or of what there was at a moment, and print its URL.

    It is called NAME, and has the plan of DATABASE and a password of its own. With --no-wait its id is printed at once.
    """
    if at is not None and (backup_id is not None or deleted):
        raise click.UsageError("Name either a backup or a moment; of a deleted database there are backups only.")
    with session() as client:
        if at is not None:
            made = client.fork_moment(client.get_database(database).id, at, name)
        else:
            make = _fork_deleted if deleted else _fork
            made = make(client, database, backup_id, name)
        connection = wait_usable(client, made.name, timeout, f"creating {name}") if wait else None
    click.echo(connection.url if connection else made.id)


@backup.command()
@click.argument("database")
@click.option("--to", metavar="ID", help="Which data to put back; by default those that were replaced last.")
@click.option("--list", "show_list", is_flag=True, help="Only list what can be put back.")
@click.option("--timeout", type=click.FloatRange(min=0), default=300, show_default=True, help="Seconds to wait.")
def undo(database: str, to: str | None, show_list: bool, timeout: float) -> None:
    """Put the data back that the last restore has replaced.

    What the database has now is kept for a day in turn: the same command puts it back.
    """
    with session() as client:
        found = client.get_database(database)
        if show_list:
            rows = [(each.id, when(each.replaced_at), when(each.kept_until)) for each in client.list_replaced(found.id)]
            print_table(("ID", "REPLACED", "KEPT UNTIL"), rows)
            return
        client.undo_restore(found.id, to)
        wait_usable(client, found.name, timeout, f"putting back the data of {found.name}")
    click.echo(f"{found.name} has the data from before the restore", err=True)


@backup.command()
@click.argument("database")
@click.argument("backup_id", metavar="ID")
def delete(database: str, backup_id: str) -> None:
    """Delete a backup, also from the archive."""
    with session() as client:
        client.delete_backup(client.get_database(database).id, backup_id)
    click.echo(f"the backup {backup_id} is deleted", err=True)


def _list_deleted(database: str | None, as_json: bool) -> None:
    with session() as client:
        found = [each for each in client.list_deleted_backups() if _is_of(each, database)]
    if as_json:
        print_json(found)
        return
    rows = [
        (each.id, each.database_name, each.database_id, each.technology, when(each.created_at), _size(each.size),
         each.verification.state)
        for each in found
    ]  # fmt: skip
    print_table(("ID", "DATABASE", "ITS ID", "TECHNOLOGY", "CREATED", "SIZE", "PROOF"), rows)


def _fork(client: Client, database: str, backup_id: str | None, name: str) -> Database:
    from dbyard.errors import NotFound

    found = client.get_database(database)
    proved = (each.id for each in client.list_backups(found.id) if each.verification.state == "verified")
    wanted = backup_id or next(proved, None)
    if wanted is None:
        raise NotFound(f"{found.name} has no backup that is proved: dbyard backup create {found.name} makes one")
    return client.fork_backup(found.id, wanted, name)


def _fork_deleted(client: Client, database: str, backup_id: str | None, name: str) -> Database:
    from dbyard.errors import NotFound

    found = [each for each in client.list_deleted_backups() if _is_of(each, database)]
    proved = (each.id for each in found if each.verification.state == "verified")
    wanted = next((each.id for each in found if each.id == backup_id), None) if backup_id else next(proved, None)
    if wanted is None:
        raise NotFound(f"there is no such backup of a deleted database {database}: dbyard backup list --deleted")
    return client.restore_deleted_backup(wanted, name)


def _is_of(found: wire.DeletedBackup, database: str | None) -> bool:
    return database in (None, found.database_name, found.database_id)


def _open_private(path: str, flags: int) -> int:
    """All of a database is in it."""
    return os.open(path, flags, 0o600)


def _download(client: Client, wanted: wire.Backup, path: Path) -> None:
    """What broke off goes on where it ended."""
    part = path.with_name(f"{path.name}.{wanted.id}.part")
    with open(part, "ab", opener=_open_private) as file:
        _fetch(client, wanted, file)
    part.replace(path)


def _fetch(client: Client, wanted: wire.Backup, file: BinaryIO) -> None:
    """What the file lacks of the backup."""
    if file.tell() == wanted.size:
        return
    for piece in client.download_backup(wanted.database_id, wanted.id, file.tell()):
        file.write(piece)


def _await_proof(client: Client, asked: wire.Backup, timeout: float) -> wire.Backup:
    """The backup when nothing works on it any more. Raises PermanentError when it failed, TimedOut."""
    from dbyard.errors import PermanentError, TimedOut

    deadline = time.monotonic() + timeout
    with progress(f"backing up {asked.name}") as report:
        while True:
            now = client.get_backup(asked.database_id, asked.id)
            active = [
                each
                for each in client.list_operations(asked.database_id)
                if each.kind in ("backup", "verify_backup") and each.finished_at is None
            ]
            if now.status in _MADE and not active:
                break
            if active:
                report(active[0])
            if time.monotonic() > deadline:
                raise TimedOut(f"the backup is not proved after {timeout:g} s; the platform continues")
            time.sleep(_POLL_SECONDS)
    if now.status == "error":
        raise PermanentError(f"the backup failed: {now.error}", code="backup_failed")
    if now.verification.state != "verified":
        raise PermanentError(f"the backup is not proved: {now.verification.message}", code="not_verified")
    return now


def _await_restoration(client: Client, asked: wire.Restoration, timeout: float) -> None:
    """Raises PermanentError when it failed, TimedOut."""
    from dbyard.errors import PermanentError, TimedOut

    deadline = time.monotonic() + timeout
    with progress("restoring the backup") as report:
        while (now := client.get_restoration(asked.database_id, asked.id)).status not in _MADE:
            for each in client.list_operations(asked.database_id):
                if each.kind in ("restore", "switch") and each.finished_at is None:
                    report(each)
            if time.monotonic() > deadline:
                raise TimedOut(f"the backup is not restored after {timeout:g} s; the platform continues")
            time.sleep(_POLL_SECONDS)
    if now.status == "error":
        raise PermanentError(f"the restore failed, and the database is as it was: {now.error}", code="restore_failed")


def _print(found: wire.Backup, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    proof = found.verification
    counts = [("", f"{name}: {number}") for name, number in found.counts.items()]
    print_fields(
        [
            ("id", found.id),
            ("name", found.name),
            ("method", found.method),
            ("status", found.error or found.status),
            ("created", when(found.created_at)),
            ("size", _size(found.size)),
            ("stored", _size(found.stored_size)),
            ("server", found.server_version),
            ("proof", f"{proof.state}{f': {proof.message}' if proof.message else ''}"),
            ("proved", when(found.verified_at)),
            *counts,
        ]
    )


def _row(found: wire.Backup) -> tuple[str, ...]:
    shown = (_size(found.size), _size(found.stored_size), found.verification.state)
    return found.id, when(found.created_at), found.method, found.status, *shown


def _size(count: int | None) -> str:
    from rich.filesize import decimal

    return "-" if count is None else decimal(count)
