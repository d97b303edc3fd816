"""`/v1/users`: the accounts of people, for administrators."""

from __future__ import annotations

from dbyard import wire
from dbyard.model import Scope
from dbyard.service import users
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire import users as shapes

_ACCOUNT = Parameter(
    "account", "path", "The account's id or username", {"type": "string"}, required=True, source="/user/id"
)


def routes() -> list[Route]:
    return [
        route("/v1/users", get=_LIST, post=_CREATE),
        route("/v1/users/{account}", get=_GET, patch=_UPDATE),
    ]


def list_all(call: Call) -> shapes.AccountsAnswer:
    return users.list_all(call.service)


def create(call: Call) -> shapes.AccountAnswer:
    return users.create(call.service, call.principal, unwrap(call.fields(), "user"))


def get(call: Call) -> shapes.AccountAnswer:
    return users.get(call.service, call.path["account"])


def update(call: Call) -> shapes.AccountAnswer:
    found = users.get(call.service, call.path["account"])  # before anything is said of the body
    return users.update(call.service, call.principal, found.user.id, unwrap(call.fields(), "user"))


_LIST = Verb(list_all, "List the accounts, oldest first", shapes.AccountsAnswer, scope=Scope.ADMIN, waits=True)
_CREATE = Verb(
    create,
    "Make an account with a default project and a first token, which is shown only now",
    shapes.AccountAnswer,
    status=201,
    scope=Scope.ADMIN,
    writes=True,
    body=shapes.CreateAccount,
)
_GET = Verb(
    get,
    "Get an account",
    shapes.AccountAnswer,
    scope=Scope.ADMIN,
    parameters=(_ACCOUNT,),
    refusals={404: wire.Error},
)
_UPDATE = Verb(
    update,
    "Disable or enable an account, or give it another password",
    shapes.AccountAnswer,
    scope=Scope.ADMIN,
    writes=True,
    body=shapes.UpdateAccount,
    parameters=(_ACCOUNT,),
    refusals={404: wire.Error, 409: wire.Error},
)
