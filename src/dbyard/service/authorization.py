"""Who may use what: every use case finds databases, projects and operations here and nowhere else."""

from __future__ import annotations

from dbyard.errors import Forbidden, NotFound
from dbyard.model import Access, Database, Operation, Principal, Project
from dbyard.store import Connection, collaborators, databases, operations, projects

_REFUSALS = {
    Access.CHANGE: "A limited collaborator may see and use the database, and change nothing",
    Access.OWN: "Only the owner of the database may do this",
}


def authorize_database(connection: Connection, principal: Principal, key: str, needed: Access = Access.USE) -> Database:
    """The database with that id, else name, to which the principal has at least the access that is needed.

    Its owner has all, a collaborator of it or of its project may change it, a limited one only use it. Raises NotFound
    for a database that the principal may not use, as for one that does not exist; Forbidden for too little access.
    """
    database = databases.find(connection, principal, key)
    if database is None:
        raise NotFound("Database not found", resource="database")
    if needed > Access.USE and (_access(connection, principal, database) or 0) < needed:
        raise Forbidden(_REFUSALS[needed])
    return database


def authorize_project(connection: Connection, principal: Principal, project_id: str | None) -> Project:
    """The principal's own project with that id, or its default one: where it may create and move databases.

    A token that is bound to one project has no other, and that one as its default.
    """
    bound = principal.project_id
    project = projects.find(connection, principal.account.id, bound if project_id is None else project_id)
    if project is None or bound not in (None, project.id):
        raise NotFound("Project not found", resource="project")
    return project


def _access(connection: Connection, principal: Principal, database: Database) -> Access | None:
    return collaborators.access_of(connection, principal.account.id, database)


def authorize_operation(
    connection: Connection, principal: Principal, operation_id: str, key: str | None = None
) -> Operation:
    """An operation of a database that the principal may use; of the database `key`, if one is given."""
    database = authorize_database(connection, principal, key) if key is not None else None
    operation = operations.get(connection, operation_id)
    if operation is None or (database and operation.database_id != database.id):
        raise NotFound("Operation not found", resource="operation")
    if database is None and databases.find(connection, principal, operation.database_id) is None:
        raise NotFound("Operation not found", resource="operation")
    return operation


def visibility(principal: Principal) -> tuple[str | None, ...]:
    """What decides which databases a principal sees: two principals with the same visibility get the same answers."""
    return principal.account.id, principal.project_id, principal.database_id
