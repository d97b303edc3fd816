"""Every route with every method, asked by everybody who could: the route table decides, so a new route is covered."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from dbyard import catalogue as catalogues
from dbyard.catalogue import Catalogue
from dbyard.certificates import Authority
from dbyard.metrics import Metrics
from dbyard.model import OperationKind, Principal, Scope
from dbyard.service import Service
from dbyard.service.accounts import authentication, collaborators, projects, tokens
from dbyard.service.accounts.collaborators import InvitationRequest
from dbyard.service.accounts.projects import ProjectRequest
from dbyard.service.accounts.tokens import TokenRequest
from dbyard.service.databases import backups, database_users
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import Connection, Store, operations
from dbyard.store import accounts as stored
from dbyard.web.app import create_app, list_routes
from dbyard.web.routes import AuthScheme, Method
from dbyard.web.scalingo import database_users as users_api
from tests.builders import get_ready, make_backup, open_account
from tests.conftest import Clock, World, make_service

Case = tuple[str, str, Method]
CASES: list[Case] = [
    (name, route.path, method)
    for route in list_routes(catalogues.load())
    for name, method in route.methods.items()
    if not method.public
]

# Who asks. The database, `default` and `owner`'s other things are what everybody asks for.
OUTSIDE = ("none", "malformed", "forged", "expired", "expired jwt", "revoked", "disabled")
INSIDE = (
    "owner",
    "jwt",
    "read-only",
    "read credentials",
    "collaborator",
    "limited",
    "collaborator of the project",
    "limited in the project",
    "collaborator of another database",
    "bound",
    "bound elsewhere",
    "addon",
    "other addon",
    "other",
    "admin",
)

OWNER_ONLY = {
    ("DELETE", "/v1/databases/{database}"),
    ("DELETE", "/v1/apps/{app}"),
    ("PATCH", "/v1/apps/{app}"),
    ("PUT", "/v1/apps/{app}"),
    ("POST", "/v1/apps/{app}/rename"),
    ("POST", "/v1/apps/{app}/collaborators"),
    ("PATCH", "/v1/apps/{app}/collaborators/{collaborator}"),
    ("DELETE", "/v1/apps/{app}/collaborators/{collaborator}"),
    ("DELETE", "/api/databases/{database}/backups/{backup}"),
}
"""What a collaborator may not do: a new route is decided on here."""
CHANGES_NOTHING = {("POST", "/v1/apps/{app}/addons"), ("POST", "/api/databases/{database}/firewall_rules")}
"""Refused to everybody, so that nobody needs a right for it."""
OF_NOBODY = {"/api/plans/{plan}"}
"""Paths that name what is the same for everybody."""
PROJECT_CHANGES = {("POST", "/v1/projects"), ("PATCH", "/v1/projects/{project}"), ("DELETE", "/v1/projects/{project}")}
BODIES: dict[str, object] = {
    "/v1/databases": {"name": "my-second-db", "technology": "redis", "plan": "redis-starter-256"},
    "/api/databases/{database}": {"database": {"periodic_backups_enabled": False}},
    "/v1/apps/{app}": {"project_id": "pr-owner"},
    "/v1/apps/{app}/rename": {"current_name": "my-postgres-db", "new_name": "my-other-db"},
    "/v1/apps/{app}/collaborators": {"email": "other@example.org"},
    "/v1/apps/{app}/collaborators/{collaborator}": {"is_limited": True},
    "/v1/projects/{project}/collaborators": {"email": "other@example.org"},
    "/v1/projects/{project}/collaborators/{collaborator}": {"is_limited": True},
    "/v1/apps/{app}/addons/{addon}": {"plan_id": "postgresql-starter-1024"},
    "/v1/projects": {"name": "another"},
    "/v1/projects/{project}": {"name": "another"},
    "/v1/tokens": {"name": "another"},
    "/v1/users": {"username": "another", "email": "another@example.org"},
    "/v1/users/{account}": {"disabled": False},
}


@dataclass(frozen=True)
class Template:
    """A store that all tests start from, with what is asked for in it, and everybody's token."""

    store: Path
    now: float
    ids: dict[str, str]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, authority: Authority) -> Template:
    path, clock = tmp_path_factory.mktemp("template") / "state.db", Clock()
    store = Store(path)
    service = make_service(store, catalogue, authority, World(), clock, path.parent / "archive")
    found = {"admin": authentication.bootstrap(service, lambda _: None) or ""}
    names = ("owner", "third", "other", "gone", "full", "limited", "project", "project-limited", "elsewhere")
    people = {name: open_account(service, name) for name in names}
    owner, other = (authentication.authenticate(service, people[name]) for name in ("owner", "other"))
    ids = _make_what_is_asked_for(service, owner)
    _share_another(service, owner)
    found |= {"owner": people["owner"], "other": people["other"], "collaborator": people["full"]}
    found |= {"limited": people["limited"], "collaborator of the project": people["project"]}
    found |= {"limited in the project": people["project-limited"]}
    found |= {"collaborator of another database": people["elsewhere"]}
    found |= {"none": "", "malformed": "tk-us-\u00e9 x", "forged": "a.b.c", "disabled": people["gone"]}
    elsewhere = projects.create(service, owner, ProjectRequest("elsewhere")).project.id
    limits: dict[str, dict[str, object]] = {
        "read-only": {"scope": "read"},
        "read credentials": {"scope": "read_credentials"},
        "bound": {"project_id": ids["project"]},
        "bound elsewhere": {"project_id": elsewhere},
        "expired": {"expires_in": 60},
        "revoked": {},
    }
    for name, fields in limits.items():
        made = tokens.create(service, owner, TokenRequest(name, **fields))
        found[name] = made.value
        if name == "revoked":
            tokens.revoke(service, owner, made.token.id)
    found["jwt"] = authentication.exchange(service, owner)
    found["expired jwt"] = authentication.exchange(service, authentication.authenticate(service, found["expired"]))
    found["addon"] = authentication.sign_database_token(service, owner, ids["database"])
    found["other addon"] = authentication.sign_database_token(
        service, other, _make_database(service, other, "others-own-db")
    )
    clock.advance(61)
    with store.tx() as connection:
        stored.set_disabled(connection, "us-gone", clock.now)
    store.close()
    return Template(path, clock.now, ids, found)


