"""Users beside the tenant's own: what they may do, and what becomes of what they own.

One that may write acts as the tenant's own user from its log-in on, so that whatever it makes belongs to that one. One
that only reads is in a group, which reads all that the tenant's own user has in the database and will have there. Not
the server's own `pg_read_all_data`: that reads the passwords of all roles as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from dbyard.engines.postgresql.session import Session, connect, identifier, literal
from dbyard.model import Address, User

READERS = "dbyard_readers"

_DATABASES = """
    SELECT json_agg(DISTINCT d.datname) FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = {name})
    AND d.datallowconn
    """
_IS_NEEDED = """
    SELECT EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
                   AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = {name}))
    """
_SCHEMAS = r"SELECT json_agg(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"


def plan_rights(user: User, owner: str, database: str) -> list[str]:
    """The statements that give them to a user that has none. Pure."""
    name = identifier(user.name)
    connects = f"GRANT CONNECT ON DATABASE {identifier(database)} TO {name}"
    if user.read_only:
        return [connects, f"GRANT {READERS} TO {name}", f"ALTER ROLE {name} SET default_transaction_read_only = on"]
    return [connects, f"GRANT {identifier(owner)} TO {name}", f"ALTER ROLE {name} SET role = {literal(owner)}"]


def plan_taking(user: User, owner: str) -> list[str]:
    """The statements that take all of them. Pure."""
    name = identifier(user.name)
    return [f"REVOKE {identifier(owner)}, {READERS} FROM {name}", f"ALTER ROLE {name} RESET ALL"]


def make_readers(session: Session) -> None:
    (there,) = session.execute(f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READERS}')")  # noqa: S608
    if there == "f":
        session.execute(f"CREATE ROLE {READERS} NOLOGIN")


def let_read(address: Address, admin_password: str, owner: str, database: str) -> None:
    """All that is in the database, and what its owner makes later."""
    name = identifier(owner)
    with connect(address, admin_password, database=database) as session:
        (found,) = session.execute(_SCHEMAS)
        schemas = ", ".join(map(identifier, json.loads(found or "[]")))
        now = (
            f"GRANT USAGE ON SCHEMA {schemas} TO {READERS}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO {READERS}",
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {READERS}",
        )
        later = (
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {name} GRANT {right} TO {READERS}"
            for right in ("USAGE ON SCHEMAS", "SELECT ON TABLES", "SELECT ON SEQUENCES")
        )
        session.execute(";\n".join([*(now if schemas else ()), *later]))


def list_left(session: Session, names: Sequence[str]) -> list[str]:
    """Of the users that are to be gone those that are there and can log in, or may do something still."""
    if not names:
        return []
    wanted = ", ".join(map(literal, names))
    (found,) = session.execute(
        f"""
        SELECT json_agg(rolname) FROM pg_roles WHERE rolname IN ({wanted})
        AND (rolcanlogin OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid))
        """  # noqa: S608 - quoted by `literal`
    )
    return list(json.loads(found or "[]"))


def drop(session: Session, address: Address, admin_password: str, user: User, owner: str) -> None:
    """One that cannot log in any more: what it owns goes to the owner.

    Where a database lets nobody in, the role stays for what it owns there, and may do nothing.
    """
    name = identifier(user.name)
    for statement in plan_taking(user, owner):
        session.execute(statement)
    give = f"REASSIGN OWNED BY {name} TO {identifier(owner)};\nDROP OWNED BY {name}"
    (found,) = session.execute(_DATABASES.format(name=literal(user.name)))
    for database in json.loads(found or "[]"):
        with connect(address, admin_password, database=database) as inside:
            inside.execute(give)
    session.execute(give)  # databases, and rights on them
    (is_needed,) = session.execute(_IS_NEEDED.format(name=literal(user.name)))
    if is_needed == "f":
        session.execute(f"DROP ROLE {name}")
