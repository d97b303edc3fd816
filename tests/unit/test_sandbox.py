"""The argv that puts a server into its sandbox, as a value."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard.model import Installation
from dbyard.runtimes.local import sandbox
from dbyard.runtimes.local.sandbox import SandboxSpec

BWRAP = Path("/usr/bin/bwrap")
HERE = Path("/srv/a home/instances/1")
ROOT = Path("/opt/engines/x/1.0")
INSTALLATION = Installation("x", "1", "1.0", ROOT / "bin", (ROOT / "lib", ROOT / "lib2"), ROOT, "test")
BOX = sandbox.for_instance(HERE, 220000, INSTALLATION)
SERVER = ("/opt/engines/x/1.0/bin/serve", "--data", "a b")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def script(box: SandboxSpec) -> str:
    argv = sandbox.wrap(box, SERVER, None, None)
    assert argv[:2] == ["/bin/sh", "-c"]
    return argv[2]


def pairs(argv: list[str], option: str) -> list[tuple[str, str]]:
    return [(argv[at + 1], argv[at + 2]) for at, word in enumerate(argv) if word == option]


class TestWrap:
    def test_ends_with_the_servers_own_argv_untouched(self) -> None:
        for bubblewrap in (None, BWRAP):
            assert tuple(sandbox.wrap(BOX, SERVER, bubblewrap, None)[-len(SERVER) :]) == SERVER

    def test_starts_where_the_server_may_write(self) -> None:
        assert shlex.quote(str(HERE / "run")) in script(BOX)

    def test_leaves_no_core(self) -> None:
        assert "ulimit -c 0" in script(BOX)

    def test_joins_its_group_before_anything_else(self) -> None:
        box = sandbox.for_instance(HERE, 220000, INSTALLATION, (Path("/sys/fs/cgroup/a b/cgroup.procs"),))
        assert "'/sys/fs/cgroup/a b/cgroup.procs'" in script(box).split(" && ")[0]

    def test_limits_the_address_space_when_told_to(self) -> None:
        assert "ulimit -v" not in script(BOX)
        assert "ulimit -v 2048" in script(replace(BOX, address_space=2 * 1024 * 1024))

    def test_is_nice_when_told_to(self) -> None:
        assert "nice -n 10" in script(sandbox.for_instance(HERE, 220000, INSTALLATION, nice=10))

    @as_root
    def test_drops_root_and_every_way_back(self) -> None:
        argv = sandbox.wrap(BOX, SERVER, None, None)
        at = argv.index("setpriv")
        assert argv[at + 1 : at + 6] == ["--reuid", "220000", "--regid", "220000", "--clear-groups"]
        assert {"--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"} <= set(argv[at:])


class TestBubblewrap:
    def argv(self) -> list[str]:
        return sandbox.wrap(BOX, SERVER, BWRAP, 3)

    def test_shows_nothing_writable_but_the_servers_own(self) -> None:
        own = {str(HERE / name) for name in ("data", "log", "run")}
        assert dict(pairs(self.argv(), "--bind")) == {path: path for path in own}

    def test_shows_its_installation_and_configuration_read_only(self) -> None:
        shown = dict(pairs(self.argv(), "--ro-bind"))
        assert shown[str(ROOT)] == str(ROOT)
        assert shown[str(HERE / "conf")] == str(HERE / "conf")

    def test_shows_no_other_part_of_the_home(self) -> None:
        shown = {target for option in ("--bind", "--ro-bind") for _, target in pairs(self.argv(), option)}
        assert not {str(HERE), str(HERE.parent), str(HERE.parent.parent)} & shown

    def test_binds_nothing_of_usr_twice(self) -> None:
        system = Installation("x", "1", "1.0", Path("/usr/bin"), (), Path("/usr"), "system")
        argv = sandbox.wrap(sandbox.for_instance(HERE, 220000, system), SERVER, BWRAP, None)
        assert pairs(argv, "--ro-bind").count(("/usr", "/usr")) == 1

    def test_has_namespaces_of_its_own(self) -> None:
        assert {"--unshare-pid", "--unshare-ipc", "--unshare-uts"} <= set(self.argv())

    def test_never_dies_with_the_platform(self) -> None:
        assert "--die-with-parent" not in self.argv()

    def test_filters_system_calls_when_told_to(self) -> None:
        assert "--seccomp" not in self.argv()
        argv = sandbox.wrap(replace(BOX, syscall_filter=Path("/srv/a home/syscalls.bpf")), SERVER, BWRAP, 3)
        (fd,) = [argv[at + 1] for at, word in enumerate(argv) if word == "--seccomp"]
        assert argv[2].endswith(f"""exec "$@" {fd}< '/srv/a home/syscalls.bpf'""")

    def test_tells_the_pid_only_when_asked(self) -> None:
        assert "--info-fd" in self.argv()
        assert "--info-fd" not in sandbox.wrap(BOX, SERVER, BWRAP, None)


class TestEnvironment:
    def test_holds_nothing_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DBYARD_TOKEN", "tk-us-secret")
        found = sandbox.environment(BOX, {}, ("DBYARD_INSTANCE", "home:1"))
        assert set(found) == {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "DBYARD_INSTANCE", "LD_LIBRARY_PATH"}

    def test_finds_the_installations_programs_and_libraries(self) -> None:
        found = sandbox.environment(BOX, {}, ("DBYARD_INSTANCE", "home:1"))
        assert found["PATH"].startswith(f"{ROOT}/bin:")
        assert found["LD_LIBRARY_PATH"] == f"{ROOT}/lib:{ROOT}/lib2"

    def test_lets_the_engine_have_the_last_word(self) -> None:
        assert sandbox.environment(BOX, {"LANG": "C"}, ("DBYARD_INSTANCE", "home:1"))["LANG"] == "C"


class TestPasswd:
    def test_names_the_uid(self) -> None:
        assert "dbyard:x:220000:220000:" in sandbox.passwd(220000)