def _make_what_is_asked_for(service: Service, owner: Principal) -> dict[str, str]:
    """One of everything that a path can name, all of it `owner`'s."""
    database = _make_database(service, owner, "my-postgres-db")
    for name, limited in (("full", False), ("limited", True), ("third", False)):
        request = InvitationRequest(f"{name}@example.org", limited)
        collaborators.invite_to_database(service, owner, database, request)
    for name, limited in (("project", False), ("project-limited", True), ("third", False)):
        request = InvitationRequest(f"{name}@example.org", limited)
        collaborators.invite_to_project(service, owner, "pr-owner", request)
    with service.store.read() as connection:
        (operation,) = connection.execute("SELECT id FROM operation").fetchone()
    deleted = _make_deleted_backup(service, owner)
    backup = make_backup(service, owner, database)
    restoration = backups.restore(service, owner, database, backup.id)
    params = {"upload_id": "1-upload", "size": 10, "replace": False, "check": False}
    with service.store.tx() as connection:
        imported = operations.insert(connection, database, OperationKind.IMPORT, service.clock(), params=params)
    return {
        "database": database,
        "app": database,
        "addon": f"ad-{database}",
        "user": database_users.list_all(service, owner, database)[0].name,
        "operation": operation,
        "backup": backup.id,
        "deleted_backup": deleted,
        "restoration": restoration.id,
        "import": imported,
        "project": "pr-owner",
        "collaborator": "us-third",
        "plan": "postgresql-starter-512",
        "token_id": "token-owner",
        "account": "owner",
    }


def _make_deleted_backup(service: Service, owner: Principal) -> str:
    database = _make_database(service, owner, "owners-deleted-db")
    backup = make_backup(service, owner, database)
    with service.store.tx() as connection:
        connection.execute("DELETE FROM database WHERE id = ?", (database,))
    return backup.id


def _share_another(service: Service, owner: Principal) -> None:
    """Another database of the same project, with a collaborator of its own."""
    another = _make_database(service, owner, "owners-other-db")
    collaborators.invite_to_database(service, owner, another, InvitationRequest("elsewhere@example.org"))


def _make_database(service: Service, principal: Principal, name: str) -> str:
    request = CreateRequest(name, "postgresql", "postgresql-starter-512")
    made = create(service, principal, request)
    get_ready(service)
    return made.id


@pytest.fixture
def clock(template: Template) -> Clock:
    return Clock(template.now)


