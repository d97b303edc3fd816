"""What the clients of Scalingo's API ask for and cannot be done here, and why.

It is answered with 409, because that is the refusal whose sentence those clients show.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ONLY_DATABASES = "An app here is a database"
NO_FIREWALL = "There is no firewall here: who reaches a database is decided by the address that its server listens on"

_NO_DRAINS = "Logs cannot be sent to another place from here: GET /v1/databases/{database}/logs reads and follows them"
_NO_NET_PEERINGS = "There are no net peerings here: a database listens on an address of its machine"
_NO_BILLING = (
    "Nothing is billed here, and an account has no profile: PATCH /v1/users/{user} changes what there is of it"
)
_NO_VARIABLES = f"{ONLY_DATABASES}: its variables hold its URL, and cannot be set or removed"
_NO_CODE = f"{ONLY_DATABASES}: it has no code, no containers and no web address, nor what belongs to them"
_OF_APPS = (
    "alerts", "autoscalers", "caches", "containers", "cron_tasks", "deployments", "domains", "notifiers",
    "private_network", "private_network_domain_names", "ps", "restart", "review_apps", "run", "scale", "scm_repo_link",
    "stats",
)  # fmt: skip
_FOR_APPS = ("features", "keys", "private_networks", "scm_integrations", "sources")


class _Refusal(NamedTuple):
    methods: frozenset[str]
    """Empty for all."""
    path: re.Pattern[str]
    reason: str


def _refusal(methods: str, path: str, reason: str) -> _Refusal:
    """`*` in the path stands for one segment, and `**` for any number of them."""
    parts = {"**": "(/.*)?", "*": "/[^/]+"}
    pattern = "".join(parts.get(each, f"/{each}") for each in path.split("/")[1:])
    return _Refusal(frozenset(methods.split()), re.compile(pattern, re.DOTALL), reason)


_REFUSALS = (
    _refusal("POST", "/v1/apps", f"{ONLY_DATABASES}: POST /v1/databases creates one"),
    _refusal(
        "DELETE",
        "/v1/apps/*/addons/*",
        f"{ONLY_DATABASES}, and its addon is the database itself: DELETE /v1/databases/{{database}} deletes both",
    ),
    _refusal("GET POST", "/v1/apps/*/addons/*/sso", "There is no dashboard here: /docs shows the API in a browser"),
    _refusal("POST DELETE", "/v1/apps/*/log_drains", _NO_DRAINS),
    _refusal("POST DELETE", "/v1/apps/*/addons/*/log_drains", _NO_DRAINS),
    _refusal("POST PUT PATCH DELETE", "/v1/apps/*/variables/**", _NO_VARIABLES),
    _refusal("", f"/v1/apps/*/(?:{'|'.join(_OF_APPS)})/**", _NO_CODE),
    _refusal(
        "", f"/v1/(?:{'|'.join(_FOR_APPS)})/**", "There are only databases here, and no apps that this would be for"
    ),
    _refusal("", "/v1/projects/*/private_network/**", "Projects have no network of their own here"),
    _refusal("", "/v1/(?:account|billing)/**", _NO_BILLING),
    _refusal(
        "PATCH PUT",
        "/v1/databases/*",
        "A database is changed as its app: POST /v1/apps/{app}/rename, PUT /v1/apps/{app} for its project, and PATCH"
        " /v1/apps/{app}/addons/{addon} for its plan",
    ),
    _refusal("GET POST DELETE", "/v1/databases/*/net_peerings/**", _NO_NET_PEERINGS),
    _refusal("POST", "/api/databases/*/upgrade", "There is no upgrade to another version here yet"),
    _refusal("POST DELETE", "/api/databases/*/features", "There are no features here that can be switched on or off"),
    _refusal(
        "", "/api/databases/*/maintenance/**", "No maintenance is planned here: servers are not moved or upgraded"
    ),
    _refusal("GET PATCH PUT DELETE", "/api/databases/*/firewall_rules/**", NO_FIREWALL),
)


def explain(method: str, path: str) -> str | None:
    """Why that cannot be done here; None for what no client is known to ask for."""
    return next((each.reason for each in _REFUSALS if _fits(each, method, path)), None)


def _fits(refusal: _Refusal, method: str, path: str) -> bool:
    return (not refusal.methods or method in refusal.methods) and refusal.path.fullmatch(path) is not None
