"""`dbyard engines` on a machine that has nothing, and on one that has something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbyard import catalogue, installations
from dbyard.errors import InstallationError
from dbyard.installations import places
from dbyard.installations.programs import Report
from dbyard.local.engines import engines
from dbyard.model import Installation, Version, engines_home


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setattr(installations, "_SYSTEM", tmp_path / "usr")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "engines"


@pytest.fixture
def installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was asked of `install`, which here only writes a manifest and fails for Redis."""
    asked: list[tuple[str, str]] = []

    def install(version: Version, report: Report) -> Installation:
        asked.append((version.technology, version.version))
        if version.technology == "redis":
            raise InstallationError("redis-server could not be downloaded: no network. To go on, mend it.")
        report(f"{version.server}: unpacking")
        return put(version.technology, version.version)

    monkeypatch.setattr(installations, "install", install)
    return asked


def put(technology: str, version: str) -> Installation:
    root = engines_home() / technology / f"{version}.1"
    root.mkdir(parents=True)
    installation = Installation(technology, version, f"{version}.1", root / "bin", (), root, "by hand")
    places.write(installation, [])
    return installation


def run(*arguments: str) -> Result:
    return CliRunner().invoke(engines, arguments)


class TestList:
    def test_json_of_nothing_says_how_to_get_everything(self, place: Path) -> None:
        rows = json.loads(run("--json").stdout)
        versions = [
            (slug, each.version) for slug, known in catalogue.load().technologies.items() for each in known.versions
        ]
        assert [(row["technology"], row["version"]) for row in rows] == versions
        assert all(row["path"] is row["source"] is row["full_version"] is None for row in rows)
        commands = [row["install"] for row in rows]
        assert commands[:2] == ["dbyard engines install postgresql", "dbyard engines install postgresql@15"]
        assert len(set(commands)) == len(commands)

    def test_json_of_what_is_there(self, place: Path) -> None:
        put("mysql", "10.11")
        row = next(row for row in json.loads(run("--json").stdout) if row["technology"] == "mysql")
        assert row == {
            "technology": "mysql",
            "version": "10.11",
            "full_version": "10.11.1",
            "default": True,
            "server": "MariaDB 10.11 (MySQL protocol)",
            "licence": "GPL-2.0",
            "path": str(place / "mysql" / "10.11.1" / "bin"),
            "source": "by hand",
            "install": None,
        }

    def test_table(self, place: Path) -> None:
        put("postgresql", "15")
        header, *lines = run().stdout.splitlines()
        assert " ".join(header.split()) == "TECHNOLOGY VERSION FULL VERSION DEFAULT SERVER LICENCE SOURCE PATH"
        assert lines[0].endswith("missing: dbyard engines install postgresql")
        assert lines[1].endswith(f"by hand  {place}/postgresql/15.1/bin")
        assert len(lines) == sum(len(each.versions) for each in catalogue.load().technologies.values())


class TestInstall:
    def test_all_that_is_missing(self, installed: list[tuple[str, str]]) -> None:
        put("mysql", "10.11")
        result = run("install")
        versions = [each for known in catalogue.load().technologies.values() for each in known.versions]
        wanted = {(each.technology, each.version) for each in versions if not each.on_request}
        assert set(installed) == wanted - {("mysql", "10.11")} | {("bubblewrap", "0")}
        assert ("mongodb", "8.0") not in wanted
        assert result.exit_code == 1
        assert result.stderr.count("Error: redis-server could not be downloaded") == 1
        assert "PostgreSQL 15: unpacking\n" in result.stdout

    def test_nothing_is_missing(self, installed: list[tuple[str, str]]) -> None:
        for technology in catalogue.load().technologies.values():
            for version in technology.versions:
                put(technology.slug, version.version)
        put("bubblewrap", "0")
        result = run("install")
        assert (result.exit_code, installed) == (0, [])
        assert result.stdout.startswith("Every database server is there")

    def test_named_ones_only(self, installed: list[tuple[str, str]]) -> None:
        result = run("install", "postgresql@15", "mysql")
        assert result.exit_code == 0
        assert sorted(installed) == [("mysql", "10.11"), ("postgresql", "15")]

    def test_one_named_twice_is_installed_once(self, installed: list[tuple[str, str]]) -> None:
        run("install", "mysql", "mysql@10.11")
        assert installed == [("mysql", "10.11")]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("oracle", "technology must be one of postgresql, mysql, redis"),
            ("postgresql@9", "version must be one of 17, 15"),
        ],
    )
    def test_unknown_ones(self, installed: list[tuple[str, str]], name: str, message: str) -> None:
        result = run("install", name)
        assert (result.exit_code, installed) == (2, [])
        assert message in result.stderr
