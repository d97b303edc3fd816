"""What an operation acts on: a database with all that its steps need, read at the beginning of each step."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard import certificates, engines
from dbyard.engines import Engine
from dbyard.errors import PermanentError, StaleGeneration
from dbyard.model import (
    Address,
    Certificate,
    Credentials,
    Database,
    Desired,
    Endpoint,
    Instance,
    InstanceSpec,
    Layout,
    Operation,
    Placement,
    Plan,
    Release,
    RenderInput,
    Technology,
    User,
)
from dbyard.operations import Context, Save
from dbyard.store import credentials as stored_credentials
from dbyard.store import database_users, databases, endpoints, instances
from dbyard.store.credentials import SealedCredential
from dbyard.store.database_users import SealedUser
from dbyard.store.instances import SealedCertificate

NO_CERTIFICATE = Certificate("", "", "")


@dataclass(frozen=True, slots=True)
class Target:
    """`instance` is the one that the operation is about: the primary, unless it names another."""

    database: Database
    instances: tuple[Instance, ...]
    endpoints: tuple[Endpoint, ...]
    instance: Instance
    credential: SealedCredential
    certificate: SealedCertificate | None
    technology: Technology
    plan: Plan
    engine: Engine
    users: tuple[SealedUser, ...] = ()
    """The logins beside the credential's."""
    removed_users: tuple[SealedUser, ...] = ()
    """Those of which something may be left in the server."""

    @property
    def placement(self) -> Placement:
        if self.instance.placement is None:
            raise PermanentError(f"instance {self.instance.id} was never allocated", code="not_allocated")
        return self.instance.placement

    @property
    def lineage(self) -> str:
        if self.instance.lineage is None:
            raise PermanentError(f"instance {self.instance.id} was never allocated", code="not_allocated")
        return self.instance.lineage

    @property
    def endpoint(self) -> Endpoint:
        """The one that applications use."""
        return self.endpoints[0]


def load(context: Context, operation: Operation) -> Target:
    """What the operation is about; raises as `load_database` does."""
    return load_database(context, operation.database_id, operation.instance_id)


def load_database(context: Context, database_id: str, instance_id: str | None = None) -> Target:
    """Raises StaleGeneration when the database is being deleted, PermanentError when the catalogue lost its plan."""
    with context.store.snapshot() as reading:
        database = databases.get(reading, database_id)
        found = instances.list_for(reading, database_id)
        instance = next((each for each in found if instance_id in (None, each.id)), None)
        credential = stored_credentials.get(reading, database_id)
        certificate = instances.certificate_of(reading, instance.id) if instance else None
        reached = endpoints.list_for(reading, database_id)
        users = database_users.list_for(reading, database_id)
        removed = database_users.list_removed(reading, database_id)
    if database is None or instance is None or credential is None or database.deleted_at is not None:
        raise StaleGeneration(f"database {database_id} is deleted")
    technology = context.catalogue.get(database.technology)
    return Target(
        database,
        tuple(found),
        tuple(reached),
        instance,
        credential,
        certificate,
        technology,
        plan_of(context, database.technology, database.plan),
        engines.load(technology.engine),
        tuple(users),
        tuple(each for each in removed if each.pending),
    )


def plan_of(context: Context, technology: str, name: str) -> Plan:
    plan = context.catalogue.plan(technology, name)
    if plan is None:
        raise PermanentError(f"the plan {name} is not in the catalogue any more", code="plan_missing")
    return plan


def release_of(context: Context, target: Target) -> Release:
    """The build that runs it, or a newer one of its version; raises PermanentError when there is none."""
    version = (target.technology.type_name, target.database.version)
    found = context.runtime.resolve(*version, target.instance.full_version)
    if found is None:
        raise PermanentError(
            f"the server of {version[0]} {version[1]} is not installed any more:"
            f" run dbyard engines install {version[0]}@{version[1]}",
            code="server_missing",
        )
    return found


def layout_of(context: Context, target: Target) -> Layout:
    return context.runtime.layout(target.instance.id, target.placement, release_of(context, target))


def address_of(context: Context, target: Target) -> Address:
    """Where the instance's server listens."""
    found = layout_of(context, target)
    return Address(found.host, found.port)


def admin_password_of(context: Context, target: Target) -> str:
    return context.box.derive("admin", target.lineage)


def password_of(context: Context, target: Target) -> str:
    """The tenant's."""
    return stored_credentials.open_password(context.box, target.database.id, target.credential)


def credentials_of(context: Context, target: Target) -> Credentials:
    """Opens the database's sealed secrets; the admin's password follows from the lineage of the instance's data."""
    return Credentials(
        admin_password=admin_password_of(context, target),
        user=target.credential.username,
        password=password_of(context, target),
        database=target.credential.dbname,
        certificate=_certificate(context, target),
    )


def desired(context: Context, target: Target) -> Desired:
    """What the server should be like now: its users, what its disk allows them, its plan, its settings."""
    owner = User(target.credential.username, password_of(context, target), reset=target.credential.pending)
    return Desired(
        target.credential.dbname,
        (owner, *users_of(context, target)),
        target.instance.restriction,
        target.plan,
        settings=target.database.settings,
        removed=tuple(each.name for each in target.removed_users),
    )


def users_of(context: Context, target: Target) -> tuple[User, ...]:
    """Those beside the tenant's own."""
    return tuple(
        User(each.name, database_users.open_password(context.box, each), reset=each.pending, read_only=each.read_only)
        for each in target.users
    )


def render(context: Context, target: Target, *, admin_only: bool = False, hidden: bool = False) -> InstanceSpec:
    given = RenderInput(
        target.instance.id,
        target.instance.generation,
        target.plan,
        target.technology.overhead_mb,
        target.instance.restriction,
        admin_only=admin_only,
        hidden=hidden,
        settings=target.database.settings,
        users=users_of(context, target),
    )
    return target.engine.render(given, layout_of(context, target), credentials_of(context, target))


def issue_certificate(context: Context, instance_id: str, host: str) -> SealedCertificate:
    """A certificate for every name under which the instance is reached; its key is sealed for the instance."""
    issued = context.authority.issue(instance_id, dict.fromkeys((*context.hosts, host)))
    return seal_certificate(context, instance_id, issued)


def seal_certificate(context: Context, instance_id: str, issued: Certificate) -> SealedCertificate:
    key = context.box.seal(issued.key, table="instance", column="private_key", row=instance_id)
    return SealedCertificate(issued.certificate, key, certificates.ends_at(issued.certificate))


def save_certificate(instance_id: str, sealed: SealedCertificate) -> Save:
    return lambda connection: instances.set_certificate(connection, instance_id, sealed)


def _certificate(context: Context, target: Target) -> Certificate:
    sealed = target.certificate
    if sealed is None:
        return NO_CERTIFICATE
    key = context.box.open(sealed.private_key, table="instance", column="private_key", row=target.instance.id)
    return Certificate(sealed.certificate, key, context.authority.pem)
