"""Reading events, as far as the principal may see them, page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dbyard.errors import Forbidden
from dbyard.model import Event, EventType, Principal
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.store import Connection, events
from dbyard.store.events import Selection


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`number` counts from 1."""

    number: int
    size: int
    types: Collection[EventType] | None = None
    """The only types that are counted and listed; all if None."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, newest first, and how many there are in all."""

    events: Sequence[Event]
    request: PageRequest
    total: int


def list_all(service: Service, principal: Principal, page: PageRequest, *, everybody: bool = False) -> EventPage:
    """What concerns the principal's account and what it did elsewhere, within its token.

    With `everybody` the events of all accounts; raises Forbidden for anyone but an administrator.
    """
    if everybody and not principal.administers:
        raise Forbidden("Only an admin's token of scope admin, for all projects, may see everybody's events")
    selection = events.everything() if everybody else events.of_account(principal.account.id, principal.project_id)
    with service.store.snapshot() as connection:
        return _read(connection, selection, page)


def list_for_database(service: Service, principal: Principal, key: str, page: PageRequest) -> EventPage:
    """All events of a database that the principal may use now."""
    with service.store.snapshot() as connection:
        database = authorize_database(connection, principal, key)
        return _read(connection, events.of_database(database.id), page)


def _read(connection: Connection, selection: Selection, page: PageRequest) -> EventPage:
    if page.types is not None:
        selection = selection.only(page.types)
    found = events.list_page(connection, selection, page.size, (page.number - 1) * page.size)
    return EventPage(found, page, events.count(connection, selection))
