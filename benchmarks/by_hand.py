"""Backups as one makes them by hand, with the technology's own tool and a file on the disk of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks.filling import read_one
from benchmarks.floor import Server, own
from benchmarks.measure import wait_until
from benchmarks.tenant import retry
from dbyard.engines.mysql.servers import server_of

_ADMIN = "dbyard"
_REFUSALS = (Exception,)


def back_up(server: Server, file: Path) -> None:
    """Into the file, which is durable then."""
    _BACK_UP[server.tenant.technology](server, file)
    with file.open("rb+") as written:
        os.fsync(written.fileno())


def restore(server: Server, file: Path) -> None:
    """Into a server that was prepared and never ran, until its tenant reads what was backed up."""
    _RESTORE[server.tenant.technology](server, file)
    retry(lambda: read_one(server.tenant), _REFUSALS)


@contextmanager
def journal(server: Server, directory: Path) -> Iterator[None]:
    """The write-ahead log of a PostgreSQL goes into the directory until the end of the block."""
    directory.mkdir()
    directory.chmod(0o777)
    where = ("--directory", str(directory), "--synchronous", "--no-password", "--dbname", _dsn(server))
    argv, env = server.command("pg_receivewal", *where)
    process = subprocess.Popen(argv, env=env | {"PGPASSWORD": server.credentials.admin_password})
    wait_until(lambda: any(directory.iterdir()), 20, "the log comes")
    try:
        yield
    finally:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.wait(20)


def restore_moment(server: Server, file: Path, log: Path, moment: datetime) -> None:
    """As `restore`, with the log replayed up to the moment."""
    _unpack(server, file)
    settings = {
        "restore_command": f"cp {log}/%f %p || cp {log}/%f.partial %p",
        "recovery_target_time": str(moment),
        "recovery_target_action": "promote",
    }
    with (server.layout.data / "postgresql.auto.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (server.layout.data / "recovery.signal").touch()
    own(server.layout.data)
    server.start()
    retry(lambda: read_one(server.tenant), _REFUSALS)


def _dsn(server: Server) -> str:
    return f"host={server.layout.host} port={server.layout.port} user={_ADMIN}"


def _back_up_postgresql(server: Server, file: Path) -> None:
    options = ("--pgdata", "-", "--format", "tar", "--wal-method", "fetch", "--checkpoint", "fast")
    password = server.credentials.admin_password
    server.run("pg_basebackup", *options, "--dbname", _dsn(server), into=file, PGPASSWORD=password)


def _restore_postgresql(server: Server, file: Path) -> None:
    _unpack(server, file)
    server.start()


def _unpack(server: Server, file: Path) -> None:
    _empty(server.layout.data)
    server.run("tar", "--extract", "--directory", str(server.layout.data), out_of=file)


def _back_up_mysql(server: Server, file: Path) -> None:
    its = server_of(server.layout)
    options = ("--single-transaction", "--quick", "--routines", "--events", "--triggers", "--no-tablespaces")
    argv = (its.DUMP, "--no-defaults", *_to_mysql(server, _ADMIN), *its.DUMP_OPTIONS, *options)
    password = server.credentials.admin_password
    server.run(*argv, "--databases", server.tenant.database, into=file, MYSQL_PWD=password)


def _restore_mysql(server: Server, file: Path) -> None:
    server.open()
    its = server_of(server.layout)
    argv = (its.CLIENT, "--no-defaults", *_to_mysql(server, server.tenant.user))
    server.run(*argv, out_of=file, MYSQL_PWD=server.credentials.password)


def _to_mysql(server: Server, user: str) -> tuple[str, ...]:
    layout = server.layout
    where = (f"--host={layout.host}", f"--port={layout.port}", f"--user={user}")
    return ("--protocol=tcp", *where, *server_of(layout).CLIENT_OPTIONS)


def _back_up_redis(server: Server, file: Path) -> None:
    where = ("-h", server.layout.host, "-p", str(server.layout.port), "--user", _ADMIN)
    file.touch()
    file.chmod(0o666)
    server.run("redis-cli", *where, "--rdb", str(file), REDISCLI_AUTH=server.credentials.admin_password)


def _restore_redis(server: Server, file: Path) -> None:
    files = server.layout.data / "appendonlydir"
    _empty(server.layout.data)
    files.mkdir()
    shutil.copyfile(file, files / "appendonly.aof.1.base.rdb")
    (files / "appendonly.aof.1.incr.aof").touch()
    lines = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    (files / "appendonly.aof.manifest").write_text(lines)
    own(files)
    server.start()
    retry(server.configure, _REFUSALS)


def _empty(directory: Path) -> None:
    for each in directory.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


_BACK_UP: dict[str, Callable[[Server, Path], None]] = {
    "postgresql": _back_up_postgresql,
    "mysql": _back_up_mysql,
    "mariadb": _back_up_mysql,
    "redis": _back_up_redis,
}
_RESTORE: dict[str, Callable[[Server, Path], None]] = {
    "postgresql": _restore_postgresql,
    "mysql": _restore_mysql,
    "mariadb": _restore_mysql,
    "redis": _restore_redis,
}
