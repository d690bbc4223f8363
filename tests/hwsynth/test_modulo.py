"""The modulo scheduler against its constraints, and against all schedules there are on small graphs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.hwsynth.modulo import ONCE, Never, Recurrence, Rule, Task, recurrence_bound, schedule

ROOM = 5.0
UNITS = {"one": 1, "two": 2}
Body = tuple[list[Task], list[Rule]]


@st.composite
def bodies(draw: st.DrawFn, most: int = 5) -> Body:
    size = draw(st.integers(1, most))
    tasks = []
    for k in range(size):
        operands = draw(st.lists(st.integers(0, k - 1), max_size=2, unique=True)) if k else []
        latency = draw(st.sampled_from([0, 0, 0, 1]))
        setup = draw(st.sampled_from([0.0, 1.0])) if latency else 0.0
        unit = draw(st.sampled_from([None, None, *UNITS]))
        tasks.append(Task(draw(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0])), latency, setup, tuple(operands), unit))
    numbers = st.integers(0, size - 1)
    drawn = draw(st.lists(st.tuples(numbers, numbers, st.integers(0, 2), st.integers(0, 2)), max_size=3))
    return tasks, [Rule(*r) for r in drawn if r[3] or r[0] < r[1]]


def holds(body: Body, cycles: Sequence[int], ii: int) -> bool:
    """Whether start cycles satisfy every constraint, judged anew."""
    tasks, rules = body
    ready: list[float] = []
    for t, cycle in zip(tasks, cycles, strict=True):
        begun = [(cycles[a] + tasks[a].latency, ready[a]) for a in t.operands]
        at = max((time for c, time in begun if c == cycle), default=0.0)
        if any(c > cycle for c, _ in begun) or at + (t.setup if t.latency else t.delay) > ROOM or cycle < 0:
            return False
        ready.append(t.delay if t.latency else at + t.delay)
    slots = Counter((t.unit, c % ii) for t, c in zip(tasks, cycles, strict=True) if t.unit)
    apart = all(cycles[r.to] >= cycles[r.src] + r.latency - r.distance * ii for r in rules)
    return apart and all(n <= UNITS[unit] for (unit, _), n in slots.items())


@given(bodies(12))
@settings(max_examples=200, deadline=None)
def test_constraints_hold(body: Body) -> None:
    timing = schedule(*body, ROOM, UNITS)
    assert holds(body, timing.cycles, timing.ii)


@given(bodies(12))
@settings(max_examples=100, deadline=None)
def test_constraints_hold_for_a_body_that_runs_once(body: Body) -> None:
    body = body[0], [r for r in body[1] if not r.distance]
    timing = schedule(*body, ROOM, UNITS, pipelined=False)
    assert timing.ii == ONCE
    assert holds(body, timing.cycles, ONCE)


@given(bodies(4))
@settings(max_examples=150, deadline=None)
def test_no_schedule_has_a_lower_ii(body: Body) -> None:
    timing = schedule(*body, ROOM, UNITS)
    for ii in range(1, timing.ii):
        starts = itertools.product(range(7), repeat=len(body[0]))
        assert not any(holds(body, cycles, ii) for cycles in starts)


@given(bodies(4))
@settings(max_examples=100, deadline=None)
def test_starts_are_the_earliest_where_units_abound(body: Body) -> None:
    many = {unit: 99 for unit in UNITS}
    timing = schedule(*body, ROOM, many)
    tasks, rules = body
    free = [Task(t.delay, t.latency, t.setup, t.operands) for t in tasks], rules
    for cycles in itertools.product(range(max(timing.cycles) + 1), repeat=len(tasks)):
        if holds(free, cycles, timing.ii):
            assert all(a <= b for a, b in zip(timing.cycles, cycles, strict=True))


def test_recurrence_is_named() -> None:
    chain = [Task(3.0), Task(3.0, operands=(0,)), Task(3.0, operands=(1,)), Task(1.0)]
    ii, found = recurrence_bound(chain, [Rule(2, 0, 1, 1)], ROOM)
    assert ii == 3
    assert found == Recurrence((1, 2, 0), 1)
    assert recurrence_bound(chain, [Rule(2, 0, 1, 2)], ROOM)[0] == 2
    assert recurrence_bound(chain, [Rule(2, 0, 1, 3)], ROOM) == (1, None)


def test_two_reads_of_one_port_need_two_cycles_of_which_the_report_names_the_port() -> None:
    timing = schedule([Task(unit="one"), Task(unit="one"), Task(unit="two")], [], ROOM, UNITS)
    assert (timing.ii, timing.unit, timing.recurrence) == (2, "one", None)


def test_an_early_task_gives_way_to_one_in_a_recurrence() -> None:
    """First come, first served would give task 0 the slot that task 1 can't do without."""
    tasks = [Task(unit="one"), Task(unit="one"), Task(4.0, operands=(1,)), Task(4.0, operands=(2,))]
    rules = [Rule(3, 1, 1, 1), Rule(1, 3, 0, 0)]
    timing = schedule(tasks, rules, ROOM, UNITS)
    assert timing.ii == 2
    assert timing.cycles[1] == 0


@pytest.mark.parametrize("size", [2000])
def test_long_bodies_take_no_time_to_speak_of(size: int) -> None:
    tasks = [Task(1.0, operands=(k - 1,) if k else (), unit="one" if k % 50 == 0 else None) for k in range(size)]
    timing = schedule(tasks, [Rule(size - 1, 0, 1, 1)], ROOM, UNITS)
    assert timing.ii == size // 5
    assert holds((tasks, []), timing.cycles, timing.ii)


def test_rules_that_no_interval_satisfies() -> None:
    """A task that has to come an interval after another, which waits for it in the same iteration."""
    tasks = [Task(1.0), Task(1.0)]
    with pytest.raises(Never):
        schedule(tasks, [Rule(0, 1, 0, -1), Rule(1, 0, 1, 0)], 5.0, {})


def test_a_rule_that_asks_for_an_interval_between_tasks_holds_at_any() -> None:
    """No start is too late at an interval beyond all latencies: this once raised it for ever."""
    timing = schedule([Task(), Task(latency=1)], [Rule(0, 1, 0, -1), Rule(1, 0, 0, 1)], ROOM, {}, least=9)
    assert (timing.ii, timing.cycles) == (9, (0, 9))


def test_a_slot_for_a_long_task_is_sought_once_around() -> None:
    """Full slots were skipped together with the one to stop at: that went round for ever."""
    operands = [(), (), (0,), (1,), (1,), (), (4,), (2,), (6,), (7,)]
    units = ["two", "two", None, "mul", "mul", "mul", "one", "mul", "mul", "two"]
    tasks = [Task(operands=a, unit=u) for a, u in zip(operands, units, strict=True)]
    tasks[0], tasks[1] = Task(0.0, 3, 1.0, unit="two"), Task(4.0, 3, unit="two")
    tasks[6] = Task(1.0, 1, 1.0, (4,), "one")
    tasks[7], tasks[8] = Task(operands=(2,), unit="mul", busy=2), Task(operands=(6,), unit="mul", busy=4)
    timing = schedule(tasks, [], ROOM + 1, {**UNITS, "mul": 1})
    assert (timing.ii, timing.unit) == (9, "mul")