@pytest.fixture
def store(template: Template, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(template.store, tmp_path / "state.db")
    store = Store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def asking(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(users_api, "_CHANGE_SECONDS", 0.0)  # nobody works on operations here
    with TestClient(create_app(service, Metrics()), raise_server_exceptions=False) as client:
        yield client


def expect(who: str, name: str, path: str, method: Method) -> int | None:
    """The status that refuses them; None when they are let in."""
    if who in OUTSIDE:
        return 401
    if who in ("addon", "other addon") and not path.startswith("/api/"):
        return 401 if method.auth is AuthScheme.API_TOKEN else 403
    if who == "jwt" and method.auth is AuthScheme.API_TOKEN:
        return 401  # it could make itself younger
    if method.scope is Scope.ADMIN:
        return None if who == "admin" else 403
    if who in ("read-only", "read credentials"):
        granted = Scope.READ if who == "read-only" else Scope.READ_CREDENTIALS
        return None if granted.covers(method.needed(name)) else 403
    if "{deleted_backup}" in path and who in ("collaborator", "limited", "limited in the project"):
        return 404  # they were those of a database, or might not have restored it
    if who in ("collaborator", "collaborator of the project", "limited", "limited in the project"):
        if "{project}" in path or "{token_id}" in path:
            return 404
        changes = method.needed(name) is Scope.WRITE and (name, path) not in CHANGES_NOTHING and "{" in path
        return 403 if (name, path) in OWNER_ONLY or (changes and "limited" in who) else None
    if who == "bound":
        return 404 if "{token_id}" in path else 403 if (name, path) in PROJECT_CHANGES else None
    if who == "bound elsewhere" and (name, path) == ("POST", "/v1/projects"):
        return 403
    if who in ("bound elsewhere", "other addon", "other", "admin", "collaborator of another database"):
        return 404 if "{" in path and path not in OF_NOBODY else None
    return None


REFUSED = [(case, [who for who in OUTSIDE + INSIDE if expect(who, *case)]) for case in CASES]
ADMITTED = [(case, who) for case in CASES for who in INSIDE if expect(who, *case) is None]


@pytest.mark.parametrize(("case", "askers"), REFUSED, ids=lambda value: " ".join(value[:2]))
def test_who_is_refused_changes_and_learns_nothing(
    asking: TestClient, store: Store, template: Template, case: Case, askers: list[str]
) -> None:
    nothing = dict.fromkeys(template.ids, "54100930736f7563d5030000")
    before = _state(store)
    for who in askers:
        answer = _ask(asking, template, case, who, template.ids)
        assert answer.status_code == expect(who, *case), (who, answer.text)
        assert "error" in answer.json()
        if answer.status_code != 404:
            continue
        by_name = template.ids | {"database": "my-postgres-db", "app": "my-postgres-db"}
        for ids in (by_name, nothing):
            assert _ask(asking, template, case, who, ids).content == answer.content, who
    assert _state(store) == before


@pytest.mark.parametrize(
    ("case", "who"), ADMITTED, ids=lambda value: " ".join(value[:2]) if type(value) is tuple else value
)
def test_who_is_let_in_is_answered(asking: TestClient, template: Template, case: Case, who: str) -> None:
    answer = _ask(asking, template, case, who, template.ids)
    if case[0] == "GET":
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == case[2].status or answer.status_code in (409, 422), answer.text


@pytest.mark.parametrize(
    "path", ["/v1/databases", "/v1/apps", "/v1/projects", "/v1/tokens", "/v1/events", "/v1/audit/events"]
)
@pytest.mark.parametrize("who", ["other", "admin", "bound elsewhere"])
def test_lists_hold_nothing_of_others(asking: TestClient, template: Template, path: str, who: str) -> None:
    answer = asking.get(path, headers={"Authorization": f"Bearer {template.tokens[who]}"}).text
    assert [name for name in ("database", "project", "operation", "user") if template.ids[name] in answer] == []


@pytest.mark.parametrize("path", ["/v1/databases", "/v1/apps", "/v1/events", "/v1/audit/events"])
def test_who_shares_one_database_learns_nothing_of_the_others(
    asking: TestClient, template: Template, path: str
) -> None:
    headers = {"Authorization": f"Bearer {template.tokens['collaborator of another database']}"}
    answer = asking.get(path, headers=headers).text
    assert "owners-other-db" in answer
    assert [name for name in ("database", "operation", "user") if template.ids[name] in answer] == []
    assert "my-postgres-db" not in answer


def test_what_only_an_owner_may_is_documented() -> None:
    told = {(name, path) for name, path, method in CASES if 403 in method.errors and path.partition("{")[2]}
    assert {each for each in told if "{database}" in each[1] or "{app}" in each[1]} == OWNER_ONLY


def _ask(client: TestClient, template: Template, case: Case, who: str, ids: dict[str, str]) -> Response:
    name, path, method = case
    query = "?confirm=my-postgres-db&current_name=my-postgres-db"
    value, headers = template.tokens[who], {}
    if value and method.auth is AuthScheme.API_TOKEN:
        headers = {"Authorization": b"Basic " + base64.b64encode(f":{value}".encode())}
    elif value:
        headers = {"Authorization": f"Bearer {value}".encode()}
    body = BODIES.get(path, {}) if name in ("POST", "PUT", "PATCH") else None
    return client.request(name, path.format(**ids) + query, headers=headers, json=body)  # type: ignore[arg-type]


def _state(store: Store) -> list[tuple[int, ...]]:
    """How much has happened; everything that is done adds to one of these."""

    def count(connection: Connection, table: str) -> tuple[int, ...]:
        return tuple(connection.execute(f"SELECT count(*) FROM {table}").fetchone())  # noqa: S608

    tables = ("event", "operation", "database", "backup", "token", "database_collaborator", "project_collaborator")
    with store.read() as connection:
        return [count(connection, table) for table in tables]
