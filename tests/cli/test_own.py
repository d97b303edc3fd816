"""list, show, rename, move, metrics, collaborators, plans and events against the platform's own application."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from dbyard.__main__ import main
from dbyard.client import Client
from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.web.app import create_app
from dbyard.wire import NewDatabase
from dbyard.wire.projects import NewProject
from dbyard.wire.tokens import NewToken
from tests.api.serving import Server, serving
from tests.builders import ADDRESS, get_ready, open_account

Run = Callable[..., Result]
NAME = "my-postgres-db"


@pytest.fixture
def server(service: Service) -> Iterator[Server]:
    with serving(create_app(service, Metrics())) as server:
        yield server


@pytest.fixture
def client(server: Server, service: Service, token: str) -> Iterator[Client]:
    """Of a platform with one database, which runs."""
    with Client(f"http://{server.address}", token) as client:
        client.create_database(NewDatabase(NAME, "postgresql", "postgresql-starter-512"))
        get_ready(service)
        yield client


@pytest.fixture
def run(client: Client, token: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DBYARD_URL", client.url)
    monkeypatch.setenv("DBYARD_TOKEN", token)
    return lambda *arguments: CliRunner().invoke(main, arguments, prog_name="dbyard")


def table(result: Result) -> list[list[str]]:
    """The rows of a table in a pipe, without its head."""
    assert result.exit_code == 0, result.output
    return [re.split("  +", line) for line in result.stdout.splitlines()[1:]]


class TestList:
    def test_shows_the_status(self, run: Run, client: Client) -> None:
        client.create_database(NewDatabase("x" * 48, "redis", "redis-starter-256"))
        first, second = table(run("list"))
        assert first[:4] == [NAME, "postgresql", "postgresql-starter-512", "running"]
        assert second[:4] == ["x" * 48, "redis", "redis-starter-256", "creating"]

    def test_json_has_status_host_and_port(self, run: Run, client: Client) -> None:
        client.create_database(NewDatabase("another-db", "redis", "redis-starter-256"))
        first, second = json.loads(run("list", "--json").stdout)
        assert (first["name"], first["status"], first["host"], first["port"]) == (
            NAME, "running", ADDRESS.host, ADDRESS.port,
        )  # fmt: skip
        assert (second["name"], second["status"], second["host"], second["port"]) == (
            "another-db", "creating", None, None,
        )  # fmt: skip

    def test_none(self, run: Run, client: Client) -> None:
        client.delete_database(NAME, confirm=NAME)
        assert table(run("list")) == []


class TestShow:
    def test_has_everything_but_the_password(self, run: Run, client: Client) -> None:
        printed = dict(re.split("  +", line) for line in run("show", NAME).stdout.splitlines())
        connection = client.get_connection(NAME)
        assert (printed["status"], printed["host"], printed["port"]) == ("running", "127.0.0.1", str(connection.port))
        assert (printed["user"], printed["database"]) == (connection.user, connection.database)
        assert connection.password not in str(printed)

    def test_json_is_an_object_of_the_list(self, run: Run) -> None:
        assert [json.loads(run("show", NAME, "--json").stdout)] == json.loads(run("list", "--json").stdout)

    def test_needs_no_right_to_passwords(self, run: Run, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DBYARD_TOKEN", client.create_token(NewToken("r", "read")).token or "")
        result = run("show", NAME)
        assert result.exit_code == 0
        assert "status" in result.stdout
        assert run("url", NAME).exit_code == 4

    def test_says_why_it_cannot_be_used(self, run: Run, client: Client) -> None:
        client.create_database(NewDatabase("another-db", "redis", "redis-starter-256"))
        assert "(create, allocate)" in run("show", "another-db").stdout

    @pytest.mark.parametrize("name", ["no-such-db", "", ".", "..", "a/b", "../tokens", "a?b"])
    def test_what_is_not_there(self, run: Run, name: str) -> None:
        result = run("show", name)
        assert result.exit_code == 3
        assert "Database not found" in result.stderr


class TestChanges:
    def test_rename(self, run: Run, client: Client) -> None:
        before = client.get_database(NAME).id
        assert run("rename", NAME, "my-new-db").exit_code == 0
        assert client.get_database("my-new-db").id == before
        assert run("rename", "my-new-db", "No").exit_code == 5

    def test_move(self, run: Run, client: Client) -> None:
        project = client.create_project(NewProject("shop"))
        assert run("move", NAME, "shop").exit_code == 0
        assert client.get_database(NAME).project_id == project.id
        assert run("move", NAME, "nowhere").exit_code == 3


class TestMetrics:
    def test_shows_what_is_used(self, run: Run) -> None:
        printed = dict(re.split("  +", line) for line in run("metrics", NAME).stdout.splitlines())
        assert {"cpu", "memory", "disk"} <= set(printed)
        assert printed["memory"].endswith(" MB")
        assert "cpu_usage" in json.loads(run("metrics", NAME, "--json").stdout)


class TestCollaborators:
    @pytest.mark.parametrize("options", [[], ["--project"]])
    def test_of_a_database_and_of_a_project(
        self, run: Run, service: Service, client: Client, options: list[str]
    ) -> None:
        open_account(service, "ann")
        target = "default" if options else NAME
        assert run("collaborators", "add", target, "ann@example.org", "--limited", *options).exit_code == 0
        by = "project" if options else "database"
        assert table(run("collaborators", "list", target, *options)) == [["ann@example.org", "ann", "limited", by]]
        assert table(run("collaborators", "list", NAME)) == [["ann@example.org", "ann", "limited", by]]
        assert run("collaborators", "limit", target, "Ann@example.org", "--off", *options).exit_code == 0
        assert json.loads(run("collaborators", "list", target, "--json", *options).stdout)[0]["is_limited"] is False
        assert run("collaborators", "limit", target, "ann", *options).exit_code == 0
        assert run("collaborators", "remove", target, "ann@example.org", *options).exit_code == 0
        assert run("collaborators", "remove", target, "ann@example.org", *options).exit_code == 3
        assert run("collaborators", "add", target, "nobody@example.org", *options).exit_code == 5


class TestPlans:
    def test_alone_names_the_technologies(self, run: Run) -> None:
        rows = {row[0]: row for row in table(run("plans"))}
        assert {"postgresql", "mysql", "redis", "mongodb", "elasticsearch", "influxdb"} <= set(rows)
        assert rows["postgresql"][2] == "17, 15, 18"
        assert "postgresql" in [each["id"] for each in json.loads(run("plans", "--json").stdout)]
        (first, *_) = table(run("plans", "postgresql"))
        assert first[0] == "postgresql-starter-512"


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_there_is_a_script_for_the_shell(self, shell: str) -> None:
        result = CliRunner().invoke(main, env={"_DBYARD_COMPLETE": f"{shell}_source"}, prog_name="dbyard")
        assert "_DBYARD_COMPLETE" in result.output

    def test_it_completes_commands(self) -> None:
        environment = {"_DBYARD_COMPLETE": "bash_complete", "COMP_WORDS": "dbyard coll", "COMP_CWORD": "1"}
        result = CliRunner().invoke(main, env=environment, prog_name="dbyard")
        assert result.output.splitlines() == ["plain,collaborators"]
