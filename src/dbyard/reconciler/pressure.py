"""What is done while the machine's disk is nearly full, and to whom: to those that fill it first. All of it is pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dbyard.model import MIB, Capacity, Restriction

_MARKS = {Restriction.READ_ONLY: (0.05, 2048 * MIB), Restriction.CLOSED: (0.01, 512 * MIB)}
"""The share of the disk that must be free, and the most that this share may be."""
_HELD = 1.5
"""So many times as much must be free before a restriction is lifted."""
_LEAST_CALM, _MOST_CALM = 5.0, 300.0
"""For so many seconds, which double each time that the space does not last."""
_LASTS = 10
"""It lasted when it did for so many times as long."""
_SETTLE_SECONDS = 5.0
"""Until it can be seen whether a restriction helps."""
_NOTICED = 16 * MIB
"""Less than this is no growth, and no loss of space."""
_BLAMED = 0.8
"""Of all growth: the fastest that make up this share are restricted."""
_HALF_LIFE = 30.0
_FORCE_SECONDS = 5.0
"""Until a server is stopped that should be closed."""
_LAST_BYTES, _LAST_SECONDS = 32 * MIB, 1.0
"""And where only so much is left."""
_SEVERITY = list(Restriction)


@dataclass(frozen=True, slots=True)
class Pressure:
    """`writers` are the instances that `level` holds for, None for all; `others` holds for the others.

    Times are monotonic.
    """

    level: Restriction = Restriction.NONE
    writers: frozenset[str] | None = frozenset()
    others: Restriction = Restriction.NONE
    settles_at: float = 0.0
    free: int = 0
    """What was free when the restriction could begin to help."""
    calm_since: float | None = None
    calm: float = _LEAST_CALM
    """The seconds for which there must be enough space before the restriction is lifted."""
    lifted_at: float = -math.inf

    def restriction_of(self, instance_id: str, current: Restriction) -> Restriction:
        """While there is enough space again nobody is restricted further."""
        concerned = self.writers is None or instance_id in self.writers
        wanted = self.level if concerned else self.others
        return wanted if self.calm_since is None else min(wanted, current, key=_SEVERITY.index)


def react(last: Pressure, space: Capacity, growth: Mapping[str, float], now: float) -> Pressure:
    """What comes after `last`; `growth` is what each instance has grown by lately, in bytes.

    Those that grow fastest are restricted first, and all others only when that does not help. A restriction is lifted
    when there was enough space for a while, which grows where the space does not last.
    """
    present = decide_for_machine(Restriction.NONE, space)
    if is_worse(last, space):
        return _tighten(last, present, space, growth, now)
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


def resume(restricted: Mapping[str, Restriction], space: Capacity, now: float) -> Pressure:
    """What held when the platform ended, by whom it had restricted; these wait for enough space like any others."""
    level = max(restricted.values(), default=Restriction.NONE, key=_SEVERITY.index)
    if level is Restriction.NONE:
        return Pressure()
    writers = frozenset(each for each, restriction in restricted.items() if restriction is level)
    others = Restriction.NONE if len(writers) == len(restricted) else Restriction.READ_ONLY
    return Pressure(level, writers, others, now + _SETTLE_SECONDS, space.free)


def is_worse(last: Pressure, space: Capacity) -> bool:
    """Whether more has to be done than until now."""
    return _SEVERITY.index(decide_for_machine(Restriction.NONE, space)) > _SEVERITY.index(last.level)


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
    lately = min(1.0, _HALF_LIFE / seconds) if seconds > 0 else 1.0
    return before * float(0.5 ** (seconds / _HALF_LIFE)) + max(0, more) * lately


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
    """Whether a server is stopped that was to be closed so many seconds ago, and has grown by so much since."""
    if space.free < _LAST_BYTES:
        return waited > _LAST_SECONDS and more > MIB
    return waited > _FORCE_SECONDS and more > _NOTICED


def pause_for_machine(space: Capacity, rate: float) -> float:
    """Seconds until the machine is looked at again, when tenants may write that many bytes a second."""
    marks = (mark(restriction, space) for restriction in _MARKS)
    left = min((space.free - each for each in marks if space.free > each), default=rate)
    return left / (2 * rate)


def _tighten(last: Pressure, level: Restriction, space: Capacity, growth: Mapping[str, float], now: float) -> Pressure:
    blamed = blame(growth)
    if last.level is Restriction.NONE:
        lasted = now - last.lifted_at > _LASTS * last.calm
        calm, others = _LEAST_CALM if lasted else min(2 * last.calm, _MOST_CALM), Restriction.NONE
    else:
        calm, others = last.calm, last.level if last.writers is None else last.others
        blamed = None if blamed is None else blamed | (last.writers or frozenset())
    return Pressure(level, blamed, others, now + _SETTLE_SECONDS, space.free, calm=calm)


def _relax(last: Pressure, held: Restriction, space: Capacity, now: float) -> Pressure:
    since = now if last.calm_since is None else last.calm_since
    if now - since < last.calm:
        return replace(last, calm_since=since)
    if held is Restriction.NONE:
        return Pressure(calm=last.calm, lifted_at=now)
    others = min(last.others, held, key=_SEVERITY.index)
    settles_at = now + _SETTLE_SECONDS
    return replace(last, level=held, others=others, settles_at=settles_at, free=space.free, calm_since=None)


def _widen(last: Pressure, space: Capacity, growth: Mapping[str, float], now: float) -> Pressure:
    """To the next that grow fastest, or to everybody. Nobody is closed who was not read-only before."""
    known, others = last.writers or frozenset(), last.others
    more = blame({each: by for each, by in growth.items() if each not in known})
    writers = None if more is None else known | more
    if writers is None and last.level is Restriction.CLOSED and others is Restriction.NONE:
        writers, others = known, Restriction.READ_ONLY
    settles_at = now + _SETTLE_SECONDS
    return replace(last, writers=writers, others=others, settles_at=settles_at, free=space.free, calm_since=None)
