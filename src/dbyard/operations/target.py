"""What an operation is about: the database with all that its steps need, read at the beginning of each step."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard import engines
from dbyard.engines import Engine
from dbyard.errors import PermanentError, StaleGeneration
from dbyard.model import (
    Address,
    Certificate,
    Credentials,
    Database,
    Installation,
    Instance,
    InstanceSpec,
    Operation,
    Placement,
    RenderInput,
)
from dbyard.operations import Context
from dbyard.store import databases, instances


@dataclass(frozen=True, slots=True)
class Target:
    database: Database
    instance: Instance
    installation: Installation
    engine: Engine

    @property
    def placement(self) -> Placement:
        if self.instance.placement is None:
            raise PermanentError(f"instance {self.instance.id} was never placed", code="not_placed")
        return self.instance.placement

    @property
    def endpoint(self) -> Address:
        return Address(self.placement.host, self.placement.port)


def load(context: Context, operation: Operation) -> Target:
    """What the operation is about; raises as `load_database` does."""
    return load_database(context, operation.database_id)


def load_database(context: Context, database_id: str) -> Target:
    """Raises StaleGeneration when the database is being deleted, PermanentError when its server is not there."""
    with context.store.read() as connection:
        # In this order: a delete marks the database and raises the generation at once, so the generation of an instance
        # whose database is not marked yet is one that the delete's own steps make stale.
        instance = instances.get_for(connection, database_id)
        database = databases.get(connection, database_id)
    if database is None or instance is None or database.deleted_at is not None:
        raise StaleGeneration(f"database {database_id} is deleted")
    installation = context.installed(database.technology, database.version, instance.full_version)
    if installation is None:
        raise PermanentError(
            f"the server of {database.technology} {database.version} is not installed any more:"
            f" run dbyard engines install {database.technology}@{database.version}",
            code="server_missing",
        )
    return Target(database, instance, installation, engines.load(context.catalogue.get(database.technology).engine))


def credentials(context: Context, target: Target) -> Credentials:
    """Opens the database's sealed secrets; the admin's password follows from the instance's seed."""
    row = target.database.id
    with context.store.read() as connection:
        sealed = databases.credential_of(connection, row)
    if sealed is None:
        raise PermanentError("the credentials of the database are gone", code="gone")
    key = context.box.open(sealed.private_key, table="credential", column="private_key", row=row)
    return Credentials(
        admin_password=context.box.derive("admin", target.placement.seed),
        user=sealed.username,
        password=context.box.open(sealed.password, table="credential", column="password", row=row),
        database=sealed.dbname,
        certificate=Certificate(sealed.certificate, key, context.authority.pem),
    )


def render(context: Context, target: Target) -> InstanceSpec:
    plan = context.catalogue.plan(target.database.technology, target.database.plan)
    if plan is None:
        raise PermanentError(f"the plan {target.database.plan} is not in the catalogue any more", code="plan_missing")
    node = RenderInput(
        target.instance.id,
        target.instance.generation,
        plan,
        context.catalogue.get(target.database.technology).overhead_mb,
        target.instance.restriction,
    )
    layout = context.runtime.layout(target.instance.id, target.placement, target.installation)
    return target.engine.render(node, layout, credentials(context, target))
