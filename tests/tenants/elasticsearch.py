"""Elasticsearch, by elasticsearch-py 7.10, the last line of clients that takes its forks as well."""

from __future__ import annotations

from typing import Any

import elasticsearch
from elasticsearch.helpers import bulk, scan

from tests.tenants import opensearch

ERRORS: tuple[type[Exception], ...] = (elasticsearch.ElasticsearchException,)
REFUSED = opensearch.REFUSED
FULL = opensearch.FULL
LASTING = True
DELAY = 0.0
ESCAPES = opensearch.ESCAPES


class Tenant:
    def __init__(self, url: str) -> None:
        self._client = elasticsearch.Elasticsearch(url, max_retries=0, timeout=30)
        self._client.info()

    def write(self, number: int) -> None:
        self._client.index(index="written", body={"number": number}, id=str(number))

    def write_many(self, numbers: range) -> None:
        bulk(self._client, ({"_index": "written", "_id": str(number), "number": number} for number in numbers))

    def read(self) -> set[int]:
        self._client.cluster.health(wait_for_status="yellow")
        self._client.indices.refresh(index="written")
        return {int(found["_id"]) for found in scan(self._client, index="written", size=5000, _source=False)}

    def attempt(self, escape: tuple[str, str, object]) -> object:
        method, path, body = escape
        return self._client.transport.perform_request(method, path, body=body)

    def bomb(self) -> None:
        self._client.indices.refresh(index="written")  # scripts run on what is found
        query: dict[str, Any] = {"script_fields": {"found": {"script": {"source": opensearch.BOMB}}}}
        self._client.search(index="written", body=query)

    def close(self) -> None:
        self._client.close()
