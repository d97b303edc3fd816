"""The statistics that a database's server reports."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from dbyard import engines
from dbyard.engines import Engine
from dbyard.errors import NotReady
from dbyard.model import Address, Certificate, Credentials, Database
from dbyard.service import Service
from dbyard.service.samples import Question
from dbyard.store import credentials, endpoints, instances, projects


def ask(service: Service, database: Database) -> Mapping[str, int | float]:
    """Those of its primary, at most a minute old. Raises NotReady or a StepError when the server does not tell them."""
    account_id, engine, address, login = prepare(service, database)
    return service.samples.get(database.id, account_id, partial(_ask, engine, address, login))


def begin(service: Service, database: Database) -> Question | None:
    """Ask its primary, without waiting for the answer, which `tell` then has; None when it cannot be asked now."""
    try:
        account_id, engine, address, login = prepare(service, database)
    except NotReady:
        return None
    return service.samples.ask(database.id, account_id, partial(_ask, engine, address, login))


def tell(service: Service, database: Database, question: Question | None) -> Mapping[str, int | float]:
    """As `ask`, by what is known now."""
    return service.samples.tell(database.id, question)


def prepare(service: Service, database: Database) -> tuple[str, Engine, Address, Credentials]:
    """The account of the database, and what it takes to ask its primary. Raises NotReady when that never started."""
    with service.store.snapshot() as reading:
        instance, sealed = instances.get_primary(reading, database.id), credentials.get(reading, database.id)
        endpoint, *_ = endpoints.list_for(reading, database.id)
        account_id = projects.owner_of(reading, database.project_id) or ""
    if instance is None or sealed is None or instance.lineage is None or endpoint.address is None:
        raise NotReady("the server was never started")
    login = Credentials(
        admin_password=service.box.derive("admin", instance.lineage),
        user=sealed.username,
        password=credentials.open_password(service.box, database.id, sealed),
        database=sealed.dbname,
        certificate=Certificate("", "", service.authority.pem),
    )
    engine = engines.load(service.catalogue.get(database.technology).engine)
    return account_id, engine, endpoint.address, login


def _ask(engine: Engine, address: Address, login: Credentials) -> Mapping[str, int | float]:
    return engine.stats(address, login)
