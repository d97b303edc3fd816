"""`dbyard state recover` where it cannot begin: it says what to do first, and makes nothing."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from dbyard.errors import ConfigError
from dbyard.local.recover import recover


def test_a_home_without_a_key_is_told_how_to_get_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = CliRunner().invoke(recover, ["--home", str(home)])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == f"{home} has no master key: put it there first (dbyard key import)"
    assert not home.exists()
