"""OpenSearch: where its server lies, and who may do what there by its security plugin, whose files are all ours.

They are read once, when a server first starts; from then on the server keeps users and roles in an index of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from cryptography import x509

from dbyard.engines.elasticsearch.names import ADMIN
from dbyard.engines.elasticsearch.passwords import hash_password
from dbyard.engines.elasticsearch.session import Refused, Session
from dbyard.model import Credentials, Desired, Layout, Restriction, User

NAME = "opensearch"
MAIN = "org.opensearch.bootstrap.OpenSearch"
PROPERTIES = "opensearch"
SYSTEM_INDICES = ".dbyard_security*"
_FORMER_INDEX = ".opendistro_security"
"""Where servers of earlier versions kept their users. Their tenants could block it, for the platform too."""
QUIET = (
    "org.opensearch.bootstrap.BootstrapChecks",
    "org.opensearch.deprecation",
    "org.opensearch.security.OpenSearchSecurityPlugin",
    "org.opensearch.security.auditlog",
)
"""Loggers that warn at each start, or each request, of what is so on purpose."""

_USERS = "/_plugins/_security/api/internalusers/"
_REPLICAS = "cluster.default_number_of_replicas"
_ROLES = "/_plugins/_security/api/roles/"
_TENANT, _READ_ONLY, _READER, _PLATFORM = "tenant", "tenant_read_only", "tenant_reader", "platform"
ROLES: Mapping[Restriction, list[str]] = {
    Restriction.NONE: [_TENANT],
    Restriction.READ_ONLY: [_READ_ONLY],
    Restriction.CLOSED: [],
}
"""The roles of the tenant's user. One without a role may do nothing at all."""

_NOT_SYSTEM = [r"/(?!\.(dbyard|opendistro)_security).*/"]
"""Every index that is the tenant's own, as a regular expression."""

# Beyond its own data and settings are repositories and snapshots (files), settings and routing of the cluster, and
# users. Clients look for nodes before anything else, so a tenant may, though that tells paths of the machine.
_LOOK = (
    "cluster:monitor/main",
    "cluster:monitor/health",
    "cluster:monitor/state",
    "cluster:monitor/stats",
    "cluster:monitor/task*",
    "cluster:monitor/nodes/info",
    "cluster:monitor/shards",
)
_TENANT_ON_CLUSTER = (
    *_LOOK,
    "cluster:admin/ingest/pipeline/*",
    "cluster:admin/search/pipeline/*",
    "cluster:admin/script/*",
    "cluster:admin/component_template/*",
    "indices:admin/template/*",
    "indices:admin/index_template/*",
    "indices:admin/data_stream/*",
    "indices:admin/aliases*",
    "indices:data/*",
)
_GET = (
    "cluster:admin/ingest/pipeline/get",
    "cluster:admin/search/pipeline/get",
    "cluster:admin/script/get",
    "cluster:admin/component_template/get",
    "indices:admin/*/get",
)
"""Not `cluster:admin/*/get`: that tells of repositories, too."""
_READ_ONLY_ON_CLUSTER = (
    *_LOOK,
    *_GET,
    "indices:data/read/*",
    "indices:data/write/bulk",
    "indices:data/write/delete/byquery",
)
_READ_ONLY_ON_INDICES = (
    "indices:monitor/*",
    "indices:data/read/*",
    "indices:data/write/bulk*",
    "indices:data/write/delete*",
    "indices:admin/delete",
    "indices:admin/get",
    "indices:admin/mappings/*",
    "indices:admin/aliases/get",
    "indices:admin/refresh*",
    "indices:admin/flush*",
    "indices:admin/forcemerge*",
)
_READER_ON_CLUSTER = (*_LOOK, *_GET, "indices:data/read/*")
_READER_ON_INDICES = (
    "indices:monitor/*",
    "indices:data/read/*",
    "indices:admin/get",
    "indices:admin/mappings/*get",
    "indices:admin/aliases/get",
)
_ON_ALL_INDICES = (
    "indices:monitor/*",
    "indices:admin/get",
    "indices:admin/aliases/get",
    "indices:admin/mappings/*get",
    "indices:admin/resolve/index",
    "indices:admin/refresh*",
    "indices:admin/flush*",
    "indices:admin/forcemerge*",
    "indices:admin/cache/clear*",
)
"""What is harmless to the index of users, and often asked of all indices at once."""


