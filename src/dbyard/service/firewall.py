"""The firewall of a database, which has no rules: who reaches a server is decided by the address that it listens on."""

from __future__ import annotations

from typing import NoReturn

from dbyard.errors import Conflict
from dbyard.model import Principal
from dbyard.service import Service
from dbyard.service.databases import own
from dbyard.wire.firewall import FirewallRulesAnswer


def list_rules(service: Service, principal: Principal, key: str) -> FirewallRulesAnswer:
    """The Kubernetes operator asks this of every database that it looks at."""
    with service.store.read() as reading:
        own(reading, principal, key)
    return FirewallRulesAnswer([])


def refuse_rule(service: Service, principal: Principal, key: str) -> NoReturn:
    """Nobody is told that a rule holds which nothing enforces."""
    list_rules(service, principal, key)
    raise Conflict(
        "There is no firewall here: who reaches a database is decided by the address that its server listens on"
    )
