"""What the Database API answers about firewalls."""

from __future__ import annotations

from msgspec import Struct


class FirewallRule(Struct, frozen=True):
    id: str
    type: str
    cidr: str
    label: str
    range_id: str


class ManagedRange(Struct, frozen=True):
    id: str
    name: str


class ManagedRangesAnswer(Struct, frozen=True):
    """None, always."""

    ranges: list[ManagedRange]


class FirewallRulesAnswer(Struct, frozen=True):
    """None, always."""

    rules: list[FirewallRule]
