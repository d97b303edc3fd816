"""Dumps as they are read: unpacked, cut into statements, and changed nowhere but where they must be."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import bson
import pytest
import zstandard

from dbyard.engines.dumps import Findings, Input, Order, Refused
from dbyard.engines.mongodb import load_dump as mongodb_dump
from dbyard.engines.mysql import dump_reader as mysql_reader
from dbyard.engines.mysql import dump_rules as mysql_rules
from dbyard.engines.postgresql import dump_reader, dump_rules

MIB = 1 << 20


def pieces(text: bytes, size: int) -> Callable[[], bytes]:
    given: Iterator[bytes] = iter([text[at : at + size] for at in range(0, len(text), size)])
    return lambda: next(given, b"")


def unpack(packed: bytes, most: int = MIB) -> bytes:
    found = Input(io.BufferedReader(io.BytesIO(packed)), most)
    assert found.peek(1)
    return b"".join(iter(found.read, b""))


class TestInput:
    TEXT = b"CREATE TABLE t (i int);\n" * 2000

    @pytest.mark.parametrize(
        "pack",
        [
            lambda text: text,
            gzip.compress,
            lambda text: gzip.compress(text[:100]) + gzip.compress(text[100:]) + bytes(512),
            zstandard.compress,
            lambda text: zstandard.compress(text[:100]) + zstandard.compress(text[100:]),
        ],
    )
    def test_is_unpacked(self, pack: Callable[[bytes], bytes]) -> None:
        assert unpack(pack(self.TEXT)) == self.TEXT

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    @pytest.mark.parametrize("lost", [1, 20])
    def test_that_is_cut_off_is_refused(self, pack: Callable[[bytes], bytes], lost: int) -> None:
        packed = pack(random.Random(1).randbytes(1000) + self.TEXT)
        with pytest.raises(Refused, match="it is cut off"):
            unpack(packed[:-lost])

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_that_is_damaged_is_refused(self, pack: Callable[[bytes], bytes]) -> None:
        packed = bytearray(pack(self.TEXT))
        packed[8:30] = bytes(22)
        with pytest.raises(Refused, match=r"it is (damaged|cut off)"):
            unpack(bytes(packed))

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_that_unpacks_to_too_much_is_refused(self, pack: Callable[[bytes], bytes]) -> None:
        with pytest.raises(Refused, match="unpacks to more than 1 MB"):
            unpack(pack(bytes(256 * MIB)))

    @pytest.mark.parametrize(
        ("first", "name"), [(b"BZh91AY&", "bzip2"), (b"\xfd7zXZ\0\0\4", "xz"), (b"PK\3\4....", "zip")]
    )
    def test_of_another_packing_is_refused(self, first: bytes, name: str) -> None:
        with pytest.raises(Refused, match=f"packed by {name}"):
            unpack(first)


POSTGRESQL = (
    b"SELECT 1",
    b"INSERT INTO t VALUES (E'it\\'s;', 'a\\', \"x\"\"; y\", $$;'$$, $a$ $b$; $$ $a$, 'x''; y', U&'\\0061')",
    b"CREATE TABLE a$b$c (i int) -- a; comment\n /* of /* two; */ ; */",
    b"CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)",
    b"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
    b"CREATE FUNCTION begin_x() RETURNS int LANGUAGE plpgsql AS $$ begin; end; $$",
    b"SELECT 1 AS end_of",
)


def read_postgresql(text: bytes, size: int) -> list[tuple[bytes, bytes]]:
    reader = dump_reader.Reader(pieces(text, size), lambda _: None)
    return [(each.text, b"".join(reader.rows()) if each.copies else b"") for each in reader.statements()]


class TestPostgresql:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
    def test_is_cut_into_statements(self, size: int) -> None:
        rows = b"1\ta;'b\n\\.x\n2\t\\\\.\n$$\n"
        text = (
            b"-- a comment; 'it\n/* another; */;;\n"
            + b";\n".join(POSTGRESQL)
            + b';\n\\restrict a\'b\nCOPY public.t (a, "from") FROM stdin;\n'
            + rows
            + b"\\.\n\nCOPY t FROM stdin;\n\\.\nSELECT 2"
        )
        found = read_postgresql(text, size)
        assert [each for each, _ in found[: len(POSTGRESQL)]] == list(POSTGRESQL)
        assert found[len(POSTGRESQL) :] == [
            (b"\\restrict a'b", b""),
            (b'COPY public.t (a, "from") FROM stdin', rows),
            (b"COPY t FROM stdin", b""),
            (b"SELECT 2", b""),
        ]

    @pytest.mark.parametrize(
        "text", [b"SELECT 'a;\n", b'SELECT "a', b"DO $x$ begin $$", b"/* a", b"COPY t FROM stdin;\n1\n"]
    )
    def test_that_is_cut_off_is_refused(self, text: bytes) -> None:
        with pytest.raises(Refused, match="it is cut off"):
            read_postgresql(text, 5)

    def test_lines_are_counted(self) -> None:
        reader = dump_reader.Reader(
            pieces(b"-- a\n\nSELECT\n1;\nCOPY t FROM stdin;\n1\n2\n\\.\n\n  SELECT 2;", 4), lambda _: None
        )
        lines = []
        for statement in reader.statements():
            lines.append(statement.line)
            if statement.copies:
                assert b"".join(reader.rows()) == b"1\n2\n"
        assert lines == [3, 5, 10]

    def test_strings_as_the_server_reads_them(self) -> None:
        reader = dump_reader.Reader(pieces(b"SELECT 'a\\'; b'; SELECT 2;", 100), lambda _: None)
        reader.standard_strings = False
        assert next(reader.statements()).text == b"SELECT 'a\\'; b'"


HERE = dump_rules.Here(17, {"statement_timeout", "search_path"}, {"hstore", "uuid-ossp"})


def apply(statement: bytes, *, copies: bool = False) -> tuple[bytes | None, Findings]:
    findings = Findings()
    return dump_rules.Rules(HERE, findings).apply(dump_reader.Statement(1, statement, copies)), findings


class TestPostgresqlRules:
    @pytest.mark.parametrize(
        "statement",
        [
            b"SET statement_timeout = 0",
            b"SET search_path TO a, b",
            b"SET app.user = 'x'",
            b"CREATE TABLE t (s text DEFAULT 'ALTER TABLE x OWNER TO y')",
            b"ALTER TABLE t ADD CONSTRAINT c CHECK (s <> 'OWNER TO y;')",
            b"INSERT INTO t VALUES ('GRANT ALL')",
            b"COMMENT ON TABLE t IS 'CREATE EXTENSION dblink'",
        ],
    )
    def test_most_stays(self, statement: bytes) -> None:
        found, findings = apply(statement)
        assert found == statement
        assert findings == Findings()

    @pytest.mark.parametrize(
        ("statement", "owner"),
        [
            (b"ALTER TABLE public.t OWNER TO shop", "shop"),
            (b'ALTER FUNCTION public.f(a integer, "b c" text) OWNER TO "Of ""All"""', 'Of "All"'),
            (b"ALTER LARGE OBJECT 12 OWNER TO shop", "shop"),
            (b"SET SESSION AUTHORIZATION 'shop'", "shop"),
            (b"CREATE ROLE shop", "shop"),
        ],
    )
    def test_owners_are_told_and_left_out(self, statement: bytes, owner: str) -> None:
        found, findings = apply(statement)
        assert found is None
        assert list(findings.owners) == [owner]

    @pytest.mark.parametrize(
        "statement",
        [
            b"GRANT SELECT ON TABLE t TO reader",
            b"REVOKE ALL ON SCHEMA public FROM PUBLIC",
            b"ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b",
            b"COMMENT ON EXTENSION hstore IS 'x'",
            b"SET transaction_timeout = 0",
            b"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
            b"CREATE DATABASE shop WITH TEMPLATE = template0",
            b"CREATE OR REPLACE PROCEDURAL LANGUAGE plpgsql",
        ],
    )
    def test_what_is_nobodys_here_is_left_out(self, statement: bytes) -> None:
        found, findings = apply(statement)
        assert found is None
        assert sum(findings.left_out.values()) == 1

    def test_what_may_be_there_already(self) -> None:
        assert apply(b"CREATE SCHEMA public")[0] == b"CREATE SCHEMA IF NOT EXISTS public"
        found, findings = apply(b"CREATE EXTENSION \"uuid-ossp\" WITH SCHEMA a VERSION '1.0'")
        assert found == b'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA a'
        assert findings.extensions == {"uuid-ossp": True}

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            (b"CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA public", "the extension dblink"),
            (b"SET default_tablespace = fast", "--no-tablespaces"),
            (b"CREATE TABLESPACE fast OWNER me LOCATION '/etc'", "--no-tablespaces"),
            (b"COPY t FROM PROGRAM 'id'", "a file or a program"),
            (b"COPY t FROM '/etc/passwd'", "a file or a program"),
        ],
    )
    def test_what_cannot_be_is_refused(self, statement: bytes, said: str) -> None:
        found, findings = apply(statement)
        assert found is None
        (reason,) = findings.refused
        assert said in reason

    @pytest.mark.parametrize(
        "command", [b"\\! id", b"\\copy t from program 'id'", b"\\i /etc/passwd", b"\\o /tmp/x", b"\\setenv A b"]
    )
    def test_commands_of_psql_are_not_obeyed(self, command: bytes) -> None:
        with pytest.raises(Refused, match="is not obeyed here"):
            apply(command)

    def test_several_databases_are_refused(self) -> None:
        rules = dump_rules.Rules(HERE, Findings())
        assert rules.apply(dump_reader.Statement(1, b"\\connect shop")) is None
        assert rules.apply(dump_reader.Statement(2, b"\\connect -reuse-previous=on \"dbname='shop'\"")) is None
        with pytest.raises(Refused, match="line 3: it holds several databases, shop and other"):
            rules.apply(dump_reader.Statement(3, b"\\connect other"))


