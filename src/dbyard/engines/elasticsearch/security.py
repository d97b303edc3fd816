"""Who may do what on an OpenSearch server: its security plugin's files, all of them ours.

They are read once, when a server first starts; from then on the server keeps users and roles in an index of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import bcrypt
from cryptography import x509

from dbyard.model import Credentials, Restriction

ADMIN = "dbyard"

_TENANT, _READ_ONLY = "tenant", "tenant_read_only"
ROLES: Mapping[Restriction, list[str]] = {
    Restriction.NONE: [_TENANT],
    Restriction.READ_ONLY: [_READ_ONLY],
    Restriction.CLOSED: [],
}
"""The roles of the tenant's user. One without a role may do nothing at all."""

# Beyond its own data and settings are repositories and snapshots (files), settings and routing of the cluster, users,
# and whatever tells paths of the host.
_LOOK = (
    "cluster:monitor/main",
    "cluster:monitor/health",
    "cluster:monitor/state",
    "cluster:monitor/stats",
    "cluster:monitor/task*",
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
_READ_ONLY_ON_CLUSTER = (
    *_LOOK,
    "cluster:admin/*/get",
    "indices:admin/*/get",
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
# A random password of 190 bits cannot be searched, however quickly a guess is made; each first login waits for it.
_ROUNDS = 4


def hash_password(password: str) -> str:
    """The same for the same password, so that files that hold it need not change."""
    salt = hashlib.sha256(f"salt {password}".encode()).hexdigest()[:21] + "."  # the last character holds two bits only
    return bcrypt.hashpw(password.encode(), f"$2b${_ROUNDS:02}${salt}".encode()).decode()


def render_user(credentials: Credentials) -> dict[str, object]:
    """The tenant's user, as files and the server's own interface take it."""
    return {"hash": hash_password(credentials.password), "opendistro_security_roles": ROLES[Restriction.NONE]}


def render_files(credentials: Credentials) -> dict[str, str]:
    """The plugin's files by their names; JSON is YAML as well."""
    admin = {"hash": hash_password(credentials.admin_password), "opendistro_security_roles": ["all_access"]}
    contents: dict[str, Mapping[str, object]] = {
        "config": {"config": {"dynamic": {"http": {"anonymous_auth_enabled": False}, "authc": {"basic": _BASIC}}}},
        "internalusers": {ADMIN: {**admin, "reserved": True}, credentials.user: render_user(credentials)},
        "roles": {
            _TENANT: _role(_TENANT_ON_CLUSTER, ["indices:*"]),
            _READ_ONLY: _role(_READ_ONLY_ON_CLUSTER, _READ_ONLY_ON_INDICES),
        },
        "rolesmapping": {},
        "actiongroups": {},
        "tenants": {},
    }
    return {
        _FILES[kind]: json.dumps({"_meta": {"type": kind, "config_version": 2}, **content}, indent=1) + "\n"
        for kind, content in contents.items()
    }


def render_settings(credentials: Credentials) -> dict[str, object]:
    """The plugin's part of the server's configuration."""
    return {
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.audit.type": "noop",
        "plugins.security.restapi.roles_enabled": ["all_access"],
        "plugins.security.system_indices.enabled": True,
        # Between nodes only the server's own certificate is trusted, not its authority: no other server can be a node.
        "plugins.security.ssl.transport.pemcert_filepath": "server.crt",
        "plugins.security.ssl.transport.pemkey_filepath": "server.key",
        "plugins.security.ssl.transport.pemtrustedcas_filepath": "server.crt",
        "plugins.security.nodes_dn": [_distinguished_name(credentials.certificate.certificate)],
    }


_BASIC = {
    "http_enabled": True,
    "order": 0,
    "http_authenticator": {"type": "basic", "challenge": True},
    "authentication_backend": {"type": "intern"},
}
_FILES = {
    "config": "config.yml",
    "internalusers": "internal_users.yml",
    "roles": "roles.yml",
    "rolesmapping": "roles_mapping.yml",
    "actiongroups": "action_groups.yml",
    "tenants": "tenants.yml",
}


def _role(cluster: Sequence[str], indices: Sequence[str]) -> dict[str, object]:
    permissions = [{"index_patterns": ["*"], "allowed_actions": list(indices)}]
    return {"reserved": True, "cluster_permissions": list(cluster), "index_permissions": permissions}


def _distinguished_name(certificate: str) -> str:
    return x509.load_pem_x509_certificate(certificate.encode()).subject.rfc4514_string()
