"""`/v1/tokens`: the API tokens of the account that asks."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.accounts import tokens
from dbyard.service.accounts.tokens import TokenRequest
from dbyard.web.api.encoding import tokens as encoding
from dbyard.web.handlers import for_path, for_principal
from dbyard.web.requests import unwrap
from dbyard.web.routes import AuthScheme, Call, Method, Parameter, Route, route
from dbyard.wire import tokens as shapes

_TOKEN = Parameter("token_id", "path", "The token's id", {"type": "string"}, required=True, source="/token/id")


def routes() -> list[Route]:
    return [
        route("/v1/tokens", get=_LIST, post=_CREATE),
        route("/v1/tokens/{token_id}", delete=_REVOKE),
        route("/v1/tokens/{token_id}/renew", patch=_RENEW),
    ]


def create(call: Call) -> shapes.TokenAnswer:
    fields = unwrap(call.fields(), "token")
    request = TokenRequest(
        name=fields.get("name"),
        scope=fields.get("scope"),
        project_id=fields.get("project_id"),
        expires_in=fields.get("expires_in"),
        expires_at=fields.get("expires_at"),
    )
    return encoding.encode_minted(tokens.create(call.service, call.principal, request))


_LIST = Method(
    for_principal(tokens.list_all, encoding.encode_all), "List your tokens, oldest first", shapes.TokensAnswer
)
_CREATE = Method(
    create,
    "Create a token; its value is shown only now",
    shapes.TokenAnswer,
    status=201,
    writes=True,
    auth=AuthScheme.PASSWORD,
    body=shapes.CreateToken,
    errors={404: wire.Error},
)
_RENEW = Method(
    for_path("token_id", tokens.renew, encoding.encode_minted),
    "Give a token another value, shown only now; the old one is worthless at once",
    shapes.TokenAnswer,
    writes=True,
    parameters=(_TOKEN,),
    errors={404: wire.Error},
)
_REVOKE = Method(
    for_path("token_id", tokens.revoke),
    "Revoke a token",
    None,
    status=204,
    writes=True,
    parameters=(_TOKEN,),
    errors={404: wire.Error},
)
