"""Claims of ports: one holder each on the whole machine, and none for ever."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dbyard.errors import ConfigError, TemporaryError
from dbyard.runtimes.local import directories, slots
from dbyard.runtimes.local.ports import Ports, is_free
from dbyard.runtimes.local.slots import Slot
from tests.ports import CLAIMS, own
from tests.strangers import needs_open_root

FIRST = own(CLAIMS).start
LAST = FIRST + 9  # five pairs
MANY = range(FIRST + 10, FIRST + 90, 2)
Open = Callable[..., Ports]


@pytest.fixture
def open_ports(tmp_path: Path) -> Open:
    """The claims of a home called `name`; all homes share one directory of claims."""

    def open_ports(name: str = "a", first: int = FIRST, last: int = LAST) -> Ports:
        home = tmp_path / name
        directories.make_home(home)
        return Ports(tmp_path / "claims", home, "127.0.0.1", first, last)

    return open_ports


def place(ports: Ports, name: str, usable: Callable[[int], bool] = lambda _: True) -> int:
    """Claim a port and write down what lives there, as the runtime does."""
    with ports.locked():
        port = ports.claim(usable)
        directory = ports.home / "instances" / name
        directory.mkdir()
        slots.write(directory, Slot("127.0.0.1", port, 0, "seed", port))
    return port


def place_many(ports: Ports, names: list[str], found: multiprocessing.Queue[int]) -> None:
    for name in names:
        found.put(place(ports, name))


class TestClaim:
    def test_gives_each_port_once(self, open_ports: Open) -> None:
        ports = open_ports()
        assert {place(ports, str(number)) for number in range(5)} == set(range(FIRST, LAST, 2))
        with pytest.raises(TemporaryError, match=f"no free port between {FIRST} and {LAST}"):
            place(ports, "one-more")

    def test_of_two_homes_are_never_the_same(self, open_ports: Open) -> None:
        homes = [open_ports("a"), open_ports("b")]
        claimed = [place(homes[number % 2], str(number)) for number in range(5)]
        assert len(set(claimed)) == 5

    def test_of_many_processes_are_never_the_same(self, open_ports: Open) -> None:
        spawn = multiprocessing.get_context("spawn")
        found = spawn.Queue()
        workers = [
            spawn.Process(
                target=place_many,
                args=(open_ports(home, MANY.start, MANY.stop - 1), [str(n) for n in range(10)], found),
            )
            for home in "abcd"
        ]
        for worker in workers:
            worker.start()
        claimed = [found.get(timeout=30) for _ in range(40)]
        for worker in workers:
            worker.join()
        assert sorted(claimed) == list(MANY)

    def test_leaves_out_what_is_not_usable_and_keeps_no_claim_of_it(self, open_ports: Open) -> None:
        ports = open_ports()
        assert place(ports, "x", lambda port: port == LAST - 1) == LAST - 1
        assert [path.name for path in ports.claims.glob("[0-9]*")] == [str(LAST - 1)]

    def test_leaves_out_a_port_on_which_somebody_listens(self, open_ports: Open) -> None:
        with socket.create_server(("127.0.0.1", FIRST)):
            assert place(open_ports(last=FIRST + 3), "x") == FIRST + 2

    @pytest.mark.parametrize("content", ["", "{", "{}", '{"home": "/nonexistent"}', "[]"])
    def test_takes_over_what_a_dead_home_left(self, open_ports: Open, content: str) -> None:
        ports = open_ports(last=FIRST + 1)
        ports.claims.mkdir()
        (ports.claims / str(FIRST)).write_text(content)
        assert place(ports, "x") == FIRST

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
    @needs_open_root
    def test_leaves_alone_what_another_users_home_has(self, open_ports: Open, tmp_path: Path) -> None:
        theirs, mine = open_ports("theirs", last=FIRST + 1), open_ports("mine", last=FIRST + 1)
        place(theirs, "x")
        for path in (theirs.home, *theirs.home.iterdir()):
            path.chmod(0o700)
        for path in (tmp_path, *tmp_path.parents[:-2]):
            path.chmod(path.stat().st_mode | 0o011)
        os.seteuid(65534)
        try:
            assert not mine._take(FIRST)
        finally:
            os.seteuid(0)


class TestRelease:
    def test_frees_the_port(self, open_ports: Open) -> None:
        ports = open_ports(last=FIRST + 1)
        place(ports, "x")
        ports.release(FIRST)
        ports.release(FIRST)
        assert place(ports, "y") == FIRST

    def test_of_another_home_changes_nothing(self, open_ports: Open) -> None:
        mine, other = open_ports("a", last=FIRST + 1), open_ports("b", last=FIRST + 1)
        place(mine, "x")
        other.release(FIRST)
        assert json.loads((mine.claims / str(FIRST)).read_text())["home"] == str(mine.home)


class TestSettle:
    def test_a_home_that_was_moved_keeps_its_ports(self, open_ports: Open) -> None:
        before = open_ports("a")
        kept = {place(before, "x"), place(before, "y")}
        before.home.rename(before.home.with_name("b"))
        after, other = open_ports("b"), open_ports("c")
        with after.locked():
            after.settle()
        assert {after._owner(port) for port in kept} == {str(after.home)}
        assert {place(other, str(number)) for number in range(3)} & kept == set()

    @pytest.mark.parametrize("name", ["1x", "²", "20000"])
    def test_what_is_no_claim_of_ours_does_no_harm(self, open_ports: Open, name: str) -> None:
        ports = open_ports()
        ports.claims.mkdir(parents=True, exist_ok=True)
        (ports.claims / name).write_text(json.dumps({"home": "/a\0b", "pid": 1}))
        with ports.locked():
            ports.settle()
            assert ports.claim(lambda _: True)

    def test_claims_of_homes_that_are_gone_are_freed(self, open_ports: Open) -> None:
        gone, mine = open_ports("a"), open_ports("b")
        port = place(gone, "x")
        shutil.rmtree(gone.home)
        with mine.locked():
            mine.settle()
        assert not (mine.claims / str(port)).exists()

    def test_a_copy_of_a_home_is_refused(self, open_ports: Open) -> None:
        mine = open_ports("a")
        port = place(mine, "x")
        shutil.copytree(mine.home, mine.home.with_name("copy"))
        copy = open_ports("copy")
        with copy.locked(), pytest.raises(ConfigError, match="is a copy of"):
            copy.settle()
        assert mine._owner(port) == str(mine.home)

    def test_ports_that_another_home_took_meanwhile_stay_its_own(
        self, open_ports: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As when the disk of this home was away."""
        mine, other = open_ports("a", last=FIRST + 1), open_ports("b", last=FIRST + 1)
        port = place(mine, "x")
        away = mine.home.rename(mine.home.with_name("away"))
        assert place(other, "y") == port
        away.rename(mine.home)
        with mine.locked():
            mine.settle()
        assert mine._owner(port) == str(other.home)
        assert f"is claimed by {other.home}" in caplog.text

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
    @needs_open_root
    def test_what_another_user_left_is_passed_over(self, open_ports: Open, tmp_path: Path) -> None:
        """A newcomer without root, beside claims of root's whose homes are gone, or which cannot even be read."""
        gone, theirs = open_ports("gone", last=FIRST + 3), open_ports("theirs", last=FIRST + 5)
        left = {place(gone, "x"), place(gone, "y")}
        shutil.rmtree(gone.home)
        (gone.claims / str(FIRST)).chmod(0o600)
        gone.claims.chmod(0o1777)
        for path in (tmp_path, *tmp_path.parents[:-2]):
            path.chmod(path.stat().st_mode | 0o011)
        for path in (theirs.home, *theirs.home.iterdir()):
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
        try:
            with theirs.locked():
                theirs.settle()
                assert theirs.claim(lambda _: True) not in left
        finally:
            os.seteuid(0)


class TestReleaseUnplaced:
    def test_frees_what_was_never_written_down(self, open_ports: Open) -> None:
        mine, other = open_ports("a"), open_ports("b")
        kept = {place(mine, "x"), place(other, "y")}
        with mine.locked():
            mine.claim(lambda _: True)
        with other.locked():
            kept.add(other.claim(lambda _: True))  # of a home that is at work
        with mine.locked():
            mine.settle()
        assert {int(path.name) for path in mine.claims.glob("[0-9]*")} == kept


class TestIsFree:
    def test_tells_who_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            assert not is_free("127.0.0.1", port)
        assert is_free("127.0.0.1", port)

    def test_sees_who_listens_everywhere(self) -> None:
        with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104
            assert not is_free("127.0.0.1", listener.getsockname()[1])

    def test_does_not_mind_connections_that_linger(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                listener.accept()[0].close()
        assert is_free("127.0.0.1", port)
