"""The auth service, on the same origin: JWTs for API tokens, who is asking, and where the platform is."""

from __future__ import annotations

from dbyard.model import Scope
from dbyard.service import accounts, regions
from dbyard.web.routes import Call, Login, Route, Verb, route
from dbyard.wire import auth


def routes() -> list[Route]:
    return [
        route("/v1/tokens/exchange", post=_EXCHANGE),
        route("/v1/users/self", get=_SELF),
        route("/v1/regions", get=_REGIONS),
    ]


def exchange(call: Call) -> auth.ExchangeAnswer:
    return auth.ExchangeAnswer(accounts.exchange(call.service, call.principal))


def get_self(call: Call) -> auth.UserAnswer:
    return accounts.get_self(call.principal)


def list_regions(call: Call) -> auth.RegionsAnswer:
    return regions.list_all(call.service)


_EXCHANGE = Verb(
    exchange,
    "Get a JWT, good for one hour, for an API token",
    auth.ExchangeAnswer,
    login=Login.API_TOKEN,
    scope=Scope.READ,
)
_SELF = Verb(get_self, "Whose token this is", auth.UserAnswer)
_REGIONS = Verb(list_regions, "Where the platform is: its one region", auth.RegionsAnswer, public=True)
