"""What an owner has done in a running server, at once and not as an operation: the server says how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbyard import engines
from dbyard.engines import Actions
from dbyard.errors import Conflict, Invalid, NotReady, TemporaryError
from dbyard.model import Access, Action, ActionParameter, Database, EventType, Principal, patterns
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases import stats
from dbyard.service.databases.databases import event_data
from dbyard.store import events


@dataclass(frozen=True, slots=True)
class ActionResult:
    """`result` is what JSON can hold; `error` says why the server did not do it, None where it did."""

    result: object = None
    error: str | None = None


def run(service: Service, principal: Principal, key: str, name: object, values: object) -> ActionResult:
    """Raises Invalid for an action that there is not or whose parameters are wrong, Conflict without an answer."""
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
    action = _find(service, database, name)
    wanted = _check(action, values)
    try:
        _, _, address, credentials = stats.prepare(service, database)
        result = action.run(address, credentials, wanted)
    except NotReady as error:
        raise Conflict(
            f"The database's server does not answer: {error}", extra={"current_operation_id": None}
        ) from error
    except TemporaryError as error:
        return ActionResult(error=str(error))
    if action.changes:
        _record(service, principal, database, {"action": name, **wanted})
    return ActionResult(result)


def _find(service: Service, database: Database, name: object) -> Action:
    engine = engines.load(service.catalogue.get(database.technology).engine)
    known = engine.ACTIONS if isinstance(engine, Actions) else {}
    if not known:
        raise Invalid({"action_name": [f"there are no actions of {service.catalogue.get(database.technology).name}"]})
    if not isinstance(name, str) or name not in known:
        raise Invalid({"action_name": [f"should be one of: {', '.join(known)}"]})
    return known[name]


def _check(action: Action, values: object) -> Mapping[str, object]:
    """The values of the parameters; what an action does not know is left out, as clients send null for none."""
    given = values if isinstance(values, dict) else {}
    wrong = {name: [each.rule] for name, each in action.parameters.items() if not _fits(each, given.get(name))}
    if wrong:
        raise Invalid(wrong)
    return {name: given[name] for name in action.parameters}


def _fits(parameter: ActionParameter, value: object) -> bool:
    if type(value) is not parameter.type:  # true is no number
        return False
    return parameter.pattern is None or patterns.matches(parameter.pattern, str(value))


def _record(service: Service, principal: Principal, database: Database, what: Mapping[str, object]) -> None:
    data = event_data(database) | dict(what)
    with service.store.tx() as connection:
        events.record(connection, principal, EventType.ACTION_RUN, service.clock(), database=database, data=data)
