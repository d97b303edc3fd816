"""Elasticsearch itself: where its server lies, and who may do what there by its own security.

Users and roles stand in files: the index in which it would keep them wants an analyzer that this distribution lacks.
"""

from __future__ import annotations

import json

from dbyard.engines.elasticsearch.names import ADMIN
from dbyard.engines.elasticsearch.passwords import ROUNDS, hash_password
from dbyard.engines.elasticsearch.session import Session
from dbyard.model import Credentials, Desired, Layout, Restriction

NAME = "elasticsearch"
MAIN = "org.elasticsearch.bootstrap.Elasticsearch"
PROPERTIES = "es"
SYSTEM_INDICES = ".security*"
QUIET = ("org.elasticsearch.bootstrap.BootstrapChecks", "org.elasticsearch.deprecation")

_LOOK = (
    "cluster:monitor/main",
    "cluster:monitor/health",
    "cluster:monitor/state",
    "cluster:monitor/stats",
    "cluster:monitor/task*",
    "cluster:monitor/nodes/info",
    "cluster:monitor/xpack/info",
    "cluster:monitor/xpack/license/get",
)
_TENANT = ("manage_index_templates", "manage_pipeline", "cluster:admin/script/*", *_LOOK)
_ONE_COPY = "/_template/one_copy"
_BLOCK = "cluster.blocks.read_only_allow_delete"


def render_options(layout: Layout) -> list[str]:  # noqa: ARG001 - nothing, wherever it lies
    return ["-Des.distribution.flavor=default", "-Djava.security.manager=allow"]


def render_files(credentials: Credentials, restriction: Restriction) -> dict[str, str]:  # noqa: ARG001 - its own way
    users = {ADMIN: credentials.admin_password, credentials.user: credentials.password}
    tenant = {"cluster": _TENANT, "indices": [{"names": ["*"], "privileges": ["all"]}]}
    return {
        "users": "".join(f"{user}:{hash_password(password, '2a')}\n" for user, password in users.items()),
        "users_roles": f"superuser:{ADMIN}\ntenant:{credentials.user}\n",
        "roles.yml": f"tenant: {json.dumps(tenant)}\n",
        "role_mapping.yml": "",
        "server.key": credentials.certificate.key,
    }


def render_settings(credentials: Credentials, *, anew: bool) -> dict[str, object]:  # noqa: ARG001 - all is in files
    return {
        "xpack.security.enabled": True,
        "xpack.security.authc.realms.file.file.order": 0,
        "xpack.security.authc.reserved_realm.enabled": False,
        "xpack.security.authc.password_hashing.algorithm": f"bcrypt{ROUNDS}",
        # Between nodes only the server's own certificate is trusted, not its authority: no other server can be a node.
        "xpack.security.transport.ssl.enabled": True,
        "xpack.security.transport.ssl.verification_mode": "certificate",
        "xpack.security.transport.ssl.client_authentication": "required",
        "xpack.security.transport.ssl.certificate": "server.crt",
        "xpack.security.transport.ssl.key": "server.key",
        "xpack.security.transport.ssl.certificate_authorities": ["server.crt"],
    }


def needs_start(session: Session, admin_password: str) -> str:  # noqa: ARG001 - never
    return ""


def change(session: Session, admin_password: str, desired: Desired) -> None:  # noqa: ARG001 - who asks is known
    """Users in files are what they were when the server started, and cannot be closed out.

    What is full may still be read, and its indices be deleted. One node keeps one copy of each shard.
    """
    if session.find(_ONE_COPY) is None:
        template = {"index_patterns": ["*"], "order": -1, "settings": {"index.number_of_replicas": 0}}
        session.ask("PUT", _ONE_COPY, template)
    blocked = None if desired.restriction is Restriction.NONE else True
    settings = session.ask("GET", "/_cluster/settings?flat_settings=true")
    if (settings["persistent"].get(_BLOCK) == "true") != bool(blocked):
        session.ask("PUT", "/_cluster/settings", {"persistent": {_BLOCK: blocked}})
