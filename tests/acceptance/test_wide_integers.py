"""Integers of more than 64 bits: parameters, results, arrays, tables and every operation, on Python's own integers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel.errors import ArgumentError

N = gm.dims("N")
WIDTHS = (65, 100, 128, 200)


def values(dtype: Any, count: int = 24) -> list[int]:
    rng = random.Random(str(dtype))
    near = [0, 1, dtype.hi, dtype.lo, dtype.hi - 1, dtype.hi // 3, 1 << 64 if dtype.hi >> 64 else 1, 7]
    return near + [dtype.lo + rng.getrandbits(dtype.width) >> rng.randrange(dtype.width) for _ in range(count)]


def wrapped(x: int, dtype: Any) -> int:
    return (x - dtype.lo) % (1 << dtype.width) + dtype.lo


def engines(kernel: gm.Kernel) -> list[Any]:
    return [kernel, kernel.interpret]


def arithmetic(dtype: Any) -> gm.Kernel:
    @gm.kernel
    def f(a: dtype[N], b: dtype[N]) -> tuple[dtype[N], dtype[N], dtype[N], dtype[N], dtype[N], gm.bool_[N]]:
        safe = gm.where(b == 0, 1, b)
        return (
            gm.cast(a + b, dtype),
            gm.cast(a * b, dtype),
            gm.cast(a // safe, dtype),
            gm.cast(a % safe, dtype),
            gm.cast(((a ^ b) >> 3) | (a & b), dtype),
            a < b,
        )

    return f


def check_arithmetic(dtype: Any, pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(column, object) for column in zip(*pairs, strict=True))
    want = [
        (
            wrapped(x + y, dtype),
            wrapped(x * y, dtype),
            wrapped(x // (y or 1), dtype),
            x % (y or 1),
            (x ^ y) >> 3 | (x & y),
            x < y,
        )
        for x, y in pairs
    ]
    for run in engines(arithmetic(dtype)):
        assert list(zip(*(r.tolist() for r in run(a, b)), strict=True)) == want


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("width", WIDTHS)
def test_arithmetic(width: int, signed: bool) -> None:
    dtype = gm.Int(width) if signed else gm.UInt(width)
    some = values(dtype)
    rng = random.Random(width)
    check_arithmetic(dtype, [(rng.choice(some), rng.choice(some)) for _ in range(60)])


@pytest.mark.slow
def test_arithmetic_at_the_widest() -> None:
    dtype = gm.Int(4096)
    some = values(dtype, 6)
    check_arithmetic(dtype, [(x, y) for x in some for y in some[::2]])


def test_the_widest_as_parameter_and_result() -> None:
    wide = gm.Int(4096)

    @gm.kernel
    def f(a: wide, b: wide[2]) -> tuple[wide, wide[2], gm.bool_]:
        return gm.cast(a - 1, wide), gm.cast(b + a, wide), a < b[0]

    b = np.array([wide.hi, wide.lo], object)
    want = (wide.hi, [-1 + 0, 0], True)
    for run in engines(f):
        first, second, third = run(wide.lo, b)
        assert (first, second.tolist(), third) == want


def test_scalars_tables_and_stores_in_place() -> None:
    table = gm.array([1 << 90, -(1 << 99), 5], gm.Int(100))

    @gm.kernel
    def f(x: gm.Int(100), out: gm.UInt(130)[N], at: gm.u8) -> gm.Int(101):
        for i in range(N):
            out[i] += gm.cast(x, gm.UInt(130))
        return x + table[at]

    for run in engines(f):
        out = np.array([0, 1 << 129], object)
        assert run(-(1 << 70), out, 1) == -(1 << 70) - (1 << 99)
        assert out.tolist() == [(1 << 130) - (1 << 70), (1 << 129) - (1 << 70)]
    assert gm.parse(str(f.ir))(5, np.array([0], object), 0) == 5 + (1 << 90)


def test_what_was_stored_before_an_error_stays() -> None:
    @gm.kernel
    def f(out: gm.Int(70)[N], i: gm.i32):
        out[0] = 1 << 65
        out[i] = 1

    for run in engines(f):
        out = np.array([0, 0], object)
        with pytest.raises(gm.errors.BoundsError):
            run(out, 2)
        assert out.tolist() == [1 << 65, 0]


def test_hardware() -> None:
    @gm.kernel
    def f(x: gm.Int(100), a: gm.Int(70)[N], b: gm.UInt(80)[N]) -> tuple[gm.Int(101), gm.Int(160)[N]]:
        out = gm.empty((N,), gm.Int(160))
        for i in range(N):
            out[i] = a[i] * b[i]
            b[i] = gm.cast(b[i] + 1, gm.UInt(80))
        return x + a[0], out

    a, b = np.array([-(1 << 69), 3], object), np.array([(1 << 80) - 1, 1 << 79], object)
    ours, theirs = b.copy(), b.copy()
    want, got = f(-5, a, ours), f.synth(N=2).simulate(-5, a, theirs).outputs
    assert (want[0], want[1].tolist()) == (got[0], got[1].tolist()) == (-5 - (1 << 69), (a * b).tolist())
    assert ours.tolist() == theirs.tolist() == [0, (1 << 79) + 1]


def test_bits_and_concat_across_words() -> None:
    @gm.kernel
    def f(x: gm.UInt(200)) -> tuple[gm.UInt(100), gm.UInt(200), gm.u8]:
        high, low = gm.bits(x, 199, 77), gm.bits(x, 76, 0)
        return gm.bits(x, 130, 31), gm.concat(low, high), gm.bits(x, 67, 60)

    x = random.Random(1).getrandbits(200)
    want = (x >> 31 & (1 << 100) - 1, (x & (1 << 77) - 1) << 123 | x >> 77, x >> 60 & 255)
    assert f(x) == f.interpret(x) == f.synth().simulate(x).outputs == want


def test_out_of_range() -> None:
    @gm.kernel
    def f(x: gm.Int(70)) -> gm.Int(71):
        return x + x

    with pytest.raises(ArgumentError, match="out of the range of i70"):
        f(1 << 69)
