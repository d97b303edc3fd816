"""The use cases without HTTP: who comes in, what is written at once, what is never written in the clear."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dbyard import secrets, wire
from dbyard.errors import Invalid, NotFound, Unauthorized
from dbyard.model import Principal
from dbyard.service import Service, access, accounts, databases, tokens
from dbyard.service.dates import date
from dbyard.service.drafts import NAME_RULE, choose
from dbyard.store import operations
from tests.builders import get_ready, open_account
from tests.conftest import World

# A service keeps nothing of a draft that it only looked at, so one does for all of hypothesis's.
ONE_SERVICE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
DRAFT = wire.Draft("my-postgres-db", "postgresql", "postgresql-starter-512")


@pytest.fixture
def admin(service: Service, token: str) -> Principal:
    return accounts.authenticate(service, token)


class TestBootstrap:
    def test_opens_the_admins_account_once(self, service: Service, token: str) -> None:
        assert accounts.bootstrap(service, lambda _: pytest.fail("nothing to save")) is None
        principal = accounts.authenticate(service, token)
        assert (principal.account.username, principal.account.admin) == ("admin", True)

    def test_saves_a_token_before_it_is_valid(self, service: Service) -> None:
        saved: list[str] = []

        def die(token: str) -> None:
            saved.append(token)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            accounts.bootstrap(service, die)
        with pytest.raises(Unauthorized):
            accounts.authenticate(service, saved[0])
        assert accounts.bootstrap(service, saved.append) == saved[1]
        assert accounts.authenticate(service, saved[1]).account.admin

    def test_lets_an_admin_in_again_who_revoked_the_last_token(self, service: Service, admin: Principal) -> None:
        tokens.revoke(service, admin, admin.token_id)
        token = accounts.bootstrap(service, lambda _: None)
        assert token is not None
        assert accounts.authenticate(service, token).account == admin.account


class TestAuthenticate:
    @pytest.mark.parametrize("token", ["", "wrong", "tk-us-", "\u00e9"])
    def test_refuses_what_it_does_not_know(self, service: Service, token: str) -> None:
        with pytest.raises(Unauthorized):
            accounts.authenticate(service, token)

    def test_touch_notes_the_use(self, service: Service, admin: Principal) -> None:
        assert tokens.list_all(service, admin).tokens[0].last_used_at is None
        accounts.touch(service, admin)
        assert tokens.list_all(service, admin).tokens[0].last_used_at == date(service.clock())


class TestChoose:
    @ONE_SERVICE
    @given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True).filter(lambda name: 6 <= len(name) <= 48))
    def test_takes_every_name_of_the_rule(self, service: Service, name: str) -> None:
        assert choose(service, wire.Draft(name, "redis", "redis-starter-256")).name == name

    @ONE_SERVICE
    @given(st.text(st.sampled_from("abc019-_A é\n٣"), max_size=60))
    @example("abcdef\n")
    @example("-abcde")
    @example("abc--def")
    def test_refuses_every_other(self, service: Service, name: str) -> None:
        words = name.split("-")
        right = 6 <= len(name) <= 48 and all(words) and set(name) <= set("abc019-")
        if right:
            choose(service, wire.Draft(name, "redis", "redis-starter-256"))
        else:
            with pytest.raises(Invalid, match=NAME_RULE[:20]):
                choose(service, wire.Draft(name, "redis", "redis-starter-256"))

    @pytest.mark.parametrize(("missing", "chosen"), [((), "8.0"), (("8.0",), "7.0"), (("8.0", "7.0"), "0.7")])
    def test_a_preferred_server_where_one_is_found(
        self, service: Service, world: World, missing: tuple[str, ...], chosen: str
    ) -> None:
        world.missing |= {("mongodb", version) for version in missing}
        draft = wire.Draft("my-mongo-db", "mongodb", "mongo-starter-256")
        assert choose(service, draft).version.version == chosen
        draft = wire.Draft("my-mongo-db", "mongodb", "mongo-starter-256", version="0.7")
        assert choose(service, draft).version.version == "0.7"


class TestCreate:
    def test_keeps_secrets_sealed(self, service: Service, admin: Principal, tmp_path: Path) -> None:
        databases.create(service, admin, DRAFT)
        get_ready(service)
        connection = access.connection(service, admin, DRAFT.name).connection  # type: ignore[arg-type]
        files = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
        assert connection.user.encode() in files
        assert connection.password.encode() not in files
        assert b"PRIVATE KEY" not in files

    def test_writes_all_or_nothing(
        self, service: Service, admin: Principal, monkeypatch: pytest.MonkeyPatch, world: World
    ) -> None:
        monkeypatch.setattr(operations, "insert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            databases.create(service, admin, DRAFT, databases.Repeatable("key", b"body"))
        with service.store.read() as connection:
            for table in ("database", "instance", "credential", "operation", "idempotency"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0  # noqa: S608
        assert world.wakes == 0

    def test_remembers_which_server_was_installed(self, service: Service, admin: Principal) -> None:
        databases.create(service, admin, DRAFT)
        with service.store.read() as connection:
            row = connection.execute("SELECT full_version, generation, port FROM instance").fetchone()
        assert tuple(row) == ("17.1", 1, None)


class TestOwnership:
    def test_of_a_project(self, service: Service, admin: Principal) -> None:
        other = accounts.authenticate(service, open_account(service, "other"))
        made = msgspec.json.decode(databases.create(service, admin, DRAFT), type=wire.DatabaseAnswer).database
        draft = msgspec.structs.replace(DRAFT, name="my-second-db", project_id=made.project_id)
        with pytest.raises(NotFound, match="Project not found"):
            databases.create(service, other, draft)


def test_a_digest_is_all_that_is_kept_of_a_token(service: Service, token: str, tmp_path: Path) -> None:
    files = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    assert secrets.digest(token) in files
    assert token.encode() not in files
