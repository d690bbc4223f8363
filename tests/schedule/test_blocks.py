"""Nests fused in blocks: values held in arrays, arrays no larger than a block needs, padding computed along."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from campaign import examples
from hypothesis import given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import f32, i32
from gemel.bench.kernels import attention, causal
from gemel.errors import ScheduleError
from gemel.schedule import Schedule
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Alloc
from gemel.semantics.traverse import statements

M, N, K, H, L, D = gm.dims("M N K H L D")


@gm.kernel
def triangle(a: f32[N, N]) -> f32[N]:
    out = gm.zeros((N,), f32)
    for i in range(N):
        for j in range(i + 1):
            out[i] += a[i, j]
    return out


@gm.kernel
def weighted(a: f32[M, K], w: f32[M], b: f32[K, N]) -> f32[M, N]:
    return (a / w[:, None]) @ b


@gm.kernel
def twice(a: f32[N]) -> f32[N]:
    """The second loop takes what the first has made."""
    t = gm.empty((N,), f32)
    out = gm.empty((N,), f32)
    for i in range(N):
        t[i] = a[i] * 3.0
    for j in range(N):
        out[j] = t[j] + a[j] * 3.0
    return out


@gm.kernel
def shifted(a: i32[N]) -> i32[N]:
    t = gm.zeros((N + 1,), i32)
    out = gm.empty((N,), i32)
    for i in range(N):
        t[i + 1] = a[i]
        out[i] = t[i]
    return out


def drawn(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(sum(map(sum, shapes)))
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def same_bits(schedule: Schedule, *arrays: Any) -> Any:
    """The scheduled kernel on the CPU, which must have the interpreter's bits."""
    got = schedule.kernel(*arrays)
    assert np.asarray(got).tobytes() == np.asarray(schedule.kernel.interpret(*arrays)).tobytes()
    return got


def largest_array(schedule: Schedule) -> int:
    """The elements of the largest local array."""
    shapes = [s.buffer.shape for s in statements(schedule.kernel.ir.body) if isinstance(s, Alloc)]
    return max(prod(value_of(n, {}) or 1 for n in shape) for shape in shapes)


# ---------------------------------------------------------------------------------------------------------------- steps


def test_hold_computes_a_factor_once() -> None:
    a, w, b = drawn((6, 5), (6,), (5, 7))
    s = weighted.schedule(M=6, K=5, N=7)
    held = s.hold("i", "i", "k", name="ratio")
    assert "alloc ratio[6, 5]" in str(held) and "i_ratio in 0 .. 6" in str(held)
    assert same_bits(held, a, w, b).tobytes() == weighted.interpret(a, w, b).tobytes()
    assert held.validate().ok and str(s.replay(held.text)) == str(held)


def test_recall_reads_what_an_array_holds() -> None:
    a = np.arange(9, dtype=np.float32)
    s = twice.schedule(N=9).recall("t", "j")
    assert str(s.kernel.ir).count("3.0") == 1
    assert (same_bits(s, a) == 6 * a).all() and s.validate().ok


def test_layout_and_reuse_keep_all_bits() -> None:
    arrays = drawn((4, 5), (4,), (5, 3))
    s = weighted.schedule(M=4, K=5, N=3).hold("i", "i", "k").layout("div", 1, 0)
    assert "alloc div[5, 4]" in str(s) and s.validate().ok
    assert same_bits(s, *arrays).tobytes() == weighted.interpret(*arrays).tobytes()


def test_localize_leaves_what_a_block_needs() -> None:
    a = np.arange(70, dtype=np.float32)
    s = twice.schedule(N=70).split("i", 32, "ib", "ir").split("j", 32, "jb", "jr").fuse("ib", "jb").localize("t", "ib")
    assert "alloc t[32]" in str(s)
    assert (same_bits(s, a) == 6 * a).all() and s.validate().ok


def test_pad_drops_what_only_keeps_padding_out() -> None:
    a = np.arange(70, dtype=np.float32)
    s = twice.schedule(N=70).split("i", 32, "ib", "ir").split("j", 32, "jb", "jr").fuse("ib", "jb").localize("t", "ib")
    with pytest.raises(ScheduleError, match="only keeps padding out"):
        s.pad("ib")  # the argument ends where it ends

    @gm.kernel
    def squares(out: i32[N]):
        t = gm.empty((N,), i32)
        for i in range(N):
            t[i] = gm.cast(i, i32)
        for j in range(N):
            out[j] = t[j] * 2

    s = squares.schedule(N=70).split("i", 32, "ib", "ir").split("j", 32, "jb", "jr").fuse("ib", "jb")
    padded = s.localize("t", "ib").pad("ib")
    assert str(padded).count("if ") == 1
    out = np.zeros(70, np.int32)
    padded.kernel(out)
    assert (out == 2 * a).all() and padded.validate().ok


