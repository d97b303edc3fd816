"""`/api/database_types` and `/api/ca_certificate`: what the Database API says of all databases. No token is needed."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import types
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire import details

_TYPE = Parameter(
    "type", "path", "The type's id or name", {"type": "string"}, required=True, source="/database_types/0/id"
)
_VERSION = Parameter("version", "path", "A database's `version_id`", {"type": "string"}, required=True)


def routes() -> list[Route]:
    return [
        route("/api/database_types", get=_TYPES),
        route("/api/database_types/{type}", get=_TYPE_OF),
        route("/api/database_type_versions/{version}", get=_VERSION_OF),
        route("/api/ca_certificate", get=_CERTIFICATE),
    ]


def list_types(call: Call) -> details.DatabaseTypesAnswer:
    return types.list_types(call.service)


def get_type(call: Call) -> details.DatabaseTypeAnswer:
    return types.get_type(call.service, call.path["type"])


def get_version(call: Call) -> details.DatabaseTypeVersionAnswer:
    return types.get_version(call.service, call.path["version"])


def get_certificate(call: Call) -> bytes:
    return call.service.authority.pem.encode()


_TYPES = Verb(list_types, "List the types of databases", details.DatabaseTypesAnswer, public=True)
_TYPE_OF = Verb(
    get_type,
    "Get a type of databases",
    details.DatabaseTypeAnswer,
    public=True,
    parameters=(_TYPE,),
    refusals={404: wire.Error},
)
_VERSION_OF = Verb(
    get_version,
    "Get a version of a type of databases",
    details.DatabaseTypeVersionAnswer,
    public=True,
    parameters=(_VERSION,),
    refusals={404: wire.Error},
)
_CERTIFICATE = Verb(
    get_certificate,
    "The certificate authority of the home's servers, as PEM",
    None,
    public=True,
    media="application/x-pem-file",
)
