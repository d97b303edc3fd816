"""What an owner sees of a server and ends in it: extensions, queries, and what queries have cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dbyard.engines.postgresql.names import ADMIN
from dbyard.engines.postgresql.session import Session, connect, identifier
from dbyard.errors import TemporaryError
from dbyard.model import Action, ActionParameter, Address, Credentials

_MOST = 100
"""Statements that are listed: those that took most of the time."""
_ANSWER_SECONDS = 5.0
_OTHERS = f"backend_type = 'client backend' AND usename <> '{ADMIN}'"
_QUERIES = f"""
    SELECT json_agg(json_build_object(
               'pid', pid, 'username', usename, 'state', coalesce(state, ''), 'query', query,
               'query_start', query_start,
               'query_duration', (extract(epoch FROM clock_timestamp() - query_start) * 1e9)::bigint)
               ORDER BY query_start)
    FROM pg_stat_activity WHERE {_OTHERS}
    """  # noqa: S608
_EXTENSIONS = """
    SELECT json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname) FROM pg_extension
    """
_STATEMENTS = "pg_stat_statements"
_FIND_STATEMENTS = """
    SELECT n.nspname, p.oid::regprocedure
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
    JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.proname = 'pg_stat_statements_reset'
    WHERE e.extname = 'pg_stat_statements'
    """
_COSTS = """
    SELECT json_agg(q) FROM (
        SELECT userid AS user_id, query, calls, rows, total_exec_time AS total_time, min_exec_time AS min_time,
               max_exec_time AS max_time, mean_exec_time AS mean_time, stddev_exec_time AS std_dev
        FROM {schema}.pg_stat_statements WHERE userid <> (SELECT oid FROM pg_roles WHERE rolname = '{admin}')
        ORDER BY total_exec_time DESC LIMIT {most}) AS q
    """
_PID = {"pid": ActionParameter(type=int, rule="should be the number of a query's process")}


def list_extensions(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    with connect(
        address, credentials.admin_password, database=credentials.database, seconds=_ANSWER_SECONDS
    ) as session:
        return _ask(session, _EXTENSIONS)


def list_queries(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    with connect(address, credentials.admin_password, seconds=_ANSWER_SECONDS) as session:
        return _ask(session, _QUERIES)


def cancel_query(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    _signal(address, credentials, "pg_cancel_backend", values["pid"])
    return None


def terminate_query(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    _signal(address, credentials, "pg_terminate_backend", values["pid"])
    return None


def enable_statements(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    """As the tenant, who may make it: what an extension's script calls is not run by anybody with more rights."""
    with _as_tenant(address, credentials) as session:
        session.execute(f"CREATE EXTENSION IF NOT EXISTS {_STATEMENTS}")
    return None


def list_statements(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    with connect(
        address, credentials.admin_password, database=credentials.database, seconds=_ANSWER_SECONDS
    ) as session:
        schema, _ = _find_statements(session)
    with _as_tenant(address, credentials) as session:
        return _ask(session, _COSTS.format(schema=identifier(schema), admin=ADMIN, most=_MOST))


def reset_statements(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    """By the tenant, who is given the right to: a function of that name may be its own."""
    with connect(
        address, credentials.admin_password, database=credentials.database, seconds=_ANSWER_SECONDS
    ) as session:
        schema, function = _find_statements(session)
        session.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {identifier(credentials.user)}")
    with _as_tenant(address, credentials) as session:
        session.execute(f"SELECT {identifier(schema)}.pg_stat_statements_reset()")
    return None


ACTIONS = {
    "list-extensions": Action(list_extensions),
    "pg-list-queries": Action(list_queries),
    "pg-cancel-query": Action(cancel_query, _PID, changes=True),
    "pg-terminate-query": Action(terminate_query, _PID, changes=True),
    "pg-stat-statements-enable": Action(enable_statements, changes=True),
    "pg-stat-statements-list": Action(list_statements),
    "pg-stat-statements-reset": Action(reset_statements, changes=True),
}


def _as_tenant(address: Address, credentials: Credentials) -> Any:
    return connect(
        address,
        credentials.password,
        user=credentials.user,
        database=credentials.database,
        options="-c statement_timeout=5s -c lock_timeout=1s",
        seconds=_ANSWER_SECONDS + 1.0,
    )


def _signal(address: Address, credentials: Credentials, function: str, pid: int) -> None:
    with connect(address, credentials.admin_password, seconds=_ANSWER_SECONDS) as session:
        (count,) = session.execute(
            f"SELECT count(pg_catalog.{function}(pid)) FROM pg_stat_activity WHERE pid = {int(pid)} AND {_OTHERS}"  # noqa: S608
        )
    if count == "0":
        raise TemporaryError(f"there is no query of the process {pid}", code="no_query")


def _find_statements(session: Session) -> tuple[str, str]:
    """The schema of the extension, and its function that resets."""
    row = session.execute(_FIND_STATEMENTS)
    if not row:
        raise TemporaryError(
            f"{_STATEMENTS} is not enabled in the database: run pg-stat-statements-enable", code="not_enabled"
        )
    return str(row[0]), str(row[1])


def _ask(session: Session, query: str) -> Any:
    (found,) = session.execute(query)
    return json.loads(found) if found else []
