"""A real server that speaks S3 on loopback: Versity's gateway, built from its source; a bucket is a directory."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dbyard import catalogue
from dbyard.archive.locations import Location
from dbyard.errors import InstallationError
from dbyard.installations import golang, prefix
from dbyard.model import engines_home
from dbyard.recipes import GoRecipe
from tests.e2e.platforms import wait_for

ACCESS_KEY, SECRET_KEY = "access-key-of-the-test", "secret-key-of-the-test"
REGION = "us-east-1"
"""The gateway's own."""
_START_SECONDS = 20


@dataclass(frozen=True)
class Gateway:
    """One that runs, with an empty bucket in `files`."""

    location: Location
    files: Path
    process: subprocess.Popen[bytes]


@cache
def program() -> Path:
    """Built once on this machine, beside its servers; to be called before a test sets DBYARD_ENGINES."""
    toolchain = catalogue.load().version("influxdb", "1.8").recipe.toolchain  # type: ignore[union-attr]
    recipe = GoRecipe(
        module="github.com/versity/versitygw",
        release="1.0.14",
        sum="h1:AuocjbPE+UevtEYaHNnb3y4/ypPWQttO2ME8//Tx76I=",
        package="cmd/versitygw",
        toolchain=toolchain,
    )
    home = engines_home()
    tree = home / "versitygw" / recipe.release
    with prefix.locked(home / ".locks" / "versitygw"):
        if not tree.exists():
            _build(recipe, tree)
    return tree / recipe.bin / "versitygw"


def _build(recipe: GoRecipe, tree: Path) -> None:
    tree.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=tree.parent) as scratch:
        made = Path(scratch) / "tree"
        made.mkdir()
        try:
            golang.unpack(recipe, "versitygw", made, Path(scratch), lambda _: None)
        except InstallationError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the S3 gateway cannot be had: {error}")
        made.rename(tree)


@contextmanager
def gateway(directory: Path, port: int) -> Iterator[Gateway]:
    """One on that port, with the bucket `backups`."""
    data, beside = directory / "buckets", directory / "beside"
    for path in (data / "backups", beside):
        path.mkdir(parents=True, exist_ok=True)
    with (directory / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            [program(), "--port", f"127.0.0.1:{port}", "posix", "--sidecar", beside, data],
            env={"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY, "HOME": str(directory)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: _listens(port), (directory / "gateway.log").read_text, _START_SECONDS)
        location = Location("s3://backups/here", f"http://127.0.0.1:{port}", REGION, ACCESS_KEY, SECRET_KEY)
        yield Gateway(location, data / "backups" / "here", process)
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
