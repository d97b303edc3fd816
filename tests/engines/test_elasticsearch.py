"""The Elasticsearch engine: what it renders as values, and what it makes of a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import elasticsearch
import opensearchpy
import pytest

from dbyard.certificates import Authority
from dbyard.engines import elasticsearch as engine
from dbyard.engines.elasticsearch import opensearch
from dbyard.engines.elasticsearch.keystore import render_keystore
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import (
    MIB,
    Address,
    Applied,
    Certificate,
    Count,
    Credentials,
    InstanceSpec,
    Layout,
    Plan,
    RenderInput,
    RestartNeeded,
    Restriction,
)
from tests.e2e.platforms import wait_for

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

PATHS = [Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/bin", "/e")]
LAYOUT = Layout("127.0.0.1", 20002, 20003, *PATHS, full_version="2.19.4")
PASSWORD = "tenant-secret-0123"


@pytest.fixture(scope="module")
def credentials(authority: Authority) -> Credentials:
    return Credentials("admin-secret-0123456789", "shop_1234", PASSWORD, "shop_1234", authority.issue("a-database"))


@pytest.fixture(scope="module")
def spec(credentials: Credentials) -> InstanceSpec:
    return render(credentials)


def render(credentials: Credentials, memory_mb: int = 512) -> InstanceSpec:
    plan = Plan("id", "plan", "Plan", "", "elasticsearch", memory_mb, 2048, 100, 1.0, 1)
    return engine.render(RenderInput("i1", 1, plan, 300), LAYOUT, credentials)


def content(spec: InstanceSpec, name: str) -> str:
    return next(file.content for file in spec.files if file.path == LAYOUT.conf / name)


def users_of(spec: InstanceSpec) -> dict[str, Any]:
    first, _, told = content(spec, "internal_users.yml").partition("\n")
    assert first == "# \udcff"  # no UTF-8, so that no analyzer reads it
    return dict(json.loads(told))


class TestRender:
    def test_is_pure(self, credentials: Credentials, spec: InstanceSpec) -> None:
        assert render(credentials) == spec

    def test_argv_starts_java_with_the_plan_as_its_heap(self, spec: InstanceSpec) -> None:
        assert spec.server.argv[0] == "/e/bin/java"
        assert {"-Xmx512m", "-XX:+ExitOnOutOfMemoryError", "-Dopensearch.path.conf=/i/conf"} <= set(spec.server.argv)
        assert spec.server.argv[-1] == "org.opensearch.bootstrap.OpenSearch"
        assert spec.memory == 812 * MIB
        assert spec.server.stop_signal == signal.SIGTERM

    def test_the_heap_stays_below_where_pointers_grow(self, credentials: Credentials) -> None:
        assert "-Xmx31744m" in render(credentials, 32768).server.argv

    def test_settings(self, spec: InstanceSpec) -> None:
        assert {
            'network.host: "127.0.0.1"',
            "http.port: 20002",
            "transport.port: 20003",
            'discovery.type: "single-node"',
            'plugins.security.nodes_dn: ["CN=a-database"]',
            'plugins.security.ssl.transport.pemtrustedcas_filepath: "server.crt"',
        } <= set(content(spec, "opensearch.yml").splitlines())

    def test_nobody_is_known_but_the_admin_and_the_tenant(self, spec: InstanceSpec) -> None:
        users = users_of(spec)
        assert set(users) == {"_meta", "dbyard", "shop_1234"}
        assert users["shop_1234"]["opendistro_security_roles"] == ["tenant"]
        assert users["shop_1234"]["hash"].startswith("$2b$")
        assert bcrypt.checkpw(PASSWORD.encode(), users["shop_1234"]["hash"].encode())

    def test_no_secret_is_in_argv_environment_or_clear_text(self, credentials: Credentials, spec: InstanceSpec) -> None:
        everything = [*spec.server.argv, *spec.server.env.values(), *(file.content for file in spec.files)]
        for secret in (credentials.admin_password, credentials.password):
            assert not any(secret in text for text in everything)
        assert not any(credentials.certificate.key in text for text in (*spec.server.argv, *spec.server.env.values()))

    def test_a_directory_for_nobody_needs_nothing(self, credentials: Credentials) -> None:
        assert render(replace(credentials, certificate=Certificate("", "", ""))).files == ()

    def test_keystores_are_the_same_again(self) -> None:
        assert render_keystore("opensearch.keystore", "a") == render_keystore("opensearch.keystore", "a")
        assert render_keystore("opensearch.keystore", "a") != render_keystore("opensearch.keystore", "b")

    @pytest.mark.parametrize("name", ["shop", "9-shops", "a" * 48])
    def test_the_tenant_is_named_after_the_database(self, name: str) -> None:
        user, database = engine.name_tenant(name, "1234")
        assert user == database
        assert re.fullmatch(r"[a-z0-9_]{1,48}", user)
        assert user.endswith("_1234")

    def test_url(self, credentials: Credentials) -> None:
        url = engine.url(Address("127.0.0.1", 20002), credentials)
        assert url == "http://shop_1234:tenant-secret-0123@127.0.0.1:20002"


ADMIN = "Qf3-admin_x0123456789ABCDEFGHIJKLMNOPQRSTUV"  # of the tests' servers
PASSWORD_OF_TENANT = "tenantPassword-0123456789_abcdef"
USERS = f"/{opensearch._name_indices(ADMIN)[0]}"
FILE = object()
READERS: list[tuple[str, dict[str, Any]]] = [
    ("char_filter", {"type": "mapping", "mappings_path": FILE}),
    ("filter", {"type": "synonym", "synonyms_path": FILE, "lenient": True}),
    ("filter", {"type": "synonym_graph", "synonyms_path": FILE, "format": "wordnet", "lenient": True}),
    ("filter", {"type": "stop", "stopwords_path": FILE}),
    ("filter", {"type": "keep", "keep_words_path": FILE}),
    ("filter", {"type": "keyword_marker", "keywords_path": FILE}),
    ("filter", {"type": "common_grams", "common_words_path": FILE}),
    ("filter", {"type": "stemmer_override", "rules_path": FILE}),
    ("filter", {"type": "word_delimiter", "protected_words_path": FILE}),
    ("filter", {"type": "word_delimiter_graph", "type_table_path": FILE}),
    ("filter", {"type": "elision", "articles_path": FILE}),
    ("filter", {"type": "dictionary_decompounder", "word_list_path": FILE}),
    ("filter", {"type": "hyphenation_decompounder", "word_list": ["a"], "hyphenation_patterns_path": FILE}),
    ("filter", {"type": "hunspell", "locale": FILE}),
    ("analyzer", {"type": "standard", "stopwords_path": FILE}),
]
"""What of an analyzer reads a file, and how that is named."""


# ---- a real server ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(launch_shared: Launch) -> Server:
    server = launch_shared("opensearch", "2.19")
    server.configure()
    return server


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """The shared server, empty."""
    ask(shared, "DELETE", "/*,-.*?expand_wildcards=open,closed")
    yield shared
    shared.configure(Restriction.NONE)


def call(
    server: Server, method: str, path: str, body: object = None, *, user: str = "", password: str | None = None
) -> tuple[int, Any]:
    """Status and answer of one request, as the tenant unless told otherwise."""
    user, password = user or server.credentials.user, password or server.credentials.password
    connection = HTTPConnection(server.endpoint.host, server.endpoint.port, timeout=60)
    text = body if isinstance(body, str) else None if body is None else json.dumps(body)
    headers = {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}
    try:
        connection.request(method, path, text, {**headers, "Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(answer or b"null")
    except ValueError:
        return response.status, answer.decode()


def ask(server: Server, method: str, path: str, body: object = None) -> Any:
    status, answer = call(server, method, path, body)
    assert status < 300, answer
    return answer


def fill(server: Server, index: str, numbers: range) -> None:
    lines = (f'{{"index":{{"_id":"{number}"}}}}\n{{"number":{number},"word":"w{number % 7}"}}\n' for number in numbers)
    answer = ask(server, "POST", f"/{index}/_bulk?refresh=true", "".join(lines))
    assert not answer["errors"], answer


def copy(server: Server) -> bytes:
    """As a job makes one."""
    tool = engine.render_backup(server.layout, server.credentials)
    for file in tool.files:
        (server.layout.run / file.path).write_text(file.content)
    return subprocess.run(tool.argv, cwd=server.layout.run, stdout=subprocess.PIPE, check=True).stdout


def restore(server: Server, stored: bytes) -> Server:
    server.stop()
    for path in server.layout.data.iterdir():
        shutil.rmtree(path)
    subprocess.run(engine.render_restore(server.layout).argv, input=stored, user=server.uid, check=True)
    return server.start()


def await_counts(server: Server) -> Mapping[str, Count]:
    return wait_for(lambda: _count(server), server.log, 60)


def _count(server: Server) -> Mapping[str, Count] | None:
    try:
        return engine.count(server.endpoint, server.credentials)
    except NotReady:
        return None


class TestBackups:
    def test_are_of_one_moment_of_all_indices(self, server: Server, launch: Launch) -> None:
        """What is in the second index was acknowledged by the first one before, while both merge and refresh."""
        fill(server, "first", range(1))
        fill(server, "second", range(1))
        stopping, written = threading.Event(), [1]

        def write() -> None:
            while not stopping.is_set():
                for index in ("first", "second"):
                    fill(server, index, range(written[0], written[0] + 50))
                written[0] += 50

        writer = threading.Thread(target=write)
        writer.start()
        try:
            copies = [copy(server)]
            while len(copies) < 10 or written[0] < 5000:
                copies.append(copy(server))
        finally:
            stopping.set()
            writer.join()
        other = launch("opensearch", "2.19")
        other.credentials = server.credentials
        for stored in (copies[4], copies[-1]):
            restore(other, stored)
            counts = await_counts(other)
            assert counts["first"].number - counts["second"].number in (0, 50)
        engine.check_login(other.endpoint, server.credentials)

    def test_counts_tell_what_was_written_to(self, server: Server) -> None:
        fill(server, "books", range(10))
        fill(server, "others", range(5))
        before = engine.count(server.endpoint, server.credentials)
        assert {name: each.number for name, each in before.items()} == {"books": 10, "others": 5}
        assert engine.count(server.endpoint, server.credentials) == before
        fill(server, "books", range(10))
        after = engine.count(server.endpoint, server.credentials)
        assert (after["books"].number, after["others"]) == (10, before["others"])
        assert after["books"] != before["books"]


def count(server: Server, index: str) -> int:
    ask(server, "POST", f"/{index}/_refresh")
    return int(ask(server, "GET", f"/{index}/_count")["count"])


def secrets_of(server: Server) -> list[str]:
    """Lines of the key between nodes, and what is kept of passwords."""
    users = re.findall(r"\$2b\$[^\"]+", content_of(server, "internal_users.yml"))
    return [*users, *content_of(server, "server.key").splitlines()[2:-1]]


def content_of(server: Server, name: str) -> str:
    return (server.layout.conf / name).read_text(errors="replace")


def secret_files(server: Server) -> list[Path]:
    """Those of the configuration with a secret in them, and all that are written of the users."""
    known = [
        path
        for path in server.layout.conf.iterdir()
        if any(each.encode() in path.read_bytes() for each in secrets_of(server))
    ]
    (found,) = [
        each["uuid"]
        for each in admin(server, "GET", "/_cat/indices?format=json&expand_wildcards=all")
        if each["index"] == USERS[1:]
    ]
    stored = [path for path in server.layout.data.rglob(f"{found}/**/*") if path.is_file() and path.stat().st_size]
    assert len(known) == 2
    assert stored
    return [*known, server.layout.conf / "opensearch.keystore", *stored]


def admin(server: Server, method: str, path: str) -> Any:
    status, answer = call(server, method, path, user="dbyard", password=server.credentials.admin_password)
    assert status == 200, answer
    return answer


class TestTenant:
    def test_writes_searches_and_aggregates(self, server: Server) -> None:
        fill(server, "books", range(1000))
        found = ask(server, "POST", "/books/_search", {"query": {"match": {"word": "w3"}}, "size": 1})
        assert found["hits"]["total"]["value"] == 143
        words = {"aggs": {"words": {"terms": {"field": "word.keyword"}}}, "size": 0}
        assert len(ask(server, "POST", "/books/_search", words)["aggregations"]["words"]["buckets"]) == 7

    def test_uses_scripts_pipelines_templates_aliases_and_reindexing(self, server: Server) -> None:
        ask(server, "PUT", "/_ingest/pipeline/upper", {"processors": [{"uppercase": {"field": "word"}}]})
        ask(
            server,
            "PUT",
            "/_index_template/logs",
            {"index_patterns": ["logs-*"], "template": {"aliases": {"logs": {}}}},
        )
        ask(server, "PUT", "/logs-1/_doc/1?pipeline=upper&refresh=true", {"word": "hello", "number": 1})
        script = {"source": "ctx._source.number += params.by", "params": {"by": 41}}
        ask(server, "POST", "/logs-1/_update/1?refresh=true", {"script": script})
        ask(server, "POST", "/_reindex?refresh=true", {"source": {"index": "logs"}, "dest": {"index": "copy"}})
        assert ask(server, "GET", "/copy/_doc/1")["_source"] == {"word": "HELLO", "number": 42}
        ask(server, "POST", "/copy/_delete_by_query?refresh=true", {"query": {"match_all": {}}})
        assert count(server, "copy") == 0
        ask(server, "PUT", "/copy/_settings", {"index": {"refresh_interval": "5s"}})
        ask(server, "DELETE", "/_index_template/logs")
        ask(server, "DELETE", "/_ingest/pipeline/upper")

    def test_gets_no_index_of_very_many_fields_by_mistake(self, server: Server) -> None:
        fill(server, "wide", range(1))
        status, answer = call(server, "POST", "/wide/_doc", {f"field{number}": number for number in range(1000)})
        assert status == 400
        assert "Limit of total fields [1000] has been exceeded" in str(answer)
        assert count(server, "wide") == 1

    def test_its_indices_are_green(self, server: Server) -> None:
        fill(server, "books", range(1))
        assert ask(server, "GET", "/_cluster/health?wait_for_status=green&timeout=10s")["status"] == "green"

    def test_an_index_that_lacks_a_shard_is_told_by_its_name(self, server: Server) -> None:
        fill(server, "books", range(1))
        assert engine.inspect_data(server.endpoint, server.credentials) is None
        nowhere = {"index.routing.allocation.require.box": "nowhere", "number_of_replicas": 0}
        call(server, "PUT", "/lost?timeout=1s&wait_for_active_shards=0", {"settings": nowhere})
        found = engine.inspect_data(server.endpoint, server.credentials)
        assert found == "1 of its indices lack shards (red): lost"
        server.engine.check_login(server.endpoint, server.credentials)  # it keeps its URL

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", "/_snapshot/files", {"type": "fs", "settings": {"location": "/tmp"}}),
            ("GET", "/_snapshot", None),
            ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 9}}),
            ("POST", "/_cluster/reroute", {}),
            ("GET", "/_nodes/stats", None),
            ("GET", "/_nodes/hot_threads", None),
            ("GET", "/_plugins/_security/api/internalusers", None),
            ("PUT", "/_plugins/_security/api/internalusers/other", {"password": "aaaaaaaaaaA1-", "backend_roles": []}),
            ("PUT", "/_plugins/_security/api/rolesmapping/all_access", {"users": ["*"]}),
            ("DELETE", USERS, None),
            ("DELETE", "/.opendistro_security", None),
            ("DELETE", "/_all", None),
            ("DELETE", "/.d*", None),
            ("POST", f"{USERS}/_close", None),
            ("POST", f"{USERS}/_open", None),
            ("POST", "/_all/_close", None),
            ("POST", "/.*/_close", None),
            *(
                ("PUT", f"{index}/_block/{block}", None)
                for index in (USERS, "/.d*", "/.*", "/*", "/_all")
                for block in ("write", "read", "metadata", "read_only")
            ),
            ("PUT", f"{USERS}/_settings", {"index.blocks.write": True}),
            ("PUT", "/_all/_settings", {"index.blocks.read": True}),
            ("PUT", "/.*/_settings?expand_wildcards=all", {"index.blocks.read": True}),
            ("PUT", f"{USERS}/_mapping", {"properties": {"a": {"type": "long"}}}),
            ("PUT", "/_all/_mapping", {"properties": {"a": {"type": "long"}}}),
            ("PUT", f"{USERS}/_alias/mine", None),
            ("POST", "/_aliases", {"actions": [{"add": {"index": USERS[1:], "alias": "mine"}}]}),
            ("POST", "/_aliases", {"actions": [{"remove_index": {"index": USERS[1:]}}]}),
            ("PUT", f"{USERS}/_clone/mine", {}),
            ("PUT", f"{USERS}/_split/mine", {"settings": {"index.number_of_shards": 2}}),
            ("PUT", f"{USERS}/_shrink/mine", {}),
            ("POST", f"{USERS}/_delete_by_query", {"query": {"match_all": {}}}),
            ("POST", f"{USERS}/_update_by_query", {}),
            ("PUT", f"{USERS}/_doc/internalusers", {"internalusers": ""}),
            ("POST", "/_reindex", {"source": {"index": USERS[1:]}, "dest": {"index": "mine"}}),
            ("GET", f"{USERS}/_doc/internalusers", None),
            ("GET", f"{USERS}/_termvectors/internalusers", None),
            ("POST", f"{USERS}/_search/point_in_time?keep_alive=1m", None),
            ("POST", f"{USERS}/_analyze", {"text": "a"}),
            ("POST", "/_nodes/reload_secure_settings", {}),
            (
                "PUT",
                "/_plugins/_security/api/account",
                {"current_password": PASSWORD_OF_TENANT, "password": "Another-password-0123"},
            ),
            ("PUT", "/_plugins/_security/api/roles/tenant", {"cluster_permissions": ["*"]}),
            ("PUT", "/_plugins/_security/api/securityconfig/config", {}),
            ("DELETE", "/_plugins/_security/api/cache", None),
            ("GET", "/_remote/info", None),
            ("PUT", "/_cluster/settings", {"transient": {"cluster.remote.x.seeds": ["127.0.0.1:1"]}}),
            ("GET", "/_cat/nodes", None),
            ("GET", "/_nodes/usage", None),
        ],
    )
    def test_may_not_reach_beyond_its_data(self, server: Server, method: str, path: str, body: object) -> None:
        status, answer = call(server, method, path, body)
        assert status == 403, answer

    def test_sees_nothing_of_the_users(self, server: Server) -> None:
        fill(server, "books", range(3))
        for everything in ("", "/_all", "/*", "/.*,*"):
            found = ask(server, "GET", f"{everything}/_search?expand_wildcards=all&size=100")["hits"]["hits"]
            assert {hit["_index"] for hit in found} == {"books"}
        several = ask(server, "POST", "/_mget", {"docs": [{"_index": USERS[1:], "_id": "internalusers"}]})
        assert "found" not in several["docs"][0]

    def test_nothing_that_it_did_holds_up_a_reset(self, server: Server) -> None:
        for path in ("/_all/_block/write", "/*/_block/read", "/_all/_close", f"{USERS}/_block/metadata"):
            call(server, "PUT" if "block" in path else "POST", path)
        assert server.configure(reset=True) == Applied()
        assert call(server, "GET", "/")[0] == 200

    def test_does_to_its_own_indices_as_it_likes(self, server: Server) -> None:
        fill(server, "books", range(10))
        for path in ("/_refresh", "/_flush", "/_cache/clear", "/_forcemerge"):
            ask(server, "POST", path)
        for path in (
            "/_all",
            "/_mapping",
            "/_cat/indices",
            "/_stats",
            "/_settings",
            "/_alias",
            "/_field_caps?fields=*",
        ):
            ask(server, "GET", path)
        ask(server, "PUT", "/books/_block/write")
        assert call(server, "PUT", "/books/_doc/1", {})[0] == 403
        ask(server, "PUT", "/books/_clone/copy")
        ask(server, "PUT", "/b*/_settings", {"index.blocks.write": None})
        ask(server, "POST", "/books/_close")
        ask(server, "POST", "/books/_open")
        ask(server, "PUT", "/.hidden", {"settings": {"index.hidden": True}})
        ask(server, "DELETE", "/.hidden,books,copy")

    def test_may_not_make_the_server_fetch(self, server: Server) -> None:
        remote = {"source": {"remote": {"host": "http://127.0.0.1:1"}, "index": "a"}, "dest": {"index": "b"}}
        status, answer = call(server, "POST", "/_reindex", remote)
        assert status == 400
        assert "whitelist" in str(answer) or "allowlist" in str(answer)

    @pytest.mark.parametrize(("part", "settings"), READERS)
    def test_reads_no_secret_of_its_server(self, server: Server, part: str, settings: dict[str, Any]) -> None:
        """Not by what an analyzer reads from the configuration's directory, even by a path that leads out of it."""
        for file in secret_files(server):
            path = os.path.relpath(file, server.layout.conf)
            given = {name: path if value is FILE else value for name, value in settings.items()}
            using = {} if part == "analyzer" else {"analyzer": {"a": {"tokenizer": "keyword", part: ["reader"]}}}
            status, answer = call(
                server, "PUT", "/leak", {"settings": {"analysis": {**using, part: {"reader": given}}}}
            )
            assert status in (400, 500), (file, answer)
            assert not any(secret in str(answer) for secret in secrets_of(server))

    def test_scripts_may_not_leave_the_server(self, server: Server) -> None:
        for source in ("Runtime.getRuntime().exec('id')", "new java.io.File('/etc/passwd').length()", "System.exit(0)"):
            fields = {"script_fields": {"f": {"script": {"source": source}}}}
            fill(server, "books", range(1))
            status, answer = call(server, "POST", "/books/_search", fields)
            assert status == 400, answer

    @pytest.mark.parametrize(("user", "password"), [("", "wrong"), ("dbyard", "wrong"), ("admin", "admin")])
    def test_needs_its_password(self, server: Server, user: str, password: str) -> None:
        assert call(server, "GET", "/", user=user, password=password)[0] == 401

    def test_no_name_at_all_is_refused(self, server: Server) -> None:
        connection = HTTPConnection(server.endpoint.host, server.endpoint.port, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 401
        connection.close()


@pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders:DeprecationWarning")  # an old client, a newer urllib3
class TestClients:
    @pytest.mark.parametrize("client", [opensearchpy.OpenSearch, elasticsearch.Elasticsearch])
    def test_take_the_url(self, server: Server, client: Callable[..., Any]) -> None:
        with closing(client(engine.url(server.endpoint, server.credentials), timeout=60)) as session:
            for number in range(3):
                session.index(index="books", id=str(number), body={"number": number}, refresh=True)
            assert session.count(index="books")["count"] == 3
            assert session.info()["version"]["number"] == "2.19.4"
            session.indices.delete(index="books")

    @pytest.mark.parametrize("client", [opensearchpy.OpenSearch, elasticsearch.Elasticsearch])
    def test_find_the_server_by_asking_for_nodes(self, server: Server, client: Callable[..., Any]) -> None:
        """Such a client wants user and password by themselves: those of a URL go with its first address only."""
        url = f"http://{server.endpoint.host}:{server.endpoint.port}"
        login = (server.credentials.user, server.credentials.password)
        options = {"http_auth": login, "sniff_on_start": True, "sniff_on_connection_fail": True}
        with closing(client(url, timeout=60, **options)) as session:
            (found,) = session.transport.connection_pool.connections
            assert found.host == url
            assert session.cat.indices(format="json", index="none*") == []

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/_nodes?filter_path=nodes.*.version,nodes.*.http.publish_address,nodes.*.ip", None),
            ("GET", "/_nodes/_local?filter_path=nodes.*.settings.cluster.metadata", None),
            ("GET", "/_nodes/http", None),
            ("GET", "/_cat/shards", None),
            ("GET", "/_cat/plugins", None),
            ("GET", "/_cat/templates/.kibana*", None),
            ("GET", "/_cluster/health", None),
            ("GET", "/_resolve/index/*", None),
            ("GET", "/_plugins/_security/authinfo", None),
            ("PUT", "/.kibana_1", {"mappings": {"dynamic": "strict", "properties": {"a": {"type": "keyword"}}}}),
            ("POST", "/_aliases", {"actions": [{"add": {"index": ".kibana_1", "alias": ".kibana"}}]}),
            ("GET", "/_alias/.kibana", None),
            ("PUT", "/.kibana/_doc/config:2.19.4?refresh=true", {"a": "x"}),
            ("POST", "/.kibana/_search", {"query": {"term": {"a": "x"}}}),
            ("POST", "/.kibana_1/_update/config:2.19.4", {"doc": {"a": "y"}}),
            ("DELETE", "/.kibana_1", None),
            ("PUT", "/.kibana", {}),
            ("POST", "/.kibana/_doc/1", {"a": 1}),
            ("DELETE", "/.kibana", None),
        ],
    )
    def test_dashboards_begin_and_keep_their_things(self, server: Server, method: str, path: str, body: object) -> None:
        """In this order, as OpenSearch Dashboards does."""
        assert call(server, method, path, body)[0] in (200, 201)

    def test_what_nodes_tell_is_no_secret(self, server: Server) -> None:
        told = str(ask(server, "GET", "/_nodes"))
        assert not any(secret in told for secret in (*secrets_of(server), server.credentials.admin_password))
        assert server.credentials.password not in told


