"""A database as its app, its addon and itself: what Scalingo's dashboard shows beside a database of `/v1/databases`."""

from __future__ import annotations

from dbyard.service.databases import connection, status
from dbyard.web.api.encoding import databases as encoding
from dbyard.web.routes import Call
from dbyard.web.scalingo.addons import describe
from dbyard.web.scalingo.encoding.apps import encode as encode_app
from dbyard.wire import dashboard as shapes


def get(call: Call) -> shapes.DatabaseShown:
    overview = status.get_overview(call.service, call.principal, call.path["database"])
    return shapes.DatabaseShown(
        encoding.encode(overview.database).database,
        encode_app(overview, call.service.region.name).app,
        describe(call.service, overview),
    )


def list_all(call: Call) -> shapes.DashboardAnswer:
    found = status.list_overviews(call.service, call.principal)
    addresses = connection.list_addresses(call.service, [each.database for each in found])
    return shapes.DashboardAnswer(
        [
            shapes.DashboardDatabase(
                encode_app(overview, call.service.region.name).app,
                describe(call.service, overview),
                encoding.encode_summary(overview, addresses.get(overview.database.id)),
            )
            for overview in found
        ]
    )
