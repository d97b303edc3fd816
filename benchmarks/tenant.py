"""A tenant's own client: what an application does with a database's URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import opensearchpy
import psycopg
import pymongo
import pymongo.errors
import pymysql
import redis

_PAUSE = 0.002
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Tenant:
    technology: str
    url: str
    host: str
    port: int
    user: str
    password: str
    database: str


def ask(tenant: Tenant) -> None:
    """One authenticated query over a new connection; raises what the driver raises."""
    _ASK[tenant.technology](tenant)


def await_answer(tenant: Tenant, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Ask until the database answers."""
    retry(lambda: ask(tenant), _REFUSALS, meanwhile)


def retry(
    attempt: Callable[[], None], refusals: tuple[type[Exception], ...], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Try every other millisecond until no refusal comes any more."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return attempt()
        except refusals:
            if time.monotonic() > deadline:
                raise
        meanwhile()
        time.sleep(_PAUSE)


def _ask_postgresql(tenant: Tenant) -> None:
    with psycopg.connect(tenant.url, connect_timeout=2) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def _ask_mysql(tenant: Tenant) -> None:
    connection = pymysql.connect(
        host=tenant.host, port=tenant.port, user=tenant.user, password=tenant.password, database=tenant.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def _ask_redis(tenant: Tenant) -> None:
    with redis.Redis.from_url(tenant.url) as client:
        assert client.ping()


def _ask_mongodb(tenant: Tenant) -> None:
    with pymongo.MongoClient[dict[str, Any]](tenant.url, serverSelectionTimeoutMS=2000) as client:
        assert client.get_default_database().asked.find_one() is None


def _ask_opensearch(tenant: Tenant) -> None:
    client = opensearchpy.OpenSearch(tenant.url, max_retries=0, timeout=2)
    try:
        assert client.search(index="*")["hits"]["total"]["value"] == 0
    finally:
        client.close()


def _ask_influxdb(tenant: Tenant) -> None:
    where, access = f"http://{tenant.host}:{tenant.port}/query", (tenant.user, tenant.password)
    answer = httpx2.get(where, params={"db": tenant.database, "q": "SHOW MEASUREMENTS"}, auth=access)
    assert answer.json() == {"results": [{"statement_id": 0}]}


_ASK: dict[str, Callable[[Tenant], None]] = {
    "postgresql": _ask_postgresql,
    "mysql": _ask_mysql,
    "mariadb": _ask_mysql,
    "redis": _ask_redis,
    "mongodb": _ask_mongodb,
    "opensearch": _ask_opensearch,
    "influxdb": _ask_influxdb,
}
_REFUSALS = (
    psycopg.OperationalError,
    pymysql.Error,
    redis.ConnectionError,
    pymongo.errors.PyMongoError,
    opensearchpy.OpenSearchException,
    httpx2.TransportError,
)