class TestRestrict:
    def test_read_only_still_lets_the_tenant_free_space(self, server: Server) -> None:
        fill(server, "books", range(100))
        fill(server, "other", range(10))
        for _ in range(2):
            server.configure(Restriction.READ_ONLY)
        assert call(server, "PUT", "/books/_doc/new", {"a": 1})[0] == 403
        assert call(server, "PUT", "/another", {})[0] == 403
        assert call(server, "PUT", "/books/_settings", {"index": {"refresh_interval": "1s"}})[0] == 403
        assert ask(server, "POST", "/books/_search", {"query": {"match": {"number": 5}}})["hits"]["total"]["value"] == 1
        ask(server, "DELETE", "/books/_doc/5")
        ask(server, "POST", "/books/_delete_by_query?refresh=true", {"query": {"range": {"number": {"gte": 50}}}})
        assert count(server, "books") == 49
        ask(server, "POST", "/books/_forcemerge?only_expunge_deletes=true")
        ask(server, "DELETE", "/other")
        assert not ask(server, "POST", "/books/_bulk", '{"delete":{"_id":"6"}}\n')["errors"]
        assert ask(server, "POST", "/books/_bulk", '{"index":{"_id":"x"}}\n{"a":1}\n')["errors"]
        server.configure(Restriction.NONE)
        fill(server, "books", range(10))

    def test_a_start_without_users_lets_nobody_in(self, credentials: Credentials) -> None:
        plan = Plan("id", "plan", "Plan", "", "elasticsearch", 512, 2048, 100, 1.0, 1)
        spec = engine.render(RenderInput("i1", 1, plan, 300, admin_only=True), LAYOUT, credentials)
        assert users_of(spec)["shop_1234"]["opendistro_security_roles"] == []

    def test_closed_refuses_everything(self, server: Server) -> None:
        fill(server, "books", range(1))
        server.configure(Restriction.CLOSED)
        for path in ("/", "/books/_search", "/_cluster/health"):
            assert call(server, "GET", path)[0] == 403
        server.configure(Restriction.NONE)
        assert count(server, "books") == 1


