"""Backups of real servers: made while they are written to, proved by a restore, downloaded, found out when damaged."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path

import msgspec
import psycopg
import pytest
import redis

from dbyard import catalogue, engines
from dbyard.archive import objects, reading
from dbyard.archive.locations import Location
from dbyard.archive.manifests import Manifest
from dbyard.archive.stores import open_store
from dbyard.errors import BackupDamaged, Conflict, NotFound, Unreachable
from dbyard.model import OperationKind, Technology
from dbyard.operations import moments
from dbyard.operations.kinds import KINDS
from dbyard.recipes import SharedRecipe
from dbyard.secrets import load_or_make_key
from dbyard.wire.backups import Backup, Restoration
from tests.buckets import gateway, program
from tests.e2e import tenants
from tests.e2e.killer import MOMENTS
from tests.e2e.platforms import Platform, platform, wait_for
from tests.ports import BUCKETS, own

NAME = "backed-up-db"
KILLER = ("-m", "tests.e2e.killer", "serve")
KNOWN = catalogue.load().technologies


def has_own_server(technology: Technology) -> bool:
    """Whether what stands behind it by default is not tested as that of another one already."""
    default, recipe = technology.default_version, technology.default_version.recipe
    return not (
        isinstance(recipe, SharedRecipe) and KNOWN[recipe.technology].default_version.version == default.version
    )


TECHNOLOGIES = [
    slug
    for slug in tenants.TENANTS
    if isinstance(engines.load(KNOWN[slug].engine), engines.Backups) and has_own_server(KNOWN[slug])
]
READERS = dict.fromkeys(TECHNOLOGIES, ("tar", "-tf", "-")) | {
    "redis": ("head", "-c", "5"),
    "mysql": ("grep", "-a", "^CREATE TABLE"),
    "mariadb": ("grep", "-a", "^CREATE TABLE"),
}
"""What reads a download."""
FIRST = {
    "postgresql": b"backup_label\n",
    "redis": b"REDIS",
    "influxdb": b"data/",
    "mongodb": b"WiredTiger",
    "mysql": b"CREATE TABLE `written`",
    "mariadb": b"CREATE TABLE `written`",
    "opensearch": b"nodes/0/",
}
"""What it finds first there."""


KINDS_OF_BACKUPS = (OperationKind.BACKUP, OperationKind.VERIFY_BACKUP)
STEPS = {kind: [step for step in KINDS[kind].steps if step not in moments.STEPS] for kind in KINDS}
"""Those that a restore of a backup has."""
POINTS = [f"{kind} {step} {moment}" for kind in KINDS_OF_BACKUPS for step in STEPS[kind] for moment in MOMENTS]


@pytest.fixture
def fresh() -> Iterator[Platform]:
    with platform() as made:
        yield made


def back_up(home: Platform) -> Backup:
    """A backup that is made and proved."""
    with home.client() as client:
        return await_proof(home, client.create_backup(NAME).id)


def look(home: Platform, backup_id: str) -> Backup:
    with home.client() as client:
        return client.get_backup(NAME, backup_id)


def await_proof(home: Platform, backup_id: str, state: str = "verified", seconds: float = 120) -> Backup:
    def ended() -> bool:
        found = look(home, backup_id)
        return found.status == "error" or (found.status == "done" and is_at_rest(home))

    wait_for(ended, lambda: f"{look(home, backup_id)}\n{home.log()}", seconds)
    found = look(home, backup_id)
    assert found.verification.state == state, f"{found}\n{home.log()}"
    return found


def is_at_rest(home: Platform) -> bool:
    with home.client() as client:
        return all(each.finished_at for each in client.list_operations(NAME))


def content(home: Platform, backup: Backup, start: int = 0) -> bytes:
    with home.client() as client:
        return b"".join(client.download_backup(NAME, backup.id, start))


def archive(home: Platform) -> dict[str, bytes]:
    root = home.home / "archive"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.glob("*/*/[!.]*")}


def kept(home: Platform) -> set[str]:
    """The ids of the backups that the archive has."""
    return {Path(name).parent.name for name in archive(home)}


def nothing_else_is_left(home: Platform) -> bool:
    """No scratch server, no job."""
    return len(list((home.home / "instances").iterdir())) == 1 and not list((home.home / "jobs").iterdir())


class TestBackup:
    @pytest.mark.parametrize("technology", TECHNOLOGIES)
    def test_is_made_proved_and_read_by_the_technologys_own_tools(self, fresh: Platform, technology: str) -> None:
        connection = fresh.start().create(NAME, technology)
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write_many(range(1000))
        made = back_up(fresh)
        assert (made.status, made.method, made.error) == ("done", "manual", None)
        assert made.verified_at is not None
        assert sum(made.counts.values()) == 1000
        assert nothing_else_is_left(fresh)
        told = content(fresh, made)
        assert len(told) == made.size
        assert told[500:] == content(fresh, made, 500)
        read = subprocess.run(READERS[technology], input=told, capture_output=True, check=True)
        assert read.stdout.startswith(FIRST[technology])

    @pytest.mark.parametrize("technology", TECHNOLOGIES)
    def test_of_one_that_is_written_to(self, fresh: Platform, technology: str) -> None:
        connection = fresh.start().create(NAME, technology)
        writer = tenants.Writer(technology, connection.url, 1)
        writer.await_some()
        try:
            made = back_up(fresh)
        finally:
            writer.stop()
        assert made.status == "done"
        assert writer.acknowledged[-1] > 50

    def test_keeps_what_it_holds_to_itself(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        with closing(tenants.connect("redis", connection.url)) as tenant:
            tenant.write(424242)
        made = back_up(fresh)
        stored = archive(fresh)
        assert set(stored) == {f"{made.database_id}/{made.id}/{each}" for each in ("data", "manifest", "proof")}
        assert len(stored[f"{made.database_id}/{made.id}/data"]) == made.stored_size
        assert not [name for name, each in stored.items() if b"424242" in each or NAME.encode() in each]

    def test_can_be_read_by_the_archive_and_the_master_key_alone(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        with closing(tenants.connect("redis", connection.url)) as tenant:
            tenant.write(1)
        made = back_up(fresh)
        key = load_or_make_key(fresh.home / "master.key").derive_key("archive", made.database_id)
        directory = f"{made.database_id}/{made.id}"
        opened = {
            name: b"".join(objects.unpack(key, name, [stored], objects.LEVEL))
            for name, stored in archive(fresh).items()
        }
        manifest = msgspec.json.decode(opened[f"{directory}/manifest"], type=Manifest)
        assert (manifest.id, manifest.database_name, manifest.counts) == (made.id, NAME, {"db0": 1})
        assert opened[f"{directory}/data"] == content(fresh, made)
        assert manifest.sha256 == sha256(archive(fresh)[f"{directory}/data"]).hexdigest()

    def test_is_listed_deleted_and_gone(self, fresh: Platform) -> None:
        fresh.start().create(NAME, "redis")
        first, second = back_up(fresh), back_up(fresh)
        with fresh.client() as client:
            assert [each.id for each in client.list_backups(NAME)] == [second.id, first.id]
            client.delete_backup(NAME, first.id)
            assert [each.id for each in client.list_backups(NAME)] == [second.id]
            with pytest.raises(NotFound):
                client.get_backup(NAME, first.id)
        wait_for(lambda: kept(fresh) == {second.id}, fresh.log, 90)

    def test_does_not_hold_up_its_database(self, fresh: Platform) -> None:
        """Its plan changes and it is deleted meanwhile."""
        fresh.start().create(NAME, "postgresql")
        with fresh.client() as client:
            made = client.create_backup(NAME)
            with pytest.raises(Conflict, match="being made or proved"):
                client.delete_backup(NAME, made.id)
            client.delete_database(NAME, confirm=NAME)
        fresh.await_nothing_left()
        wait_for(lambda: not [name for name in archive(fresh) if name.endswith("manifest")], fresh.log, 60)


class TestProof:
    @pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "another's"])
    def test_of_one_that_is_damaged_fails(self, fresh: Platform, damage: str) -> None:
        """The archive finds that, before any server's own tool sees a byte."""
        fresh.start().create(NAME, "redis")
        made = back_up(fresh)
        path = fresh.home / "archive" / made.database_id / made.id / "data"
        stored = path.read_bytes()
        if damage == "flipped":
            path.write_bytes(stored[:100] + bytes([stored[100] ^ 1]) + stored[101:])
        elif damage == "cut":
            path.write_bytes(stored[:-1])
        elif damage == "missing":
            path.unlink()
        else:
            other = back_up(fresh)
            path.write_bytes((path.parent.parent / other.id / "data").read_bytes())
        with fresh.client() as client:
            client.verify_backup(NAME, made.id)
        found = await_proof(fresh, made.id, "failed")
        assert made.id in (found.verification.message or "")
        assert found.verified_at is None
        assert nothing_else_is_left(fresh)

    def test_is_not_misled_by_what_a_tenant_has_set(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        with closing(tenants.connect("postgresql", connection.url)) as tenant:
            tenant.write_many(range(100))
        with psycopg.connect(connection.url, autocommit=True) as tenant:
            for setting in ("default_transaction_read_only = on", "statement_timeout = '1ms'", "search_path = public"):
                tenant.execute(f"ALTER DATABASE {connection.database} SET {setting}".encode())
        made = back_up(fresh)
        assert made.counts == {f"{connection.database}.public.written": 100}
        restore(fresh, made)
        fresh.await_usable(NAME)
        with psycopg.connect(connection.url, options="-c statement_timeout=0") as tenant:
            extensions = tenant.execute("SELECT extname FROM pg_extension").fetchall()
        assert ("amcheck",) not in extensions  # what checked it has left nothing behind

    def test_of_keys_that_have_expired_since(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        with redis.Redis.from_url(connection.url) as tenant:
            tenant.mset({f"lasting:{number}": number for number in range(10)})
            for number in range(20):
                tenant.set(f"passing:{number}", number, px=1500)
            made = back_up(fresh)
            wait_for(lambda: tenant.dbsize() == 10, fresh.log, 30)
        assert made.counts == {"db0": 10}
        with fresh.client() as client:
            client.verify_backup(NAME, made.id)
        await_proof(fresh, made.id)

    def test_of_an_archive_that_is_not_mounted_says_nothing_of_the_backup(self, fresh: Platform) -> None:
        fresh.start().create(NAME, "redis")
        made = back_up(fresh)
        root = fresh.home / "archive"
        root.rename(root.with_name("elsewhere"))
        root.mkdir()
        with fresh.client() as client:
            client.verify_backup(NAME, made.id)

            def said() -> str:
                error = client.list_operations(NAME)[0].error
                return error.code if error else ""

            wait_for(lambda: said() == "archive_unavailable", fresh.log, 60)
            assert look(fresh, made.id).verification.state == "verified"
        root.rmdir()
        root.with_name("elsewhere").rename(root)
        await_proof(fresh, made.id)


class TestKills:
    @pytest.mark.parametrize(
        ("technology", "point"),
        [
            *(("redis", point) for point in POINTS),
            *(("postgresql", point) for point in ("backup run effect", "verify_backup restore effect")),
        ],
    )
    def test_of_the_platform_at_any_step(self, fresh: Platform, technology: str, point: str) -> None:
        connection = fresh.start(program=KILLER, KILL_AT=point).create(NAME, technology)
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write_many(range(100))
        with fresh.client() as client, suppress(Unreachable):  # it may die before it answers
            client.create_backup(NAME)
        assert fresh.process is not None
        assert fresh.process.wait(60) == -9
        with fresh.start().client() as client:
            (made,) = client.list_backups(NAME)
        found = await_proof(fresh, made.id)
        assert sum(found.counts.values()) == 100
        assert nothing_else_is_left(fresh)

    def test_of_the_server_meanwhile(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        with fresh.client() as client:
            made = client.create_backup(NAME)
        fresh.server(connection.port)
        subprocess.run(["kill", "-9", str(fresh.server(connection.port).pid)], check=True)
        await_proof(fresh, made.id)
        fresh.await_usable(NAME)


class TestRestore:
    @pytest.mark.parametrize("technology", TECHNOLOGIES)
    def test_puts_the_data_back_and_can_be_undone(self, fresh: Platform, technology: str) -> None:
        connection = fresh.start().create(NAME, technology)
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write_many(range(100))
            made = back_up(fresh)
            tenant.write_many(range(100, 200))
        with fresh.client() as client:
            for user in client.list_users(NAME):
                client.reset_password(NAME, user.name)
        now = fresh.await_usable(NAME)
        assert now.url != connection.url
        restore(fresh, made)
        assert fresh.await_usable(NAME) == now
        assert read(technology, now.url) == set(range(100))
        with closing(tenants.connect(technology, now.url)) as tenant:
            tenant.write(500)
        with fresh.client() as client:
            client.undo_restore(NAME)
        assert fresh.await_usable(NAME) == now
        assert read(technology, now.url) == set(range(200))
        with fresh.client() as client:
            client.undo_restore(NAME)  # and back again
        assert fresh.await_usable(NAME) == now
        assert read(technology, now.url) == {*range(100), 500}
        fresh.delete(NAME)

    @pytest.mark.parametrize("technology", TECHNOLOGIES)
    def test_makes_a_new_database(self, fresh: Platform, technology: str) -> None:
        connection = fresh.start().create(NAME, technology)
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write_many(range(100))
            made = back_up(fresh)
            tenant.write(500)
        with fresh.client() as client:
            client.fork_backup(NAME, made.id, "a-copy-of-it")
        copy = fresh.await_usable("a-copy-of-it")
        assert (copy.user, copy.database) == (connection.user, connection.database)
        assert (copy.port, copy.password) != (connection.port, connection.password)
        assert read(technology, copy.url) == set(range(100))
        with closing(tenants.connect(technology, copy.url)) as tenant:
            tenant.write(700)
        assert read(technology, connection.url) == {*range(100), 500}
        old = copy.url.replace(copy.password, connection.password)
        assert not tenants.answers(technology, old)

    def test_brings_a_deleted_database_back(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        with closing(tenants.connect("redis", connection.url)) as tenant:
            tenant.write(1)
        made = back_up(fresh)
        fresh.delete(NAME)
        with fresh.client() as client:
            (found,) = client.list_deleted_backups()
            assert (found.id, found.database_name) == (made.id, NAME)
            client.restore_deleted_backup(made.id, NAME)
        again = fresh.await_usable(NAME)
        assert read("redis", again.url) == {1}
        assert again.password != connection.password

    def test_into_a_new_database_is_made_up_for_after_a_kill(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        with closing(tenants.connect("redis", connection.url)) as tenant:
            tenant.write(1)
        made = back_up(fresh)
        fresh.terminate()
        for moment in MOMENTS:
            name = f"copy-{moment}"
            fresh.start(program=KILLER, KILL_AT=f"create restore {moment}")
            with fresh.client() as client, suppress(Unreachable):
                client.fork_backup(NAME, made.id, name)
            assert fresh.process is not None
            assert fresh.process.wait(60) == -9
            fresh.start()
            assert read("redis", fresh.await_usable(name).url) == {1}
            fresh.terminate()

    def test_of_one_that_is_damaged_leaves_all_as_it_was(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        with closing(tenants.connect("postgresql", connection.url)) as tenant:
            tenant.write(1)
        made, server = back_up(fresh), fresh.server(connection.port)
        path = fresh.home / "archive" / made.database_id / made.id / "data"
        path.write_bytes(path.read_bytes()[:-1])
        with fresh.client() as client:
            asked = client.restore_backup(NAME, made.id)
            wait_for(lambda: client.get_restoration(NAME, asked.id).status == "error", fresh.log, 60)
            assert "is damaged" in (client.get_restoration(NAME, asked.id).error or "")
            assert client.get_backup(NAME, made.id).verification.state == "failed"
            with pytest.raises(Conflict, match="no restore to undo"):
                client.undo_restore(NAME)
            with pytest.raises(Conflict, match="is damaged"):
                client.restore_backup(NAME, made.id)
        assert fresh.server(connection.port) == server
        assert read("postgresql", connection.url) == {1}
        assert nothing_else_is_left(fresh)

    def test_of_one_that_was_written_to_has_all_up_to_one_moment(self, fresh: Platform) -> None:
        """Whatever was written before something that is there is there as well."""
        connection = fresh.start().create(NAME, "redis")
        writer = tenants.Writer("redis", connection.url, 1)
        writer.await_some()
        before = writer.acknowledged[-1]
        try:
            made = back_up(fresh)
        finally:
            writer.stop()
        restore(fresh, made)
        fresh.await_usable(NAME)
        found = read("redis", connection.url)
        assert found == set(range(1, len(found) + 1))
        assert before <= len(found) < writer.acknowledged[-1]

    def test_of_several_any_can_be_undone(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        with closing(tenants.connect("redis", connection.url)) as tenant:
            tenant.write(1)
            made = back_up(fresh)
            tenant.write(2)
        for number in (3, 4):
            restore(fresh, made)
            fresh.await_usable(NAME)
            with closing(tenants.connect("redis", connection.url)) as tenant:
                tenant.write(number)
        with fresh.client() as client:
            newer, older = client.list_replaced(NAME)
            client.undo_restore(NAME, older.id)
        fresh.await_usable(NAME)
        assert read("redis", connection.url) == {1, 2}
        with fresh.client() as client:
            client.undo_restore(NAME, newer.id)
        fresh.await_usable(NAME)
        assert read("redis", connection.url) == {1, 3}

    def test_is_one_at_a_time(self, fresh: Platform) -> None:
        fresh.start().create(NAME, "postgresql")
        made = back_up(fresh)
        with fresh.client() as client:
            client.restore_backup(NAME, made.id)
            with pytest.raises(Conflict, match="Another restore or import is at work"):
                client.restore_backup(NAME, made.id)

    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize(
        "step",
        [f"{kind} {step}" for kind in (OperationKind.RESTORE, OperationKind.SWITCH) for step in STEPS[kind]],
    )
    def test_outlives_kills_of_the_platform(self, fresh: Platform, step: str, moment: str) -> None:
        connection = fresh.start(program=KILLER, KILL_AT=f"{step} {moment}").create(NAME, "redis")
        with closing(tenants.connect("redis", connection.url)) as tenant:
            tenant.write_many(range(100))
            made = back_up(fresh)
            tenant.write_many(range(100, 200))
        with fresh.client() as client, suppress(Unreachable):  # it may die before it answers
            client.restore_backup(NAME, made.id)
        assert fresh.process is not None
        assert fresh.process.wait(60) == -9
        with fresh.start().client() as client:
            asked = next(each for each in client.list_operations(NAME) if each.kind == OperationKind.RESTORE)
        await_restoration(fresh, asked.id)
        assert fresh.await_usable(NAME) == connection
        assert read("redis", connection.url) == set(range(100))
        with fresh.client() as client:
            client.undo_restore(NAME)
        assert fresh.await_usable(NAME) == connection
        assert read("redis", connection.url) == set(range(200))


def restore(home: Platform, backup: Backup) -> None:
    with home.client() as client:
        await_restoration(home, client.restore_backup(NAME, backup.id).id)


def await_restoration(home: Platform, restoration_id: str) -> None:
    def look() -> Restoration:
        with home.client() as client:
            return client.get_restoration(NAME, restoration_id)

    wait_for(lambda: look().ended_at, home.log, 120)
    assert look().status == "done", f"{look()}\n{home.log()}"


def read(technology: str, url: str) -> set[int]:
    with closing(tenants.connect(technology, url)) as tenant:
        return tenant.read()


class TestBucket:
    def test_holds_backups_and_may_be_gone_meanwhile(self, tmp_path: Path) -> None:
        program()
        with ExitStack() as stack:
            port = own(BUCKETS)[1]
            first = stack.enter_context(gateway(tmp_path, port))
            where = {
                "DBYARD_ARCHIVE": first.location.url,
                "DBYARD_ARCHIVE_ENDPOINT": first.location.endpoint,
                "DBYARD_ARCHIVE_REGION": first.location.region,
                "DBYARD_ARCHIVE_ACCESS_KEY": first.location.access_key,
                "DBYARD_ARCHIVE_SECRET_KEY": first.location.secret_key,
            }
            home = stack.enter_context(platform(**where))
            connection = home.start().create(NAME, "redis")
            with closing(tenants.connect("redis", connection.url)) as tenant:
                tenant.write_many(range(1000))
            made = back_up(home)
            stored = first.files / made.database_id / made.id
            assert {each.name for each in stored.iterdir()} == {"data", "manifest", "proof"}
            assert not (home.home / "archive").exists()
            assert content(home, made).startswith(b"REDIS")

            first.process.kill()
            first.process.wait()
            with home.client() as client:
                later = client.create_backup(NAME)
            wait_for(lambda: "archive_unavailable" in outcomes(home), home.log, 90)
            assert look(home, later.id).status == "running"
            stack.enter_context(gateway(tmp_path, port))
            await_proof(home, later.id)
            with home.client() as client:
                client.delete_backup(NAME, made.id)
            wait_for(lambda: not stored.exists() or not any(stored.iterdir()), home.log, 90)
            assert first.location.secret_key not in home.log()


def outcomes(home: Platform) -> list[str]:
    """Of all steps of the newest backup."""
    with home.client() as client:
        newest = next(each for each in client.list_operations(NAME) if each.kind == OperationKind.BACKUP)
        return [step.outcome for step in newest.steps]


class TestDamage:
    def test_anywhere_in_any_object_is_found_and_named(self, fresh: Platform, rng: random.Random) -> None:
        """Not a byte of it is ever given to a program; what is read before it was right."""
        fresh.start()
        for technology in ("redis", "postgresql"):
            connection = fresh.create(f"{technology}-db", technology)
            with closing(tenants.connect(technology, connection.url)) as tenant:
                tenant.write_many(range(1000))
            with fresh.client() as client:
                client.create_backup(f"{technology}-db")
        root = fresh.home / "archive"
        wait_for(lambda: len(list(root.glob("*/*/proof"))) == 2 and list(root.glob("*/journal/*/*/*")), fresh.log, 120)
        fresh.stop()
        location = Location(f"file://{root}")
        box = load_or_make_key(fresh.home / "master.key")
        for name in open_store(location).list():
            key, path = box.derive_key("archive", name.partition("/")[0]), root / name
            whole, plain = path.read_bytes(), b"".join(reading.read(location, key, name))
            for number in rng.sample(range(len(whole)), 10):
                path.write_bytes(whole[:number] + bytes([whole[number] ^ 1 << rng.randrange(8)]) + whole[number + 1 :])
                seen: list[bytes] = []
                with pytest.raises(BackupDamaged, match=name):
                    seen.extend(reading.read(location, key, name))
                assert plain.startswith(b"".join(seen))
            path.write_bytes(whole)


class TestCopy:
    def test_of_the_archive_mends_it(self, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        with platform(DBYARD_ARCHIVE_COPY=str(copy)) as home:
            connection = home.start().create(NAME, "redis")
            with closing(tenants.connect("redis", connection.url)) as tenant:
                tenant.write_many(range(100))
                made = back_up(home)
            data = Path(made.database_id) / made.id / "data"
            wait_for(lambda: (copy / data.with_name("manifest")).exists(), home.log, 120)
            path, whole = home.home / "archive" / data, (copy / data).read_bytes()
            path.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
            assert content(home, made).startswith(b"REDIS")
            with home.client() as client:
                client.verify_backup(NAME, made.id)
            await_proof(home, made.id)
            wait_for(lambda: path.read_bytes() == whole, home.log, 60)
            path.write_bytes(whole[:-1])
            restore(home, made)
            home.await_usable(NAME)
            assert read("redis", connection.url) == set(range(100))
            wait_for(lambda: path.read_bytes() == whole, home.log, 60)

    def test_of_the_archive_serves_a_restore(self, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        with platform(DBYARD_ARCHIVE_COPY=str(copy)) as home:
            connection = home.start().create(NAME, "redis")
            with closing(tenants.connect("redis", connection.url)) as tenant:
                tenant.write_many(range(100))
                made = back_up(home)
                tenant.write(500)
            directory = Path(made.database_id) / made.id
            wait_for(lambda: (copy / directory / "manifest").exists(), home.log, 120)
            (home.home / "archive" / directory / "data").unlink()
            restore(home, made)
            home.await_usable(NAME)
            assert read("redis", connection.url) == set(range(100))


class TestCancel:
    def test_leaves_nothing(self, fresh: Platform) -> None:
        fresh.start().create(NAME, "postgresql")
        with fresh.client() as client:
            made = client.create_backup(NAME)
            operation = next(each for each in client.list_operations(NAME) if each.kind == "backup")
            client.cancel_operation(NAME, operation.id)
        wait_for(lambda: look(fresh, made.id).status in ("error", "done"), fresh.log, 60)
        wait_for(lambda: is_at_rest(fresh), fresh.log, 60)
        if look(fresh, made.id).status == "error":  # it may have been quicker
            assert archive(fresh) == {}
        assert nothing_else_is_left(fresh)
