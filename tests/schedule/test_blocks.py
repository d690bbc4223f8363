"""Nests fused in blocks: values held in arrays, arrays no larger than a block needs, padding computed along."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import f32, i32
from gemel.errors import ScheduleError
from gemel.schedule import Schedule
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Alloc
from gemel.semantics.traverse import statements

M, N, K, H, L, D = gm.dims("M N K H L D")


@gm.kernel
def attention(q: f32[H, L, D], k: f32[H, L, D], v: f32[H, L, D]) -> f32[H, L, D]:
    out = gm.empty((H, L, D), f32)
    for h in range(H):
        s = (q[h] @ k[h].T) * gm.rsqrt(f32(D))
        e = gm.exp(s - s.max(axis=1, keepdims=True))
        out[h] = (e / e.sum(axis=1, keepdims=True)) @ v[h]
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
    ("pad nothing", lambda: twice.schedule(N=9).pad("i"), "K03", "only keeps padding out"),
]


def shifting() -> Schedule:
    @gm.kernel
    def own(a: i32[N]):
        for i in range(N):
            a[i] = a[i] * 3

    return own.schedule(N=8)


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


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(st.integers(1, 2), st.integers(1, 45), st.integers(1, 9))
def test_attention_at_odd_sizes(h: int, length: int, d: int) -> None:
    arrays = drawn(*[(h, length, d)] * 3)
    got = same_bits(attention.schedule("cpu", H=h, L=length, D=d), *arrays)
    np.testing.assert_allclose(got, reference(*arrays), rtol=2e-5, atol=2e-5)
