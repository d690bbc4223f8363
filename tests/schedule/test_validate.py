"""Validation proves a schedule's kernel equal to its source, and refutes one that was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from schedule.test_steps import gemm, layernorm, softmax, total, whole

import gemel as gm
from gemel import i32
from gemel.parser import parse
from gemel.semantics.passes.guard import guard
from gemel.semantics.schedule.validate import validate

N = gm.dims("N")

SCHEDULES = {
    "gemm": lambda: gemm.schedule("cpu", M=13, N=20, K=17),
    "integers": lambda: whole.schedule("cpu", M=9, N=17, K=9),
    "softmax": lambda: softmax.schedule("cpu", M=2, N=70),
    "layernorm": lambda: layernorm.schedule("cpu", M=2, N=70),
    "sum": lambda: total.schedule("cpu", N=333),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_default_schedules_are_proved(name: str) -> None:
    found = SCHEDULES[name]().validate()
    assert found.ok, str(found)


def test_steps_that_keep_the_order_are_proved_bit_for_bit() -> None:
    s = gemm.schedule(M=7, N=18, K=5).split("i_1", 3, "it", "ir").split("j_1", 16, "jt", "jl")
    found = s.reorder("it", "jt", "k", "ir", "jl").vectorize("jl").accumulate("C", "jt", "ir", "jl").validate()
    assert found.ok and found.roundings and "order of sums" not in str(found)


CHANGES = [
    ("< 20 {", "< 19 {"),  # the last column is not stored
    ("j_1_l_C_tile_back)] =", "0)] ="),  # all lanes to one column
    ("0.0:f32, 0.0:f32", "1.0:f32, 0.0:f32"),  # accumulators begin at one
    ("A[0 + i_1_r, k]", "A[0 + i_1_r, 0]"),  # the same product over and over
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_changed_kernel_is_refuted(old: str, new: str) -> None:
    inner = gemm.schedule("cpu", M=13, N=20, K=5)._inner
    text = str(inner.kernel)
    assert old in text, text
    changed = replace(inner, kernel=guard(parse(text.replace(old, new))))
    assert validate(changed).status == "refuted"


def test_branches_that_depend_on_data_are_choices() -> None:
    kernel = gm.parse("""
kernel f(x: i32[8]) -> (y: i32[8]) {
  for i in 0 .. 8 {
    y[i] = 0:i32
    if x[i] > 0:i32 {
      y[i] = x[i]
    }
  }
}""")
    assert kernel.schedule().split("i", 4).validate().ok


@pytest.mark.slow
def test_runs_that_may_not_end_are_no_answer() -> None:
    """Drawn arguments may make a loop run for ever: nobody waits for that."""

    @gm.kernel
    def until(x: i32[N]) -> i32:
        n: i32 = 0
        while x[0] != 12345:
            n += 1
            x[0] *= 1
        return n

    found = until.schedule(N=3).validate()
    assert found.status == "unknown" or found.ok