class TestStats:
    def test_counts_what_is_the_tenants(self, server: Server) -> None:
        fill(server, "books", range(100))
        told = engine.stats(server.endpoint, server.credentials)
        assert told["documents"] == 100
        assert told["indices"] == 1
        assert told["health"] == 0
        assert told["data_size"] > 0
        assert 0 < told["heap_used"] <= told["heap_limit"]


class TestConfigure:
    def test_again_changes_nothing(self, server: Server) -> None:
        server.configure()
        server.configure()
        fill(server, "books", range(1))

    def test_makes_a_tenant_that_is_not_there(self, server: Server) -> None:
        other = replace(server.credentials, user="other_1", password="another-password-0123")
        server.configure(credentials=other)
        assert call(server, "GET", "/", user=other.user, password=other.password)[0] == 200

    def test_the_wrong_admin_is_refused(self, server: Server) -> None:
        wrong = replace(server.credentials, admin_password="wrong")
        with pytest.raises(NotReady):
            engine.ping(server.endpoint, wrong)
        with pytest.raises(TemporaryError):
            server.configure(credentials=wrong)

    def test_a_server_that_is_not_there_is_not_ready(self, server: Server) -> None:
        with pytest.raises(NotReady):
            engine.ping(Address("127.0.0.1", 1), server.credentials)


