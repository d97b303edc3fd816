"""`/api/database_types` and `/api/ca_certificate`: what the Database API says of all databases. No token is needed."""

from __future__ import annotations

from dbyard import wire
from dbyard.errors import NotFound
from dbyard.service import catalogue
from dbyard.web.handlers import for_service
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import database_types as encoding
from dbyard.wire import database_types as shapes

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


def get_type(call: Call) -> shapes.DatabaseTypeAnswer:
    """By id, else by slug."""
    key, technologies = call.path["type"], catalogue.list_server_types(call.service)
    by_id = (each for each in technologies if encoding.type_id(each) == key)
    found = next(by_id, None) or next((each for each in technologies if each.slug == key), None)
    if found is None:
        raise NotFound("Database type not found")
    return encoding.encode(found)


def get_version(call: Call) -> shapes.DatabaseTypeVersionAnswer:
    for technology, version in catalogue.list_versions(call.service):
        if encoding.version_id(technology, version) == call.path["version"]:
            return encoding.encode_version(catalogue.find_installed(call.service, technology, version))
    raise NotFound("Database type version not found")


def get_certificate(call: Call) -> bytes:
    return call.service.authority.pem.encode()


_TYPES = Method(
    for_service(catalogue.list_server_types, encoding.encode_all),
    "List the types of databases",
    shapes.DatabaseTypesAnswer,
    public=True,
    blocking=True,
)
_TYPE_OF = Method(
    get_type,
    "Get a type of databases",
    shapes.DatabaseTypeAnswer,
    public=True,
    blocking=True,
    parameters=(_TYPE,),
    errors={404: wire.Error},
)
_VERSION_OF = Method(
    get_version,
    "Get a version of a type of databases",
    shapes.DatabaseTypeVersionAnswer,
    public=True,
    blocking=True,
    parameters=(_VERSION,),
    errors={404: wire.Error},
)
_CERTIFICATE = Method(
    get_certificate,
    "The certificate authority of the home's servers, as PEM",
    None,
    public=True,
    media="application/x-pem-file",
)
