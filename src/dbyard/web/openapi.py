"""The OpenAPI 3.1 document, rendered from the route table, the wire structs and the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

import dbyard
from dbyard import wire
from dbyard.catalogue import Catalogue
from dbyard.model import Technology, patterns
from dbyard.web.replies import JSON
from dbyard.web.routes import AuthScheme, Explain, Method, Parameter, Route
from dbyard.web.uploads import MEDIA

Json = dict[str, Any]

_SECURITY: dict[AuthScheme, list[Json]] = {
    AuthScheme.BEARER: [{"token": []}],
    AuthScheme.PASSWORD: [{"token": []}, {"basic": []}],
    AuthScheme.API_TOKEN: [{"basic": []}],
}
_ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EXAMPLE_NAME = "my-postgres-db"
_REFERENCE = "#/components/schemas/{name}"
_MEANINGS = {
    400: "The JSON or a header is broken",
    401: "No token, or not a valid one",
    403: "The token may not do this",
    404: "Not found, or not yours",
    409: "Not possible now",
    413: "The body is too large",
    415: "The body is not JSON in UTF-8",
    429: "Too many requests in a minute, or too many that follow logs",
    422: "Fields are wrong: all of them, with their messages",
    500: "Something broke on our side",
    503: "The platform cannot write its state",
}
_DESCRIPTION = """Start real database servers. Every answer carries `X-Request-Id`; errors are always JSON.

