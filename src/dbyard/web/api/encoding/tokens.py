"""API tokens on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from dbyard.model import Token
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.accounts.tokens import MintedToken
from dbyard.wire import tokens as wire


def encode_all(tokens: Sequence[Token]) -> wire.TokensAnswer:
    return wire.TokensAnswer([_token(each) for each in tokens])


def encode_minted(minted: MintedToken) -> wire.TokenAnswer:
    return wire.TokenAnswer(_token(minted.token, minted.value))


def _token(token: Token, value: str | None = None) -> wire.Token:
    created = to_datetime(token.created_at)
    return wire.Token(
        id=token.id,
        name=token.name,
        created_at=created,
        issued_at=created if token.issued_at is None else to_datetime(token.issued_at),
        last_used_at=to_datetime_or_none(token.last_used_at),
        scope=token.scope,
        project_id=token.project_id,
        expires_at=to_datetime_or_none(token.expires_at),
        token=value or UNSET,
    )
