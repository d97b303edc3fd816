"""`/v1/databases/{database}/endpoints`, `…/net_peerings`, `…/network_configuration`: where a database is reached."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard import wire
from dbyard.service.databases import connection, databases
from dbyard.service.databases.connection import DatabaseEndpoint
from dbyard.web.handlers import for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.routes import Method, Route, route
from dbyard.wire import endpoints as shapes


def routes() -> list[Route]:
    return [
        route("/v1/databases/{database}/endpoints", get=_ENDPOINTS),
        route("/v1/databases/{database}/net_peerings", get=_NET_PEERINGS),
        route("/v1/databases/{database}/network_configuration", get=_NETWORK),
    ]


def _encode(endpoints: Sequence[DatabaseEndpoint]) -> shapes.EndpointsAnswer:
    return shapes.EndpointsAnswer(
        [
            shapes.DatabaseEndpoint(
                f"ep-{each.database_id}", each.database_id, each.address.host, each.address.port, "public-rw"
            )
            for each in endpoints
        ]
    )


def _no_net_peerings(_authorized: object) -> shapes.NetPeeringsAnswer:
    return shapes.NetPeeringsAnswer([])


def _no_network(_authorized: object) -> shapes.NetworkConfigurationAnswer:
    return shapes.NetworkConfigurationAnswer(shapes.NetworkConfiguration())


_ENDPOINTS = Method(
    for_path("database", connection.list_endpoints, _encode),
    "Where a database is reached",
    shapes.EndpointsAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
_NET_PEERINGS = Method(
    for_path("database", databases.get, _no_net_peerings),
    "List the net peerings of a database, of which there are none",
    shapes.NetPeeringsAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
_NETWORK = Method(
    for_path("database", databases.get, _no_network),
    "The network of a database: none of its own, so that every field is empty",
    shapes.NetworkConfigurationAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
