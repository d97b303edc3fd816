"""The statistics that a database's server reports."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard import engines
from dbyard.errors import NotReady
from dbyard.model import Certificate, Credentials, Database
from dbyard.service import Service
from dbyard.service.samples import Question
from dbyard.store import credentials, endpoints, instances


def ask(service: Service, database: Database) -> Mapping[str, int | float]:
    """Those of its primary, at most a minute old. Raises NotReady or a StepError when the server does not tell them."""
    return service.samples.get(database.id, lambda: _ask(service, database))


def begin(service: Service, database: Database) -> Question | None:
    """Ask its primary, without waiting for the answer, which `tell` then has."""
    return service.samples.ask(database.id, lambda: _ask(service, database))


def tell(service: Service, database: Database, question: Question | None) -> Mapping[str, int | float]:
    """As `ask`, by what is known now."""
    return service.samples.tell(database.id, question)


def _ask(service: Service, database: Database) -> Mapping[str, int | float]:
    with service.store.snapshot() as reading:
        instance, sealed = instances.get_primary(reading, database.id), credentials.get(reading, database.id)
        endpoint, *_ = endpoints.list_for(reading, database.id)
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
    return engine.stats(endpoint.address, login)
