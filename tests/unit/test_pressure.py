"""Who is restricted while the machine's disk is nearly full, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.model import MIB, Capacity, Restriction
from dbyard.reconciler.pressure import (
    Pressure,
    blame,
    decide_for_machine,
    grown,
    is_near,
    mark,
    must_stop,
    pause_for_machine,
    react,
    resume,
)

NONE, READ_ONLY, CLOSED = Restriction
GIB = 1024 * MIB
TOTAL = 6 * GIB


class TestDecideForMachine:
    @pytest.mark.parametrize(
        ("current", "free", "wanted"),
        [
            (NONE, 3 * GIB, NONE),
            (NONE, GIB, READ_ONLY),
            (NONE, 300 * MIB, CLOSED),
            (READ_ONLY, 2500 * MIB, READ_ONLY),
            (READ_ONLY, 4 * GIB, NONE),
            (CLOSED, 600 * MIB, CLOSED),
            (CLOSED, 900 * MIB, READ_ONLY),
        ],
    )
    def test_by_what_is_left(self, current: Restriction, free: int, wanted: Restriction) -> None:
        assert decide_for_machine(current, Capacity(250 * GIB, free)) is wanted

    def test_a_small_disk_keeps_a_share(self) -> None:
        assert decide_for_machine(NONE, Capacity(10 * GIB, 600 * MIB)) is NONE
        assert decide_for_machine(NONE, Capacity(10 * GIB, 400 * MIB)) is READ_ONLY


class TestBlame:
    def test_those_that_make_up_most_of_the_growth(self) -> None:
        assert blame({"fast": 700 * MIB, "second": 200 * MIB, "slow": 50 * MIB, "idle": 0}) == frozenset(
            ("fast", "second")
        )

    def test_nobody_in_particular(self) -> None:
        assert blame({}) is None
        assert blame({"one": MIB, "two": MIB}) is None

    @given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e12), max_size=20))
    def test_who_does_not_grow_is_never_blamed(self, growth: Mapping[str, float]) -> None:
        assert all(growth[each] > 0 for each in blame(growth) or ())


class TestGrown:
    def test_half_is_forgotten_in_half_a_minute(self) -> None:
        assert grown(100.0, 0, 30.0) == pytest.approx(50.0)
        assert grown(0.0, 7, 1.0) == 7.0
        assert grown(0.0, -7, 1.0) == 0.0


class TestResume:
    SPACE = Capacity(TOTAL, GIB)

    def test_nobody_was_restricted(self) -> None:
        assert resume({}, self.SPACE, 7.0) == Pressure()

    def test_the_writers_alone(self) -> None:
        found = resume({"one": READ_ONLY}, self.SPACE, 7.0)
        assert (found.level, found.writers, found.others) == (READ_ONLY, frozenset({"one"}), NONE)

    def test_the_writers_and_all_others(self) -> None:
        found = resume({"one": CLOSED, "two": READ_ONLY}, self.SPACE, 7.0)
        assert (found.level, found.writers, found.others) == (CLOSED, frozenset({"one"}), READ_ONLY)


class TestMustStop:
    def test_only_who_goes_on(self) -> None:
        roomy, full = Capacity(TOTAL, GIB), Capacity(TOTAL, MIB)
        assert must_stop(6.0, 20 * MIB, roomy)
        assert not must_stop(6.0, MIB, roomy)
        assert must_stop(1.5, 2 * MIB, full)
        assert not must_stop(60.0, 0, full), "it is not the one that fills the disk"
        assert not must_stop(1.0, GIB, full)
        assert not must_stop(4.0, GIB, roomy)


class TestPauseForMachine:
    def test_is_short_before_a_mark(self) -> None:
        space = Capacity(TOTAL, int(mark(READ_ONLY, Capacity(TOTAL, 0))) + 40 * MIB)
        assert pause_for_machine(space, 200 * MIB) == pytest.approx(0.1)
        assert pause_for_machine(Capacity(TOTAL, 4 * GIB), 200 * MIB) > 1.0
        assert is_near(space)


@dataclass
class Machine:
    """A disk that tenants write to; those that are restricted write nothing."""

    speeds: dict[str, float]
    """In bytes a second."""
    free: float = GIB
    comes_back: float = 0.0
    """The share of what a restricted writer wrote last that is free again after it was stopped."""
    now: float = 0.0
    pressure: Pressure = field(default_factory=Pressure)
    growth: dict[str, float] = field(default_factory=dict)
    changes: dict[str, list[tuple[float, Restriction]]] = field(default_factory=dict)
    restrictions: dict[str, Restriction] = field(default_factory=dict)
    refused: bool = True
    """Whether a restriction stops a tenant at all."""

    def run(self, seconds: float, step: float = 0.25) -> None:
        for _ in range(int(seconds / step)):
            self.now += step
            for each, speed in self.speeds.items():
                stopped = self.refused and self.restriction(each) is not NONE
                written = 0.0 if stopped else min(speed * step, self.free)
                self.free -= written
                self.growth[each] = grown(self.growth.get(each, 0.0), int(written), step)
            self.pressure = react(self.pressure, Capacity(TOTAL, int(self.free)), self.growth, self.now)
            for each in self.speeds:
                was = self.restriction(each)
                now = self.restrictions[each] = self.pressure.restriction_of(each, was)
                if now is not was:
                    self.changes.setdefault(each, []).append((self.now, now))
                    self.free += self.comes_back * GIB if was is NONE else 0

    def restriction(self, instance_id: str) -> Restriction:
        return self.restrictions.get(instance_id, NONE)


class TestReact:
    def test_only_the_fast_writer_is_restricted(self) -> None:
        machine = Machine({"fast": 100 * MIB, "slow": MIB / 10, "idle": 0})
        machine.run(60)
        assert set(machine.changes) == {"fast"}
        assert machine.free > mark(CLOSED, Capacity(TOTAL, 0))

    def test_space_that_comes_and_goes_flips_nobody_else(self) -> None:
        """As servers free a part of what they wrote when they are stopped."""
        machine = Machine({"fast": 200 * MIB, "slow": MIB / 10}, comes_back=0.3)
        machine.run(600)
        assert set(machine.changes) == {"fast"}
        assert len(machine.changes["fast"]) <= 2 * 8  # 5 s, 10 s, 20 s, …

    def test_the_next_follow_when_that_does_not_help(self) -> None:
        """The first one cannot be stopped, so the rest is kept for those that must be able to end well."""
        machine = Machine({"held": 20 * MIB, "slow": MIB, "idle": 0}, refused=False)
        machine.run(60)
        assert all(machine.restriction(each) is not NONE for each in machine.speeds)
        first = {each: found[0][0] for each, found in machine.changes.items()}
        assert first["held"] < first["idle"]
        assert machine.pressure.level is CLOSED

    def test_a_disk_that_others_fill_concerns_everybody(self) -> None:
        space = Capacity(TOTAL, 200 * MIB)
        found = react(Pressure(), space, {"one": 0.0}, 0.0)
        assert found.restriction_of("one", NONE) is READ_ONLY

    def test_is_lifted_when_the_space_was_there_for_a_while(self) -> None:
        found = react(Pressure(), Capacity(TOTAL, 200 * MIB), {}, 0.0)
        for second in range(1, 6):
            found = react(found, Capacity(TOTAL, GIB), {}, float(second))
            assert found.level is READ_ONLY
        assert react(found, Capacity(TOTAL, GIB), {}, 7.0).level is NONE

    def test_nobody_is_restricted_anew_once_there_is_space(self) -> None:
        found = react(Pressure(), Capacity(TOTAL, 20 * MIB), {}, 0.0)
        found = react(found, Capacity(TOTAL, GIB), {}, 1.0)
        assert found.restriction_of("known", CLOSED) is CLOSED
        assert found.restriction_of("new", NONE) is NONE

    def test_less_space_in_between_begins_the_while_again(self) -> None:
        found = react(Pressure(), Capacity(TOTAL, 200 * MIB), {}, 0.0)
        found = react(found, Capacity(TOTAL, GIB), {}, 10.0)
        found = react(found, Capacity(TOTAL, 300 * MIB), {}, 14.0)
        found = react(found, Capacity(TOTAL, GIB), {}, 14.5)
        assert react(found, Capacity(TOTAL, GIB), {}, 18.0).level is READ_ONLY

    def test_the_while_is_short_again_when_the_space_lasted(self) -> None:
        found = react(Pressure(), Capacity(TOTAL, 200 * MIB), {}, 0.0)
        for now in (1.0, 7.0):
            found = react(found, Capacity(TOTAL, GIB), {}, now)
        assert found.level is NONE
        assert react(found, Capacity(TOTAL, 200 * MIB), {}, 10.0).calm == 10.0
        assert react(found, Capacity(TOTAL, 200 * MIB), {}, 100.0).calm == 5.0

    @given(
        st.lists(
            st.tuples(
                st.floats(0.05, 5), st.integers(0, TOTAL), st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e10))
            )
        ),
    )
    def test_is_never_laxer_than_what_is_left_calls_for(self, steps: list[tuple[float, int, dict[str, float]]]) -> None:
        found, now, order = Pressure(), 0.0, list(Restriction).index
        for seconds, free, growth in steps:
            now += seconds
            space = Capacity(TOTAL, free)
            found = react(found, space, growth, now)
            assert order(found.level) >= order(decide_for_machine(NONE, space))
            assert found.level is NONE or found.writers is None or found.writers
