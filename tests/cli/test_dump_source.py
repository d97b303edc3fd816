"""Where an import gets its dump from."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest

from dbyard import engines
from dbyard.cli.dump_source import open_dump, parse_uri


class TestUri:
    @pytest.mark.parametrize(
        ("uri", "technology", "found"),
        [
            ("postgres://a:p%40ss@db.example/shop", "postgresql", ("db.example", 5432, "a", "p@ss", "shop")),
            ("postgresql+psycopg://a:b@[::1]:6000/shop?x=y", "postgresql", ("::1", 6000, "a", "b", "shop")),
            ("mysql+pymysql://a:b@db.example/shop", "mysql", ("db.example", 3306, "a", "b", "shop")),
            ("mariadb://a@db.example:3307/shop", "mysql", ("db.example", 3307, "a", "", "shop")),
            ("rediss://:b@db.example", "redis", ("db.example", 6379, "", "b", "")),
        ],
    )
    def test_is_read(self, uri: str, technology: str, found: tuple[object, ...]) -> None:
        name, login = parse_uri(uri)
        assert name == technology
        assert (login.host, login.port, login.user, login.password, login.database) == found

    @pytest.mark.parametrize("uri", ["http://a/b", "file:///etc/passwd", "postgres:///shop", "mysql://a:b@c:port/d"])
    def test_that_is_none_is_refused(self, uri: str) -> None:
        with pytest.raises(click.UsageError):
            parse_uri(uri)

    @pytest.mark.parametrize("technology", ["postgresql", "mysql", "redis"])
    def test_the_password_is_in_no_argument(self, technology: str) -> None:
        client = engines.load_client(technology)
        assert client is not None
        _, login = parse_uri(f"{technology}://a:s3cr3t@db.example/shop")
        for program in client.DUMP_PROGRAMS:
            arguments = client.dump_arguments(login, program, "/tmp/x")
            assert "s3cr3t" not in " ".join(arguments)
            assert "db.example" in " ".join(arguments)


class TestFile:
    def test_of_a_known_size(self, tmp_path: Path) -> None:
        path = tmp_path / "dump"
        path.write_bytes(b"a" * 300_000)
        with open_dump(str(path), "postgresql", "17.12") as dump:
            assert dump.size == 300_000
            assert sum(map(len, dump.pieces)) == 300_000

    def test_of_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"abc")))
        with open_dump("-", "postgresql", "17.12") as dump:
            assert (dump.size, b"".join(dump.pieces)) == (None, b"abc")

    def test_of_a_server_whose_program_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        with (
            pytest.raises(click.ClickException, match="no program that dumps postgresql"),
            open_dump("postgres://a:b@db.example/shop", "postgresql", "17.12"),
        ):
            pass

    def test_of_a_program_that_fails_after_it_began(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = tmp_path / "pg_dump"
        program.write_text("#!/bin/sh\necho part\necho 'it broke' >&2\nexit 3\n")
        program.chmod(0o755)
        monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "none"))
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        with open_dump("postgres://a:b@db.example/shop", "postgresql", "17.12") as dump:
            assert next(dump.pieces) == b"part\n"
            with pytest.raises(click.ClickException, match="pg_dump failed, and nothing was changed: it broke"):
                next(dump.pieces)
