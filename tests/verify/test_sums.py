"""Sums from a known start with so many terms at most: proved to fit, or not."""

from __future__ import annotations

import numpy as np
import pytest

import gemel as gm
from gemel import i8, i16, i32, i64

M, N = gm.dims("M N")


def narrowings(kernel: gm.Kernel) -> list[str]:
    return [o.status for o in kernel.verify().obligations if o.kind == "narrowing"]


def summing(terms: int, start: int) -> gm.Kernel:
    @gm.kernel
    def summed(x: i8[300]) -> i16:
        total: i16 = start
        for i in range(terms):
            total += x[i]
        return total

    return summed


@pytest.mark.parametrize(
    ("terms", "start", "fits"), [(256, 0, True), (257, 0, False), (256, -1, False), (255, -128, True)]
)
def test_terms_are_counted(terms: int, start: int, fits: bool) -> None:
    kernel = summing(terms, start)
    assert (narrowings(kernel) == ["proved"]) == fits
    lowest = kernel(np.full(300, -128, np.int8))
    assert (lowest == start - 128 * terms) == fits


@gm.kernel
def downwards(x: i8[300]) -> i16:
    total: i16 = 0
    for i in range(299, 43, -1):
        if x[i] != 3:
            total += x[i]
    return total


@gm.kernel
def nested(x: i8[300]) -> i16:
    total: i16 = 0
    for _ in range(3):
        for i in range(100):
            total += x[i]
    return total


@gm.kernel
def twice(x: i8[300]) -> i16:
    total: i16 = 0
    for i in range(200):
        total += x[i]
        total += x[i]
    return total


@gm.kernel
def elsewhere(x: i8[300]) -> i16:
    out = gm.zeros((300,), i16)
    for j in range(2):
        out[j] = 30000
        for i in range(200):
            out[i] += x[i] * 50
    return out[1]


@gm.kernel
def by_rows(x: i8[M, 64]) -> i16[M]:
    out = gm.empty((M,), i16)
    for m in range(M):
        out[m] = 7
        for n in range(64):
            out[m] += x[m, n]
    return out


def test_which_sums_are_known() -> None:
    assert narrowings(downwards) == narrowings(by_rows) == ["proved"]
    for kernel in (nested, twice, elsewhere):
        assert "proved" not in narrowings(kernel)


@gm.kernel
def product(a: i8[M, 9], b: i8[9, N]) -> i32[M, N]:
    return gm.saturate(a @ b, i32)


@gm.kernel
def unbounded(x: i8[N]) -> i64:
    return gm.sum(x)


@gm.kernel
def narrow(x: i8[N]) -> i32:
    return gm.sum(x, dtype=i32)


def test_a_type_made_for_a_sum_holds_it() -> None:
    assert product.verify().ok and not product.verify().assumed


def test_a_sum_of_any_length_takes_a_limit_for_granted_and_says_so() -> None:
    report = unbounded.verify()
    assert report.ok and [what for what, _ in report.assumed] == ["a sum has at most 2**32 terms"]
    assert "proved" not in narrowings(narrow)


@gm.kernel
def unrolled(x: i8[3 * N]) -> i16:
    total: i16 = 0
    for i in range(N):
        for n in gm.unroll(range(3)):
            total += x[3 * i + n]
    return total


def test_alike_rows_are_one() -> None:
    report = unrolled.verify()
    assert [row[:2] for row in report.rows() if row[0] != "proved"] == [("unknown", "3 narrowing")]
    assert len([row for row in report.rows(every=True) if row[0] != "proved"]) == 3


@gm.kernel
def groups(x: i8[N], count: gm.static[int]) -> i32:
    gm.requires(N % count == 0)
    found: i32 = 0
    for g in range(count):
        for i in range(N // count):
            if x[g * (N // count) + i] > 0:
                found = g
    return found


@pytest.mark.parametrize("count", [2, 3, 8])
def test_what_is_required_of_a_remainder_is_in_no_proof_s_way(count: int) -> None:
    assert groups.verify(count=count).ok
