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


class NetworkConfiguration(Struct, frozen=True):
    """Empty: databases are on the network of their machine."""

    outscale_account_id: str = ""
    outscale_net_id: str = ""
    ip_range: str = ""


class NetworkConfigurationAnswer(Struct, frozen=True):
    network_configuration: NetworkConfiguration


class NetPeering(Struct, frozen=True):
    id: str
    database_id: str


class NetPeeringsAnswer(Struct, frozen=True):
    """None, always."""

    net_peerings: list[NetPeering]
