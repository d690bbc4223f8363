"""What counts as the same result, and how schedules take turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import bf16, f32, f64, i32
from gemel.codegen.runtime import compile_kernel
from gemel.semantics.storage import numpy_dtype
from gemel.tuning import worker
from gemel.tuning.job import Job, packed
from gemel.tuning.search import Ratio
from gemel.tuning.worker import Case, Race, differs

N = gm.dims("N")


@gm.kernel
def doubled(x: i32[N], n: i32) -> i32[N]:
    x[0] += n
    return gm.cast(x * 2, i32)


CASE = doubled.specialize(N=4).ir


def floats(*values: float, of: Any = np.float32) -> Any:
    return np.array(values, of)


def test_integers_are_the_same_to_the_bit() -> None:
    a = np.array([1, 2, 3], np.int32)
    assert differs(i32, a, a.copy()) == "" and differs(i32, a, a + 1) == "other integers"


@pytest.mark.parametrize(("dtype", "held"), [(f32, np.float32), (f64, np.float64)])
def test_floats_may_be_rounded_otherwise(dtype: Any, held: Any) -> None:
    a = np.random.default_rng(1).standard_normal(1000).astype(held)
    assert differs(dtype, a, a * (1 + 8 * np.finfo(held).eps)) == ""
    assert differs(dtype, a, a * held(1.01)).startswith("floats that differ by")
    wrong = a.copy()
    wrong[17] += held(0.01)
    assert differs(dtype, a, wrong).startswith("floats that differ by 0.01")


def test_short_floats_may_differ_by_some_units() -> None:
    a = np.array([1.0, 2.0, 3.0]).astype(numpy_dtype(bf16))
    assert differs(bf16, a, (a.astype(np.float32) * 1.01).astype(a.dtype)) == ""
    assert differs(bf16, a, (a.astype(np.float32) * 2).astype(a.dtype))
    patterns = a.view(np.uint16)
    assert differs(bf16, patterns, patterns.copy()) == "" and differs(bf16, patterns, patterns + 200)


def test_what_is_not_finite_is_where_it_was() -> None:
    a = floats(1, np.nan, np.inf)
    assert differs(f32, a, a.copy()) == ""
    for b in (floats(1, np.nan, -np.inf), floats(1, np.inf, np.nan), floats(1, 2, np.inf), floats(np.nan, np.nan, 0)):
        assert differs(f32, a, b) == "other infinities or NaNs"
    assert differs(f32, floats(), floats()) == ""


def test_each_call_begins_with_the_same_arguments() -> None:
    x = np.arange(4, dtype=np.int32)
    case = Case.of(CASE, [x, 5])
    code = compile_kernel(CASE, "")
    for _ in range(3):
        (_, changed), (_, result) = case.outcome(code)
        assert changed.tolist() == [5, 1, 2, 3] and result.tolist() == [10, 2, 4, 6]
    assert x.tolist() == [0, 1, 2, 3]


def test_a_schedule_with_another_result_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    @gm.kernel
    def tripled(x: i32[N], n: i32) -> i32[N]:
        x[0] += n
        return gm.cast(x * 3, i32)

    def compiled(kernel: Any, steps: str) -> Any:
        if steps == "refused":
            raise gm.errors.ScheduleError("no", code="K02")
        return compile_kernel(tripled.specialize(N=4).ir if steps == "wrong" else kernel, "")

    monkeypatch.setattr(worker, "compile_kernel", compiled)
    answer = worker.measured(Job(packed(CASE), ("", "wrong", "right", "refused"), 3, 6, 1.0, 9.0, "wall"))
    assert answer.failed == ("", "other integers", "", "no") and answer.broken == ""
    assert list(map(len, answer.times)) == [6, 0, 6, 0]
    assert "no" in worker.measured(Job(packed(CASE), ("refused", ""), 3, 6, 1.0, 9.0, "wall")).broken


def race(*seconds: float) -> Race:
    """Calls that take so long by a clock that nothing but they move."""
    made, now = Race(Case(CASE, [], [], []), [], "wall"), [0.0]

    def lasting(one: float) -> Callable[[], object]:
        return lambda: now.__setitem__(0, now[0] + one)

    made.clock = lambda: now[0]
    made.calls, made.times = [lasting(s) for s in seconds], [[] for _ in seconds]
    return made


def test_turns_are_timed() -> None:
    made = race(1e-3, 2e-3)
    made.run(7, 60.0)
    assert [statistics.median(t) for t in made.times] == pytest.approx([1e-3, 2e-3])


def test_a_clock_may_stand_still() -> None:
    made = race(0.0, 0.0)
    made.run(7, 60.0)
    assert Ratio.of(*made.times) == Ratio(1.0, 1.0)


def test_a_hopeless_one_has_no_more_turns() -> None:
    made = race(1e-3, 1.1e-3, 2e-2)
    made.run(12, 60.0)
    assert list(map(len, made.times)) == [12, 12, worker.LEAST]


def test_time_is_a_limit_too() -> None:
    made = race(1e-3, 1e-3)
    made.run(10**9, 0.01)
    assert worker.LEAST <= len(made.times[0]) == len(made.times[1]) < 10**6


def test_short_calls_are_repeated() -> None:
    made = race(1e-5)
    made.warm()
    assert worker.SAMPLE <= 1e-5 * made.repeat < 2 * worker.SAMPLE
    changed = Race(Case.of(CASE, [np.zeros(4, np.int32), 0]), [compile_kernel(CASE, "")], "wall")
    changed.warm()
    assert changed.repeat == 1, "each call begins with the same arguments"
