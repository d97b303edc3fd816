"""What kinds of operations mean: the table fits the steps, and no other module knows a kind's name for SQL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dbyard
from dbyard.model import OPERATIONS, OperationKind
from dbyard.operations.kinds import KINDS

STORE = sorted(Path(dbyard.__file__).parent.glob("store/*.py"))


def test_every_kind_has_a_policy_and_steps() -> None:
    assert set(OPERATIONS) == set(KINDS) == set(OperationKind)


@pytest.mark.parametrize("kind", OperationKind)
class TestPolicy:
    def test_begins_at_a_step_and_starts_servers_at_steps(self, kind: str) -> None:
        steps = set(KINDS[kind].steps)
        assert OPERATIONS[kind].first_step in steps
        assert OPERATIONS[kind].starting <= steps

    def test_ends_by_a_deadline_or_by_a_stall_time(self, kind: str) -> None:
        policy = OPERATIONS[kind]
        assert (policy.deadline is None) != (policy.stall is None)
        assert policy.patience > 0

    def test_owns_the_server_only_alone(self, kind: str) -> None:
        policy = OPERATIONS[kind]
        assert policy.exclusive or not policy.owns_server


@pytest.mark.parametrize("path", STORE, ids=lambda path: path.stem)
def test_no_query_names_a_kind_or_a_step(path: Path) -> None:
    names = {*OPERATIONS, *(step for kind in KINDS.values() for step in kind.steps)}
    assert re.findall(rf"'({'|'.join(sorted(names))})'", path.read_text()) == []
