"""OpenSearch, by opensearch-py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import opensearchpy
from opensearchpy.helpers import bulk, scan

ERRORS: tuple[type[Exception], ...] = (opensearchpy.OpenSearchException,)
REFUSED = r"no permissions|FORBIDDEN|security_exception|compile error|whitelist|allowlist|found\W+false"


def _script(source: str) -> tuple[str, str, object]:
    return "POST", "/written/_search", {"script_fields": {"found": {"script": {"source": source}}}}


FULL = r"out_of_memory|circuit_breaking"
LASTING = True
DELAY = 0.0
ESCAPES: Mapping[str, Sequence[tuple[str, str, object]]] = {
    "files": [_script("new java.io.File('/etc/passwd').length()")],
    "programs": [_script("Runtime.getRuntime().exec('id')"), _script("System.exit(0)")],
    "other databases": [
        (
            "POST",
            "/_reindex",
            {"source": {"remote": {"host": "http://127.0.0.1:1"}, "index": "a"}, "dest": {"index": "b"}},
        ),
        ("GET", "/_nodes/stats", None),
    ],
    "settings": [
        ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 9}}),
        ("POST", "/_cluster/reroute", {}),
        ("POST", "/_nodes/reload_secure_settings", {}),
    ],
    "snapshots": [
        ("PUT", "/_snapshot/files", {"type": "fs", "settings": {"location": "/tmp"}}),
        ("GET", "/_snapshot", None),
    ],
    "users": [
        ("GET", "/_plugins/_security/api/internalusers", None),
        ("PUT", "/_plugins/_security/api/internalusers/eve", {"password": "aaaaaaaaaaA1-"}),
        ("GET", "/.opendistro_security/_doc/internalusers", None),
        ("PUT", "/.opendistro_security/_doc/internalusers", {"internalusers": ""}),
        ("DELETE", "/.opendistro_security", None),
    ],
}
BOMB = "def found = []; for (int i = 0; i < 100000; i++) { found.add(new long[100000]); } return found.size()"


class Tenant:
    def __init__(self, url: str) -> None:
        self._client = opensearchpy.OpenSearch(url, max_retries=0, timeout=30)
        self._client.info()

    def write(self, number: int) -> None:
        self._client.index("written", {"number": number}, id=str(number))

    def write_many(self, numbers: range) -> None:
        bulk(self._client, ({"_index": "written", "_id": str(number), "number": number} for number in numbers))

    def read(self) -> set[int]:
        self._client.cluster.health(params={"wait_for_status": "yellow"})
        self._client.indices.refresh(index="written")
        return {int(found["_id"]) for found in scan(self._client, index="written", size=5000, _source=False)}

    def attempt(self, escape: tuple[str, str, object]) -> object:
        method, path, body = escape
        return self._client.transport.perform_request(method, path, body=body)

    def bomb(self) -> None:
        self._client.indices.refresh(index="written")  # scripts run on what is found
        query: dict[str, Any] = {"script_fields": {"found": {"script": {"source": BOMB}}}}
        self._client.search(index="written", body=query)

    def close(self) -> None:
        self._client.close()
