"""Which tests stay together on one worker of `pytest -n`, and which ones begin.

Tests of one group share a platform, servers or a store, and run in their order. A group is a file, unless it is cut
into smaller ones here. Those that take longest begin, so that no long one is left when the others have ended.
"""

from __future__ import annotations

import re

import pytest

FILE, CLASS, TEST = "file", "class", "test"

LANES = (
    r"engines/test_contract\.py.*\[opensearch|e2e/test_disk_limits\.py.*search\]|e2e/test_running_spares\.py.*search\]",
    r"engines/test_elasticsearch\.py|e2e/test_stuck_servers\.py|engines/test_configure\.py.*search|::TestReboot::"
    r"|e2e/test_backups\.py.*search\]|engines/test_users\.py.*search",
)
"""Tests that start OpenSearch, which keeps a core busy for seconds: one a lane, so at most two at once."""

# Where a file's tests are cut: one group for each class, each test, or each value of the fixture with that name.
# The first of these take longest.
CUTS = {
    "tests/engines/test_contract.py": "server",
    "tests/e2e/test_killed_platform.py": CLASS,
    "tests/e2e/test_disk_limits.py": TEST,
    "tests/e2e/test_backups.py": TEST,
    "tests/e2e/test_moments.py": TEST,
    "tests/e2e/test_imports.py": TEST,
    "tests/e2e/test_faulty_archives.py": TEST,
    "tests/e2e/test_recovery.py": FILE,
    "tests/engines/test_postgresql_extensions.py": FILE,
    "tests/engines/test_mysql_backups.py": FILE,
    "tests/engines/test_tenants.py": "database",
    "tests/engines/test_users.py": "server",
    "tests/e2e/test_database_users.py": TEST,
    "tests/e2e/test_clocks.py": TEST,
    "tests/api/test_openapi.py": FILE,
    "tests/engines/test_postgresql.py": FILE,
    "tests/cli/test_quickstart.py": FILE,
    "tests/engines/test_restrictions.py": "server",
    "tests/engines/test_mysql.py": FILE,
    "tests/e2e/test_schema.py": FILE,
    "tests/clients/test_javascript.py": FILE,
    "tests/e2e/test_killed_servers.py": TEST,
    "tests/e2e/test_disk.py": TEST,
    "tests/e2e/test_shutdown.py": TEST,
    "tests/e2e/test_raw_http.py": FILE,
    "tests/e2e/test_running_spares.py": "technology",
    "tests/e2e/test_lock.py": FILE,
    "tests/e2e/test_concurrency.py": TEST,
    "tests/e2e/test_chaos.py": FILE,
    "tests/engines/test_mongodb.py": FILE,
    "tests/engines/test_influxdb.py": FILE,
    "tests/engines/test_configure.py": "started",
    "tests/engines/test_held.py": FILE,
    "tests/e2e/test_long_operations.py": TEST,
    "tests/api/test_authorization.py": FILE,
    "tests/unit/test_installations.py": CLASS,
    "tests/unit/test_installations_images.py": CLASS,
}


def arrange(items: list[pytest.Item]) -> None:
    """Mark each test with its group, and put the groups in order."""
    for item in items:
        # pytest-xdist takes a group that ends in a bracket for a test's parameters, and ignores it.
        item.add_marker(pytest.mark.xdist_group(_group(item).replace("[", "(").replace("]", ")")))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if _lane(item) is not None:
        return -1
    return list(CUTS).index(_path(item)) if _path(item) in CUTS else len(CUTS)


def _group(item: pytest.Item) -> str:
    lane, path = _lane(item), _path(item)
    cut = CUTS.get(path, FILE)
    if lane is not None:
        return f"lane {lane}"
    if cut == FILE:
        return path
    if cut == TEST:
        return item.nodeid
    if cut == CLASS:
        return item.nodeid.rpartition("::")[0]
    spec = getattr(item, "callspec", None)
    return f"{path}[{spec.indices[cut]}]" if spec and cut in spec.indices else path


def _lane(item: pytest.Item) -> int | None:
    return next((number for number, tests in enumerate(LANES) if re.search(tests, item.nodeid)), None)


def _path(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