def test_pad_keeps_a_condition_whose_elements_are_read() -> None:
    @gm.kernel
    def partly(out: i32[4, 8], n: i32):
        for b in range(4):
            t = gm.zeros((8,), i32)
            for i in range(8):
                if i < n:
                    t[i] += 1
            for i in range(8):
                out[b, i] = t[i]

    s = partly.schedule()
    for step in (s.pad, s.unguard):
        with pytest.raises(ScheduleError, match="padding out"):
            step("b")


def test_expand_and_distribute_make_nests_of_a_loop_over_rows() -> None:
    @gm.kernel
    def rows(a: f32[M, N]) -> f32[M, N]:
        out = gm.empty((M, N), f32)
        for i in range(M):
            t = gm.empty((N,), f32)
            for j in range(N):
                t[j] = a[i, j] * 2.0
            for j in range(N):
                out[i, j] = t[j] + t[N - 1 - j]
        return out

    (a,) = drawn((5, 6))
    s = rows.schedule(M=5, N=6).expand("i").distribute("i")
    assert "alloc t[5, 6]" in str(s) and str(s).count("in 0 .. 5") == 2
    assert same_bits(s, a).tobytes() == rows.interpret(a).tobytes() and s.validate().ok
    with pytest.raises(ScheduleError, match="names something"):
        rows.schedule(M=5, N=6).distribute("i")


def test_triangles_lose_what_does_nothing() -> None:
    (a,) = drawn((13, 13))
    s = triangle.schedule(N=13).expand("i_1").square("j").split("i_1", 4, "ib", "ir").reorder("ib", "j", "ir")
    assert "j in 0 .. 13" in str(s)
    s = s.tighten("j")
    assert "j in 0 .. min(13, (ib * 4) + 4)" in str(s)
    s = s.clear("j")
    assert "j in 0 .. (ib * 4) + 1" in str(s) and str(s).count("< (((ib * 4) + ir_1) + 1)") == 1
    assert same_bits(s, a).tobytes() == triangle.interpret(a).tobytes() and s.validate().ok


def test_absorb_keeps_a_fill_that_leaves_something_out() -> None:
    @gm.kernel
    def kept(a: f32[4, 4]) -> f32[4, 4]:
        t = gm.full((4, 4), 1.0, f32)
        for i, j in gm.grid(4, 4):
            if j < i + 1:
                t[i, j] = 0.0
        for i, j, k in gm.grid(4, 4, 4):
            t[i, j] += a[i, k] * a[k, j]
        return t

    s = kept.schedule()
    loops = [line.split()[0] for line in str(s).splitlines() if " in 0 .. 4" in line]
    s = s.reorder(loops[-3], loops[-1], loops[-2]).accumulate("t", loops[-3], loops[-2])
    with pytest.raises(ScheduleError, match="no nest before"):
        s.absorb("t", loops[-3])


def shifting() -> Schedule:
    @gm.kernel
    def own(a: i32[N]):
        for i in range(N):
            a[i] = a[i] * 3

    return own.schedule(N=8)


def going_back() -> Schedule:
    @gm.kernel
    def line(a: i32[N], t: i32[N + 1], out: i32[N]):
        for i in range(N):
            out[i] = t[i]
            t[i + 1] = a[i]

    return line.schedule(N=8)


def far_localized() -> Schedule:
    @gm.kernel
    def carried(a: i32[M, N]) -> i32[M, N]:
        """An element outlives the inner loop: the next row takes it."""
        t = gm.empty((N,), i32)
        out = gm.empty((M, N), i32)
        for i in range(M):
            for j in range(N):
                if i == 0:
                    t[j] = 0
                out[i, j] = t[j]
                t[j] = a[i, j]
        return out

    return carried.schedule(M=3, N=4).localize("t", "j")


def only_loop() -> Schedule:
    @gm.kernel
    def line(a: i32[N]) -> i32[N]:
        t = gm.empty((N + 1,), i32)
        out = gm.empty((N,), i32)
        for i in range(N):
            t[i + 1] = a[i]
            out[i] = t[i + 1] + t[i] * 0
        return out

    return line.schedule(N=8).localize("t", "i")


