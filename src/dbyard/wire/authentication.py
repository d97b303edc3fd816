"""What the auth service answers: JWTs for API tokens, who is asking, and where the platform is."""

from __future__ import annotations

from msgspec import Struct


class ExchangeAnswer(Struct, frozen=True):
    """`token` is a JWT: a bearer token for one hour."""

    token: str

    def __repr__(self) -> str:
        return "ExchangeAnswer()"


class Self(Struct, frozen=True):
    """An account, as itself sees it. `flags` never has `admin`: clients of Scalingo's API would ask for consents."""

    id: str
    uuid: str
    username: str
    fullname: str
    email: str
    flags: dict[str, bool]
    limits: dict[str, int]


class SelfAnswer(Struct, frozen=True):
    user: Self


class Region(Struct, frozen=True):
    """`api` and `database_api` are base URLs: `/v1/…` hangs on the one, `/api/…` on the other."""

    name: str
    display_name: str
    api: str
    database_api: str
    dashboard: str
    ssh: str
    default: bool


class RegionsAnswer(Struct, frozen=True):
    regions: list[Region]
