"""One running platform for all clients, and the token that its first account has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.platforms import Platform, platform


@pytest.fixture(scope="package")
def served() -> Iterator[Platform]:
    with platform() as made:
        yield made.start()


@pytest.fixture(autouse=True)
def _tidy(served: Platform) -> Iterator[None]:
    """A search asks for every database there is: none of another test is among them."""
    yield
    with served.client() as client:
        for each in client.list_databases():
            client.delete_database(each.name, confirm=each.name)


@pytest.fixture
def token(served: Platform) -> str:
    return (served.home / "admin-token").read_text().strip()
