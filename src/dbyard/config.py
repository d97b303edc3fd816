"""The platform's settings: defaults < a TOML file < `DBYARD_*` in the environment < the command line. Read once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from dbyard.errors import ConfigError
from dbyard.model import default_home


@dataclass(frozen=True, slots=True)
class Config:
    home: Path
    """Where the platform keeps its state and its servers."""
    listen: str = "127.0.0.1:7878"
    """HOST:PORT of the HTTP API."""
    server_host: str = "127.0.0.1"
    """The address on which database servers listen."""
    first_port: int = 20000
    last_port: int = 29999
    """The ports that database servers may have."""
    workers: int = 8
    """Threads that run the steps of operations."""
    spares: int = 3
    """Prepared directories kept ready for each server in use; 0 for none."""
    public_url: str = ""
    """The URL at which clients reach the platform, as `/v1/regions` returns it; if empty, the address it listens on."""
    region: str = "osc-fr1"
    """The name of the platform's only region."""
    rate_limit: int = 0
    """Requests per minute for each token; 0 for no limit."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    running_spares: int = 1
    """Servers kept running in advance of each technology, like its database that was created last; 0 for none."""
    archive: str = ""
    """Where backups lie: a directory, or `s3://BUCKET[/PREFIX]`; if empty, HOME/archive."""
    archive_endpoint: str = ""
    """The URL of the server that speaks S3; if empty, Amazon's."""
    archive_region: str = ""
    archive_access_key: str = ""
    archive_secret_key: str = field(default="", repr=False)
    """Without the two keys those of the machine's role are used."""
    archive_copy: str = ""
    """A second place for all that the archive holds: a directory or a bucket; if empty, none."""
    archive_copy_endpoint: str = ""
    archive_copy_region: str = ""
    archive_copy_access_key: str = ""
    archive_copy_secret_key: str = field(default="", repr=False)
    scheduled_backups: bool = True
    """Whether databases are backed up every day without being asked."""
    unresponsive_after: int = 300
    """Seconds without an answer after which a running server is restarted; 0 to never restart it."""

    @property
    def archive_url(self) -> str:
        """The archive as a URL."""
        return _as_url(self.archive or str(self.home / "archive"))

    @property
    def archive_copy_url(self) -> str:
        """The copy of the archive as a URL; empty when there is none."""
        return _as_url(self.archive_copy) if self.archive_copy else ""

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


def load(file: Path | None = None, *, environ: Mapping[str, str] | None = None, **given: object) -> Config:
    """The effective settings; `given` are those of the command line, None if absent.

    Raises ConfigError with the name of the setting and the values that it takes.
    """
    environ = os.environ if environ is None else environ
    names = {each.name for each in fields(Config)}
    values: dict[str, object] = {each.name: each.default for each in fields(Config)} | {"home": default_home()}
    values |= _from_file(file, names) if file else {}
    values |= {name: environ[key] for name in names if (key := f"DBYARD_{name.upper()}") in environ}
    values |= {name: value for name, value in given.items() if value is not None}
    return _check(values)


def _from_file(file: Path, names: set[str]) -> dict[str, object]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {file}: {error}") from error
    unknown = sorted(set(values) - names)
    if unknown:
        raise ConfigError(f"{file}: unknown setting {unknown[0]!r}; the settings are {', '.join(sorted(names))}")
    return values


def _check(values: Mapping[str, object]) -> Config:
    config = Config(
        home=Path(str(values["home"])).absolute(),
        listen=_listen(values["listen"]),
        server_host=str(values["server_host"]),
        first_port=_number(values, "first_port", 1024, 65535),
        last_port=_number(values, "last_port", 1024, 65535),
        workers=_number(values, "workers", 1, 64),
        spares=_number(values, "spares", 0, 1000),
        public_url=_public_url(values["public_url"]),
        region=_region(values["region"]),
        rate_limit=_number(values, "rate_limit", 0, 1_000_000),
        trusted_proxies=_networks(values["trusted_proxies"]),
        running_spares=_number(values, "running_spares", 0, 100),
        archive=_archive(values, "archive"),
        archive_endpoint=_endpoint(values, "archive_endpoint"),
        archive_region=str(values["archive_region"]),
        archive_access_key=str(values["archive_access_key"]),
        archive_secret_key=str(values["archive_secret_key"]),
        archive_copy=_archive(values, "archive_copy"),
        archive_copy_endpoint=_endpoint(values, "archive_copy_endpoint"),
        archive_copy_region=str(values["archive_copy_region"]),
        archive_copy_access_key=str(values["archive_copy_access_key"]),
        archive_copy_secret_key=str(values["archive_copy_secret_key"]),
        scheduled_backups=_flag(values, "scheduled_backups"),
        unresponsive_after=_number(values, "unresponsive_after", 0, 86400),
    )
    if config.first_port > config.last_port:
        raise ConfigError(f"first_port {config.first_port} is above last_port {config.last_port}")
    same_place = (config.archive_url, config.archive_endpoint) == (
        config.archive_copy_url,
        config.archive_copy_endpoint,
    )
    if same_place:
        raise ConfigError("archive_copy must be another place than archive")
    return config


def _listen(value: object) -> str:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"listen must be HOST:PORT, such as 127.0.0.1:7878, not {value!r}")
    return str(value)


def _public_url(value: object) -> str:
    if value == "":
        return ""
    url = str(value).rstrip("/")
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        raise ConfigError(
            f"public_url must be http(s)://HOST[:PORT], such as https://dbyard.example.org, not {value!r}"
        )
    if parts.hostname == "localhost":
        raise ConfigError(
            "public_url must have a host with a dot, which Scalingo's clients rely on: 127.0.0.1, not localhost"
        )
    return url


def _as_url(archive: str) -> str:
    return archive if archive.startswith("s3://") else f"file://{archive}"


def _archive(values: Mapping[str, object], name: str) -> str:
    """An absolute directory, or the URL of a bucket."""
    text = str(values[name])
    if text == "" or text.startswith("/"):
        return text
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"{name} must be an absolute directory or s3://BUCKET[/PREFIX], not {text!r}")
    return text.rstrip("/")


def _endpoint(values: Mapping[str, object], name: str) -> str:
    text = str(values[name]).rstrip("/")
    if text and not re.fullmatch(r"https?://[^/\s]+", text):
        raise ConfigError(f"{name} must be http(s)://HOST[:PORT], not {text!r}")
    return text


def _flag(values: Mapping[str, object], name: str) -> bool:
    text = str(values[name]).lower()
    if text not in ("true", "false", "1", "0"):
        raise ConfigError(f"{name} must be true or false, not {values[name]!r}")
    return text in ("true", "1")


def _region(value: object) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", str(value)):
        raise ConfigError(f"region must be up to 64 of a-z, 0-9 and inner hyphens, such as osc-fr1, not {value!r}")
    return str(value)


def _networks(value: object) -> tuple[str, ...]:
    """A list, or a text with commas."""
    given = [str(each).strip() for each in value] if isinstance(value, list | tuple) else str(value).split(",")
    names = tuple(stripped for each in given if (stripped := each.strip()))
    for name in names:
        try:
            ip_network(name)
        except ValueError:
            raise ConfigError(
                f"trusted_proxies must be addresses or networks, such as 127.0.0.1 or 10.0.0.0/8, not {name!r}"
            ) from None
    return names


def _number(values: Mapping[str, object], name: str, least: int, most: int) -> int:
    value = values[name]
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return int(text)