def render_options(layout: Layout) -> list[str]:
    """What only this server's virtual machine is told."""
    return [f"-Dsecurity.default_init.dir={layout.conf}"]


def render_files(credentials: Credentials, restriction: Restriction) -> dict[str, str]:
    """The plugin's files by their names, and the server's key; JSON is YAML as well."""
    admin = {"hash": hash_password(credentials.admin_password), "opendistro_security_roles": ["all_access", _PLATFORM]}
    contents: dict[str, Mapping[str, object]] = {
        "config": {"config": {"dynamic": _DYNAMIC}},
        "internalusers": {ADMIN: {**admin, "reserved": True}, **_tenant_of(credentials, restriction)},
        "roles": {
            # All rights but this one come with `all_access`: to change users that are reserved.
            _PLATFORM: {"reserved": True, "cluster_permissions": ["restapi:admin/internalusers"]},
            _TENANT: _role(_TENANT_ON_CLUSTER, ["indices:*"]),
            _READ_ONLY: _role(_READ_ONLY_ON_CLUSTER, _READ_ONLY_ON_INDICES),
        },
        "rolesmapping": {},
        "actiongroups": {},
        "tenants": {},
    }
    files = {
        _FILES[kind]: json.dumps({"_meta": {"type": kind, "config_version": 2}, **content}, indent=1) + "\n"
        for kind, content in contents.items()
    }
    return {name: _NO_TEXT + text for name, text in {**files, "server.key": credentials.certificate.key}.items()}


def render_settings(credentials: Credentials, *, anew: bool) -> dict[str, object]:
    """The plugin's part of the server's configuration."""
    first, second = _name_indices(credentials.admin_password)
    return {
        "plugins.security.config_index_name": second if anew else first,
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.audit.type": "noop",
        "plugins.security.restapi.roles_enabled": ["all_access"],
        "plugins.security.restapi.admin.enabled": True,
        "plugins.security.system_indices.enabled": True,
        # Between nodes only the server's own certificate is trusted, not its authority: no other server can be a node.
        "plugins.security.ssl.transport.pemcert_filepath": "server.crt",
        "plugins.security.ssl.transport.pemkey_filepath": "server.key",
        "plugins.security.ssl.transport.pemtrustedcas_filepath": "server.crt",
        "plugins.security.nodes_dn": [_distinguished_name(credentials.certificate.certificate)],
    }


def change(session: Session, admin_password: str, desired: Desired) -> None:
    """One node keeps one copy of each shard. Of a user the roles say what the disk allows, the hash what opens."""
    settings = session.ask("GET", "/_cluster/settings?flat_settings=true")
    if settings["persistent"].get(_REPLICAS) != "0":
        session.ask("PUT", "/_cluster/settings", {"persistent": {_REPLICAS: 0}})
    _forget_other_users(session, admin_password)
    if any(user.read_only for user in desired.users) and session.find(_ROLES + _READER) is None:
        session.ask("PUT", _ROLES + _READER, _permissions(_READER_ON_CLUSTER, _READER_ON_INDICES))
    for user in desired.users:
        _change_user(session, user, _roles_of(user, desired.restriction))
    for name in desired.removed:
        if session.find(_USERS + name) is not None:
            session.ask("DELETE", _USERS + name)


def needs_start(session: Session, admin_password: str) -> str:
    """Why a running server cannot be brought to the desired state as it is; empty where it can."""
    if all(session.find(f"/{name}") is None for name in _name_indices(admin_password)):
        return "its users move to an index that its tenant cannot reach"
    return ""


