"""What Python's `while True`, `and`, `or` and `reversed` mean, they mean in a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32, index, u8, u32

N = gm.dims("N")


def everywhere(kernel: gm.Kernel, *args: Any) -> Any:
    """What the CPU, the interpreter and the hardware give, which must be one."""

    def simulated(*own: Any) -> Any:
        return kernel.synth_for(*own).simulate(*own).outputs

    runs: list[Callable[..., Any]] = [kernel, kernel.interpret, simulated]
    first, *others = [run(*(a.copy() if isinstance(a, np.ndarray) else a for a in args)) for run in runs]
    for other in others:
        np.testing.assert_array_equal(first, other)
    return first


@gm.kernel
def collatz(n: u32) -> i32:
    steps: i32 = 0
    v: u32 = n
    while True:
        if v == 1:
            return steps
        v = gm.cast(v // 2 if v % 2 == 0 else 3 * v + 1, u32)
        steps += 1


def test_while_true_with_a_return() -> None:
    assert everywhere(collatz, 27) == 111


@gm.kernel
def shrunk(x: i32[N]) -> i32:
    turns: i32 = 0
    for i in range(N):
        while 1:
            if x[i] == 0:
                break
            x[i] >>= 1
            if x[i] == 1:
                continue
            turns += 1
    return turns


def test_while_true_with_break_and_continue() -> None:
    assert everywhere(shrunk, np.arange(9, dtype=np.int32)) == 14


@gm.kernel
def unrolled(x: i32) -> i32:
    k = 0
    while True:
        k += 1
        if k > 5:
            break
    return k * x


def test_while_true_that_tracing_leaves_is_unrolled() -> None:
    assert "while" not in str(unrolled.ir) and unrolled(3) == 18


@gm.kernel
def chosen(a: i32, b: i32, c: u8) -> tuple[i32, i32, i32, i32, i32]:
    return a and b, a or b or c, a > 0 and b, (a and b) > 2, a and 9


@pytest.mark.parametrize("args", [(3, 4, 5), (0, 4, 5), (0, 0, 9), (-1, 7, 0)])
def test_and_and_or_of_numbers_give_one_of_them(args: tuple[int, int, int]) -> None:
    assert everywhere(chosen, *args) == chosen.fn(*args)


@gm.kernel
def guarded(x: i32[N], i: i32) -> i32:
    return i < N and x[i]


def test_the_second_number_is_asked_for_only_where_it_counts() -> None:
    x = np.array([5, 6], np.int32)
    assert [everywhere(guarded, x, i) for i in (0, 1, 2)] == [5, 6, 0]


@gm.kernel
def branching(n: i32, x: f32) -> i32:
    if n and x:
        return 1
    return 2 if not (n or x) else 3


def test_conditions_ask_for_truth_alone() -> None:
    assert [branching(n, x) for n in (0, 1) for x in (0.0, 2.0)] == [2, 3, 3, 1]


def test_numbers_of_two_kinds_are_no_value() -> None:
    @gm.kernel
    def mixed(n: i32, x: f32) -> f32:
        return n and x

    with pytest.raises(gm.errors.TypeCheckError) as caught:
        mixed(1, 1.0)
    assert caught.value.code == "T02"


@gm.kernel
def backwards(x: i32[N], step: gm.static[int]) -> index:
    seen: index = 0
    for i in reversed(range(1, N, step)):
        seen = seen * 16 + i
    for i in reversed(range(N, 1, -step)):
        seen = seen * 16 + i
    return seen


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("size", range(7))
def test_reversed_range(size: int, step: int) -> None:
    seen = 0
    for i in [*reversed(range(1, size, step)), *reversed(range(size, 1, -step))]:
        seen = seen * 16 + i
    assert backwards(np.zeros(size, np.int32), step) == seen


def test_a_reversed_range_whose_step_depends_on_data_is_refused() -> None:
    @gm.kernel
    def unknown(n: i32) -> i32:
        last: i32 = 0
        for i in reversed(range(0, 9, n)):
            last = i
        return last

    with pytest.raises(gm.errors.TraceError) as caught:
        unknown(2)
    assert caught.value.code == "P06"


@gm.kernel
def dot(x: i32[N], y: i32[N]) -> i32:
    return gm.cast(sum(x[i] * y[i] for i in range(N)), i32)


@gm.kernel
def above(x: i32[N], y: i32[N]) -> i32:
    return gm.cast(gm.sum(x[i] * y[j] for i in range(N) if x[i] > 1 for j in range(i)), i32)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_sum_of_as_many_terms_as_a_size_is_a_loop(size: int) -> None:
    x, y = np.arange(size, dtype=np.int32), np.arange(size, dtype=np.int32) - 2
    assert everywhere(dot, x, y) == sum(x * y)
    assert everywhere(above, x, y) == sum(x[i] * y[j] for i in range(size) if x[i] > 1 for j in range(i))


def test_counting() -> None:
    @gm.kernel
    def counted(x: i32[N], some: gm.static[bool]) -> tuple[i32, i32, i32]:
        ones = sum(1 for i in range(N) if x[i] > 2)
        tests = sum(x[i] > 2 for i in range(N))
        return gm.cast(ones, i32), gm.cast(tests, i32), gm.cast(sum(x[i] for i in range(N) if some), i32)

    x = np.arange(6, dtype=np.int32)
    assert counted(x, True) == counted.interpret(x, True) == (3, 3, 15)
    assert counted(x, False) == (3, 3, 0)


def test_a_sum_of_floats_keeps_its_format() -> None:
    @gm.kernel
    def halves(x: f32[N]) -> f32:
        return sum(x[i] * 0.5 for i in range(N))

    assert halves(np.ones(3, np.float32)) == halves.interpret(np.ones(3, np.float32)) == 1.5


def test_tensors_made_for_several_names_have_these_names() -> None:
    @gm.kernel
    def several(x: i32[N]) -> i32[N]:
        a, b = (gm.zeros((N,), i32) for _ in range(2))
        c, d = gm.zeros((N,), i32), gm.zeros((N,), i32)
        for i in range(N):
            a[i], b[i], c[i], d[i] = x[i], x[i], x[i], x[i]
        return gm.cast(a + b + c + d, i32)

    made = [line.split()[1].rstrip(":") for line in str(several.ir).splitlines() if line.strip().startswith("alloc")]
    assert made[:4] == ["a", "b", "c", "d"]