REFUSED: list[tuple[str, Callable[[], Schedule], str, str]] = [
    ("hold nothing", lambda: twice.schedule(N=9).hold("i"), "K01", "no loop is no loop in i"),
    ("hold of no such loop", lambda: twice.schedule(N=9).hold("i", "j"), "K01", "these are: i"),
    ("hold of what changes", lambda: shifting().hold("i", "i"), "K02", "a changes in i"),
    ("hold of another loop's", lambda: weighted.schedule(M=4, K=4, N=4).hold("i", "k"), "K03", "computed from k alone"),
    ("recall before", lambda: twice.schedule(N=9).recall("out", "i"), "K03", "doesn't come after"),
    ("recall of nothing", lambda: shifted.schedule(N=9).recall("t", "i_1"), "K03", "not stored to by one statement"),
    ("layout of an argument", lambda: weighted.schedule(M=4, K=4, N=4).layout("a", 1, 0), "K03", "is no local array"),
    ("layout of other axes", lambda: twice.schedule(N=9).layout("t", 1), "K03", "no order of the 1 axes"),
    ("localize what others use", lambda: twice.schedule(N=9).localize("t", "i"), "K02", "used outside of i"),
    ("localize what is shared", lambda: only_loop(), "K02", "share elements of t: iteration i="),
    ("reuse of what is read", lambda: twice.schedule(N=9).reuse("t", "out"), "K03", "is no local array"),
    ("localize from far", far_localized, "K03", "isn't made in the block of j"),
    ("expand nothing", lambda: twice.schedule(N=9).expand("i"), "K03", "makes no arrays and names no values"),
    ("expand of unknown length", lambda: causal.schedule(H=1).expand("i"), "K03", "to a known number"),
    ("distribute one statement", lambda: twice.schedule(N=9).distribute("i"), "K03", "has one statement"),
    ("distribute what goes back", lambda: going_back().distribute("i"), "K02", "would come too early"),
    ("square of a square", lambda: triangle.schedule(N=9).square("i"), "K03", "ends at a number"),
    ("tighten without a condition", lambda: triangle.schedule(N=9).tighten("j"), "K02", "in each iteration of j"),
    ("clear without a condition", lambda: triangle.schedule(N=9).clear("j"), "K03", "no condition in j"),
    ("pad nothing", lambda: twice.schedule(N=9).pad("i"), "K03", "only keeps padding out"),
]


@pytest.mark.parametrize(("take", "code", "part"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(take: Callable[[], Schedule], code: str, part: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        take()
    assert caught.value.code == code and part in str(caught.value), str(caught.value)


def test_reuse_refuses_what_is_read_later() -> None:
    @gm.kernel
    def three(a: i32[N]) -> i32[N]:
        t = gm.empty((N,), i32)
        u = gm.empty((N,), i32)
        out = gm.empty((N,), i32)
        for i in range(N):
            t[i] = a[i] + 1
        for i in range(N):
            u[i] = t[i] * 2
        for i in range(N):
            out[i] = u[i] + t[i]
        return out

    with pytest.raises(ScheduleError, match="t is used after u is stored to"):
        three.schedule(N=8).reuse("u", "t")


# -------------------------------------------------------------------------------------------------------------- default


def reference(q: Any, k: Any, v: Any) -> Any:
    s = (q.astype(np.float64) @ k.transpose(0, 2, 1)) / np.sqrt(q.shape[2])
    e = np.exp(s - s.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)) @ v


def test_attention_stores_a_block_of_scores() -> None:
    s = attention.schedule("cpu", H=2, L=200, D=16)
    assert largest_array(s) <= 64 * 200
    q, k, v = drawn(*[(2, 200, 16)] * 3)
    got = attention(q, k, v)
    np.testing.assert_allclose(got, reference(q, k, v), rtol=2e-5, atol=2e-5)
    assert s.kernel(q, k, v).tobytes() == got.tobytes()


def causal_reference(q: Any, k: Any, v: Any) -> Any:
    s = (q.astype(np.float64) @ k.transpose(0, 2, 1)) / np.sqrt(q.shape[2])
    e = np.where(np.tri(q.shape[1]) > 0, np.exp(s - s.max(-1, keepdims=True)), 0.0)
    return (e / e.sum(-1, keepdims=True)) @ v


def test_causal_attention_leaves_out_what_it_masks() -> None:
    s = causal.schedule("cpu", H=2, L=200, D=16)
    assert largest_array(s) <= 64 * 200 and ".. min(200, (i_4_b * 64) + 64)" in str(s)
    q, k, v = drawn(*[(2, 200, 16)] * 3)
    v[0, 150:] = np.nan  # what is masked is not even multiplied by zero
    got = causal(q, k, v)
    np.testing.assert_allclose(got[0, :150], causal_reference(q, k, np.nan_to_num(v))[0, :150], rtol=2e-5, atol=2e-5)
    assert np.isnan(got[0, 150:]).all() and s.kernel(q, k, v).tobytes() == got.tobytes()


@pytest.mark.slow
@settings(max_examples=examples(3), deadline=None)
@given(st.integers(1, 2), st.integers(1, 37), st.integers(1, 9))
def test_attention_at_odd_sizes(h: int, length: int, d: int) -> None:
    arrays = drawn(*[(h, length, d)] * 3)
    got = same_bits(attention.schedule("cpu", H=h, L=length, D=d), *arrays)
    np.testing.assert_allclose(got, reference(*arrays), rtol=2e-5, atol=2e-5)


@pytest.mark.slow
@settings(max_examples=examples(3), deadline=None)
@given(st.integers(1, 2), st.integers(1, 37), st.integers(1, 9))
def test_causal_attention_at_odd_sizes(h: int, length: int, d: int) -> None:
    arrays = drawn(*[(h, length, d)] * 3)
    got = same_bits(causal.schedule("cpu", H=h, L=length, D=d), *arrays)
    np.testing.assert_allclose(got, causal_reference(*arrays), rtol=2e-5, atol=2e-5)
