"""API tokens on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from dbyard.wire import Date


class Token(Struct, frozen=True):
    """`token` is the bearer value: it is in the answer that created or renewed it and never again.

    `project_id` is the only project that it is good for, `expires_at` when it ends by itself; null for all, never.
    """

    id: str
    name: str
    created_at: Date
    issued_at: Date
    last_used_at: Date | None
    scope: str
    project_id: str | None
    expires_at: Date | None
    token: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Token(id={self.id!r}, name={self.name!r})"


class TokenAnswer(Struct, frozen=True):
    token: Token


class TokensAnswer(Struct, frozen=True):
    tokens: list[Token]


class NewToken(Struct, frozen=True, omit_defaults=True):
    """What is left out is as of the token that asks. It ends `expires_in` seconds from now, or at `expires_at`."""

    name: str
    scope: Literal["read", "read_credentials", "write", "admin"] | None = None
    project_id: str | None = None
    expires_in: Annotated[int, Meta(ge=1, le=10 * 365 * 86400)] | None = None
    expires_at: Date | None = None


class CreateToken(Struct, frozen=True):
    token: NewToken