MYSQL = (
    b"SELECT 1",
    b"INSERT INTO t VALUES ('it\\'s;', \"a\\\";\", `x``;`, 'x''; y', '/*!')",
    b"CREATE TABLE t (i int) -- a; comment\n # and; another\n /* and; */",
    b"/*!50003 SET @a = ';' */",
    b"SELECT 1--1",
)


def read_mysql(text: bytes, size: int) -> list[bytes]:
    return [each.text for each in mysql_reader.Reader(pieces(text, size), lambda _: None).statements()]


class TestMysql:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
    def test_is_cut_into_statements(self, size: int) -> None:
        body = b"CREATE PROCEDURE p()\nBEGIN\n  SELECT 1; -- it's;;\n  SELECT ';;';\nEND"
        text = (
            b"/*M!999999\\- enable the sandbox mode */ \n-- a comment; 'it\n# another;\n/* a third; */;;\n"
            + b";\n".join(MYSQL)
            + b";\nDELIMITER ;;\n"
            + body
            + b" ;;\ndelimiter $$\nSELECT 3; SELECT 4 $$\nDELIMITER ;\nSELECT 5"
        )
        assert read_mysql(text, size) == [*MYSQL, body, b"SELECT 3; SELECT 4", b"SELECT 5"]

    @pytest.mark.parametrize("text", [b"SELECT 'a;\n", b'SELECT "a', b"SELECT `a", b"/* a", b"SELECT 'a\\'"])
    def test_that_is_cut_off_is_refused(self, text: bytes) -> None:
        with pytest.raises(Refused, match="it is cut off"):
            read_mysql(text, 5)


