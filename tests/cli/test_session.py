"""Where commands find the platform and the token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard import wire
from dbyard.cli.session import find_token

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
HERE = "http://127.0.0.1:7878"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default home of this user; nothing is in it, and the current directory is empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for variable in ("DBYARD_HOME", "DBYARD_TOKEN", "DBYARD_URL"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "data" / "dbyard" / "home"


def _write(home: Path, token: str) -> None:
    home.mkdir(parents=True)
    (home / "admin-token").write_text(token + "\n")


class TestFindToken:
    def test_none(self, home: Path) -> None:
        assert find_token(HERE)[0] is None

    def test_environment_comes_first(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _write(home, "tk-file")
        monkeypatch.setenv("DBYARD_TOKEN", " tk-env\n")
        assert find_token(HERE)[0] == "tk-env"

    def test_default_home(self, home: Path) -> None:
        _write(home, "tk-file")
        assert find_token(HERE)[0] == "tk-file"

    def test_the_checkouts_home_comes_before_the_default_one(self, home: Path) -> None:
        _write(home, "tk-file")
        _write(Path(".dbyard"), "tk-here")
        assert find_token(HERE)[0] == "tk-here"

    def test_a_home_that_is_named_is_the_only_one(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _write(Path(".dbyard"), "tk-here")
        monkeypatch.setenv("DBYARD_HOME", str(tmp_path / "named"))
        assert find_token(HERE)[0] is None
        _write(tmp_path / "named", "tk-named")
        assert find_token(HERE)[0] == "tk-named"

    def test_a_revoked_tokens_empty_file_is_passed_over(self, home: Path) -> None:
        _write(Path(".dbyard"), "")
        _write(home, "tk-file")
        assert find_token(HERE)[0] == "tk-file"

    @pytest.mark.parametrize(
        "url", ["http://db.example.com", "http://127.0.0.1.example.com", "http://localhost.evil.com"]
    )
    def test_a_file_is_not_for_another_machine(self, home: Path, url: str) -> None:
        _write(home, "tk-file")
        assert find_token(url)[0] is None

    @pytest.mark.parametrize("url", ["http://localhost:1", "http://[::1]:1", "https://127.0.0.2"])
    def test_a_file_is_for_this_machine(self, home: Path, url: str) -> None:
        _write(home, "tk-file")
        assert find_token(url)[0] == "tk-file"


class TestSession:
    def test_the_token_goes_as_a_bearer(self, run: Run, platform: FakePlatform) -> None:
        platform.on("GET", "/v1/databases", (200, wire.DatabasesAnswer([])))
        assert run("list").exit_code == 0
        (_, _, headers, _) = platform.requests[0]
        assert headers["Authorization"] == "Bearer tk-us-test"

    def test_a_refused_token_says_where_it_came_from(self, run: Run, platform: FakePlatform) -> None:
        platform.on("GET", "/v1/databases", (401, wire.Error("the token is not known")))
        result = run("list")
        assert result.exit_code == 4
        assert "the token is not known" in result.stderr
        assert "DBYARD_TOKEN" in result.stderr

    def test_no_platform(self, run: Run, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DBYARD_URL", "http://127.0.0.1:1")
        result = run("list")
        assert result.exit_code == 6
        assert "http://127.0.0.1:1" in result.stderr
        assert "dbyard serve" in result.stderr

    @pytest.mark.parametrize("url", ["127.0.0.1:7878", "ftp://x", "http://", "http://x:port"])
    def test_what_is_no_url_is_wrong_usage(self, run: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("DBYARD_URL", url)
        result = run("list")
        assert result.exit_code == 2
        assert "DBYARD_URL" in result.stderr

    def test_a_token_that_no_header_can_carry_is_wrong_usage(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DBYARD_TOKEN", "tk-ü")
        assert run("list").exit_code == 2
