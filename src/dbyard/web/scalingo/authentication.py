"""The auth service, on the same origin: JWTs for API tokens, who is asking, and where the platform is."""

from __future__ import annotations

from urllib.parse import urlsplit

from dbyard.model import Scope
from dbyard.service.accounts import authentication
from dbyard.web.handlers import for_principal
from dbyard.web.routes import AuthScheme, Call, Method, Route, route
from dbyard.wire import authentication as shapes


def routes() -> list[Route]:
    return [
        route("/v1/tokens/exchange", post=_EXCHANGE),
        route("/v1/users/self", get=_SELF),
        route("/v1/regions", get=_REGIONS),
    ]


def get_self(call: Call) -> shapes.SelfAnswer:
    account = call.principal.account
    uuid = account.id.removeprefix("us-")
    return shapes.SelfAnswer(
        shapes.Self(account.id, uuid, account.username, account.username, account.email, flags={}, limits={})
    )


def list_regions(call: Call) -> shapes.RegionsAnswer:
    """A platform is one region, and everything of it is at one URL."""
    name, url = call.service.region.name, call.service.region.url
    ssh = f"{urlsplit(url).hostname}:22"  # clients want one; nothing of the platform listens there
    return shapes.RegionsAnswer([shapes.Region(name, f"dbyard {name}", url, url, url, ssh, default=True)])


_EXCHANGE = Method(
    for_principal(authentication.exchange, shapes.ExchangeAnswer),
    "Get a JWT, good for one hour, for an API token",
    shapes.ExchangeAnswer,
    auth=AuthScheme.API_TOKEN,
    scope=Scope.READ,
)
_SELF = Method(get_self, "Whose token this is", shapes.SelfAnswer)
_REGIONS = Method(list_regions, "Where the platform is: its one region", shapes.RegionsAnswer, public=True)
