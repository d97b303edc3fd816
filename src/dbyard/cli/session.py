"""The platform and the token that a command uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from dbyard.client import Client

DEFAULT_URL = "http://127.0.0.1:7878"


@contextmanager
def session() -> Iterator[Client]:
    """A client of the platform that the environment names. If the token is refused, the error names its origin."""
    from dbyard.client import Client
    from dbyard.errors import ConfigError, Unauthorized

    url = os.environ.get("DBYARD_URL") or DEFAULT_URL
    token, origin = find_token(url)
    try:
        client = Client(url, token)
    except ConfigError as error:
        raise click.UsageError(f"DBYARD_URL: {error}") from error
    with client:
        try:
            yield client
        except Unauthorized as error:
            raise Unauthorized(f"{error}: {origin}") from error


def find_token(url: str) -> tuple[str | None, str]:
    """The token for a platform, and a phrase on its origin for error messages.

    DBYARD_TOKEN, else the first token in `admin-token` of a home on this machine. A token from a file is only sent to
    this machine, so that a URL in the environment cannot steal it.
    """
    if token := os.environ.get("DBYARD_TOKEN", "").strip():
        return _ascii(token), "the token is from DBYARD_TOKEN"
    if not _is_here(url):
        return None, "set DBYARD_TOKEN to an API token of that platform"
    for path in _token_files():
        if token := _read(path):
            return _ascii(token), f"the token is from {path}; set DBYARD_TOKEN to use another one"
    return None, (
        "set DBYARD_TOKEN to an API token, or run this as a user who can read the home's admin-token file"
        " (dbyard admin-token makes a lost one anew)"
    )


def _is_here(url: str) -> bool:
    from dbyard.client import is_loopback

    return is_loopback(urlsplit(url).hostname or "")


def _token_files() -> list[Path]:
    """Only DBYARD_HOME's if that is set; else the checkout's, then the default home's."""
    from dbyard.model import default_home

    here = [] if os.environ.get("DBYARD_HOME") else [Path(".dbyard")]
    return [home / "admin-token" for home in (*here, default_home())]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _ascii(token: str) -> str:
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise click.UsageError("a token has no spaces and no characters beyond ASCII")
    return token
