"""Functional units that several operations share, by default and by limits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i16, i32
from gemel.hwsynth.design import Design
from gemel.semantics.ir import Ref

K = gm.dims("K")


@gm.kernel
def mixed(x: i32[8], y: i32[8], d: i32[8]) -> i32[8]:
    r = gm.zeros((8,), i32)
    for i in range(8):
        a: i32 = x[i] * y[i] + x[i] * 3
        b: i32 = a * x[i] + y[i] * y[i]
        r[i] = a * b - y[i]
    for i in range(8):
        r[i] = i32(r[i] * y[i] + i16(x[i]) * i16(y[i]))
    for i in range(8):
        if d[i] > 0:
            r[i] = r[i] // d[i] + r[i] % i32(d[i] * 2)
    return r


@gm.kernel
def two_nests(a: i32[K], b: i32[K], c: i32[K]):
    for i in range(K):
        c[i] = a[i] * b[i]
    for j in range(1, K):
        c[j] = c[j - 1] * b[j]


@gm.kernel
def straight(x: i32, y: i32) -> i32:
    z: i32 = x * y
    z = z * x + 1
    return i32(i32(z * y) * x)


def operands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x, y = (rng.integers(-(2**31), 2**31, 8, dtype=np.int32) for _ in range(2))
    return x, y, rng.integers(-3, 1000, 8, dtype=np.int32)


def used(design: Design) -> Counter[str]:
    """The units of each resource in a design."""
    return Counter(i.module.name.split("_")[0] for i in design.module.instances)


@pytest.mark.parametrize("clock", [30, 100])
@pytest.mark.parametrize(
    "limits", [{"mul": 1}, {"mul": 2, "div": 1}, {"add": 1}, {"add": 2, "mul": 1, "div": 1}], ids=str
)
def test_limits_hold_and_change_no_value(limits: dict[str, int], clock: float) -> None:
    design = mixed.synth(resources=limits, clock_mhz=clock)
    run = design.simulate(*operands())
    np.testing.assert_array_equal(run.outputs, mixed(*operands()))
    assert run.cycles == design.cycles
    names = {"mul": "multiply", "div": "divide", "add": "add"}
    assert all(used(design)[names[kind]] <= most for kind, most in limits.items())


def test_a_limit_bounds_the_interval_and_is_named() -> None:
    loop = mixed.synth(resources={"mul": 1}).report.loops[-1]
    assert (loop.ii, loop.bound) == (6, "6 mul by 1 unit")


def test_loops_that_do_not_run_at_once_share_a_multiplier() -> None:
    design = two_nests.synth(K=8)
    assert [(u.instances, u.operations) for u in design.report.units] == [(1, 2)]
    assert "multiply_i32_i32_low_32" in str(design.report)


def test_operations_of_a_block_share_units_where_that_costs_no_cycle() -> None:
    design = straight.synth()
    assert design.simulate(1234567, -7654321).outputs == straight(1234567, -7654321)
    alone = straight.synth(resources={"mul": 9})
    assert design.cycles is not None and alone.cycles is not None and design.cycles <= alone.cycles
    assert any(u.instances < u.operations for u in design.report.units)


@gm.kernel
def in_turn(a: i32[8], b: i32[8]):
    for i in range(1, 8):
        a[i] = a[i - 1] * a[i]
    for j in range(1, 8):
        b[j] = b[j - 1] * a[j]
    for k in range(1, 8):
        b[k] = b[k - 1] + a[k] * a[8 - k]


def test_loops_that_do_not_run_at_once_share_registers_of_one_source() -> None:
    design = in_turn.synth()
    sources = Counter(r.next.var.hint for r in design.module.registers if isinstance(r.next, Ref))
    assert sources["a_rdata"] <= 2
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-(2**31), 2**31, 8, dtype=np.int32) for _ in range(2))
    x, y = a.copy(), b.copy()
    run = design.simulate(a, b)
    in_turn(x, y)
    np.testing.assert_array_equal((a, b), (x, y))
    assert run.cycles == design.cycles


@gm.kernel
def floating(x: f32[8], y: f32[8]) -> f32[8]:
    r = gm.zeros((8,), f32)
    for i in range(8):
        r[i] = (x[i] * y[i] + x[i]) * y[i] + y[i]
    return r


def test_units_of_floats_have_limits_too() -> None:
    design = floating.synth(resources={"f32_mul": 1})
    assert [(r.ii, r.bound) for r in design.report.loops][-1] == (2, "2 f32_mul by 1 unit")
    assert {u.name: u.instances for u in design.report.units}["f32_mul"] == 1
    rng = np.random.default_rng(1)
    x, y = rng.random(8, dtype=np.float32), rng.random(8, dtype=np.float32)
    run = design.simulate(x, y)
    np.testing.assert_array_equal(run.outputs, floating(x, y))
    assert run.cycles == design.cycles
