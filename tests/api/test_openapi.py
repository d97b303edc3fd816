"""`/openapi.json` says what is so: requests are made from it, right and wrong ones, and every answer is held to it."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from dbyard import catalogue
from dbyard.service.accounts.tokens import END_RULE
from dbyard.web.app import list_routes

VERBS = [
    (method, route.path, verb)
    for route in list_routes(catalogue.load())
    for method, verb in route.methods.items()
    if not route.path.startswith("/docs")  # a page for people
]
RIGHT = [(GenerationMode.POSITIVE, method, path) for method, path, _ in VERBS]
WRONG = [
    (GenerationMode.NEGATIVE, method, path)
    for method, path, verb in VERBS
    if verb.body or any(each.place == "query" and set(each.schema) > {"type"} for each in verb.parameters)
]
UNSAYABLE = {"has already been taken", "is reserved", "was already used with another body", END_RULE}
"""What no schema can say: which names are used up or ours, which keys are used up, and what time it is."""


@pytest.mark.parametrize(("mode", "method", "path"), RIGHT + WRONG)
def test_every_answer_is_as_documented(
    anonymous: TestClient, token: str, mode: GenerationMode, method: str, path: str
) -> None:
    operation = schemathesis.openapi.from_asgi("/openapi.json", anonymous.app)[path][method]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=10, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        response = case.call(headers=headers)
        if response.status_code == 422 and UNSAYABLE.issuperset(chain(*response.json()["errors"].values())):
            return
        case.validate_response(response, headers=headers)

    ask()


def test_every_route_is_described(anonymous: TestClient) -> None:
    paths = anonymous.get("/openapi.json").json()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == {(method, path) for method, path, _ in VERBS}


def test_the_guide_has_every_route(anonymous: TestClient) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    document = anonymous.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert re.search(f"{method.upper()} {re.escape(path)}", guide), (method, path)
