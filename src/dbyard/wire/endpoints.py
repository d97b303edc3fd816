"""Where a database is reached."""

from __future__ import annotations

from msgspec import Struct


class DatabaseEndpoint(Struct, frozen=True):
    id: str
    database_id: str
    hostname: str
    port: int
    type: str


class EndpointsAnswer(Struct, frozen=True):
    endpoints: list[DatabaseEndpoint]


class NetPeering(Struct, frozen=True):
    id: str
    database_id: str


class NetPeeringsAnswer(Struct, frozen=True):
    """None, always."""

    net_peerings: list[NetPeering]