def mysql_here(*, is_mariadb: bool) -> mysql_rules.Here:
    own = "utf8mb4_uca1400_nopad_ai_ci" if is_mariadb else "utf8mb4_0900_ai_ci"
    return mysql_rules.Here(is_mariadb, "here", {own, "utf8mb4_bin", "utf8mb3_unicode_ci"}, {"innodb", "myisam"})


def rewrite(*statements: bytes, is_mariadb: bool = False) -> tuple[bytes | None, Findings]:
    """What becomes of the last one."""
    findings, found = Findings(), None
    rules = mysql_rules.Rules(mysql_here(is_mariadb=is_mariadb), findings)
    for each in statements:
        found = rules.apply(mysql_reader.Statement(1, each))
    return found, findings


class TestMysqlRules:
    @pytest.mark.parametrize(
        "statement",
        [
            b"INSERT INTO t VALUES ('DEFINER=`root`@`localhost` COLLATE utf8mb4_0900_xx ENGINE=Aria')",
            b"CREATE TABLE t (a int COMMENT 'ENGINE=Aria COLLATE x', `DEFINER` int) ENGINE=InnoDB COLLATE=utf8mb4_bin",
            b"SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO'",
            b"CREATE PROCEDURE p() SELECT 'CREATE DEFINER=`root`@`localhost` VIEW'",
        ],
    )
    def test_most_stays(self, statement: bytes) -> None:
        found, findings = rewrite(statement)
        assert found == statement
        assert findings == Findings()

    @pytest.mark.parametrize(
        ("statement", "rest", "owner"),
        [
            (b"CREATE DEFINER=`root`@`localhost` PROCEDURE p() SELECT 1", b"CREATE  PROCEDURE p() SELECT 1", "root@localhost"),  # noqa: E501
            (b"CREATE DEFINER = 'a'@'%' FUNCTION f() RETURNS int RETURN 1", b"CREATE  FUNCTION f() RETURNS int RETURN 1", "a@%"),  # noqa: E501
            (b"CREATE DEFINER=root@localhost EVENT e DO SET @a=1", b"CREATE  EVENT e DO SET @a=1", "root@localhost"),
            (b"CREATE DEFINER=CURRENT_USER() TRIGGER t", b"CREATE  TRIGGER t", ""),
            (
                b"/*!50003 CREATE*/ /*!50017 DEFINER=`ro``ot`@`%`*/ /*!50003 TRIGGER x */",
                b"/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER x */",
                "root@%",
            ),
            (
                b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n/*!50001 VIEW v */",  # noqa: E501
                b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013  SQL SECURITY DEFINER */\n/*!50001 VIEW v */",
                "a@b",
            ),
            (b"CREATE OR REPLACE DEFINER=`TRIGGER`@`x` VIEW v", b"CREATE OR REPLACE  VIEW v", "TRIGGER@x"),
        ],
    )  # fmt: skip
    def test_definers_go(self, statement: bytes, rest: bytes, owner: str) -> None:
        found, findings = rewrite(statement)
        assert found == rest
        assert list(findings.owners) == ([owner] if owner else [])

    @pytest.mark.parametrize(
        "statement",
        [
            b"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5'",
            b"SET @@SESSION.SQL_LOG_BIN= 0",
            b"SET GLOBAL log_bin_trust_function_creators = 1",
            b"GRANT ALL ON *.* TO 'a'@'%'",
            b"CREATE USER a",
            b"/*!50001 FLUSH PRIVILEGES */",
        ],
    )
    def test_what_is_nobodys_here_is_left_out(self, statement: bytes) -> None:
        found, findings = rewrite(statement)
        assert found is None
        assert sum(findings.left_out.values()) == 1

    def test_what_the_other_server_has(self) -> None:
        table = b"CREATE TABLE t (s text COLLATE %s) ENGINE=Aria COLLATE=%s"
        found, findings = rewrite(table.replace(b"%s", b"utf8mb4_0900_ai_ci"), is_mariadb=True)
        assert found == table.replace(b"%s", b"utf8mb4_uca1400_nopad_ai_ci").replace(b"Aria", b"InnoDB")
        assert findings.replaced == {"utf8mb4_0900_ai_ci": "utf8mb4_uca1400_nopad_ai_ci", "ENGINE=Aria": "InnoDB"}
        found, _ = rewrite(b"/*!50003 SET collation_connection  = utf8mb4_uca1400_ai_ci */")
        assert found == b"/*!50003 SET collation_connection  = utf8mb4_0900_ai_ci */"
        found, findings = rewrite(b"/*!50003 SET sql_mode  = 'ANSI_QUOTES,NO_AUTO_CREATE_USER' */")
        assert found == b"/*!50003 SET sql_mode  = 'ANSI_QUOTES' */"
        assert findings.left_out == {"SQL_MODE NO_AUTO_CREATE_USER": 1}

    @pytest.mark.parametrize(
        ("statement", "rest"),
        [
            (b"CREATE TABLE `shop`.`t` (i int)", b"CREATE TABLE `here`.`t` (i int)"),
            (b"CREATE VIEW v AS SELECT shop.t.a, f.x FROM shop.t f", b"CREATE VIEW v AS SELECT `here`.t.a, f.x FROM `here`.t f"),  # noqa: E501
            (b"CREATE VIEW v AS SELECT shop.a FROM u shop", b"CREATE VIEW v AS SELECT shop.a FROM u shop"),
            (b"CREATE VIEW v AS SELECT shop.f(1)", b"CREATE VIEW v AS SELECT `here`.f(1)"),
            (b"INSERT INTO `shop`.`t` VALUES ('shop.t')", b"INSERT INTO `t` VALUES ('shop.t')"),
            (b"CREATE VIEW v AS SELECT 'shop.t', `shop` . `t` . a FROM t", b"CREATE VIEW v AS SELECT 'shop.t', `here` . `t` . a FROM t"),  # noqa: E501
        ],
    )  # fmt: skip
    def test_the_databases_name_is_this_ones(self, statement: bytes, rest: bytes) -> None:
        found, findings = rewrite(
            b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 */", b"USE `shop`", statement
        )
        assert found == rest
        assert list(findings.databases) == ["shop"]

    @pytest.mark.parametrize("other", [b"USE other", b"CREATE DATABASE other", b"USE mysql"])
    def test_several_databases_are_refused(self, other: bytes) -> None:
        with pytest.raises(Refused, match="it holds several databases"):
            rewrite(b"USE shop", other)

    @pytest.mark.parametrize("command", [b"\\! id", b"system id", b"source /etc/passwd", b"\\. x"])
    def test_commands_of_the_client_are_not_obeyed(self, command: bytes) -> None:
        with pytest.raises(Refused, match="is not obeyed here"):
            rewrite(command)

    @pytest.mark.parametrize(
        "statement",
        [b"LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t", b"CREATE TABLESPACE x ADD DATAFILE '/etc/x'"],
    )
    def test_files_are_refused(self, statement: bytes) -> None:
        found, findings = rewrite(statement)
        assert found is None
        assert len(findings.refused) == 1


