"""connect: which program it becomes, and that no password is in its arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard import wire
from dbyard.cli.connect import find_program
from tests.cli.test_changes import show

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
MYSQL = wire.Connection("mysql://u_1:pw@127.0.0.1:20002/u_1", "127.0.0.1", 20002, "u_1", "pw", "u_1", "")
REDIS = wire.Connection("redis://default:pw@127.0.0.1:20003/0", "127.0.0.1", 20003, "default", "pw", "0", "")
DETAILS = show(wire.Database("5410093073f7563d50300001", "my-db", "", "", "", wire.App("", "")), None)
# Stands where a client program would and says what it was given.
SPY = """#!/bin/sh
printf '%s\\n' "$@"
printf 'password %s %s %s\\n' "$PGPASSWORD" "$MYSQL_PWD" "$REDISCLI_AUTH"
printf 'libraries %s\\n' "$LD_LIBRARY_PATH"
"""


def _put_spy(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / name
    program.write_text(SPY)
    program.chmod(0o755)
    return program


def _put_manifest(engines: Path, technology: str, version: str, **manifest: object) -> Path:
    root = engines / technology / version
    root.mkdir(parents=True, exist_ok=True)
    (root / "installation.json").write_text(json.dumps({"full_version": version, **manifest}))
    return root


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DBYARD_ENGINES, and no client program on PATH."""
    monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    return tmp_path / "engines"


def _connect(platform: FakePlatform, connection: wire.Connection, *arguments: str) -> list[str]:
    platform.on("GET", "/v1/databases/my-db/connection", (200, wire.ConnectionAnswer(connection)))
    platform.on("GET", "/api/databases/my-db", (200, DETAILS))
    done = subprocess.run(
        [sys.executable, "-m", "dbyard", "connect", "my-db", *arguments],
        env={**os.environ, "DBYARD_URL": platform.url, "DBYARD_TOKEN": "tk-us-test"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


class TestConnect:
    def test_psql(self, platform: FakePlatform, engines: Path, tmp_path: Path, connection: wire.Connection) -> None:
        _put_spy(tmp_path / "path", "psql")
        said = _connect(platform, connection, "-c", "SELECT 1", "--help")
        url = f"postgresql://app_1@127.0.0.1:{connection.port}/app_1"
        assert said == [url, "-c", "SELECT 1", "--help", "password s3cr3t  ", "libraries "]

    def test_mariadb(self, platform: FakePlatform, engines: Path, tmp_path: Path) -> None:
        _put_spy(tmp_path / "path", "mysql")
        said = _connect(platform, MYSQL)
        assert said[0] == "--no-defaults"
        assert "--user=u_1" in said
        assert said[-3:] == ["u_1", "password  pw ", "libraries "]

    def test_redis_cli_of_an_installation(self, platform: FakePlatform, engines: Path) -> None:
        root = _put_manifest(engines, "redis", "7.0.15", bin="usr/bin", libraries=["usr/lib"])
        _put_spy(root / "usr/bin", "redis-cli")
        said = _connect(platform, REDIS)
        assert said[-2:] == ["password   pw", f"libraries {root}/usr/lib"]

    def test_without_a_program_the_url_is_printed(self, run: Run, platform: FakePlatform, engines: Path) -> None:
        platform.on("GET", "/v1/databases/my-db/connection", (200, wire.ConnectionAnswer(REDIS)))
        platform.on("GET", "/api/databases/my-db", (200, DETAILS))
        result = run("connect", "my-db")
        assert (result.exit_code, result.stdout) == (1, REDIS.url + "\n")
        assert "dbyard engines install redis" in result.stderr


class TestFindProgram:
    def test_none(self, engines: Path) -> None:
        assert find_program("postgresql") is None

    def test_path_comes_first(self, engines: Path, tmp_path: Path) -> None:
        root = _put_manifest(engines, "mysql", "10.11.19", bin="usr/bin", libraries=[])
        _put_spy(root / "usr/bin", "mariadb")
        on_path = _put_spy(tmp_path / "path", "mysql")
        found = find_program("mysql")
        assert found is not None
        assert found.path == on_path

    def test_that_of_the_servers_own_installation_before_all(self, engines: Path, tmp_path: Path) -> None:
        """MariaDB's client may lack what MySQL asks for."""
        _put_spy(tmp_path / "path", "mariadb")
        for technology, version, program in (("mysql", "10.11.19", "mariadb"), ("mysql", "9.7.4", "mysql")):
            root = _put_manifest(engines, technology, version, bin="bin", libraries=[])
            _put_spy(root / "bin", program)
        found = find_program("mysql", "mysql", "9.7.4 (MySQL 9.7 LTS)")
        assert found is not None
        assert found.path == engines / "mysql/9.7.4/bin/mysql"

    def test_newest_installation(self, engines: Path) -> None:
        for version in ("9.6.24", "17.10.0", "15.18-0+deb12u1"):
            _put_spy(_put_manifest(engines, "postgresql", version, bin="bin", libraries=[]) / "bin", "psql")
        found = find_program("postgresql")
        assert found is not None
        assert found.path == engines / "postgresql/17.10.0/bin/psql"

    @pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"bin": 1, "libraries": []}', "null"])
    def test_a_broken_manifest_is_passed_over(self, engines: Path, manifest: str) -> None:
        root = _put_manifest(engines, "postgresql", "17.10.0")
        (root / "installation.json").write_text(manifest)
        assert find_program("postgresql") is None
