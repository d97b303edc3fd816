"""`/v1/databases` in process: what Scalingo's clients send, and what they must get."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from dbyard.catalogue import Catalogue
from dbyard.engines import postgresql
from dbyard.errors import LockedOut
from dbyard.model import Address, Credentials
from dbyard.service import Service
from dbyard.service.databases.status import UPDATING_SECONDS
from dbyard.store import operations
from tests.builders import claim, fail, get_ready, open_account, seed_body
from tests.conftest import Clock, World

NAME_RULE = "between 6 and 48"


def create(api: TestClient, name: str = "my-postgres-db", **changes: object) -> dict[str, str]:
    answer = api.post("/v1/databases", json=seed_body(name, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()["database"]  # type: ignore[no-any-return]


def errors(api: TestClient, body: object) -> dict[str, list[str]]:
    answer = api.post("/v1/databases", json=body)
    assert answer.status_code == 422, answer.text
    assert list(answer.json()) == ["errors"]
    return answer.json()["errors"]  # type: ignore[no-any-return]


class TestCreate:
    def test_answers_the_five_fields_of_the_seed_and_the_app(self, api: TestClient) -> None:
        answer = api.post("/v1/databases", json=seed_body())
        assert answer.status_code == 201
        assert list(answer.json()) == ["database"]
        database = answer.json()["database"]
        assert list(database) == ["id", "name", "project_id", "technology", "plan", "app"]
        assert re.fullmatch("[0-9a-f]{24}", database["id"])
        assert database["project_id"].startswith("pr-")
        assert database["technology"] == "postgresql"
        assert database["plan"] == "postgresql-starter-512"
        assert database["app"] == {"id": database["id"], "name": "my-postgres-db"}

    def test_queues_the_work_and_wakes_who_does_it(self, api: TestClient, service: Service, world: World) -> None:
        database = create(api)
        assert world.wakes == 1
        operation = claim(service)
        assert (operation.database_id, operation.kind, operation.step) == (database["id"], "create", "allocate")

    def test_takes_the_project_that_is_asked_for(self, api: TestClient) -> None:
        project = create(api)["project_id"]
        assert create(api, "my-second-db", project_id=project)["project_id"] == project

    @pytest.mark.parametrize(
        "body",
        [
            {"database": {"name": "my-postgres-db", "technology": "postgresql", "plan_id": "postgresql-starter-512"}},
            {"name": "my-postgres-db", "addon_provider_id": "postgresql", "plan_id": "postgresql-starter-512"},
            {"database_name": "my-postgres-db", "technology": "postgresql", "plan": "postgresql-starter-512"},
            {"database": {**seed_body()["database"], "hds_resource": True, "ip_range": None}, "dry": 1},  # type: ignore[dict-item]
            {"database": {**seed_body()["database"], "project_id": None, "version": "15"}},  # type: ignore[dict-item]
        ],
        ids=["plan_id", "go-scalingo", "old names", "unknown keys", "nulls and a version"],
    )
    def test_takes_every_shape_that_clients_send(self, api: TestClient, body: object) -> None:
        answer = api.post("/v1/databases", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["database"]["technology"] == "postgresql"
        assert answer.json()["database"]["plan"] == "postgresql-starter-512"

    def test_an_offer_takes_the_plans_of_its_technology_too(self, api: TestClient) -> None:
        body = {"addon_provider_id": "postgresql-ng", "name": "my-postgres-db", "plan_id": "postgresql-starter-512"}
        made = api.post("/v1/databases", json=body).json()["database"]
        assert (made["technology"], made["plan"]) == ("postgresql-ng", "postgresql-starter-512")

    def test_takes_a_plan_by_its_id(self, api: TestClient, catalogue: Catalogue) -> None:
        plan = catalogue.plan("postgresql", "postgresql-starter-512")
        assert plan is not None
        assert create(api, plan=None, plan_id=plan.id)["plan"] == plan.name

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"', None],
    )
    def test_takes_json_however_it_is_announced(self, api: TestClient, content_type: str | None) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        body = b'{"name": "my-postgres-db", "technology": "postgresql", "plan": "postgresql-starter-512"}'
        assert api.post("/v1/databases", content=body, headers=headers).status_code == 201


class TestWrongFields:
    @pytest.mark.parametrize(
        "name",
        [
            "short",
            "x" * 49,
            "-my-database",
            "my-database-",
            "my--database",
            "My-Database",
            "my_database",
            "my database",
            "my-database\n",
            "my-datab٣se",
            "my-dätabase",
            "",
        ],
    )
    def test_name(self, api: TestClient, name: str) -> None:
        found = errors(api, seed_body(name))
        assert list(found) == ["name"]
        assert NAME_RULE in found["name"][0]

    @pytest.mark.parametrize("name", ["x" * 6, "x" * 48, "0-1-2-3", "123456"])
    def test_names_at_the_edges_are_fine(self, api: TestClient, name: str) -> None:
        assert create(api, name)["name"] == name

    def test_all_are_reported_at_once(self, api: TestClient) -> None:
        found = errors(api, {"database": {"name": "no", "technology": "oracle", "plan": "huge", "project_id": 7}})
        assert sorted(found) == ["name", "plan", "project_id", "technology"]
        assert "postgresql" in found["technology"][0]
        assert "redis" in found["technology"][0]

    def test_missing_ones_are_named_with_their_rule(self, api: TestClient) -> None:
        found = errors(api, {})
        assert sorted(found) == ["name", "plan", "technology"]
        assert all(messages[0].startswith("is missing") for messages in found.values())

    @pytest.mark.parametrize("value", [5, 1.5, True, [], {}, ["x"], {"a": 1}])
    def test_of_another_json_type(self, api: TestClient, value: object) -> None:
        found = errors(api, {"name": value, "technology": value, "plan": value, "project_id": value, "version": value})
        assert sorted(found) == ["name", "plan", "project_id", "technology"]
        assert "should be a string" in found["name"][0]
        assert found["project_id"] == ["should be a string"]

    def test_a_wrapper_that_is_no_object(self, api: TestClient) -> None:
        assert errors(api, {"database": ["x"]}) == {"database": ["should be an object"]}

    def test_an_unknown_plan_is_told_the_plans_of_the_technology(self, api: TestClient) -> None:
        (message,) = errors(api, seed_body(plan="postgresql-starter-1"))["plan"]
        assert "postgresql-starter-512" in message
        assert "redis-" not in message

    def test_a_plan_of_another_technology(self, api: TestClient) -> None:
        found = errors(api, seed_body(technology="redis"))
        assert list(found) == ["plan"]
        assert found["plan"][0].startswith("is a plan of postgresql")
        assert "redis-starter-256" in found["plan"][0]

    def test_an_unknown_version_is_told_the_versions(self, api: TestClient) -> None:
        assert errors(api, seed_body(version="9.4")) == {"version": ["should be one of: 17, 15, 18"]}

    def test_a_server_that_is_not_installed(self, api: TestClient, world: World) -> None:
        world.missing = {("postgresql", "17"), ("postgresql", "15")}
        (message,) = errors(api, seed_body())["technology"]
        assert "`dbyard engines install postgresql`" in message
        (message,) = errors(api, seed_body(version="15"))["technology"]
        assert "`dbyard engines install postgresql@15`" in message

    def test_a_name_that_is_taken(self, api: TestClient) -> None:
        create(api)
        assert errors(api, seed_body()) == {"name": ["has already been taken"]}
        assert errors(api, seed_body(plan="none"))["name"] == ["has already been taken"]

    def test_a_name_that_somebody_else_has(self, api: TestClient, service: Service) -> None:
        other = open_account(service, "other")
        create(api)
        answer = api.post("/v1/databases", json=seed_body(), headers={"Authorization": f"Bearer {other}"})
        assert answer.json() == {"errors": {"name": ["has already been taken"]}}

    @pytest.mark.parametrize("project", ["pr-none", "", "pr-other", "\u0000"])
    def test_a_project_that_is_not_ours(self, api: TestClient, service: Service, project: str) -> None:
        open_account(service, "other")
        answer = api.post("/v1/databases", json=seed_body(project_id=project))
        assert (answer.status_code, answer.json()) == (404, {"error": "Project not found"})

    def test_fields_come_before_the_project(self, api: TestClient) -> None:
        create(api)
        assert list(errors(api, seed_body(project_id="pr-none"))) == ["name"]

    def test_nothing_is_left_of_a_refused_request(self, api: TestClient, service: Service, world: World) -> None:
        errors(api, seed_body("no"))
        api.post("/v1/databases", json=seed_body(project_id="pr-none"))
        assert api.get("/v1/databases").json() == {"databases": []}
        assert world.wakes == 0
        with service.store.read() as connection:
            assert connection.execute("SELECT count(*) FROM operation").fetchone()[0] == 0


class TestManyAtOnce:
    def test_exactly_one_gets_the_name(self, api: TestClient) -> None:
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: api.post("/v1/databases", json=seed_body()), range(50)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [201] + [422] * 49
        assert len(api.get("/v1/databases").json()["databases"]) == 1

    def test_one_key_makes_one_database(self, api: TestClient) -> None:
        headers = {"Idempotency-Key": "once"}
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: api.post("/v1/databases", json=seed_body(), headers=headers), range(20)))
        assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}


class TestIdempotencyKey:
    def post(self, api: TestClient, key: str, name: str = "my-postgres-db") -> tuple[int, str]:
        answer = api.post("/v1/databases", json=seed_body(name), headers={"Idempotency-Key": key})
        return answer.status_code, answer.text

    def test_the_same_request_gets_the_same_answer(self, api: TestClient, world: World) -> None:
        first = self.post(api, "k1")
        assert first[0] == 201
        assert self.post(api, "k1") == first
        assert world.wakes == 1
        assert len(api.get("/v1/databases").json()["databases"]) == 1

    def test_another_body_is_refused(self, api: TestClient) -> None:
        self.post(api, "k1")
        status, text = self.post(api, "k1", "my-second-db")
        assert status == 422
        assert "idempotency_key" in text

    def test_another_key_is_another_request(self, api: TestClient) -> None:
        self.post(api, "k1")
        assert self.post(api, "k2")[0] == 422

    def test_a_refused_request_may_be_sent_again(self, api: TestClient, world: World) -> None:
        world.missing = {("postgresql", "17")}
        assert self.post(api, "k1")[0] == 422
        world.missing = set()
        assert self.post(api, "k1")[0] == 201

    def test_is_kept_for_a_day(self, api: TestClient, clock: Clock) -> None:
        first = self.post(api, "k1")
        clock.advance(24 * 3600 - 1)
        assert self.post(api, "k1") == first
        clock.advance(2)
        assert self.post(api, "k1")[0] == 422
        assert self.post(api, "k1", "my-second-db")[0] == 201

    def test_does_not_outlive_its_database(self, api: TestClient) -> None:
        first = self.post(api, "k1")
        api.delete("/v1/databases/my-postgres-db?confirm=my-postgres-db")
        second = self.post(api, "k1")
        assert second[0] == 201
        assert second[1] != first[1]

    def test_belongs_to_an_account(self, api: TestClient, service: Service) -> None:
        self.post(api, "k1")
        api.headers["Authorization"] = f"Bearer {open_account(service, 'other')}"
        assert self.post(api, "k1")[0] == 422
        assert self.post(api, "k1", "my-second-db")[0] == 201

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
    def test_has_a_form(self, api: TestClient, key: str) -> None:
        headers = {"Idempotency-Key": key.encode()}
        answer = api.post("/v1/databases", json=seed_body(), headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert "Idempotency-Key" in answer.json()["error"]


class TestList:
    def test_is_empty_at_first(self, api: TestClient) -> None:
        assert api.get("/v1/databases").json() == {"databases": []}

    def test_has_the_newest_last(self, api: TestClient) -> None:
        names = [f"database-{number}" for number in random.sample(range(1000), 5)]
        made = [create(api, name) for name in names]
        assert api.get("/v1/databases").json() == {"databases": made}, names

    def test_has_only_ones_own(self, api: TestClient, service: Service) -> None:
        create(api)
        other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
        assert api.get("/v1/databases", headers=other).json() == {"databases": []}

    def test_tolerates_what_clients_add(self, api: TestClient) -> None:
        assert api.get("/v1/databases?dashboard=true").status_code == 200
        assert api.get("/v1/databases?").status_code == 200

    def test_head(self, api: TestClient) -> None:
        create(api)
        head, get = api.head("/v1/databases"), api.get("/v1/databases")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))


class TestGet:
    def test_by_id_and_by_name(self, api: TestClient) -> None:
        database = create(api)
        for key in (database["id"], database["name"]):
            answer = api.get(f"/v1/databases/{key}")
            assert (answer.status_code, answer.json()["database"]) == (200, database)

    def test_a_list_for_the_dashboard_has_all_three_of_each(self, api: TestClient, service: Service) -> None:
        first = create(api)
        get_ready(service)
        second = create(api, "another-db")
        listed = api.get("/v1/databases?dashboard=true").json()["databases"]
        assert [list(each) for each in listed] == [["app", "addon", "database"]] * 2
        assert [each["app"] for each in listed] == api.get("/v1/apps").json()["apps"]
        assert [each["addon"]["id"] for each in listed] == [f"ad-{first['id']}", f"ad-{second['id']}"]
        address = {"host": "127.0.0.1", "port": 20017}
        assert listed[0]["database"] == first | {"status": "running"} | address
        assert listed[1]["database"] == second | {"status": "creating", "host": None, "port": None}
        assert api.get("/v1/databases?dashboard=false").json() == {"databases": [first, second]}
        assert api.get("/v1/databases?dashboard=1").status_code == 422

    def test_has_its_app_and_its_addon_beside_it(self, api: TestClient, clock: Clock) -> None:
        database = create(api)
        answer = api.get(f"/v1/databases/{database['id']}").json()
        assert list(answer) == ["database", "app", "addon"]
        assert answer["app"] == api.get(f"/v1/apps/{database['id']}").json()["app"]
        assert [answer["addon"]] == api.get(f"/v1/apps/{database['id']}/addons").json()["addons"]

    def test_what_changes_with_time_is_not_kept(self, api: TestClient, service: Service, clock: Clock) -> None:
        database = create(api)
        get_ready(service)
        api.patch(f"/v1/apps/{database['id']}/addons/ad-{database['id']}", json={"plan_id": "postgresql-starter-1024"})
        operation = claim(service)
        with service.store.tx() as connection:
            operations.finish(connection, operation, service.clock())
        assert api.get(f"/v1/databases/{database['id']}").json()["app"]["status"] == "restarting"
        clock.advance(UPDATING_SECONDS)
        assert api.get(f"/v1/databases/{database['id']}").json()["app"]["status"] == "running"

    def test_an_id_comes_before_a_name(self, api: TestClient) -> None:
        first = create(api)
        create(api, first["id"])
        assert api.get(f"/v1/databases/{first['id']}").json()["database"] == first

    def test_head(self, api: TestClient) -> None:
        create(api)
        assert api.head("/v1/databases/my-postgres-db").status_code == 200
        assert api.head("/v1/databases/nothing-here").status_code == 404

    @pytest.mark.parametrize("key", ["nothing-here", "54100930736f7563d5030000", "%00", "%FF%FE", "a%20b", "'--"])
    def test_what_is_not_there(self, api: TestClient, key: str) -> None:
        answer = api.get(f"/v1/databases/{key}")
        assert (answer.status_code, answer.content) == (404, b'{"error":"Database not found"}')

    def test_somebody_elses_and_deleted_ones_look_the_same(self, api: TestClient, service: Service) -> None:
        database = create(api)
        other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
        missing = api.get("/v1/databases/nothing-here")
        for key in (database["id"], database["name"]):
            assert api.get(f"/v1/databases/{key}", headers=other).content == missing.content
        api.delete(f"/v1/databases/{database['id']}?confirm={database['name']}")
        for key in (database["id"], database["name"]):
            answer = api.get(f"/v1/databases/{key}")
            assert (answer.status_code, answer.content) == (404, missing.content)


class TestDelete:
    @pytest.mark.parametrize("query", ["", "?confirm=", "?confirm"])
    def test_wants_the_name_once_more(self, api: TestClient, query: str) -> None:
        create(api)
        answer = api.delete(f"/v1/databases/my-postgres-db{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"]["confirm"][0].endswith("the name of the database: ?confirm=my-postgres-db")
        assert api.get("/v1/databases/my-postgres-db").status_code == 200

    def test_refuses_another_name(self, api: TestClient) -> None:
        create(api)
        answer = api.delete("/v1/databases/my-postgres-db?confirm=another-db")
        assert answer.status_code == 409
        assert answer.json()["error"].endswith("the name of the database: ?confirm=my-postgres-db")
        assert api.get("/v1/databases/my-postgres-db").status_code == 200

    def test_frees_the_name_at_once(self, api: TestClient) -> None:
        first = create(api)
        answer = api.delete(f"/v1/databases/{first['id']}?confirm=my-postgres-db")
        assert (answer.status_code, answer.content) == (204, b"")
        assert api.get("/v1/databases").json() == {"databases": []}
        for path in ("", "/connection", "/operations", "/logs"):
            assert api.get(f"/v1/databases/{first['id']}{path}").json() == {"error": "Database not found"}
        assert create(api)["id"] != first["id"]

    def test_twice(self, api: TestClient) -> None:
        create(api)
        path = "/v1/databases/my-postgres-db?confirm=my-postgres-db"
        assert api.delete(path).status_code == 204
        assert api.delete(path).json() == {"error": "Database not found"}

    def test_supersedes_what_runs(self, api: TestClient, service: Service, world: World) -> None:
        create(api)
        claimed = claim(service)
        api.delete("/v1/databases/my-postgres-db?confirm=my-postgres-db")
        assert world.wakes == 2
        with service.store.read() as connection:
            old = connection.execute("SELECT status, error_code, token FROM operation WHERE id = ?", (claimed.id,))
            assert tuple(old.fetchone()) == ("error", "superseded", None)
            assert connection.execute("SELECT generation FROM instance").fetchone()[0] == 2
        assert claim(service).kind == "delete"


class TestConnection:
    def test_is_refused_until_the_url_works(self, api: TestClient, service: Service) -> None:
        create(api)
        answer = api.get("/v1/databases/my-postgres-db/connection")
        assert answer.status_code == 409
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["current_operation_id"] == claim(service).id

    def test_has_everything_a_client_needs(self, api: TestClient, service: Service) -> None:
        create(api)
        get_ready(service)
        answer = api.get("/v1/databases/my-postgres-db/connection")
        assert answer.status_code == 200, answer.text
        found = answer.json()["connection"]
        assert list(found) == ["url", "host", "port", "user", "password", "database", "ca_certificate", "forms"]
        assert (found["host"], found["port"]) == ("127.0.0.1", 20017)
        assert set(found["forms"]) == {"jdbc", "sqlalchemy", "sqlalchemy-asyncpg"}
        assert found["url"].startswith(f"postgresql://{found['user']}:{found['password']}@127.0.0.1:20017/")
        assert re.fullmatch(r"my_postgres_db_\d{4}", found["user"])
        assert found["ca_certificate"] == service.authority.pem

    def test_is_refused_when_its_tenant_cannot_log_in(
        self, api: TestClient, service: Service, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create(api)
        get_ready(service)
        seen: list[str] = ['database "my_postgres_db_1234" does not exist']

        def check_login(address: Address, credentials: Credentials) -> None:
            if seen:
                raise LockedOut(seen[0])

        monkeypatch.setattr(postgresql, "check_login", check_login)
        assert api.get("/v1/databases/my-postgres-db/connection").status_code == 200  # it became ready just now
        clock.advance(61)
        answer = api.get("/v1/databases/my-postgres-db/connection")
        assert (answer.status_code, answer.json()["current_operation_id"]) == (409, None)
        assert "does not exist; repair it" in answer.json()["error"]
        seen.clear()
        assert api.get("/v1/databases/my-postgres-db/connection").status_code == 200

    def test_says_why_the_database_never_ran(self, api: TestClient, service: Service) -> None:
        create(api)
        fail(service, "port_taken", "somebody listens on port 20017")
        answer = api.get("/v1/databases/my-postgres-db/connection")
        assert answer.status_code == 409
        assert answer.json() == {
            "error": "The database does not run: somebody listens on port 20017;"
            " retry the operation that creates it, or delete it",
            "current_operation_id": None,
        }
        assert "retry-after" not in answer.headers

    def test_is_refused_while_the_server_is_repaired(self, api: TestClient, service: Service) -> None:
        from dbyard.model import OperationKind
        from dbyard.store import operations

        database = create(api)
        get_ready(service)
        with service.store.tx() as connection:
            heal = operations.insert(connection, database["id"], OperationKind.HEAL, service.clock())
        answer = api.get("/v1/databases/my-postgres-db/connection")
        assert (answer.status_code, answer.json()["current_operation_id"]) == (409, heal)
        fail(service, "not_ready", "the server does not start")
        answer = api.get("/v1/databases/my-postgres-db/connection")
        assert (answer.status_code, answer.json()["current_operation_id"]) == (409, None)


class TestOperations:
    def test_show_their_steps_and_their_cause(self, api: TestClient, service: Service) -> None:
        create(api)
        fail(service, "port_taken", "somebody listens on port 20017")
        (operation,) = api.get("/v1/databases/my-postgres-db/operations").json()["operations"]
        assert list(operation) == [
            "id",
            "kind",
            "status",
            "step",
            "attempt",
            "error",
            "steps",
            "created_at",
            "finished_at",
            "deadline_at",
            "progress",
            "cancellable",
            "retriable",
        ]
        assert operation["error"] == {"code": "port_taken", "message": "somebody listens on port 20017"}
        assert (operation["kind"], operation["status"], operation["step"]) == ("create", "error", "allocate")
        assert operation["created_at"] == "2027-01-15T08:00:00Z"
        (step,) = operation["steps"]
        assert step["outcome"] == "port_taken"


class TestLogs:
    def test_are_the_last_lines(self, api: TestClient, world: World) -> None:
        create(api)
        world.log = [str(number) for number in range(200)]
        assert len(api.get("/v1/databases/my-postgres-db/logs").json()["lines"]) == 100
        assert api.get("/v1/databases/my-postgres-db/logs?lines=2").json() == {"lines": ["198", "199"]}

    @pytest.mark.parametrize("lines", ["0", "-1", "10001", "x", "", "1.5", "٣", "9" * 5000])
    def test_lines_is_a_number(self, api: TestClient, lines: str) -> None:
        create(api)
        answer = api.get("/v1/databases/my-postgres-db/logs", params={"lines": lines})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["lines"])
