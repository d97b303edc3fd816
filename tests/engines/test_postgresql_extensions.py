"""Extensions, locales and statistics of PostgreSQL as its tenant has them, on whole roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from dbyard.model import Applied
from tests.engines.test_postgresql_databases import admin, run

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

ALLOWED = {
    "amcheck": "SELECT bt_index_check('t_pkey')",
    "autoinc": "SELECT 1",
    "bloom": "CREATE INDEX ON t USING bloom (i)",
    "btree_gin": "CREATE INDEX ON t USING gin (i)",
    "btree_gist": "CREATE INDEX ON t USING gist (i)",
    "citext": "SELECT 'A'::citext = 'a'::citext",
    "cube": "SELECT cube(1)",
    "dict_int": "SELECT ts_lexize('intdict', '123456789')",
    "dict_xsyn": "SELECT ts_lexize('xsyn', 'word')",
    "earthdistance": "SELECT earth_distance(ll_to_earth(48.2, 16.4), ll_to_earth(52.5, 13.4)) > 500000",
    "fuzzystrmatch": "SELECT levenshtein('a', 'b')",
    "hstore": "SELECT 'a=>1'::hstore",
    "insert_username": "SELECT 1",
    "intarray": "SELECT '{1}'::int[] && '{1}'",
    "isn": "SELECT '978-0-393-04002-9'::isbn",
    "lo": "SELECT 1::oid::lo",
    "ltree": "SELECT 'a.b'::ltree",
    "moddatetime": "SELECT 1",
    "pg_buffercache": "SELECT count(*) FROM pg_buffercache",
    "pg_freespacemap": "SELECT * FROM pg_freespace('t')",
    "pg_prewarm": "SELECT pg_prewarm('t')",
    "pg_stat_statements": "SELECT pg_stat_statements_reset(), (SELECT count(*) FROM pg_stat_statements)",
    "pg_trgm": "SELECT similarity('word', 'words')",
    "pg_visibility": "SELECT * FROM pg_visibility_map('t')",
    "pgcrypto": "SELECT gen_random_bytes(8), crypt('x', gen_salt('bf'))",
    "pgrowlocks": "SELECT * FROM pgrowlocks('t')",
    "pgstattuple": "SELECT * FROM pgstattuple('t')",
    "seg": "SELECT '1 .. 2'::seg",
    "sslinfo": "SELECT ssl_is_used()",
    "tablefunc": "SELECT * FROM normal_rand(3, 1, 1)",
    "tcn": "SELECT 1",
    "tsm_system_rows": "SELECT * FROM t TABLESAMPLE system_rows(1)",
    "tsm_system_time": "SELECT * FROM t TABLESAMPLE system_time(1)",
    "unaccent": "SELECT unaccent('é') = 'e'",
    "uuid-ossp": "SELECT uuid_generate_v5(uuid_ns_dns(), 'example.org')",
    "vector": "SELECT '[1,2]'::vector <-> '[2,3]'",
}
LACKED_BY_15 = {
    "vector": "Debian 12 has no pgvector",
    "earthdistance": "its script of then is not safe to run as the admin",
}
REFUSED = (
    "adminpack",
    "dblink",
    "file_fdw",
    "intagg",
    "old_snapshot",
    "pageinspect",
    "pg_surgery",
    "pg_walinspect",
    "postgres_fdw",
    "refint",
    "xml2",
)

POSTGIS_REFUSED = ("postgis_raster", "postgis_sfcgal", "postgis_tiger_geocoder", "postgis_topology")


@pytest.fixture(scope="module", params=["15", "17", "18"])
def server(request: pytest.FixtureRequest, launch_shared: Launch) -> Server:
    server = launch_shared("postgresql", request.param)
    server.configure()
    if not server.installation.whole:
        pytest.skip("the build that takes its place where there is no sandbox")
    run(server, "CREATE TABLE t (i int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    return server


class TestExtensions:
    @pytest.mark.parametrize("name", ALLOWED)
    def test_are_created_and_used(self, server: Server, name: str) -> None:
        if server.installation.version == "15" and name in LACKED_BY_15:
            pytest.skip(LACKED_BY_15[name])
        run(server, f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE')
        run(server, ALLOWED[name])

    @pytest.mark.parametrize("name", REFUSED)
    def test_that_reach_further_are_refused(self, server: Server, name: str) -> None:
        if name not in run(server, "SELECT name FROM pg_available_extensions"):
            pytest.skip("of another version")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to create extension"):
            run(server, f"CREATE EXTENSION {name}")

    def test_are_all_decided_upon(self, server: Server) -> None:
        found = set(run(server, "SELECT name FROM pg_available_extensions"))
        known = {
            *ALLOWED,
            *REFUSED,
            *(f"{each}-3" for each in POSTGIS_REFUSED),
            "plpgsql",
            "pg_logicalinspect",
            "postgis",
            "postgis-3",
        }
        assert {each for each in found - known if not each.startswith("address_standardizer")} == set()

    def test_run_nothing_of_the_tenants_as_the_admin_while_they_are_made(self, server: Server) -> None:
        """Their scripts run as a superuser, in schemas that the tenant may have filled before."""
        if server.installation.version == "15":
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to create extension"):
                run(server, "CREATE EXTENSION IF NOT EXISTS cube", "CREATE EXTENSION earthdistance")
            return
        run(server, "DROP DATABASE IF EXISTS hostile", "CREATE DATABASE hostile")
        names = ("cube_is_point", "cube_dim", "cube_ll_coord", "abs", "sin", "cos", "radians", "degrees")
        types = ("cubes.cube", "cubes.cube, int", "float8", "anyelement")
        body = "BEGIN INSERT INTO h.ran VALUES (current_user); RETURN NULL; END"
        hostile = [
            f"CREATE FUNCTION h.{name}({type_}) RETURNS float8 LANGUAGE plpgsql AS '{body}'"
            for name in names
            for type_ in types
        ]
        before = ("CREATE SCHEMA cubes", "CREATE SCHEMA h", "CREATE EXTENSION cube SCHEMA cubes")
        made = (*before, "CREATE TABLE h.ran (who text)", *hostile, "CREATE EXTENSION earthdistance SCHEMA h")
        assert run(server, *made, "SELECT who FROM h.ran", dbname="hostile") == []


class TestPostgis:
    @pytest.fixture(autouse=True)
    def _installed(self, server: Server) -> None:
        if not (server.installation.root / "usr" / "share" / "proj").is_dir():
            pytest.skip(f"dbyard engines install postgresql@{server.installation.version} --with postgis")

    def test_is_created_and_used(self, server: Server) -> None:
        run(server, "CREATE EXTENSION IF NOT EXISTS postgis", "CREATE TABLE IF NOT EXISTS place (at geometry)")
        run(
            server,
            "CREATE INDEX ON place USING gist (at)",
            "INSERT INTO place VALUES (ST_SetSRID(ST_Point(16.4, 48.2), 4326))",
        )
        moved = "SELECT round(ST_X(ST_Transform(at, 3857))::numeric) FROM place LIMIT 1"
        assert run(server, moved) == [1825640]

    def test_its_script_runs_nothing_of_the_tenants_as_the_admin(self, server: Server) -> None:
        run(server, "DROP DATABASE IF EXISTS maps", "CREATE DATABASE maps")
        body = "BEGIN INSERT INTO h.ran VALUES (current_user); RETURN NULL; END"
        names = ("split_part(text, text, int)", "substring(text, text)", "version()", "abs(float8)", "format(text)")
        hostile = [f"CREATE FUNCTION h.{name} RETURNS text LANGUAGE plpgsql AS '{body}'" for name in names]
        operators = [
            f"CREATE FUNCTION h.{name}(unknown_{name} text, other name) RETURNS bool LANGUAGE plpgsql AS '{body}'"
            for name in ("is", "isnt")
        ]
        defined = [
            f"CREATE OPERATOR h.{sign} (LEFTARG = text, RIGHTARG = name, FUNCTION = h.{name})"
            for sign, name in (("=", "is"), ("!=", "isnt"))
        ]
        before = ("CREATE SCHEMA h", "CREATE TABLE h.ran (who text)", *hostile, *operators, *defined)
        made = (*before, "CREATE EXTENSION postgis SCHEMA h", "SELECT who FROM h.ran")
        assert run(server, *made, dbname="maps") == []

    @pytest.mark.parametrize("name", POSTGIS_REFUSED)
    def test_what_reaches_further_is_refused(self, server: Server, name: str) -> None:
        with pytest.raises(psycopg.Error, match="is not available"):
            run(server, f"CREATE EXTENSION {name}")


class TestMonitoring:
    def test_the_tenant_sees_its_own_statements(self, server: Server) -> None:
        run(server, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT 40 + 2 AS of_mine")
        found = run(server, "SELECT query FROM pg_stat_statements WHERE query LIKE '%of_mine%' AND query LIKE '%$1%'")
        assert found == ["SELECT $1 + $2 AS of_mine"]

    def test_no_password_is_in_what_it_sees(self, server: Server) -> None:
        with admin(server) as session:
            verifier = session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'dbyard'").fetchone()
        assert verifier is not None
        seen = " ".join(run(server, "SELECT query FROM pg_stat_statements"))
        assert verifier[0] not in seen
        assert server.credentials.password not in seen


class TestSorting:
    def test_is_by_code_point_unless_asked_for(self, server: Server) -> None:
        words = "SELECT string_agg(w, ' ' ORDER BY w{}) FROM unnest('{{zebra,Apple,Éclair,banana,Zoo}}'::text[]) w"
        assert run(server, words.format("")) == ["Apple Zoo banana zebra Éclair"]
        assert run(server, words.format(' COLLATE "en-US-x-icu"')) == ["Apple banana Éclair zebra Zoo"]
        assert run(server, words.format(' COLLATE "en_US.utf8"')) == ["Apple banana Éclair zebra Zoo"]
        run(server, "CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")

    @pytest.mark.parametrize("version", ["15", "17"])
    def test_is_as_in_a_language_where_the_owner_chose_one(self, launch: Launch, version: str) -> None:
        server = launch("postgresql", version)
        if not server.installation.whole:
            pytest.skip("the build that takes its place where there is no sandbox")
        for _ in range(2):
            assert server.configure(settings={"locale": "en-US"}) == Applied()
        words = "SELECT string_agg(w, ' ' ORDER BY w) FROM unnest('{zebra,Apple,Éclair,banana,Zoo}'::text[]) w"
        assert run(server, words) == ["Apple banana Éclair zebra Zoo"]
        assert run(server, "SELECT datname FROM pg_database WHERE datname = 'spare'") == []

    @pytest.mark.parametrize(
        "locale",
        [
            "LOCALE 'en_US.UTF-8'",
            "LOCALE_PROVIDER libc LOCALE = 'de_DE.utf8'",
            "LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C.UTF-8'",
            "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
        ],
    )
    def test_of_a_database_is_what_was_asked_for(self, server: Server, locale: str) -> None:
        if server.installation.version == "15" and "builtin" in locale:
            pytest.skip("came with 17")
        run(server, "DROP DATABASE IF EXISTS sorted", f"CREATE DATABASE sorted TEMPLATE template0 {locale}")
        assert run(server, "SELECT lower('Å')", dbname="sorted") == ["å"]