def _name_indices(admin_password: str) -> tuple[str, str]:
    """Of the users: the usual one, and one to make them anew in while the usual one cannot be read.

    A tenant of an earlier version may still make any index, and cannot make these before their time: it cannot guess.
    """
    name = f".dbyard_security_{hashlib.sha256(f'users {admin_password}'.encode()).hexdigest()[:16]}"
    return name, f"{name}_anew"


def _forget_other_users(session: Session, admin_password: str) -> None:
    """The index in use is the only one that the server lets nobody change. A block comes off with its index."""
    for name in (_FORMER_INDEX, *_name_indices(admin_password)):
        if session.find(f"/{name}") is None:
            continue
        blocks = dict.fromkeys(("read", "write", "metadata", "read_only", "read_only_allow_delete"))
        try:
            session.ask("PUT", f"/{name}/_settings", {"index": {"blocks": blocks}})
        except Refused as error:
            if error.status != 403:
                raise
        else:
            session.ask("DELETE", f"/{name}")


def _change_user(session: Session, user: User, roles: list[str]) -> None:
    found = session.find(_USERS + user.name)
    if found is None:
        session.ask("PUT", _USERS + user.name, _user(user.password, roles))
        return
    changes: list[dict[str, object]] = []
    if found[user.name]["opendistro_security_roles"] != roles:
        changes.append({"op": "add", "path": "/opendistro_security_roles", "value": roles})
    if user.reset:
        changes.append({"op": "add", "path": "/hash", "value": hash_password(user.password)})
    if changes:
        session.ask("PATCH", _USERS + user.name, changes)


_NO_TEXT = "# \udcff\n"
"""The first line of every file with a secret, and no UTF-8.

What tenants write in the settings of an analyzer (`synonyms_path` and many more) reads any file of this directory as
words, and tells them by and by. It reads UTF-8 only, and refuses a file that is none. The plugin does not mind: for it
the line is a comment of YAML, or stands before the key.
"""
_BASIC = {
    "http_enabled": True,
    "order": 0,
    "http_authenticator": {"type": "basic", "challenge": True},
    "authentication_backend": {"type": "intern"},
}
_DYNAMIC = {
    "http": {"anonymous_auth_enabled": False},
    "kibana": {"multitenancy_enabled": False},  # or `.kibana` would be no index like others
    "authc": {"basic": _BASIC},
    "do_not_fail_on_forbidden": True,  # who reads all indices reads all those that it may
}
_FILES = {
    "config": "config.yml",
    "internalusers": "internal_users.yml",
    "roles": "roles.yml",
    "rolesmapping": "roles_mapping.yml",
    "actiongroups": "action_groups.yml",
    "tenants": "tenants.yml",
}


def _tenant_of(credentials: Credentials, restriction: Restriction) -> dict[str, object]:
    if not credentials.user:
        return {}
    return {credentials.user: _user(credentials.password, ROLES[restriction])}


def _user(password: str, roles: list[str]) -> dict[str, object]:
    """As files and the server's own interface take it. One that is reserved cannot change its own password."""
    return {"reserved": True, "hash": hash_password(password), "opendistro_security_roles": roles}


def _roles_of(user: User, restriction: Restriction) -> list[str]:
    reads = user.read_only and restriction is not Restriction.CLOSED
    return [_READER] if reads else ROLES[restriction]


def _role(cluster: Sequence[str], indices: Sequence[str]) -> dict[str, object]:
    return {"reserved": True, **_permissions(cluster, indices)}


def _permissions(cluster: Sequence[str], indices: Sequence[str]) -> dict[str, object]:
    permissions = [
        {"index_patterns": _NOT_SYSTEM, "allowed_actions": list(indices)},
        {"index_patterns": ["*"], "allowed_actions": list(_ON_ALL_INDICES)},
    ]
    return {"cluster_permissions": list(cluster), "index_permissions": permissions}


def _distinguished_name(certificate: str) -> str:
    return x509.load_pem_x509_certificate(certificate.encode()).subject.rfc4514_string()