class TestServer:
    def test_acknowledged_documents_survive_a_kill(self, server: Server) -> None:
        acknowledged = kill_while_writing(server)
        assert acknowledged
        found = {hit["_id"] for hit in scroll(server, "books")}
        assert set(acknowledged) <= found

    def test_stops_by_its_signal_and_keeps_its_documents(self, server: Server) -> None:
        fill(server, "books", range(1000))
        assert server.stop() == 143
        server.start()
        ask(server, "GET", "/_cluster/health?wait_for_status=yellow&timeout=30s")
        assert count(server, "books") == 1000

    def test_a_script_that_wants_all_memory_ends_at_most_the_server(self, server: Server) -> None:
        fill(server, "books", range(10))
        bomb = "def l = []; for (int i = 0; i < 1000000; ++i) { l.add(new long[100000]); } return 1"
        query = {"script_fields": {"f": {"script": {"source": bomb}}}}
        try:
            status, _ = call(server, "POST", "/books/_search", query)
            assert status >= 400
        except (OSError, HTTPException):
            pass
        assert server.process is not None
        if server.process.poll() is not None or server.process.wait(10) is not None:
            assert server.process.returncode == 3
            assert "java.lang.OutOfMemoryError" in (server.layout.log / "output.log").read_text()
            server.start()
        ask(server, "GET", "/_cluster/health?wait_for_status=yellow&timeout=30s")
        assert count(server, "books") == 10

    def test_writes_its_own_log_and_leaves_no_secret_in_it(self, server: Server) -> None:
        log = (server.layout.log / "server.log").read_text()
        assert "started" in log
        assert "Not yet initialized" not in log
        for secret in (server.credentials.password, server.credentials.admin_password):
            assert secret not in server.log()


