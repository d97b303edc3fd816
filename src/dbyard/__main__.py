"""The command `dbyard`: a group that names every command and imports the module of a command only when it runs.

So `dbyard --help` imports neither the platform nor an HTTP client. Errors of all commands are printed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

import click

from dbyard import __version__

_CLI = "dbyard.cli"
_LOCAL = "dbyard.local"

# Section -> command -> (module:attribute of its click command, its help).
COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Databases": {
        "create": (f"{_CLI}.databases:create", "Create a database and print its URL."),
        "list": (f"{_CLI}.databases:list_", "List your databases, newest last."),
        "show": (f"{_CLI}.databases:show", "Show one database and whether it can be used."),
        "url": (f"{_CLI}.databases:url", "Print a database's connection URL."),
        "connect": (f"{_CLI}.connect:connect", "Open psql, mariadb or redis-cli on a database."),
        "resize": (f"{_CLI}.changes:resize", "Give a database another plan of its technology."),
        "reset-password": (f"{_CLI}.changes:reset_password", "Give a database a new password and print its new URL."),
        "database-users": (
            f"{_CLI}.database_users:database_users",
            "List, make and remove users of a database.",
        ),
        "settings": (f"{_CLI}.settings:settings", "Show or change settings of a database's server."),
        "rename": (f"{_CLI}.changes:rename", "Give a database another name."),
        "move": (f"{_CLI}.changes:move", "Move a database to another of your projects."),
        "collaborators": (
            f"{_CLI}.collaborators:collaborators",
            "Share a database, or all databases of a project, with other accounts.",
        ),
        "metrics": (f"{_CLI}.metrics:metrics", "Show what a database uses, and what its server counts."),
        "backup": (
            f"{_CLI}.backups:backup",
            "Create, list, prove, restore, download and delete backups of a database.",
        ),
        "fork": (
            f"{_CLI}.backups:fork",
            "Make a new database of a backup, or of what there was at a moment, and print its URL.",
        ),
        "export": (
            f"{_CLI}.backups:export",
            "Write a database as it is now into a file that its technology's own tools read.",
        ),
        "import": (f"{_CLI}.imports:import_", "Load a dump that was made elsewhere into a database."),
        "delete": (f"{_CLI}.databases:delete", "Delete a database and everything in it."),
        "logs": (f"{_CLI}.history:logs", "Print the last lines of a database server's log."),
        "operations": (f"{_CLI}.history:operations", "Show what the platform did to a database."),
        "cancel": (f"{_CLI}.history:cancel", "Cancel an operation of a database."),
        "upgrade": (f"{_CLI}.changes:upgrade", "Restart a database by the newest build of its version."),
        "repair": (f"{_CLI}.changes:repair", "Let a tenant that locked itself out of a database log in again."),
        "retry": (f"{_CLI}.history:retry", "Retry a failed operation of a database."),
        "events": (f"{_CLI}.history:events", "Show who did what, to a database or in your account."),
    },
    "Platform": {
        "user": (f"{_CLI}.users:user", "Create, list, disable and enable accounts."),
        "project": (f"{_CLI}.projects:project", "Create, list, rename and delete projects."),
        "plans": (f"{_CLI}.plans:plans", "List the technologies, or the plans of one."),
        "token": (f"{_CLI}.tokens:token", "Create, list, renew and revoke API tokens."),
    },
    "This machine": {
        "serve": (f"{_LOCAL}.server:serve", "Serve the platform until it is stopped; databases keep running."),
        "stop": (
            f"{_LOCAL}.server:stop",
            "Stop the platform and all its databases; their data stay, and `serve` starts them again.",
        ),
        "admin-token": (f"{_LOCAL}.admin_token:admin_token", "Make a new first token when it is lost."),
        "state": (f"{_LOCAL}.state:state", "Back up the platform's own state, and put it back."),
        "key": (f"{_LOCAL}.key:key", "Keep the master key elsewhere, sealed by a passphrase, and put it back."),
        "audit": (f"{_LOCAL}.audit:audit", "Check that recorded events were not changed."),
        "engines": (f"{_LOCAL}.engines:engines", "List the database servers of this machine, or install them."),
        "quickstart": (f"{_LOCAL}.quickstart:quickstart", "Run the platform with an example database."),
    },
}

_TARGETS = {name: target for commands in COMMANDS.values() for name, (target, _) in commands.items()}


class LazyGroup(click.Group):
    """A group whose commands are in other modules. A DbyardError becomes a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_TARGETS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _TARGETS:
            return None
        module, _, attribute = _TARGETS[cmd_name].partition(":")
        return cast(click.Command, getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])

    def invoke(self, ctx: click.Context) -> object:
        from dbyard.errors import DbyardError

        try:
            return super().invoke(ctx)
        except DbyardError as error:
            raise Failure(_words(error), exit_code(error)) from error


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dbyard")
def main() -> None:
    """A self-hosted database platform: each database is a real server of its own.

    DBYARD_URL is the platform's URL (http://127.0.0.1:7878 if unset) and DBYARD_TOKEN the API token. On the platform's
    own machine the first token is found automatically.
    """


class Failure(click.ClickException):
    """An error with the exit code that `docs/cli.md` gives it."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.exit_code: int = code  # type: ignore[misc]


def exit_code(error: Exception) -> int:
    """0 done, 1 failed, 2 usage, 3 not found, 4 not authorised, 5 refused, 6 unreachable, 7 timed out."""
    from dbyard import errors

    codes: tuple[tuple[type[Exception], int], ...] = (
        (errors.NotFound, 3),
        (errors.Unauthorized, 4),
        (errors.Forbidden, 4),
        (errors.Unavailable, 1),
        (errors.RequestError, 5),
        (errors.Unreachable, 6),
        (errors.TimedOut, 7),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), 1)


def _words(error: Exception) -> str:
    from dbyard.errors import Invalid

    if not isinstance(error, Invalid):
        return str(error)
    fields = [f"  {name}: {message}" for name, messages in error.fields.items() for message in messages]
    return "\n".join(["the platform refuses this request:", *fields])


if __name__ == "__main__":
    main()
