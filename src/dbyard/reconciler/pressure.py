"""What is done while the machine's disk is nearly full, and to whom: to those that fill it first. All of it is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dbyard.model import MIB, Capacity, Restriction

_MARKS = {Restriction.READ_ONLY: (0.05, 2048 * MIB), Restriction.CLOSED: (0.01, 512 * MIB)}
"""The share of the disk that must be free, and the most that this share may be."""
_HELD = 1.5
"""So many times as much must be free before a restriction is lifted."""
_CALM_SECONDS = 60.0
"""For so long."""
_SETTLE_SECONDS = 5.0
"""Until it can be seen whether a restriction helps."""
_NOTICED = 16 * MIB
"""Less than this is no growth, and no loss of space."""
_BLAMED = 0.8
"""Of all growth: the fastest that make up this share are restricted."""
_HALF_LIFE = 30.0
_FORCE_SECONDS, _LAST_BYTES = 5.0, 32 * MIB
_SEVERITY = list(Restriction)


@dataclass(frozen=True, slots=True)
class Pressure:
    """`writers` are the instances that `level` holds for, None for all. Times are monotonic."""

    level: Restriction = Restriction.NONE
    writers: frozenset[str] | None = frozenset()
    settles_at: float = 0.0
    free: int = 0
    """What was free when the restriction could begin to help."""
    calm_since: float | None = None

    def restriction_of(self, instance_id: str) -> Restriction:
        """Who does not fill the disk may write as long as nobody has to be closed."""
        if self.writers is None or instance_id in self.writers:
            return self.level
        return Restriction.READ_ONLY if self.level is Restriction.CLOSED else Restriction.NONE


def react(last: Pressure, space: Capacity, growth: Mapping[str, float], now: float) -> Pressure:
    """What comes after `last`; `growth` is what each instance has grown by lately, in bytes.

    Those that grow fastest are restricted first, and all others only when that does not help. A restriction is lifted
    when there was enough space for a minute.
    """
    present = decide_for_machine(Restriction.NONE, space)
    if _SEVERITY.index(present) > _SEVERITY.index(last.level):
        return Pressure(present, blame(growth), now + _SETTLE_SECONDS, space.free)
    if last.level is Restriction.NONE:
        return last
    held = decide_for_machine(last.level, space)
    if held is not last.level:
        return _relax(last, held, space, now)
    if now < last.settles_at:
        return replace(last, free=space.free, calm_since=None)
    if last.writers is not None and space.free < last.free - _NOTICED:
        return _widen(last, space, growth, now)
    return replace(last, calm_since=None)


def blame(growth: Mapping[str, float]) -> frozenset[str] | None:
    """The few that make up most of the growth; None for all, when the disk is filled by nobody in particular."""
    total, seen, found = sum(growth.values()), 0.0, set[str]()
    if total < _NOTICED:
        return None
    for instance_id in sorted(growth, key=lambda each: growth[each], reverse=True):
        if seen >= _BLAMED * total:
            break
        found.add(instance_id)
        seen += growth[instance_id]
    return frozenset(found)


def grown(before: float, more: int, seconds: float) -> float:
    """What an instance has grown by lately: half of it is forgotten in half a minute."""
    return before * float(0.5 ** (seconds / _HALF_LIFE)) + max(0, more)


def decide_for_machine(current: Restriction, space: Capacity) -> Restriction:
    """What a machine with so much space left calls for, after `current`."""
    for restriction in (Restriction.CLOSED, Restriction.READ_ONLY):
        held = _SEVERITY.index(current) >= _SEVERITY.index(restriction)
        if space.free < mark(restriction, space) * (_HELD if held else 1.0):
            return restriction
    return Restriction.NONE


def mark(restriction: Restriction, space: Capacity) -> float:
    """The free bytes below which a machine of this size calls for a restriction."""
    share, most = _MARKS[restriction]
    return min(share * space.total, most)


def is_near(space: Capacity) -> bool:
    """Whether it matters soon who fills the disk."""
    return space.free < 2 * mark(Restriction.READ_ONLY, space)


def must_stop(waited: float, more: int, space: Capacity) -> bool:
    """Whether a server is stopped that was to be closed so long ago, and has grown by so much since."""
    return waited > _FORCE_SECONDS and (more > _NOTICED or space.free < _LAST_BYTES)


def pause_for_machine(space: Capacity, rate: float) -> float:
    """Seconds until the machine is looked at again, when tenants may write that many bytes a second."""
    marks = (mark(restriction, space) for restriction in _MARKS)
    left = min((space.free - each for each in marks if space.free > each), default=rate)
    return left / (2 * rate)


def _relax(last: Pressure, held: Restriction, space: Capacity, now: float) -> Pressure:
    since = now if last.calm_since is None else last.calm_since
    if now - since < _CALM_SECONDS:
        return replace(last, calm_since=since)
    if held is Restriction.NONE:
        return Pressure()
    return replace(last, level=held, settles_at=now + _SETTLE_SECONDS, free=space.free, calm_since=None)


def _widen(last: Pressure, space: Capacity, growth: Mapping[str, float], now: float) -> Pressure:
    """To the next that grow fastest; to everybody when nobody else does."""
    known = last.writers or frozenset()
    more = blame({each: by for each, by in growth.items() if each not in known})
    writers = None if more is None else known | more
    return Pressure(last.level, writers, now + _SETTLE_SECONDS, space.free)