def make_archive(*names: str, database: str = "shop", ended: bool = True) -> bytes:
    """Of collections that have two documents each, and alternate."""
    end = b"\xff" * 4
    header = {"concurrent_collections": 4, "version": "0.1", "server_version": "6.0.5", "tool_version": "100.7.0"}
    metadata = '{"options": {}, "indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]}'
    found = b"\x6d\xe2\x99\x81" + bson.encode(header)
    for name in names:
        found += bson.encode({"db": database, "collection": name, "metadata": metadata, "size": 0})
    found += end
    for number in range(2):
        for name in names:
            head = {"db": database, "collection": name, "EOF": False, "CRC": 0}
            found += bson.encode(head) + bson.encode({"_id": number, "of": name}) + end
    for name in names if ended else names[1:]:
        found += bson.encode({"db": database, "collection": name, "EOF": True, "CRC": 0}) + end
    return found


def look_at_archive(archive: bytes) -> Findings:
    findings = Findings()
    dump = Input(io.BufferedReader(io.BytesIO(archive)), MIB)
    order = Order(
        host="", port=0, user="", password="", database="", most=MIB, load=False, programs="", data="", memory=MIB
    )
    mongodb_dump.load(order, dump, findings)
    return findings


class TestMongodb:
    def test_tells_what_is_in_it(self) -> None:
        findings = look_at_archive(gzip.compress(make_archive("bill", "customer")))
        assert findings.form == "mongodump --archive, packed by gzip"
        assert (findings.source, findings.program) == ("MongoDB 6.0.5", "mongodump 100.7.0")
        assert list(findings.databases) == ["shop"]

    @pytest.mark.parametrize("database", ["admin", "config", "local"])
    def test_leaves_out_what_is_the_servers(self, database: str) -> None:
        findings = look_at_archive(make_archive("system.users", database=database))
        assert findings.left_out == {f"{database}.system.users": 1}
        assert not findings.databases

    @pytest.mark.parametrize("lost", [1, 4, 30, 200])
    def test_that_is_cut_off_is_refused(self, lost: int) -> None:
        with pytest.raises(Refused, match="it is cut off"):
            look_at_archive(make_archive("bill", "customer")[:-lost])

    def test_of_a_collection_without_an_end_is_refused(self) -> None:
        with pytest.raises(Refused, match="the collection bill has no end"):
            look_at_archive(make_archive("bill", "customer", ended=False))

    @pytest.mark.parametrize("seed", range(20))
    def test_that_is_damaged_is_refused_or_read(self, seed: int) -> None:
        chance = random.Random(seed)
        archive = bytearray(make_archive("bill", "customer"))
        archive[chance.randrange(4, len(archive))] ^= chance.randrange(1, 256)
        with suppress(Refused):  # a byte of a value is nobody's to judge
            look_at_archive(bytes(archive))

    def test_of_another_form_is_refused(self) -> None:
        with pytest.raises(Refused, match="it is no archive of MongoDB"):
            look_at_archive(b"PGDMP")
