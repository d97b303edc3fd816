"""Platforms for tests that break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.platforms import Platform, platform


@pytest.fixture
def fresh() -> Iterator[Platform]:
    """A platform of the test's own, not started."""
    with platform() as made:
        yield made


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    """A platform that the tests of a module start and kill one after the other."""
    with platform() as made:
        yield made
