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
from dbyard.web.scalingo.unsupported import explain

METHODS = [
    (name, route.path, method)
    for route in list_routes(catalogue.load())
    for name, method in route.methods.items()
    if route.path != "/" and not route.path.startswith("/docs")  # pages for people
]
RIGHT = [(GenerationMode.POSITIVE, name, path) for name, path, _ in METHODS]
WRONG = [
    (GenerationMode.NEGATIVE, name, path)
    for name, path, method in METHODS
    if method.body or any(each.place == "query" and set(each.schema) > {"type"} for each in method.parameters)
]
UNSAYABLE = {"has already been taken", "is reserved", "was already used with another body", END_RULE}
"""What no schema can say: which names are used up or ours, which keys are used up, and what time it is."""


@pytest.mark.parametrize(("mode", "name", "path"), RIGHT + WRONG)
def test_every_answer_is_as_documented(
    anonymous: TestClient, token: str, mode: GenerationMode, name: str, path: str
) -> None:
    operation = schemathesis.openapi.from_asgi("/openapi.json", anonymous.app)[path][name]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=10, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        if any(value in ([], {}) for value in (case.query or {}).values()):
            return  # it is nothing in a URL, and so nothing wrong
        headers = {"Authorization": f"Bearer {token}"}
        response = case.call(headers=headers)
        if response.status_code == 422 and UNSAYABLE.issuperset(chain(*response.json()["errors"].values())):
            return
        case.validate_response(response, headers=headers)

    ask()


def test_every_route_is_described(anonymous: TestClient) -> None:
    paths = anonymous.get("/openapi.json").json()["paths"]
    described = {(name.upper(), path) for path, methods in paths.items() for name in methods}
    served = {(name, path) for name, path, _ in METHODS}
    assert described >= served
    assert all(explain(*each) for each in described - served)


def test_the_guide_has_every_route(anonymous: TestClient) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    document = anonymous.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for name in methods:
            if explain(name.upper(), path):
                continue  # a table tells them by their kinds
            assert re.search(f"{name.upper()} {re.escape(path)}", guide), (name, path)
