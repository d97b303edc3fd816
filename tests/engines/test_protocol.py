"""Every engine is what `dbyard.engines` says: mypy checks the assignments here, the tests what mypy cannot see."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

from dbyard import catalogue, engines
from dbyard.engines import (
    Actions,
    Backups,
    Client,
    Configurable,
    ConnectionForms,
    Engine,
    Imports,
    InspectData,
    Journals,
    Reload,
    Repair,
    elasticsearch,
    influxdb,
    mongodb,
    mysql,
    postgresql,
    redis,
)
from dbyard.engines.mysql import client_program as mysql_client
from dbyard.engines.postgresql import client_program as postgresql_client
from dbyard.engines.redis import client_program as redis_client

ENGINES: dict[str, Engine] = {
    "postgresql": postgresql,
    "mysql": mysql,
    "redis": redis,
    "mongodb": mongodb,
    "elasticsearch": elasticsearch,
    "influxdb": influxdb,
}
INSPECT_DATA: dict[str, InspectData] = {"postgresql": postgresql, "elasticsearch": elasticsearch}
RELOADS: dict[str, Reload] = {"postgresql": postgresql, "mysql": mysql}
REPAIRS: dict[str, Repair] = {"redis": redis}
CONFIGURABLE: dict[str, Configurable] = {"postgresql": postgresql, "redis": redis, "influxdb": influxdb}
ACTIONS: dict[str, Actions] = {"postgresql": postgresql, "mysql": mysql, "mongodb": mongodb, "influxdb": influxdb}
BACKUPS: dict[str, Backups] = {
    "postgresql": postgresql,
    "mysql": mysql,
    "redis": redis,
    "influxdb": influxdb,
    "mongodb": mongodb,
    "elasticsearch": elasticsearch,
}
IMPORTS: dict[str, Imports] = {"postgresql": postgresql, "mysql": mysql, "redis": redis, "mongodb": mongodb}
JOURNALS: dict[str, Journals] = {"postgresql": postgresql}
FORMS: dict[str, ConnectionForms] = {"postgresql": postgresql, "mysql": mysql}
CLIENTS: dict[str, Client] = {"postgresql": postgresql_client, "mysql": mysql_client, "redis": redis_client}

PROTOCOLS: dict[type, dict[str, object]] = {
    Engine: {**ENGINES},
    InspectData: {**INSPECT_DATA},
    Reload: {**RELOADS},
    Repair: {**REPAIRS},
    Actions: {**ACTIONS},
    Backups: {**BACKUPS},
    Imports: {**IMPORTS},
    Journals: {**JOURNALS},
    ConnectionForms: {**FORMS},
    Configurable: {**CONFIGURABLE},
    Client: {**CLIENTS},
}
CONFORMING = [
    pytest.param(protocol, module, id=f"{protocol.__name__}-{name}")
    for protocol, modules in PROTOCOLS.items()
    for name, module in modules.items()
]
DRIVERS = {"psycopg", "pymysql", "redis", "pymongo", "bcrypt", "cryptography"}


def test_every_technology_of_the_catalogue_has_one() -> None:
    assert {each.engine for each in catalogue.load().technologies.values()} == set(ENGINES)


@pytest.mark.parametrize("name", ENGINES)
def test_is_what_is_loaded(name: str) -> None:
    assert engines.load(name) is ENGINES[name]
    assert name == ENGINES[name].TECHNOLOGY
    assert isinstance(engines.load(name), Reload) is (name in RELOADS)
    assert isinstance(engines.load(name), Repair) is (name in REPAIRS)
    assert isinstance(engines.load(name), Backups) is (name in BACKUPS)
    assert isinstance(engines.load(name), Imports) is (name in IMPORTS)
    assert isinstance(engines.load(name), ConnectionForms) is (name in FORMS)
    assert isinstance(engines.load(name), Configurable) is (name in CONFIGURABLE)
    assert engines.load_client(name) is CLIENTS.get(name)


@pytest.mark.parametrize(("protocol", "module"), CONFORMING)
def test_has_the_same_signatures(protocol: type, module: ModuleType) -> None:
    for name, promised in public(protocol).items():
        if inspect.isfunction(promised):
            found = inspect.signature(getattr(module, name))
            wanted = inspect.signature(promised)
            parameters = list(wanted.parameters.values())[1:]
            assert list(found.parameters.values()) == parameters, name
            assert found.return_annotation == wanted.return_annotation, name


@pytest.mark.parametrize("name", ENGINES)
def test_has_nothing_else_that_is_public(name: str) -> None:
    """Beyond the names of its own users a module offers nothing that callers could come to need."""
    promised = set(public(Engine))
    for protocol, engines_of_it in (
        (InspectData, INSPECT_DATA),
        (Reload, RELOADS),
        (Repair, REPAIRS),
        (Actions, ACTIONS),
        (Backups, BACKUPS),
        (Imports, IMPORTS),
        (Journals, JOURNALS),
        (ConnectionForms, FORMS),
        (Configurable, CONFIGURABLE),
    ):
        promised |= set(public(protocol)) if name in engines_of_it else set()
    exported = set(vars(ENGINES[name])["__all__"])
    assert exported - promised <= {"ADMIN", "TENANT"}
    assert promised <= exported


@pytest.mark.parametrize(("technology", "version", "found"), [("mongodb", "0.7", True), ("mongodb", "8.0", False)])
def test_some_versions_have_no_backups(technology: str, version: str, *, found: bool) -> None:
    assert (engines.find_backups(catalogue.load().get(technology), version) is not None) is found


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_program_is_found_without_any_driver(name: str) -> None:
    code = f"import sys; from dbyard import engines; assert engines.load_client({name!r}); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert DRIVERS & set(modules) == set()


@pytest.mark.parametrize("name", CONFIGURABLE)
def test_settings_take_their_own_defaults(name: str) -> None:
    settings = CONFIGURABLE[name].SETTINGS
    assert len({each.name for each in settings}) == len(settings)
    for setting in settings:
        assert setting.takes(setting.default)
        assert setting.description
        assert bool(setting.values) != bool(setting.pattern)
        assert not setting.takes('"\nrequirepass x')


def public(protocol: type) -> dict[str, object]:
    return {name: member for name, member in vars(protocol).items() if not name.startswith("_")}
