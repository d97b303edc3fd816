"""What was done, as far as the caller may see it, page by page."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard.errors import Forbidden
from dbyard.model import Event, Principal, Scope
from dbyard.service import Service
from dbyard.service.apps import own
from dbyard.service.dates import date
from dbyard.service.events import PLATFORM_ID
from dbyard.store import Connection, events
from dbyard.store.events import Selection
from dbyard.wire import events as wire


@dataclass(frozen=True, slots=True)
class Page:
    """`number` counts from 1."""

    number: int
    size: int


def list_mine(service: Service, principal: Principal, page: Page, *, everybody: bool = False) -> wire.EventsAnswer:
    """What concerns the caller's account and what it did elsewhere, within its token; for an admin `everybody`'s.

    Raises Forbidden.
    """
    if everybody and not _sees_everybody(principal):
        raise Forbidden("Only an admin's token of scope admin, for all projects, may see everybody's events")
    selection = events.everything() if everybody else events.of_account(principal.account.id, principal.project_id)
    with service.store.snapshot() as connection:
        return _list(connection, selection, page)


def list_of(service: Service, principal: Principal, key: str, page: Page) -> wire.EventsAnswer:
    """All that ever happened to a database, for whoever may see it now."""
    with service.store.snapshot() as connection:
        database = own(connection, principal, key)
        return _list(connection, events.of_database(database.id), page)


def _sees_everybody(principal: Principal) -> bool:
    return principal.account.admin and principal.scope is Scope.ADMIN and principal.project_id is None


def _list(connection: Connection, selection: Selection, page: Page) -> wire.EventsAnswer:
    found = events.list_page(connection, selection, page.size, (page.number - 1) * page.size)
    total = events.count(connection, selection)
    return wire.EventsAnswer([_wire(event) for event in found], wire.PageMeta(_paginate(page, total)))


def _paginate(page: Page, total: int) -> wire.Pagination:
    pages = -(-total // page.size)
    return wire.Pagination(
        current_page=page.number,
        prev_page=min(page.number - 1, pages) or None,
        next_page=page.number + 1 if page.number < pages else None,
        total_pages=pages,
        total_count=total,
        per_page=page.size,
    )


def _wire(event: Event) -> wire.Event:
    return wire.Event(
        id=event.id,
        created_at=date(event.at),
        user=wire.EventUser(event.username, event.email, event.account_id or PLATFORM_ID),
        app_id=event.database_id,
        app_name=event.app_name,
        project_id=event.project_id,
        token_id=event.token_id,
        type=event.type,
        type_data=dict(event.data),
    )
