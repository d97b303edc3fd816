"""`POST /api/databases/{database}/action`: what an owner has done in a database's running server."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.databases import actions, databases
from dbyard.web.handlers import authorize
from dbyard.web.parameters import DATABASE
from dbyard.web.routes import Call, Method, Route, route
from dbyard.wire.actions import ActionAnswer, RunAction


def routes() -> list[Route]:
    return [route("/api/databases/{database}/action", post=_RUN)]


def run(call: Call) -> ActionAnswer:
    fields = call.fields()
    done = actions.run(
        call.service, call.principal, call.path["database"], fields.get("action_name"), fields.get("params")
    )
    return ActionAnswer(0 if done.error else 1, done.result, done.error)


_RUN = Method(
    run,
    "Have something done in a database's running server, at once",
    ActionAnswer,
    writes=True,
    authorize=authorize("database", databases.get),
    body=RunAction,
    parameters=(DATABASE,),
    errors={404: wire.Error, 409: wire.NotUsable},
)
