"""The types of events in Scalingo's words, and the categories that its clients show them in."""

from __future__ import annotations

from dbyard.model import EventType
from dbyard.web.scalingo.encoding.events import NAMES
from dbyard.wire import events as wire

_CATEGORIES = {"databases": "Databases", "projects": "Projects", "collaborators": "Collaborators", "account": "Account"}
_CATEGORY_OF = {"database": "databases", "project": "projects", "collaborator": "collaborators"}


def encode_types() -> wire.EventTypesAnswer:
    return wire.EventTypesAnswer([_type(kind, name) for kind, name in NAMES.items()])


def encode_categories() -> wire.EventCategoriesAnswer:
    return wire.EventCategoriesAnswer(
        [wire.EventCategory(key, name, position) for position, (key, name) in enumerate(_CATEGORIES.items(), 1)]
    )


def _type(kind: EventType, name: str) -> wire.EventType:
    noun, done = kind.split(".")
    return wire.EventType(
        id=name,
        category_id=_CATEGORY_OF.get(noun, "account"),
        name=name,
        display_name=name.replace("_", " ").capitalize(),
        description=f"{noun.capitalize()} {done}",
    )
