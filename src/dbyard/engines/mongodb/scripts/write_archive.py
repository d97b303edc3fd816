# SPDX-License-Identifier: 0BSD
"""Write to standard output what a running SecantusDB stores, as a tar: `write_archive.py DATA HOST PORT USER`.

The server writes it into a pipe in its own data directory; the password is on standard input. A program of its own, run
by the server's Python beside the server's packages; dbyard never imports it.
"""

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pymongo
import pymongo.errors

PIPE = "backup.pipe"

Client = pymongo.MongoClient[dict[str, Any]]


def main(data: str, host: str, port: str, user: str) -> None:
    password = sys.stdin.readline().rstrip("\n")
    server: Client = pymongo.MongoClient(
        host, int(port), username=user, password=password, authSource="admin", directConnection=True, maxPoolSize=1
    )
    pipe = Path(data, PIPE)
    pipe.unlink(missing_ok=True)  # of one that was killed
    os.mkfifo(pipe, 0o600)
    try:
        copy(server, pipe)
    finally:
        pipe.unlink()


def copy(server: Client, pipe: Path) -> None:
    """Read all that the server writes. It fails to write to nobody, and has written all when its answer comes."""
    failed: list[str] = []
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as source:
        held = os.open(pipe, os.O_WRONLY)  # no end is seen before the server has begun
        os.set_blocking(source.fileno(), True)
        asking = threading.Thread(target=ask, args=(server, pipe, held, failed), daemon=True)
        asking.start()
        shutil.copyfileobj(source, sys.stdout.buffer)
    asking.join()
    if failed:
        sys.exit(f"the server has not written an archive: {failed[0]}")


def ask(server: Client, pipe: Path, held: int, failed: list[str]) -> None:
    try:
        server.admin.command("secantusAdmin.backupArchive", outputPath=str(pipe))
    except pymongo.errors.PyMongoError as error:
        failed.append(str(error))
    finally:
        os.close(held)


if __name__ == "__main__":
    main(*sys.argv[1:5])
