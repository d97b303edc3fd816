"""Which archive objects lie in, and what lets the platform in there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Location:
    """`url` is `file:///DIRECTORY` or `s3://BUCKET[/PREFIX]`; the rest is for S3 alone.

    Without keys those of the machine's role are used.
    """

    url: str
    endpoint: str = ""
    """Where the bucket is, such as `https://s3.example.org`; empty for Amazon's."""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    copy: Location | None = None
    """A second place, to which the reconciler copies every object; it serves what the first one has lost or damaged."""

    @property
    def is_directory(self) -> bool:
        return self.url.startswith("file://")

    @property
    def directory(self) -> Path:
        return Path(self.url.removeprefix("file://"))

    @property
    def bucket(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        return urlsplit(self.url).path.strip("/")
