"""Accounts, as an administrator sees and creates them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from dbyard.model import patterns
from dbyard.wire import Date

Username = Annotated[str, Meta(max_length=32, pattern=patterns.USERNAME)]
Email = Annotated[str, Meta(max_length=254, pattern=patterns.EMAIL)]
Password = Annotated[str, Meta(min_length=12, max_length=256, pattern=patterns.PASSWORD)]


class Account(Struct, frozen=True):
    """An account. `token` is a first API token: it is in the answer that created the account and never again."""

    id: str
    username: str
    email: str
    admin: bool
    disabled_at: Date | None
    token: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Account(id={self.id!r}, username={self.username!r})"


class AccountAnswer(Struct, frozen=True):
    user: Account


class AccountsAnswer(Struct, frozen=True):
    """Oldest first."""

    users: list[Account]


class NewAccount(Struct, frozen=True, omit_defaults=True):
    username: Username
    email: Email
    admin: bool | None = False
    password: Password | None = None

    def __repr__(self) -> str:
        return f"NewAccount(username={self.username!r}, email={self.email!r})"


class CreateAccount(Struct, frozen=True):
    user: NewAccount


class AccountChange(Struct, frozen=True, omit_defaults=True):
    """What stays as it is is left out or null."""

    disabled: bool | UnsetType | None = UNSET
    password: Password | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return f"AccountChange(disabled={self.disabled!r})"


class UpdateAccount(Struct, frozen=True):
    user: AccountChange
