"""`/api/databases/{database}/logs`: a link that shows a server's log for a while, in the form that clients read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from dbyard.service import Service
from dbyard.web import followers, sockets
from dbyard.web.scalingo import logs
from tests.builders import open_account, seed_body
from tests.conftest import Clock, World

LOG = [
    "starting",
    "2027-01-15 07:59:58.123 UTC [17] LOG:  database system is ready",
    "\tat a line without a time",
    "2027-01-15 07:59:59.500 UTC [17] LOG:  checkpoint starting",
    "2027-13-45 99:00:00.000 UTC is no time",
]


@pytest.fixture
def made(api: TestClient) -> dict[str, Any]:
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    return database


def as_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def link(api: TestClient, made: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    url: str = api.get(f"/api/databases/ad-{made['id']}/logs", headers=headers).json()["url"]
    assert url.startswith("http://127.0.0.1:7878/")
    found = urlsplit(url)
    return f"{found.path}?{found.query}"


def test_a_link_shows_the_lines_without_a_token(api: TestClient, made: dict[str, Any], world: World) -> None:
    path = link(api, made)
    world.log = LOG
    del api.headers["Authorization"]
    answer = api.get(f"{path}&n=20&filter=")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    times = ["07:59:58.123000"] * 3 + ["07:59:59.500000"] * 2
    wanted = [f"2027-01-15 {time} +0000 UTC [postgresql-1] {line}" for time, line in zip(times, LOG, strict=True)]
    assert answer.text.splitlines() == wanted
    assert answer.text.splitlines()[0].split(" ")[4] == "[postgresql-1]"


def test_lines_and_servers_can_be_chosen(api: TestClient, made: dict[str, Any], world: World) -> None:
    world.log = LOG
    path = link(api, made)
    assert len(api.get(f"{path}&n=2").text.splitlines()) == 2
    assert len(api.get(f"{path}&filter=postgresql-1|web").text.splitlines()) == len(LOG)
    answer = api.get(f"{path}&filter=web")
    assert (answer.status_code, answer.content) == (204, b"")
    for number in ("10001", "150000", "9" * 5000):
        assert len(api.get(f"{path}&n={number}").text.splitlines()) == len(LOG)
    assert api.get(f"{path}&n=0").json() == {"errors": {"n": ["should be a number between 1 and 10000"]}}


def test_a_link_ends_after_five_minutes(api: TestClient, made: dict[str, Any], world: World, clock: Clock) -> None:
    world.log = LOG
    path = link(api, made)
    clock.advance(299)
    assert api.get(path).status_code == 200
    clock.advance(1)
    assert api.get(path).status_code == 404


def test_a_link_is_for_one_database_and_no_other_token_is_one(api: TestClient, made: dict[str, Any]) -> None:
    other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]
    addon = api.post(f"/v1/apps/{made['id']}/addons/ad-{made['id']}/token").json()["addon"]["token"]
    path = link(api, made)
    wrong = [
        path.replace(made["id"], other["id"], 1),
        path[:-2],
        path.partition("?")[0],
        f"{path.partition('?')[0]}?token={addon}",
    ]
    for each in wrong:
        assert api.get(each).status_code == 404, each
    token = path.partition("token=")[2]
    assert api.get("/v1/databases", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    api.delete(f"/v1/apps/{made['id']}?current_name={made['name']}")
    assert api.get(path).status_code == 404


def test_an_empty_log_has_no_content(api: TestClient, made: dict[str, Any]) -> None:
    answer = api.get(link(api, made))
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_line_without_a_time_has_that_of_the_line_before(
    api: TestClient, made: dict[str, Any], world: World, clock: Clock
) -> None:
    path = link(api, made)
    world.log = LOG[:3]
    clock.advance(60)
    assert api.get(f"{path}&n=1").text.startswith("2027-01-15 07:59:58.123000 +0000 UTC [postgresql-1] \tat a line")
    world.log = ["no line", "has a time"]
    times = {each[:26] for each in api.get(path).text.splitlines()}
    assert times == {"2027-01-15 08:00:00.000000"}, "not the time of the request"


def end_token(api: TestClient, _service: Service, token_id: str) -> None:
    assert api.delete(f"/v1/tokens/{token_id}").status_code == 204


def renew_token(api: TestClient, _service: Service, token_id: str) -> None:
    assert api.patch(f"/v1/tokens/{token_id}/renew").status_code == 200


def end_collaboration(api: TestClient, _service: Service, _token_id: str) -> None:
    assert api.delete("/v1/apps/my-postgres-db/collaborators/us-guest").status_code == 204


def disable(api: TestClient, _service: Service, _token_id: str) -> None:
    assert api.patch("/v1/users/guest", json={"disabled": True}).status_code == 200


@pytest.fixture
def guest(api: TestClient, service: Service, made: dict[str, Any]) -> str:
    """The token of a collaborator of the database."""
    token = open_account(service, "guest")
    assert api.post(f"/v1/apps/{made['id']}/collaborators", json={"email": "guest@example.org"}).status_code == 201
    return token


@pytest.mark.parametrize("end", [end_collaboration, disable])
@pytest.mark.parametrize("by_addon_token", [False, True])
def test_a_link_ends_with_the_access_of_who_made_it(
    api: TestClient,
    service: Service,
    made: dict[str, Any],
    world: World,
    guest: str,
    end: Callable[[TestClient, Service, str], None],
    by_addon_token: bool,
) -> None:
    world.log = LOG
    bearer = guest
    if by_addon_token:
        answer = api.post(f"/v1/apps/{made['id']}/addons/ad-{made['id']}/token", headers=as_bearer(guest))
        bearer = answer.json()["addon"]["token"]
    path, own = link(api, made, as_bearer(bearer)), link(api, made)
    assert api.get(path).status_code == 200
    end(api, service, "")
    assert api.get(path).status_code == 404
    assert api.get(own).status_code == 200


@pytest.mark.parametrize("end", [end_token, renew_token])
def test_a_link_ends_with_the_token_that_made_it(
    api: TestClient,
    service: Service,
    made: dict[str, Any],
    world: World,
    end: Callable[[TestClient, Service, str], None],
) -> None:
    world.log = LOG
    other = api.post("/v1/tokens", json={"name": "other"}).json()["token"]
    path = link(api, made, as_bearer(other["token"]))
    assert api.get(path).status_code == 200
    end(api, service, other["id"])
    assert api.get(path).status_code == 404


def test_an_app_has_the_log_of_its_database(api: TestClient, made: dict[str, Any], world: World) -> None:
    world.log = LOG
    found = api.get("/v1/apps/my-postgres-db/logs").json()
    assert found["app"]["id"] == made["id"]
    url = urlsplit(found["logs_url"])
    assert len(api.get(f"{url.path}?{url.query}").text.splitlines()) == len(LOG)
    assert api.get("/v1/apps/my-postgres-db/logs_archives").json()["archives"] == []
    assert api.get("/v1/apps/nothing-here/logs").json() == {"resource": "app", "error": "not found"}


class TestFollow:
    """Through a websocket."""

    @pytest.fixture(autouse=True)
    def _often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logs, "FOLLOW_SECONDS", 0.01)

    def test_sends_each_new_line(self, api: TestClient, made: dict[str, Any], world: World) -> None:
        world.log = LOG[:3]
        path = link(api, made)
        with api.websocket_connect(f"{path}&stream=true") as socket:
            world.log = LOG
            assert [socket.receive_json() for _ in LOG[3:]] == [
                {
                    "event": "log",
                    "log": f"2027-01-15 07:59:59.500000 +0000 UTC [postgresql-1] {line}\n",
                    "timestamp": "2027-01-15T07:59:59.500000Z",
                }
                for line in LOG[3:]
            ]

    @pytest.mark.parametrize("wrong", ["none", "forged", "expired", "other database", "addon token", "no socket"])
    def test_is_refused_without_a_good_link(
        self, api: TestClient, made: dict[str, Any], clock: Clock, wrong: str
    ) -> None:
        path = link(api, made)
        addon = api.post(f"/v1/apps/{made['id']}/addons/ad-{made['id']}/token").json()["addon"]["token"]
        other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]["id"]
        paths = {
            "none": path.partition("?")[0],
            "forged": path[:-3],
            "expired": path,
            "other database": path.replace(made["id"], other, 1),
            "addon token": f"{path.partition('?')[0]}?token={addon}",
            "no socket": f"/v1/databases/{made['id']}",
        }
        if wrong == "expired":
            clock.advance(300)
        with pytest.raises(WebSocketDenialResponse) as refused, api.websocket_connect(paths[wrong]):
            raise AssertionError("it was accepted")
        assert refused.value.status_code == 404
        assert list(refused.value.json()) == ["error"]

    def test_goes_on_after_the_links_end(
        self, api: TestClient, made: dict[str, Any], world: World, clock: Clock
    ) -> None:
        with api.websocket_connect(link(api, made)) as socket:
            clock.advance(600)
            world.log = LOG[:1]
            assert socket.receive_json()["event"] == "log"

    @pytest.mark.parametrize("end", [end_collaboration, disable])
    def test_ends_with_the_access(
        self,
        api: TestClient,
        service: Service,
        made: dict[str, Any],
        world: World,
        guest: str,
        end: Callable[[TestClient, Service, str], None],
    ) -> None:
        with api.websocket_connect(link(api, made, as_bearer(guest))) as socket:
            world.log = LOG[:1]
            assert socket.receive_json()["event"] == "log"
            end(api, service, "")
            world.log = LOG
            with pytest.raises(WebSocketDisconnect) as ended:
                [socket.receive_json() for _ in LOG]
            assert ended.value.code == 1000

    def test_ends_with_the_database(self, api: TestClient, made: dict[str, Any]) -> None:
        with api.websocket_connect(link(api, made)) as socket:
            api.delete(f"/v1/databases/{made['id']}?confirm=my-postgres-db")
            with pytest.raises(WebSocketDisconnect):
                socket.receive_json()

    def test_ends_after_its_time(self, api: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sockets, "LONGEST_SECONDS", 0.05)
        with api.websocket_connect(link(api, made)) as socket, pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
        assert ended.value.code == 1000

    def test_only_so_many_follow_one_log(
        self, api: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(followers, "MOST_OF_ONE", 2)
        path = link(api, made)
        with api.websocket_connect(path), api.websocket_connect(path):
            with pytest.raises(WebSocketDenialResponse) as refused, api.websocket_connect(path):
                raise AssertionError("it was accepted")
            assert refused.value.status_code == 429
        with api.websocket_connect(path):
            pass


def test_no_archives(api: TestClient, made: dict[str, Any]) -> None:
    found = api.get(f"/api/databases/{made['id']}/logs_archives?page=1").json()
    assert found == {"archives": [], "next_cursor": None, "has_more": False}
