"""Bringing the inside of a server to the desired state: users with their roles and passwords, and its settings."""

from __future__ import annotations

from dbyard.engines.elasticsearch.names import ADMIN
from dbyard.engines.elasticsearch.render import heap_option
from dbyard.engines.elasticsearch.servers import server_at
from dbyard.engines.elasticsearch.session import CHANGE_SECONDS, Session, log_in
from dbyard.model import Address, Applied, Desired, Plan, RestartNeeded


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """Each request logs in by itself, so that there are no sessions to end; those that run end as they would."""
    with log_in(address, ADMIN, admin_password, CHANGE_SECONDS) as session:
        server = server_at(session)
        if reason := server.needs_start(session, admin_password):
            return RestartNeeded(reason)
        server.change(session, admin_password, desired)
        has_plan = _has_plan(session, desired.plan)
    for user in desired.users:
        if user.reset and not _is_known(address, user.name, user.password):
            return RestartNeeded("its users stand in files, which it reads at a start")
    return Applied() if has_plan else RestartNeeded("the plan's memory is set at a start")


def _is_known(address: Address, user: str, password: str) -> bool:
    with log_in(address, user, password, CHANGE_SECONDS) as session:
        return session.is_let_in()


def _has_plan(session: Session, plan: Plan) -> bool:
    nodes = session.ask("GET", "/_nodes/_local/jvm?filter_path=nodes.*.jvm.input_arguments")["nodes"]
    return all(heap_option(plan) in node["jvm"]["input_arguments"] for node in nodes.values())
