"""How much of a plan's memory a server gives to what, in MB."""

from __future__ import annotations

from dbyard.model import Plan

LEAST_LOG_MB = 32
"""Of every prepared server: with another size in its configuration the first start costs 25 ms more."""

FILES_KEPT = 16
"""Of the binary log, of the server's own size each."""


def pool_mb(plan: Plan) -> int:
    """Of the buffer pool."""
    return min(plan.memory_mb // 2, 8192)


def log_mb(plan: Plan) -> int:
    """Of the redo log."""
    return max(LEAST_LOG_MB, min(pool_mb(plan) // 8, 1024))


def cache_mb(plan: Plan) -> int:
    """Of each cache for tables of other kinds than InnoDB's."""
    return max(8, min(plan.memory_mb // 64, 128))


def journal_mb(plan: Plan) -> int:
    """Of the binary log, while the archive does not take it."""
    return max(256, min(plan.disk_mb // 10, 8192))
