"""The catalogue that the package carries, and what the loader refuses."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from dbyard import catalogue
from dbyard.errors import ConfigError, Invalid
from dbyard.model import Plan
from dbyard.recipes import DebianRecipe, DebianRootRecipe, GoRecipe, WheelRecipe

TEXT = files("dbyard").joinpath("catalogue.toml").read_text()


@pytest.fixture(scope="module")
def loaded() -> catalogue.Catalogue:
    return catalogue.load()


def every_plan(loaded: catalogue.Catalogue) -> list[Plan]:
    return [plan for technology in loaded.all for plan in technology.plans]


class TestLoad:
    def test_technologies_and_their_default_versions(self, loaded: catalogue.Catalogue) -> None:
        defaults = {slug: each.default_version.version for slug, each in loaded.technologies.items()}
        assert (
            defaults.items()
            >= {
                "postgresql": "17",
                "mysql": "9.7",
                "mariadb": "10.11",
                "redis": "7.0",
                "mongodb": "0.7",
                "elasticsearch": "2.19",
                "opensearch": "2.19",
                "influxdb": "1.6",
            }.items()
        )

    def test_reading_twice_gives_the_same_value(self, loaded: catalogue.Catalogue) -> None:
        assert catalogue.parse(TEXT) == loaded

    def test_mysql_says_what_it_is(self, loaded: catalogue.Catalogue) -> None:
        assert loaded.version("mysql").server == "MySQL 9.7 LTS"
        assert loaded.version("mysql", "10.11").server == "MariaDB 10.11 (MySQL protocol)"

    def test_what_a_create_takes_follows_what_is_installed(self, loaded: catalogue.Catalogue) -> None:
        mysql, mongodb = loaded.technologies["mysql"], loaded.technologies["mongodb"]
        assert mysql.pick(lambda _: True).version == "9.7"
        assert mysql.pick(lambda version: version.version == "10.11").version == "10.11"
        assert mysql.pick(lambda _: False).version == "9.7"
        assert mongodb.pick(lambda _: True).version == "8.0"

    def test_recipes(self, loaded: catalogue.Catalogue) -> None:
        default, former = loaded.version("postgresql", "17"), loaded.version("postgresql", "15")
        assert isinstance(default.recipe, DebianRootRecipe)
        assert default.recipe.suites[0] == "trixie"
        assert isinstance(default.fallback, WheelRecipe)
        assert re.fullmatch("[0-9a-f]{64}", default.fallback.sha256)
        assert isinstance(former.recipe, DebianRootRecipe)
        assert former.recipe.suites[0] == "bookworm"
        assert isinstance(former.fallback, DebianRecipe)
        assert former.fallback.packages == ("postgresql-15", "postgresql-client-15")

    def test_a_server_that_is_built_pins_its_source_and_its_compiler(self, loaded: catalogue.Catalogue) -> None:
        version = loaded.version("influxdb", "1.8")
        assert (version.on_request, version.version_argument) == (True, "version")
        assert isinstance(version.recipe, GoRecipe)
        assert version.recipe.sum.startswith("h1:")
        assert re.fullmatch("[0-9a-f]{64}", version.recipe.toolchain.sha256)

    def test_tools(self, loaded: catalogue.Catalogue) -> None:
        assert loaded.tools["bubblewrap"].command == "bwrap"


class TestPlans:
    def test_ids_are_24_hex_digits_unique_and_stable(self, loaded: catalogue.Catalogue) -> None:
        ids = [plan.id for plan in every_plan(loaded)]
        assert all(re.fullmatch("[0-9a-f]{24}", each) for each in ids)
        assert len(set(ids)) == len(ids)
        assert loaded.find_plan("postgresql-starter-512") == loaded.find_plan("fdfc684962d8c2c18892d9b2")

    @pytest.mark.parametrize(
        ("name", "title", "memory", "disk", "connections"),
        [
            ("postgresql-starter-512", "Starter 512M", 512, 10240, 30),
            ("postgresql-starter-1024", "Starter 1G", 1024, 20480, 60),
            ("postgresql-business-131072", "Business 128G", 131072, 2621440, 7680),
            ("mysql-starter-512", "Starter 512M", 512, 10240, 30),
            ("mysql-business-1024", "Business 1G", 1024, 20480, 64),
            ("mysql-business-32768", "Business 32G", 32768, 655360, 1536),
            ("redis-starter-256", "Starter 256M", 256, 2048, 1000),
            ("postgresql-dr-starter-16384", "Starter 16G", 16384, 327680, 1600),
            ("postgresql-dr-enterprise-524288", "Enterprise 512G", 524288, 10485760, 12800),
        ],
    )
    def test_figures(
        self, loaded: catalogue.Catalogue, name: str, title: str, memory: int, disk: int, connections: int
    ) -> None:
        plan = loaded.find_plan(name)
        assert plan is not None
        assert (plan.display_name, plan.memory_mb, plan.disk_mb, plan.connections) == (title, memory, disk, connections)

    def test_a_bigger_plan_never_has_less(self, loaded: catalogue.Catalogue) -> None:
        for technology in loaded.technologies.values():
            plans = sorted(technology.plans, key=lambda plan: plan.memory_mb)
            for feature in ("disk_mb", "connections", "cpu"):
                values = [getattr(plan, feature) for plan in plans]
                assert values == sorted(values), (technology.slug, feature)

    def test_every_plan_may_use_a_whole_core(self, loaded: catalogue.Catalogue) -> None:
        assert min(plan.cpu for plan in every_plan(loaded)) == 1.0

    def test_business_plans_say_that_the_standby_is_missing(self, loaded: catalogue.Catalogue) -> None:
        for plan in every_plan(loaded):
            assert ("standby" in plan.description) == ("-starter-" not in plan.name)

    def test_each_plan_holds_what_the_one_before_it_held(self, loaded: catalogue.Catalogue) -> None:
        for technology in loaded.all:
            for before, after in pairwise(technology.plans):
                assert (after.memory_mb, after.disk_mb) >= (before.memory_mb, before.disk_mb), after.name

    def test_positions_number_the_plans_of_a_technology(self, loaded: catalogue.Catalogue) -> None:
        for technology in loaded.all:
            assert [plan.position for plan in technology.plans] == list(range(1, len(technology.plans) + 1))


class TestLookup:
    def test_technology_by_slug_and_alias(self, loaded: catalogue.Catalogue) -> None:
        with_alias = catalogue.parse(TEXT.replace("aliases = []", 'aliases = ["pg"]', 1))
        assert with_alias.technology("pg") is with_alias.technology("postgresql") is not None
        assert loaded.technology("pg") is loaded.technology("oracle") is None

    def test_a_variant_has_the_servers_of_its_base_and_plans_of_its_own(self, loaded: catalogue.Catalogue) -> None:
        variant, base = loaded.get("postgresql-ng"), loaded.get("postgresql")
        assert (variant.versions, variant.engine, variant.type_name) == (base.versions, base.engine, "postgresql")
        assert [plan.name for plan in variant.plans][:3] == [
            "postgresql-dr-starter-4096",
            "postgresql-dr-business-4096",
            "postgresql-dr-enterprise-4096",
        ]
        assert loaded.plan("postgresql-ng", "postgresql-starter-512") == loaded.plan(
            "postgresql", "postgresql-starter-512"
        )
        assert loaded.plan("postgresql", "postgresql-dr-starter-4096") is None
        with pytest.raises(LookupError):
            loaded.get("oracle")

    def test_plan_by_name_and_id(self, loaded: catalogue.Catalogue) -> None:
        plan = loaded.plan("redis", "redis-starter-256")
        assert plan is not None
        assert loaded.plan("redis", plan.id) == plan

    def test_plan_of_another_technology(self, loaded: catalogue.Catalogue) -> None:
        assert loaded.plan("mysql", "redis-starter-256") is None
        found = loaded.find_plan("redis-starter-256")
        assert found is not None
        assert found.technology == "redis"
        assert loaded.find_plan("redis-starter-3") is None

    def test_unknown_version_names_the_valid_ones(self, loaded: catalogue.Catalogue) -> None:
        with pytest.raises(Invalid) as caught:
            loaded.version("postgresql", "9")
        assert caught.value.fields == {"version": ["must be one of 17, 15, 18"]}
        with pytest.raises(Invalid, match="technology must be one of postgresql, mysql, mariadb, redis"):
            loaded.version("oracle")


class TestRefused:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("overhead_mb = 192", 'overhead_mb = "a lot"', r"overhead_mb"),
            ("overhead_mb = 192", "overhead_mb = 192\ncolour = 1", r"colour"),
            ("default = true", "default = false", "postgresql must have one default version"),
            ('version = "15"', 'version = "17"', "postgresql version 17 is there twice"),
            ("starter = [512, 65536]", "starter = [512, 65537]", "65537 is not 512 times a power of two"),
            ("starter = [512, 65536]", "starter = [512, 256]", "256 is not 512 times a power of two"),
            ("starter = [512, 65536]", "starter = [0, 65536]", r"starter"),
            ("[[4096, 1], [131072, 32]]", "[[4096, 1], [512, 32]]", "must go up in memory"),
            ("aliases = []", 'aliases = ["redis"]', "slug or alias redis is there twice"),
            ('prefix = "mysql"', 'prefix = "redis"', "plan redis-starter-512 is there twice"),
            ('base = "postgresql"', 'base = "oracle"', "its base oracle is not in the catalogue"),
            ("SCALINGO_MYSQL_URL", "scalingo-url", r"variables"),
            ('sha256 = "ece9', 'sha256 = "', r"sha256"),
            ('kind = "wheel"', 'kind = "whale"', r"whale"),
            ('kind = "wheel"', 'kind = "wheel"\ncolour = 1', r"colour"),
            ('kind = "wheel"\n', "", r"kind"),
            ('bin = "bin"', 'bin = "/bin"', r"bin"),
            ('bin = "bin"', 'bin = "lib/../sbin"', r"bin"),
            ("[technologies.mysql]", "[technologies.MySQL]", r"MySQL|pattern|regex"),
            ('name = "MySQL"', "", r"name"),
            ('technology = "opensearch" }', 'technology = "redis" }', "there is no redis 2.19 to share"),
            ("[technologies.mysql]", "[technologies.mysql", r"malformed"),
        ],
    )
    def test_malformed(self, old: str, new: str, message: str) -> None:
        assert old in TEXT
        with pytest.raises(ConfigError, match=message):
            catalogue.parse(TEXT.replace(old, new, 1))

    def test_a_version_without_a_recipe(self) -> None:
        recipe = re.compile(r"\[technologies\.redis\.versions\.recipe\]\n(\w+ = .*\n)+")
        with pytest.raises(ConfigError, match="recipe"):
            catalogue.parse(recipe.sub("", TEXT, count=1))
