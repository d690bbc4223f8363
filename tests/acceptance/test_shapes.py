"""Tensors of rank 0 to 6, results in tuples, bit slices and element types as arguments, through every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import bool_, f8e4m3, f16, f32, i8, i16, i32, i64, u8, u16, u32

M, N = gm.dims("M N")
SIZES = (2, 3, 1, 2, 2, 3)
STATIC = (gm.Kernel, type(i8), type(f32), type(gm.Fixed(8, 4)))


def outcomes(kernel: gm.Kernel, *arguments: Any, hardware: bool = True) -> list[list[Any]]:
    """What each engine returns, with the arrays that it changed."""

    def simulate(*args: Any) -> Any:
        return kernel.synth_for(*args).simulate(*(a for a in args if not isinstance(a, STATIC))).outputs

    found = []
    for run in (kernel, kernel.interpret, *((simulate,) if hardware else ())):
        own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        result = run(*own)
        parts = result if isinstance(result, tuple) else (result,)
        found.append([plain(x) for x in (*parts, *(a for a in own if isinstance(a, np.ndarray)))])
    return found


def plain(x: Any) -> Any:
    return (
        x.astype(np.float64).tolist() if isinstance(x, np.ndarray) and x.dtype.kind in "fV" else np.asarray(x).tolist()
    )


def check(kernel: gm.Kernel, *arguments: Any, want: list[Any], hardware: bool = True) -> None:
    """All engines give `want`, the results followed by the arrays."""
    want = [plain(w) for w in want]
    for got in outcomes(kernel, *arguments, hardware=hardware):
        assert got == want


# --------------------------------------------------------------------------------------------------------------- ranks


@pytest.mark.parametrize("rank", range(7))
def test_each_rank(rank: int) -> None:
    shape = SIZES[:rank]

    @gm.kernel
    def f(a: i16[shape], b: i16[shape]) -> tuple[i16[shape], i64, i16[shape], i16[shape]]:
        copy = gm.empty(shape, i16)
        copy[...] = a
        b[...] += a
        total = (a + b).sum() if rank else a + b  # of numbers there is nothing to sum
        return gm.cast(a * b - 1, i16), gm.cast(total, i64), copy, gm.cast(gm.where(a > 2, a, -b), i16)

    a = np.arange(np.prod(shape, dtype=int), dtype=np.int16).reshape(shape)
    b = np.asarray(a + 3, np.int16)
    new = a + b
    check(f, a, b, want=[a * new - 1, int((a + new).sum()), a, np.where(a > 2, a, -new), a, new])


def test_symbols_slices_and_reductions_at_rank_6() -> None:
    A, B, C, D, E, F = gm.dims("A B C D E F")

    @gm.kernel
    def f(x: i16[A, B, C, D, E, F]) -> tuple[i32[A, F], i16[F, E, D, C, B, A], i32]:
        part = x[:, 0, :, ::-1, 1:, :]
        part_sum = gm.cast(part.sum(axis=(1, 2, 3)), i32)
        turned = gm.empty((F, E, D, C, B, A), i16)
        turned[...] = x.T
        return part_sum, turned, gm.cast(x.max() - x[..., 0].min(), i32)

    x = np.arange(2 * 2 * 3 * 2 * 3 * 2, dtype=np.int16).reshape(2, 2, 3, 2, 3, 2)
    want = [x[:, 0, :, ::-1, 1:, :].sum(axis=(1, 2, 3)), x.T, int(x.max() - x[..., 0].min()), x]
    check(f, x, want=want)


def test_rank_0_parameters_locals_and_results() -> None:
    @gm.kernel
    def f(a: i32[()], b: i32[N]) -> i32[()]:
        t = gm.zeros((), i32)
        for i in range(N):
            t[()] += b[i]
        t[...] = t + a
        a[()] = t[()] - 1
        return t

    check(f, np.array(5, np.int32), np.arange(4, dtype=np.int32), want=[11, 10, [0, 1, 2, 3]])


def test_rank_0_broadcasts_reduces_and_is_a_number() -> None:
    @gm.kernel
    def f(a: i32[()], b: i32[N]) -> tuple[i32[N], i32[()], i32]:
        c = gm.full((), 7, i32)
        row = gm.zeros((N,), i32)
        row[:] = a + b * c
        d: i32 = c
        d += a
        if a + c > 8 and c == 7:
            d -= a * 1
        row[0] += gm.cast(d, i32) - c
        return row, gm.cast(a.sum() + a.max() + b.sum(), i32), c

    b = np.arange(3, dtype=np.int32)
    check(f, np.array(2, np.int32), b, want=[2 + b * 7, 7, 7, 2, b])


def test_rank_0_from_indexing() -> None:
    @gm.kernel
    def f(b: i32[M, N]) -> i32[()]:
        return b[1, 0, ...]

    check(f, np.arange(4, dtype=np.int32).reshape(2, 2), want=[2, [[0, 1], [2, 3]]])


def test_a_numpy_number_is_a_tensor_of_rank_0_that_is_not_stored_to() -> None:
    @gm.kernel
    def f(a: i32[()]) -> i32:
        return gm.cast(a + 1, i32)

    @gm.kernel
    def g(a: i32[()]):
        a[()] = 3

    assert f(np.int32(4)) == f.interpret(np.int32(4)) == 5
    with pytest.raises(gm.errors.ArgumentError, match="read-only"):
        g(np.int32(4))


# -------------------------------------------------------------------------------------------------------------- tuples


def test_results_in_tuples_and_from_calls() -> None:
    @gm.kernel
    def pair(x: i32) -> tuple[i32, i32]:
        return gm.cast(x + 1, i32), gm.cast(x * 2, i32)

    @gm.kernel
    def f(x: i32[N]) -> tuple[i32, i32[N], bool_, i32]:
        low, high = pair(x[0])
        again, _ = pair(high)
        return low, gm.cast(x + high, i32), again > 3, again

    check(f, np.array([3, 4], np.int32), want=[4, [9, 10], True, 7, [3, 4]])


# ---------------------------------------------------------------------------------------------------------------- bits


def test_bits_and_concat() -> None:
    @gm.kernel
    def f(a: u32[N], b: gm.Int(5)[N]) -> tuple[gm.UInt(37)[N], u8[N], bool_[N], u32[N]]:
        joined, byte = gm.empty((N,), gm.UInt(37)), gm.empty((N,), u8)
        sign, turned = gm.empty((N,), bool_), gm.empty((N,), u32)
        for i in range(N):
            joined[i] = gm.concat(a[i], b[i])
            byte[i] = gm.bits(a[i], 15, 8)
            sign[i] = gm.bits(b[i], 4, 4) == 1
            turned[i] = gm.concat(gm.bits(a[i], 6, 0), gm.bits(a[i], 31, 7))
        return joined, byte, sign, turned

    a, b = np.array([0xDEADBEEF, 1], np.uint32), np.array([-3, 7], np.int8)
    joined = [int(x) << 5 | int(y) & 31 for x, y in zip(a, b, strict=True)]
    turned = [(int(x) & 127) << 25 | int(x) >> 7 for x in a]
    check(f, a, b, want=[joined, [0xBE, 0], [True, False], turned, a, b])


# ------------------------------------------------------------------------------------------------------ type arguments


@gm.kernel
def scaled(T: gm.static[type], x: T[N], y: T) -> T[N]:  # noqa: F821
    out = gm.zeros((N,), T)
    for i in range(N):
        out[i] = gm.cast(x[i] * y, T)
    return out


@pytest.mark.parametrize(
    ("dtype", "holds", "y", "want"),
    [
        (i8, np.int8, 50, [50, 100, -106]),
        (u16, np.uint16, 40000, [40000, 14464, 54464]),
        (gm.UInt(5), np.uint8, 11, [11, 22, 1]),
        (gm.Int(100), object, 1 << 90, [1 << 90, 1 << 91, 3 << 90]),
        (gm.Fixed(16, 8), np.int16, 384, [1, 3, 4]),
        (f16, np.float16, 0.1, [0.0999755859375, 0.199951171875, 0.2998046875]),
        (f32, np.float32, 0.5, [0.5, 1.0, 1.5]),
    ],
    ids=lambda x: str(x) if isinstance(x, STATIC) else "",
)
def test_one_kernel_for_several_element_types(dtype: Any, holds: Any, y: Any, want: list[Any]) -> None:
    x = np.array([1, 2, 3], holds)
    check(scaled, dtype, x, y, want=[want, x], hardware=not isinstance(dtype, type(f32)))
    assert scaled.specialize(T=dtype)(x, y).tolist() == want


def test_two_type_arguments_with_a_default() -> None:
    @gm.kernel
    def total(T: gm.static[type], x: T[N], Sum: gm.static[type] = f32) -> Sum:  # noqa: F821
        s: Sum = 0
        for v in range(N):
            s += gm.cast(x[v], Sum)
        return s

    x = np.array([448, 448, 0.5], "f4").astype(gm.cast(np.zeros(1), f8e4m3).dtype)
    assert total(f8e4m3, x) == 896.5
    assert total(i8, np.array([127, 127], np.int8), i16) == 254
    with pytest.raises(gm.errors.ArgumentError, match="T is an element type, not 3"):
        total(3, x)
