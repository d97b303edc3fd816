"""What an owner may have done in a running server, by names of Scalingo's Database API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dbyard.model.specs import Address, Credentials


@dataclass(frozen=True, slots=True)
class ActionParameter:
    """One of an action's: a text that fits the regular expression, or where there is none a number or a flag."""

    pattern: str | None = None
    type: type[str] | type[int] | type[bool] = str
    rule: str = ""
    """What to say to whoever sends something else."""


@dataclass(frozen=True, slots=True)
class Action:
    """`run` gets the values of its parameters by name, which are as they say; its result is what JSON can hold.

    It takes a few seconds at most. Raises NotReady without an answer, TemporaryError with what the server says.
    """

    run: Callable[[Address, Credentials, Mapping[str, Any]], object]
    parameters: Mapping[str, ActionParameter] = field(default_factory=dict)
    changes: bool = False
    """Whether something is another way afterwards, so that it is recorded."""
