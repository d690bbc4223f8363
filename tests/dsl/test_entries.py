"""Sizes, static and named arguments at every way into a kernel, and where errors are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import gemel as gm
from gemel import i32, u32

N = gm.dims("N")


@gm.kernel
def at(x: i32[N], k: gm.static[int] = 2) -> i32:
    return x[k]


@gm.kernel
def window(x: i32[N], i: i32) -> i32[3]:
    return x[i : i + 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda: at.synth(N=-4),
        lambda: at.synth(n=4),
        lambda: at.compile(n=4),
        lambda: at.verify(n=4),
        lambda: at.verify(N=2.5),
        lambda: window.verify(k=1),
    ],
)
def test_what_is_no_size_or_static_argument_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(gm.errors.ArgumentError) as caught:
        call()
    assert caught.value.code == "A08"


def test_verify_takes_sizes() -> None:
    assert at.verify(N=3).ok and not at.verify(N=2).ok and not at.verify().ok
    assert at.verify(k=0, N=1).ok


def test_simulate_takes_names() -> None:
    design = window.synth(N=4)
    x = np.arange(4, dtype=np.int32)
    assert design.simulate(x, i=1).outputs.tolist() == design.simulate(i=1, x=x).outputs.tolist() == [1, 2, 3]
    for named in ({"j": 1}, {"x": x, "i": 1}, {}):
        with pytest.raises(gm.errors.ArgumentError) as caught:
            design.simulate(x, **named)
        assert caught.value.code == "A01"


def test_a_report_shows_itself() -> None:
    report = at.synth(N=3).report
    assert "cycles" in repr(report)
    assert set(repr(report).splitlines()) < set(str(report).splitlines())  # which finds the formula, too


def test_a_window_that_is_out_of_range_is_told_at_the_return() -> None:
    with pytest.raises(gm.errors.BoundsError) as caught:
        window(np.zeros(4, np.int32), 3)
    assert caught.value.span.source_line().strip() == "return x[i : i + 3]"


def test_the_type_to_declare_is_that_of_the_first_value() -> None:
    @gm.kernel
    def mixed(seed: u32, n: i32) -> u32:
        x = seed
        for _ in range(n):
            x ^= x << 13
        return x

    with pytest.raises(gm.errors.TypeCheckError) as caught:
        mixed(1, 1)
    assert "`x: u32 = seed`" in caught.value.mend


def test_a_mask_as_an_index() -> None:
    @gm.kernel
    def masked(x: i32[N]) -> i32[N]:
        x[x > 2] = 0
        return x

    with pytest.raises(gm.errors.TraceError) as caught:
        masked(np.zeros(3, np.int32))
    assert caught.value.mend == "choose by element: gm.where(x > 2, a, b)"


def test_types_of_numpy_in_a_kernel_are_told_what_is_meant() -> None:
    @gm.kernel
    def converted(x: i32[N]) -> i32[N]:
        return x.astype(np.int32)

    @gm.kernel
    def annotated(x: i32[N]) -> i32:
        first: np.int32 = x[0]
        return first

    for kernel in (converted, annotated):
        with pytest.raises(gm.errors.GemelError) as caught:
            kernel(np.zeros(3, np.int32))
        assert (caught.value.code, caught.value.mend) == ("P07", "write i32")
