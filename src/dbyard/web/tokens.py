"""`/v1/tokens`: the bearer tokens of the account that asks."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import tokens
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Login, Parameter, Route, Verb, route


def routes() -> list[Route]:
    return [
        route("/v1/tokens", get=_LIST, post=_CREATE),
        route("/v1/tokens/{token_id}", delete=_REVOKE),
        route("/v1/tokens/{token_id}/renew", patch=_RENEW),
    ]


def list_all(call: Call) -> wire.TokensAnswer:
    return tokens.list_all(call.service, call.principal)


def create(call: Call) -> wire.TokenAnswer:
    return tokens.create(call.service, call.principal, unwrap(call.fields(), "token"))


def renew(call: Call) -> wire.TokenAnswer:
    return tokens.renew(call.service, call.principal, call.path["token_id"])


def revoke(call: Call) -> None:
    tokens.revoke(call.service, call.principal, call.path["token_id"])


_LIST = Verb(list_all, "List your tokens, oldest first", wire.TokensAnswer)
_CREATE = Verb(
    create,
    "Create a token; its value is shown only now",
    wire.TokenAnswer,
    status=201,
    writes=True,
    login=Login.PASSWORD,
    body=wire.CreateToken,
    refusals={404: wire.Error},
)
_TOKEN = Parameter("token_id", "path", "The token's id", {"type": "string"}, required=True, source="/token/id")
_RENEW = Verb(
    renew,
    "Give a token another value, shown only now; the old one is worthless at once",
    wire.TokenAnswer,
    writes=True,
    parameters=(_TOKEN,),
    refusals={404: wire.Error},
)
_REVOKE = Verb(
    revoke,
    "Revoke a token",
    None,
    status=204,
    writes=True,
    parameters=(_TOKEN,),
    refusals={404: wire.Error},
)
