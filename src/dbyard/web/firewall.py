"""`/api/databases/{database}/firewall_rules`: asked for by clients, and always empty."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import firewall
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire.firewall import FirewallRulesAnswer

_DATABASE = Parameter(
    "database", "path", "The database's id, name or addon id", {"type": "string"}, required=True, source="/database/id"
)


def routes() -> list[Route]:
    return [route("/api/databases/{database}/firewall_rules", get=_LIST, post=_REFUSE)]


def list_rules(call: Call) -> FirewallRulesAnswer:
    return firewall.list_rules(call.service, call.principal, call.path["database"])


def refuse_rule(call: Call) -> None:
    firewall.refuse_rule(call.service, call.principal, call.path["database"])


_LIST = Verb(
    list_rules,
    "List the firewall rules of a database, of which there are none",
    FirewallRulesAnswer,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
_REFUSE = Verb(
    refuse_rule,
    "Refused: there is no firewall here",
    None,
    status=409,
    parameters=(_DATABASE,),
    refusals={404: wire.Error, 409: wire.Error},
)
