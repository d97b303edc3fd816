"""Accounts on the wire, as an administrator sees them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from dbyard.model import Account
from dbyard.model.times import to_datetime_or_none
from dbyard.service.accounts.accounts import NewAccount
from dbyard.wire import accounts as wire


def encode_all(accounts: Sequence[Account]) -> wire.AccountsAnswer:
    return wire.AccountsAnswer([_account(each) for each in accounts])


def encode(account: Account) -> wire.AccountAnswer:
    return wire.AccountAnswer(_account(account))


def encode_new(new: NewAccount) -> wire.AccountAnswer:
    return wire.AccountAnswer(_account(new.account, new.token))


def _account(account: Account, token: str | None = None) -> wire.Account:
    disabled_at = to_datetime_or_none(account.disabled_at)
    return wire.Account(account.id, account.username, account.email, account.admin, disabled_at, token or UNSET)
