"""`/v1/users`: accounts, for administrators."""

from __future__ import annotations

from dbyard import wire
from dbyard.model import Scope
from dbyard.service.accounts import accounts
from dbyard.service.accounts.accounts import AccountChange, AccountRequest
from dbyard.web.api.encoding import accounts as encoding
from dbyard.web.handlers import authorize, for_path, for_principal
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.wire import accounts as shapes

_ACCOUNT = Parameter(
    "account", "path", "The account's id or username", {"type": "string"}, required=True, source="/user/id"
)


def routes() -> list[Route]:
    return [
        route("/v1/users", get=_LIST, post=_CREATE),
        route("/v1/users/{account}", get=_GET, patch=_UPDATE),
    ]


def create(call: Call) -> shapes.AccountAnswer:
    fields = unwrap(call.fields(), "user")
    request = AccountRequest(
        username=fields.get("username"),
        email=fields.get("email"),
        admin=fields.get("admin"),
        password=fields.get("password"),
    )
    return encoding.encode_new(accounts.create(call.service, call.principal, request))


def update(call: Call) -> shapes.AccountAnswer:
    fields = unwrap(call.fields(), "user")
    change = AccountChange(disabled=fields.get("disabled"), password=fields.get("password"))
    return encoding.encode(accounts.update(call.service, call.principal, call.path["account"], change))


_LIST = Method(
    for_principal(accounts.list_all, encoding.encode_all),
    "List the accounts, oldest first",
    shapes.AccountsAnswer,
    scope=Scope.ADMIN,
    blocking=True,
)
_CREATE = Method(
    create,
    "Make an account with a default project and a first token, which is shown only now",
    shapes.AccountAnswer,
    status=201,
    scope=Scope.ADMIN,
    writes=True,
    body=shapes.CreateAccount,
)
_GET = Method(
    for_path("account", accounts.get, encoding.encode),
    "Get an account",
    shapes.AccountAnswer,
    scope=Scope.ADMIN,
    parameters=(_ACCOUNT,),
    errors={404: wire.Error},
)
_UPDATE = Method(
    update,
    "Disable or enable an account, or give it another password",
    shapes.AccountAnswer,
    scope=Scope.ADMIN,
    writes=True,
    body=shapes.UpdateAccount,
    authorize=authorize("account", accounts.get),
    parameters=(_ACCOUNT,),
    errors={404: wire.Error, 409: wire.Error},
)
