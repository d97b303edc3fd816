"""Which database servers can be measured on this machine."""

from __future__ import annotations

from dbyard import catalogue, engines, installations
from dbyard.model import Installation


class Missing(Exception):
    """What a benchmark needs is not on this machine; says how to get it."""


def installed(technology: str) -> Installation:
    """The default version's server; raises Missing."""
    known = catalogue.load().technologies[technology]
    version = known.default_version
    found = installations.find(technology, version.version)
    if found is None:
        raise Missing(f"{version.server} is not installed: run dbyard engines install {technology}")
    engines.load(known.engine)
    return found