class TestFormerIndex:
    """A server of an earlier version, whose tenant has blocked the index of its users for everybody."""

    def test_is_left_behind(self, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(opensearch, "_name_indices", lambda _: (".opendistro_security",) * 2)
            earlier.setattr(opensearch, "_NOT_SYSTEM", ["*"])
            server = launch("opensearch", "2.19")
            server.configure()
            fill(server, "books", range(10))
            ask(server, "PUT", "/.opendistro_security/_block/read")
        server.credentials = replace(server.credentials, password="another-password-0123")
        assert isinstance(server.configure(reset=True), RestartNeeded)
        server.restart(signum=signal.SIGKILL, admin_only=True)
        assert call(server, "GET", "/books/_search")[0] == 403
        assert server.configure(reset=True) == Applied()
        assert count(server, "books") == 10
        status, _ = call(
            server, "GET", "/.opendistro_security", user="dbyard", password=server.credentials.admin_password
        )
        assert status == 404
        server.restart(admin_only=False)  # by then the platform has written what it wants into the files
        assert server.configure() == Applied()
        assert count(server, "books") == 10

    def test_of_this_version_that_cannot_be_read_is_made_anew(self, launch: Launch) -> None:
        server = launch("opensearch", "2.19")
        server.configure()
        fill(server, "books", range(10))
        stored = [path for path in secret_files(server) if path.is_relative_to(server.layout.data)]
        server.stop(signal.SIGKILL)
        for path in stored:
            if path.suffix in (".cfs", ".si") or path.name.startswith("segments_"):
                path.write_bytes(os.urandom(path.stat().st_size))
        server.node = replace(server.node, admin_only=True)
        server.start()
        assert call(server, "GET", "/books/_search")[0] == 403
        assert server.configure() == Applied()
        assert count(server, "books") == 10


@pytest.fixture(scope="module")
def original(launch_shared: Launch) -> Server:
    """Elasticsearch itself, where somebody has asked for it."""
    server = launch_shared("elasticsearch", "7.17")
    server.configure()
    return server


@pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders:DeprecationWarning")
class TestElasticsearch:
    """What is done in another way there."""

    def test_tenant_writes_and_searches_and_is_green(self, original: Server) -> None:
        original.configure()
        fill(original, "books", range(1000))
        found = ask(original, "POST", "/books/_search", {"query": {"match": {"word": "w3"}}, "size": 1})
        assert found["hits"]["total"]["value"] == 143
        assert ask(original, "GET", "/_cluster/health?wait_for_status=green&timeout=10s")["status"] == "green"
        told = engine.stats(original.endpoint, original.credentials)
        assert (told["documents"], told["indices"], told["health"]) == (1000, 1, 0)
        ask(original, "DELETE", "/books")

    def test_its_client_takes_the_url(self, original: Server) -> None:
        with closing(elasticsearch.Elasticsearch(engine.url(original.endpoint, original.credentials))) as session:
            assert session.info()["version"]["number"].startswith("7.17.")

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/_snapshot", None),
            ("PUT", "/_cluster/settings", {"persistent": {"cluster.blocks.read_only_allow_delete": None}}),
            ("GET", "/_nodes/stats", None),
            ("GET", "/_security/user", None),
            ("PUT", "/_security/role/tenant", {"cluster": ["all"]}),
            ("POST", "/_security/api_key", {"name": "mine"}),
            ("POST", "/_cluster/reroute", {}),
        ],
    )
    def test_tenant_may_not_reach_beyond_its_data(self, original: Server, method: str, path: str, body: object) -> None:
        status, answer = call(original, method, path, body)
        assert status == 403, answer

    @pytest.mark.parametrize(("user", "password"), [("", "wrong"), ("elastic", "changeme"), ("elastic", "")])
    def test_needs_its_password(self, original: Server, user: str, password: str) -> None:
        assert call(original, "GET", "/", user=user, password=password)[0] == 401

    @pytest.mark.parametrize("restriction", [Restriction.READ_ONLY, Restriction.CLOSED])
    def test_a_full_disk_may_be_read_and_freed(self, original: Server, restriction: Restriction) -> None:
        fill(original, "books", range(10))
        for _ in range(2):
            original.configure(restriction)
        assert call(original, "PUT", "/books/_doc/new", {"a": 1})[0] == 403
        assert count(original, "books") == 10
        ask(original, "DELETE", "/books")
        for _ in range(2):
            original.configure(Restriction.NONE)
        fill(original, "books", range(10))
        ask(original, "DELETE", "/books")

    def test_acknowledged_documents_survive_a_kill(self, original: Server) -> None:
        acknowledged = kill_while_writing(original)
        assert set(acknowledged) <= {hit["_id"] for hit in scroll(original, "books")}


def kill_while_writing(server: Server) -> list[str]:
    """Ids of documents that the server had acknowledged when it was killed in the midst of many."""
    acknowledged: list[str] = []
    enough = threading.Event()

    def write() -> None:
        for batch in range(1000):
            ids = [f"{batch}-{number}" for number in range(100)]
            lines = "".join(f'{{"index":{{"_id":"{each}"}}}}\n{{"a":1}}\n' for each in ids)
            try:
                status, answer = call(server, "POST", "/books/_bulk", lines)
            except (OSError, HTTPException, ValueError):
                return
            if status == 200 and not answer["errors"]:
                acknowledged.extend(ids)
            if batch == 10:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    writer.join()
    server.start()
    ask(server, "GET", "/_cluster/health?wait_for_status=yellow&timeout=30s")
    return acknowledged


def scroll(server: Server, index: str) -> Iterator[dict[str, Any]]:
    ask(server, "POST", f"/{index}/_refresh")
    page = ask(server, "POST", f"/{index}/_search?scroll=1m", {"size": 5000, "_source": False})
    while page["hits"]["hits"]:
        yield from page["hits"]["hits"]
        page = ask(server, "POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
