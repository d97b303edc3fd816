"""What a database's server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard import engines
from dbyard.model import Address, Certificate, Credentials, Database, Placement
from dbyard.service import Service
from dbyard.store.databases import SealedCredential


def ask(
    service: Service, database: Database, placement: Placement, sealed: SealedCredential
) -> Mapping[str, int | float]:
    """Raises NotReady or a StepError when the server does not tell."""
    credentials = Credentials(
        admin_password=service.box.derive("admin", placement.seed),
        user=sealed.username,
        password=service.box.open(sealed.password, table="credential", column="password", row=database.id),
        database=sealed.dbname,
        certificate=Certificate("", "", service.authority.pem),
    )
    engine = engines.load(service.catalogue.get(database.technology).engine)
    return engine.stats(Address(placement.host, placement.port), credentials)
