"""The use cases without HTTP: who comes in, what is written at once, what is never written in the clear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dbyard import secrets
from dbyard.errors import Invalid, NotFound, Unauthorized
from dbyard.model import Principal
from dbyard.service import Service
from dbyard.service.accounts import authentication, tokens
from dbyard.service.databases.connection import get as get_connection
from dbyard.service.databases.create import IdempotencyKey, create
from dbyard.service.databases.create_request import NAME_RULE, CreateRequest, validate
from dbyard.store import operations
from tests.builders import get_ready, open_account
from tests.conftest import World

# A service keeps nothing of a request that it only looked at, so one does for all of hypothesis's.
ONE_SERVICE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
REQUEST = CreateRequest("my-postgres-db", "postgresql", "postgresql-starter-512")


@pytest.fixture
def admin(service: Service, token: str) -> Principal:
    return authentication.authenticate(service, token)


class TestBootstrap:
    def test_opens_the_admins_account_once(self, service: Service, token: str) -> None:
        assert authentication.bootstrap(service, lambda _: pytest.fail("nothing to save")) is None
        principal = authentication.authenticate(service, token)
        assert (principal.account.username, principal.account.admin) == ("admin", True)

    def test_saves_a_token_before_it_is_valid(self, service: Service) -> None:
        saved: list[str] = []

        def die(token: str) -> None:
            saved.append(token)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            authentication.bootstrap(service, die)
        with pytest.raises(Unauthorized):
            authentication.authenticate(service, saved[0])
        assert authentication.bootstrap(service, saved.append) == saved[1]
        assert authentication.authenticate(service, saved[1]).account.admin

    def test_lets_an_admin_in_again_who_revoked_the_last_token(self, service: Service, admin: Principal) -> None:
        tokens.revoke(service, admin, admin.token_id)
        token = authentication.bootstrap(service, lambda _: None)
        assert token is not None
        assert authentication.authenticate(service, token).account == admin.account


class TestAuthenticate:
    @pytest.mark.parametrize("token", ["", "wrong", "tk-us-", "\u00e9"])
    def test_refuses_what_it_does_not_know(self, service: Service, token: str) -> None:
        with pytest.raises(Unauthorized):
            authentication.authenticate(service, token)

    def test_touch_notes_the_use(self, service: Service, admin: Principal) -> None:
        assert tokens.list_all(service, admin)[0].last_used_at is None
        authentication.touch(service, admin)
        assert tokens.list_all(service, admin)[0].last_used_at == service.clock()


class TestValidate:
    @ONE_SERVICE
    @given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True).filter(lambda name: 6 <= len(name) <= 48))
    def test_takes_every_name_of_the_rule(self, service: Service, name: str) -> None:
        assert validate(service, CreateRequest(name, "redis", "redis-starter-256")).name == name

    @ONE_SERVICE
    @given(st.text(st.sampled_from("abc019-_A é\n٣"), max_size=60))
    @example("abcdef\n")
    @example("-abcde")
    @example("abc--def")
    def test_refuses_every_other(self, service: Service, name: str) -> None:
        words = name.split("-")
        right = 6 <= len(name) <= 48 and all(words) and set(name) <= set("abc019-")
        if right:
            validate(service, CreateRequest(name, "redis", "redis-starter-256"))
        else:
            with pytest.raises(Invalid, match=NAME_RULE[:20]):
                validate(service, CreateRequest(name, "redis", "redis-starter-256"))

    @pytest.mark.parametrize(("missing", "chosen"), [((), "8.0"), (("8.0",), "7.0"), (("8.0", "7.0"), "0.7")])
    def test_a_preferred_server_where_one_is_found(
        self, service: Service, world: World, missing: tuple[str, ...], chosen: str
    ) -> None:
        world.missing |= {("mongodb", version) for version in missing}
        request = CreateRequest("my-mongo-db", "mongodb", "mongo-starter-256")
        assert validate(service, request).version.version == chosen
        request = CreateRequest("my-mongo-db", "mongodb", "mongo-starter-256", version="0.7")
        assert validate(service, request).version.version == "0.7"

    def test_one_stands_in_for_the_default_server_that_is_missing(self, service: Service, world: World) -> None:
        world.missing = {("mysql", "9.7")}
        request = CreateRequest("my-mysql-db", "mysql", "mysql-starter-512")
        assert validate(service, request).version.version == "10.11"
        with pytest.raises(Invalid, match=r"MySQL 9\.7 LTS is not installed .* `dbyard engines install mysql`"):
            validate(service, CreateRequest("my-mysql-db", "mysql", "mysql-starter-512", version="9.7"))


class TestCreate:
    def test_keeps_secrets_sealed(self, service: Service, admin: Principal, tmp_path: Path) -> None:
        create(service, admin, REQUEST)
        get_ready(service)
        connection = get_connection(service, admin, "my-postgres-db")
        files = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
        assert connection.user.encode() in files
        assert connection.password.encode() not in files
        assert b"PRIVATE KEY" not in files

    def test_writes_all_or_nothing(
        self, service: Service, admin: Principal, monkeypatch: pytest.MonkeyPatch, world: World
    ) -> None:
        monkeypatch.setattr(operations, "insert", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            create(service, admin, REQUEST, IdempotencyKey("key", b"body"))
        with service.store.read() as connection:
            for table in ("database", "instance", "endpoint", "credential", "operation", "idempotency"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0  # noqa: S608
        assert world.wakes == 0

    def test_remembers_which_server_was_installed(self, service: Service, admin: Principal) -> None:
        create(service, admin, REQUEST)
        with service.store.read() as connection:
            row = connection.execute("SELECT full_version, generation, placement FROM instance").fetchone()
        assert tuple(row) == ("17.1", 1, None)


class TestOwnership:
    def test_of_a_project(self, service: Service, admin: Principal) -> None:
        other = authentication.authenticate(service, open_account(service, "other"))
        made = create(service, admin, REQUEST)
        request = replace(REQUEST, name="my-second-db", project_id=made.project_id)
        with pytest.raises(NotFound, match="Project not found"):
            create(service, other, request)


def test_a_digest_is_all_that_is_kept_of_a_token(service: Service, token: str, tmp_path: Path) -> None:
    files = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    assert secrets.digest(token) in files
    assert token.encode() not in files
