"""A scheduled kernel keeps its schedule where it is called; calls and sizes become part of a schedule by steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from schedule.test_steps import gemm, same_bits

import gemel as gm
from gemel import f32, i32
from gemel.errors import ScheduleError
from gemel.schedule import Schedule
from gemel.semantics.schedule.tree import tree

M, N, K = gm.dims("M N K")


def by_hand(m: int, n: int, k: int) -> Schedule:
    s = gemm.schedule(M=m, N=n, K=k).split("i_1", 4, "it", "ir").split("j_1", 16, "jt", "jl")
    s = s.reorder("it", "jt", "k", "ir", "jl").vectorize("jl").unroll("ir")
    return s.accumulate("C", "jt", "ir", "jl", name="tile").absorb("C", "jt")


fast = by_hand(13, 20, 9).kernel


@gm.kernel
def twice(A: f32[13, 9], B: f32[9, 20], D: f32[20, 24]) -> f32[13, 24]:
    t = fast(A, B)
    u = gm.zeros((13, 24), f32)
    for i, j, k in gm.grid(13, 24, 20):
        u[i, j] += t[i, k] * D[k, j]
    return u


def operands(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(sum(map(sum, shapes)))
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def test_a_called_kernel_keeps_its_schedule_and_the_default_takes_the_rest() -> None:
    a, b, d = operands((13, 9), (9, 20), (20, 24))
    made = twice.compile().scheduled
    own = str(by_hand(13, 20, 9)).splitlines()[1:]
    assert "\n".join(own) in tree(made)
    assert "u_tile" in tree(made) and "B_pack" not in tree(made)
    got = twice(a, b, d)
    assert got.tobytes() == twice.schedule("cpu").kernel.interpret(a, b, d).tobytes()
    np.testing.assert_allclose(got, a @ b @ d, rtol=1e-4, atol=1e-5)


def test_what_is_called_is_one_statement_until_it_is_inlined() -> None:
    s = twice.schedule()
    assert "call gemm" in str(s) and "alloc tile" not in str(s)
    whole = s.inline("gemm").reorder("i_1", "k", "j_1")
    assert "alloc tile[4, 16]" in str(whole) and "k_1 in 0 .. 9" in str(whole)
    assert "ir in 0 .. 4  unroll" in str(whole) and "jl in 0 .. 16  vector" in str(whole)
    a, b, d = operands((13, 9), (9, 20), (20, 24))
    assert same_bits(whole, a, b, d).tobytes() == twice.interpret(a, b, d).tobytes()
    assert s.replay(whole.text).text == whole.text
    assert str(s.replay(whole.text).kernel.ir) == str(whole.kernel.ir)
    assert whole.validate().ok and s.validate().ok


def test_scheduled_kernels_call_scheduled_kernels() -> None:
    middle = twice.schedule().split("i_1", 4, "t", "r").kernel

    @gm.kernel
    def outer(A: f32[2, 13, 9], B: f32[9, 20], D: f32[20, 24]) -> f32[2, 13, 24]:
        y = gm.empty((2, 13, 24), f32)
        for n in range(2):
            y[n] = middle(A[n], B, D)
        return y

    a, b, d = operands((2, 13, 9), (9, 20), (20, 24))
    made = outer.compile()
    assert "alloc tile[4, 16]" in tree(made.scheduled) and "t in 0 .. 4" in tree(made.scheduled)
    assert outer(a, b, d).tobytes() == np.stack([twice.interpret(x, b, d) for x in a]).tobytes()


def test_windows_of_larger_arrays_are_passed() -> None:
    @gm.kernel
    def part(A: f32[20, 30], B: f32[9, 20]) -> f32[13, 20]:
        return fast(A[3:16, 2:11], B)

    a, b = operands((20, 30), (9, 20))
    assert part(a, b).tobytes() == gemm.interpret(np.ascontiguousarray(a[3:16, 2:11]), b).tobytes()
    assert "check" not in tree(part.compile().scheduled)


def test_fixed_point_is_passed() -> None:
    q = gm.Fixed(16, 8)

    @gm.kernel
    def halve(a: q[12]) -> q[12]:
        y = gm.empty((12,), q)
        for i in range(12):
            y[i] = gm.cast(a[i] * q(0.5), q)
        return y

    quick = halve.schedule().split("i", 4, "t", "l").vectorize("l").kernel

    @gm.kernel
    def quarter(a: q[12]) -> q[12]:
        return quick(quick(a))

    x = (256 * (np.arange(12) - 6)).astype(np.int16)
    assert "l in 0 .. 4  vector" in tree(quarter.compile().scheduled)
    assert (np.asarray(quarter(x)) == np.asarray(quarter.interpret(x))).all()


def test_steps_look_at_what_is_called() -> None:
    bumped = bump.schedule(N=8).split("i", 4).kernel
    raising = find.schedule(N=8).kernel

    @gm.kernel
    def both(a: i32[8], b: i32[4, 8]) -> i32[8]:
        s = gm.zeros((8,), i32)
        for i in range(4):
            for j in range(8):
                s[j] += b[i, j]
            bumped(s)
        for i in range(4):
            raising(b[i], a)
        return s

    s = both.schedule()
    with pytest.raises(ScheduleError, match="is passed to bump") as caught:
        s.accumulate("s", "i_1", "j")
    assert caught.value.code == "K02"
    with pytest.raises(ScheduleError, match="depend on each other"):
        s.parallel("i_1")
    with pytest.raises(ScheduleError, match="has to come in order"):
        s.parallel("i_2")
    with pytest.raises(ScheduleError, match="its calls: bump, find"):
        s.inline("gemm")
    a, b = np.arange(8, dtype=np.int32), np.arange(32, dtype=np.int32).reshape(4, 8) % 8
    assert (both(a, b.copy()) == both.interpret(a, b.copy())).all()
    assert (both(a, b.copy()) == s.inline("bump").inline("find").kernel(a, b.copy())).all()


@gm.kernel
def bump(a: i32[N]):
    for i in range(N):
        a[i] += 1


@gm.kernel
def find(at: i32[N], table: i32[N]):
    for i in range(N):
        at[i] = table[at[i]]


def test_verified_callers_keep_the_schedule_too() -> None:
    @gm.kernel
    def one(A: f32[13, 9], B: f32[9, 20]) -> f32[13, 20]:
        return fast(A, B)

    assert one.verify().counts["refuted"] == 0
    assert "alloc tile[4, 16]" in tree(one.compile().scheduled)


# ------------------------------------------------------------------------------------------------------------- versions


def test_a_version_for_given_sizes_has_steps_of_its_own() -> None:
    s = gemm.schedule().specialize(N=48, K=5)
    s = s.split("j_1_N48_K5", 16, "jt", "jl").reorder("jt", "k_N48_K5", "jl").vectorize("jl")
    assert str(s).splitlines()[1] == "  if (N == 48) and (K == 5)"
    at = {"special": ((7, 5), (5, 48)), "other": ((7, 5), (5, 47))}
    for name, shapes in at.items():
        a, b = operands(*shapes)
        assert same_bits(s, a, b).tobytes() == gemm.interpret(a, b).tobytes()
        made = tree(s.kernel.compile(M=7, N=shapes[1][1], K=5).scheduled)
        assert ("vector" in made) == (name == "special") and "if" not in made
    assert gemm.schedule().replay(s.text).text == s.text


def test_versions_keep_windows_close() -> None:
    s = gemm.schedule().specialize(N=48).split("j_1_N48", 16, "jt", "jl").reorder("jt", "k_N48", "jl")
    s = s.accumulate("C", "jt", "jl", name="row").vectorize("jl")
    a, b = operands((7, 5), (5, 48))
    assert same_bits(s, a, b).tobytes() == gemm.interpret(a, b).tobytes()


@pytest.mark.parametrize(
    ("sizes", "code", "part"),
    [({"X": 4}, "K01", "its open sizes: M, K, N"), ({}, "K01", "no size"), ({"N": -1}, "K03", "an int from 0")],
)
def test_versions_refused(sizes: dict[str, int], code: str, part: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        gemm.schedule().specialize(**sizes)
    assert caught.value.code == code and part in str(caught.value)


def test_tiles_are_blocks_of_a_nest() -> None:
    s = gemm.schedule(M=7, N=33, K=5).tile(i_1=4, j_1=16)
    assert [line.split()[0] for line in str(s).splitlines()[4:8]] == ["i_1_o", "j_1_o", "i_1_i", "j_1_i"]
    a, b = operands((7, 5), (5, 33))
    assert same_bits(s, a, b).tobytes() == gemm.interpret(a, b).tobytes()
    assert s.text == "tile(i_1=4, j_1=16)\n"
    with pytest.raises(ScheduleError, match="two loops or more"):
        gemm.schedule().tile(i_1=4)
