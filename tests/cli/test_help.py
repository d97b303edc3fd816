"""The command tree: everything is there, and help imports nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from dbyard import __version__
from dbyard.__main__ import COMMANDS, exit_code, main
from dbyard.errors import (
    BadRequest,
    ConfigError,
    Conflict,
    DbyardError,
    Forbidden,
    Invalid,
    NotFound,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)

_TEXTS = {name: text for commands in COMMANDS.values() for name, (_, text) in commands.items()}
_HEAVY = (
    "httpx2",
    "msgspec",
    "rich",
    "psycopg",
    "uvicorn",
    "starlette",
    "dbyard.client",
    "dbyard.wire",
    "dbyard.daemon",
)


def _imported(*arguments: str) -> set[str]:
    """The modules that a run of `dbyard ARGUMENTS` imports."""
    code = (
        "import sys, dbyard.__main__\n"
        f"dbyard.__main__.main({list(arguments)!r}, standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


class TestHelp:
    def test_names_every_command_with_its_text(self) -> None:
        result = CliRunner().invoke(main, ["--help"])
        assert result.exit_code == 0
        words = " ".join(result.output.split())
        assert [name for name, text in _TEXTS.items() if f"{name} {text}" not in words] == []

    def test_imports_no_command_and_nothing_heavy(self) -> None:
        modules = _imported("--help")
        assert not [name for name in modules if name.startswith(("dbyard.cli", "dbyard.local", *_HEAVY))]

    @pytest.mark.parametrize("command", _TEXTS)
    def test_of_a_command_imports_nothing_heavy(self, command: str) -> None:
        assert not _imported(command, "--help").intersection(_HEAVY)

    @pytest.mark.parametrize("command", _TEXTS)
    def test_short_text_is_the_commands_own(self, command: str) -> None:
        found = main.get_command(click.Context(main), command)
        assert found is not None
        assert found.name == command
        assert found.get_short_help_str(200).rstrip(".") == _TEXTS[command].rstrip(".")


class TestMain:
    def test_version(self) -> None:
        assert CliRunner().invoke(main, ["--version"]).output == f"dbyard, version {__version__}\n"

    def test_unknown_command_is_wrong_usage(self) -> None:
        result = CliRunner().invoke(main, ["no-such"])
        assert result.exit_code == 2
        assert "no-such" in result.stderr


class TestExitCode:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (DbyardError("x"), 1),
            (ConfigError("x"), 1),
            (Unavailable("x"), 1),
            (NotFound("x"), 3),
            (Unauthorized("x"), 4),
            (Forbidden("x"), 4),
            (BadRequest("x"), 5),
            (Conflict("x"), 5),
            (Invalid({"name": ["is wrong"]}), 5),
            (Unreachable("x"), 6),
            (TimedOut("x"), 7),
        ],
    )
    def test_of_each_error(self, error: DbyardError, code: int) -> None:
        assert exit_code(error) == code