A create body may also come flat (without the `database` wrapper), with `plan_id` for `plan`, `addon_provider_id` for
`technology`, and `database_name` for `name`; a plan may be named by its id. Unknown keys are ignored."""


def render(routes: Sequence[Route], catalogue: Catalogue, explain: Explain, *, limited: bool) -> bytes:
    components = _components(routes)
    components["NewDatabase"] = _new_database(components["NewDatabase"], catalogue)
    components["NewToken"]["properties"]["name"] |= {"minLength": 1, "maxLength": 64, "pattern": patterns.TOKEN_NAME}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "dbyard", "version": dbyard.__version__, "description": _DESCRIPTION},
        "paths": {
            route.path: {name.lower(): _operation(routes, route, name, limited) for name in route.methods}
            | _refused(route, explain, limited)
            for route in routes
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token, or a JWT made for one"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A user and a password, or no user and an API token",
                },
            },
            "headers": {
                "X-Request-Id": {
                    "description": "Names this request in the platform's log; a client may send its own",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
        },
    }
    return msgspec.json.encode(document)


def _components(routes: Sequence[Route]) -> dict[str, Json]:
    methods = [method for route in routes for method in route.methods.values()]
    found = {wire.Error, wire.Errors}
    for method in methods:
        found.update(each for each in (method.answer, method.alternative, method.body) if each)
        found.update(method.errors.values())
    ordered = sorted(found, key=lambda each: each.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    return components


def _new_database(schema: Json, catalogue: Catalogue) -> Json:
    """Which plans and versions go with which technology, so that a body that fits the schema also fits our rules."""
    kinds = [_kind(technology) for technology in catalogue.all]
    pattern = patterns.DATABASE_NAME
    name = {"type": "string", "minLength": 6, "maxLength": 48, "pattern": pattern, "examples": [EXAMPLE_NAME]}
    return schema | {"properties": schema["properties"] | {"name": name}, "oneOf": kinds}


def _kind(technology: Technology) -> Json:
    return {
        "title": technology.name,
        "properties": {
            "technology": {"enum": [technology.slug, *technology.aliases]},
            "plan": {"enum": [plan.name for plan in technology.plans]},
            "version": {"enum": [*(version.version for version in technology.versions), None]},
        },
    }


def _operation(routes: Sequence[Route], route: Route, name: str, limited: bool) -> Json:
    method = route.methods[name]
    operation: Json = {
        "operationId": _identify(name, route.path),
        "tags": [_tag(route.path)],
        "summary": method.summary,
        "parameters": [_parameter(each) for each in method.parameters],
        "responses": _responses(routes, method, limited),
        "security": [] if method.public else _SECURITY[method.auth],
    }
    if method.body:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _reference(method.body)}}}
    if method.takes_upload:
        schema = {"type": "string", "format": "binary", "minLength": 1}
        operation["requestBody"] = {"required": True, "content": {MEDIA: {"schema": schema}}}
    return operation


def _refused(route: Route, explain: Explain, limited: bool) -> Json:
    """The other methods of the path that clients ask for, which are always refused."""
    path = [each for method in route.methods.values() for each in method.parameters if each.place == "path"]
    parameters = [_parameter(each) for each in {each.name: each for each in path}.values()]
    statuses = (401, 409, *((429,) if limited else ()), 500)
    return {
        name.lower(): {
            "operationId": _identify(name, route.path),
            "tags": [_tag(route.path)],
            "summary": f"Refused: {reason}",
            "parameters": parameters,
            "responses": {
                str(each): _response(_MEANINGS[each], JSON, _reference(wire.Error), each) for each in statuses
            },
            "security": _SECURITY[AuthScheme.BEARER],
        }
        for name in _ALL_METHODS
        if name not in route.methods and (reason := explain(name, route.path))
    }


def _identify(name: str, path: str) -> str:
    return "_".join([name.lower(), *path.replace("{", "").replace("}", "").replace(".", "_").split("/")[1:]])


def _tag(path: str) -> str:
    """What groups the operations of a page: the noun of a path of the platform, else the API."""
    _, first, *rest = path.split("/")
    if first == "api":
        return "Database API"
    return rest[0].replace("_", " ") if first == "v1" else "platform"


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }


def _responses(routes: Sequence[Route], method: Method, limited: bool) -> Json:
    errors = dict(sorted((_common_errors(method, limited) | dict(method.errors)).items()))
    empty = (
        {"204": {"description": "Nothing to show", "headers": _response_headers(204)}} if method.may_be_empty else {}
    )
    return (
        {str(method.status): _success(method) | _links(routes, method)}
        | empty
        | (_parts(method) if method.in_parts else {})
        | {
            str(status): _response(_MEANINGS[status], JSON, _reference(shape), status)
            for status, shape in errors.items()
        }
    )


def _common_errors(method: Method, limited: bool) -> dict[int, type[msgspec.Struct]]:
    """What any method of its sort can answer."""
    found: dict[int, type[msgspec.Struct]] = {500: wire.Error}
    if not method.public:
        found |= {401: wire.Error, 403: wire.Error}
    if (limited and method.limited) or method.stream:
        found[429] = wire.Error
    if method.body:
        found |= {400: wire.Error, 413: wire.Error, 415: wire.Error, 422: wire.Errors}
    if method.writes:
        found[503] = wire.Error
    return found


def _success(method: Method) -> Json:
    if method.status == 204:
        return {"description": "Done", "headers": _response_headers(204)}
    schema = _reference(method.answer) if method.answer else {"type": "object" if method.media == JSON else "string"}
    schema = {"type": "array", "items": schema} if method.many else schema
    schema = {"anyOf": [schema, _reference(method.alternative)]} if method.alternative else schema
    response = _response("Success", method.media.partition(";")[0], schema, method.status)
    if method.stream:
        response["content"][method.stream] = {"schema": {"type": "string"}}
    return response


def _parts(method: Method) -> Json:
    none = {"description": "There are no such bytes", "headers": _response_headers(416)}
    return {"206": _success(method), "416": none}


def _links(routes: Sequence[Route], method: Method) -> Json:
    """To every operation all of whose required parameters are in the answer of this method."""
    fields = [f"/{field}/" for field in method.answer.__struct_fields__] if method.answer and not method.many else []
    links = {}
    for route in routes:
        for name, target in route.methods.items():
            sources = {each.name: each.source or "" for each in target.parameters if each.required}
            if sources and all(source.startswith(tuple(fields)) for source in sources.values()):
                parameters = {parameter: f"$response.body#{source}" for parameter, source in sources.items()}
                identity = _identify(name, route.path)
                links[identity] = {"operationId": identity, "parameters": parameters}
    return {"links": links} if links else {}


def _response(description: str, media: str, schema: Json, status: int) -> Json:
    return {"description": description, "headers": _response_headers(status), "content": {media: {"schema": schema}}}


def _response_headers(status: int) -> Json:
    headers: Json = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    if status == 401:
        headers["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    if status == 429:
        headers["Retry-After"] = {"required": True, "schema": {"type": "integer", "minimum": 1}}
    return headers


def _reference(struct: type[msgspec.Struct]) -> Json:
    return {"$ref": _REFERENCE.format(name=struct.__name__)}
