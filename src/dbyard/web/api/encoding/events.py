"""Events on the wire, in our own words."""

from __future__ import annotations

from dbyard.model import PLATFORM_ID, Event
from dbyard.model.times import to_datetime
from dbyard.service.events import EventPage
from dbyard.web.pages import encode_meta
from dbyard.wire import events as wire


def encode_page(page: EventPage) -> wire.AuditEventsAnswer:
    return wire.AuditEventsAnswer([_event(event) for event in page.events], encode_meta(page))


def _event(event: Event) -> wire.AuditEvent:
    return wire.AuditEvent(
        id=event.id,
        created_at=to_datetime(event.at),
        user=wire.EventUser(event.username, event.email, event.account_id or PLATFORM_ID),
        database_id=event.database_id,
        database_name=event.database_name,
        project_id=event.project_id,
        token_id=event.token_id,
        type=event.type,
        data=dict(event.data),
    )
