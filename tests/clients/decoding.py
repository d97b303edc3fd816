"""What Go's JSON decoder takes into the structs of Scalingo's Go clients, and what makes it refuse the whole answer.

A shape is a function that fails when a value would not decode. As in Go, null is taken everywhere, a field may be
missing, and fields that a struct does not have are nobody's concern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Shape = Callable[[object, str], None]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _scalar(*kinds: type) -> Shape:
    def check(value: object, at: str) -> None:
        assert value is None or type(value) in kinds, f"{at}: {value!r} does not go into a Go {kinds[0].__name__}"

    return check


text = _scalar(str)
flag = _scalar(bool)
whole = _scalar(int)
number = _scalar(float, int)


def anything(_value: object, _at: str) -> None:
    """`interface{}`."""


def nothing(value: object, at: str) -> None:
    """What all versions of a struct take: null."""
    assert value is None, f"{at}: {value!r} is not null"


def date(value: object, at: str) -> None:
    """`time.Time`: RFC 3339 with its offset, nothing else."""
    if value is not None:
        assert isinstance(value, str), f"{at}: {value!r} is no date"
        assert _RFC3339.fullmatch(value), f"{at}: {value!r} is no RFC 3339 date"


def many(shape: Shape) -> Shape:
    """A slice."""

    def check(value: object, at: str) -> None:
        assert value is None or isinstance(value, list), f"{at}: {value!r} is no list"
        for index, each in enumerate(value or []):
            shape(each, f"{at}[{index}]")

    return check


def mapping(shape: Shape) -> Shape:
    """A map: unlike in a struct, every value has to decode."""

    def check(value: object, at: str) -> None:
        assert value is None or isinstance(value, dict), f"{at}: {value!r} is no object"
        for key, each in (value or {}).items():
            shape(each, f"{at}.{key}")

    return check


def struct(fields: Mapping[str, Shape]) -> Shape:
    """Only the fields that the struct has must decode."""

    def check(value: object, at: str) -> None:
        assert value is None or isinstance(value, dict), f"{at}: {value!r} is no object"
        for name, shape in fields.items():
            shape((value or {}).get(name), f"{at}.{name}")

    return check


def texts(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, text)


USER = struct({**texts("id", "username", "email", "fullname"), "flags": mapping(flag)})
REGION = struct({**texts("name", "display_name", "api", "database_api", "dashboard", "ssh"), "default": flag})
PROJECT = struct(
    {
        **texts("id", "name"),
        "default": flag,
        "created_at": date,
        "updated_at": date,
        "owner": USER,
        "flags": mapping(flag),
    }
)
PLAN = struct(
    {
        **texts("id", "name", "display_name", "description", "sku"),
        "position": whole,
        "price": number,
        "disabled_alternative_plan_id": nothing,  # a string for some versions of the library, a bool for others
        **dict.fromkeys(("on_demand", "disabled", "hds_available", "to_be_discontinued", "trial_available"), flag),
    }
)
PROVIDER = struct(
    {
        **texts("id", "name", "logo_url", "short_description", "description", "provider_name", "provider_url"),
        "category": struct({**texts("id", "name", "description"), "position": whole}),
        "hds_available": flag,
        "plans": many(PLAN),
    }
)
ADDON = struct(
    {
        **texts("id", "app_id", "resource_id", "status"),
        "plan": PLAN,
        "addon_provider": PROVIDER,
        "provisioned_at": date,
        "deprovisioned_at": date,
    }
)
APP = struct(
    {
        **texts("id", "name", "region", "git_url", "url", "base_url", "status", "last_deployed_by", "stack_id"),
        "owner": struct(texts("id", "username", "email")),
        "project": struct(texts("id", "name")),
        **dict.fromkeys(("last_deployed_at", "created_at", "updated_at", "update_at"), date),
        **dict.fromkeys(("sticky_session", "force_https", "router_logs", "hds_resource"), flag),
        "links": struct(texts("deployments_stream")),
        "flags": mapping(flag),
        "limits": mapping(anything),
    }
)
DETAILS = struct(
    {
        **texts("id", "resource_id", "app_name", "plan", "status", "type_id", "type_name", "version_id"),
        **texts("mongo_repl_set_name", "next_version_id", "readable_version", "hostname", "current_operation_id"),
        "created_at": date,
        **dict.fromkeys(("encryption_at_rest", "cluster", "periodic_backups_enabled"), flag),
        "features": many(struct(texts("name", "status"))),
        "instances": many(struct({**texts("id", "hostname", "status", "type", "private_ip"), "port": whole})),
        "periodic_backups_scheduled_at": many(whole),
        "maintenance_window": struct(dict.fromkeys(("weekday_utc", "starting_hour_utc", "duration_in_hour"), whole)),
    }
)
DATABASE = struct({**texts("id", "name", "project_id", "technology", "plan"), "app": APP, "database": DETAILS})
BACKUP = struct(
    {
        **texts("id", "name", "status", "database_id", "method"),
        **dict.fromkeys(("created_at", "started_at"), date),
        "size": whole,
    }
)
DATABASE_USER = struct(
    {
        **texts("name", "password"),
        "read_only": flag,
        "protected": flag,
        "dbms_attributes": struct(texts("password_encryption")),
    }
)
COLLABORATOR = struct({**texts("id", "app_id", "username", "email", "status", "user_id"), "is_limited": flag})
LOG_EVENT = struct({**texts("event", "log"), "timestamp": date})
NETWORK = struct(texts("outscale_account_id", "outscale_net_id", "ip_range"))
VARIABLE = struct(texts("id", "name", "value"))
ENDPOINT = struct({**texts("id", "database_id", "hostname", "type"), "port": whole})
EVENT = struct(
    {
        **texts("id", "app_id", "app_name", "type", "project_id", "project_name"),
        "created_at": date,
        "user": struct(texts("id", "username", "email")),
    }
)
PAGINATION = struct(
    dict.fromkeys(("current_page", "prev_page", "next_page", "total_pages", "total_count", "per_page"), whole)
)
REFUSALS: Mapping[int, Shape] = {
    **dict.fromkeys((400, 401, 402, 403, 409, 429), struct(texts("error", "code", "name", "url"))),
    404: struct(texts("resource", "error")),
    422: struct({"errors": mapping(many(text))}),
}
"""What a refused request's body must decode into. Of any other status the clients do not read it."""
