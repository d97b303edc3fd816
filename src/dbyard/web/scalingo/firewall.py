"""`/api/databases/{database}/firewall_rules` and `/api/firewall/managed_ranges`: asked for by clients, always empty.

Who reaches a server is decided by the address that it listens on. A rule is refused, because nothing would enforce it.
"""

from __future__ import annotations

from typing import NoReturn

from dbyard import wire
from dbyard.errors import Conflict
from dbyard.service.databases import databases
from dbyard.web.handlers import for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.routes import Call, Method, Route, route
from dbyard.web.scalingo.unsupported import NO_FIREWALL
from dbyard.wire.firewall import FirewallRulesAnswer, ManagedRangesAnswer


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/firewall_rules", get=_LIST, post=_REFUSE),
        route("/api/firewall/managed_ranges", get=_RANGES),
    ]


def refuse_rule(call: Call) -> NoReturn:
    databases.get(call.service, call.principal, call.path["database"])
    raise Conflict(NO_FIREWALL)


def _no_rules(_authorized: object) -> FirewallRulesAnswer:
    return FirewallRulesAnswer([])


def list_ranges(_call: Call) -> ManagedRangesAnswer:
    return ManagedRangesAnswer([])


_LIST = Method(
    for_path("database", databases.get, _no_rules),
    "List the firewall rules of a database, of which there are none",
    FirewallRulesAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
_REFUSE = Method(
    refuse_rule,
    "Refused: there is no firewall here",
    None,
    status=409,
    parameters=(DATABASE,),
    errors={404: wire.Error, 409: wire.Error},
)
_RANGES = Method(
    list_ranges, "List the ranges that firewall rules may name, of which there are none", ManagedRangesAnswer
)
