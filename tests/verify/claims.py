"""Kernels of which verification must not claim too much: what is marked `# no` fails for some inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gemel as gm
from gemel import bool_, f32, i8, i16, i32, index, u8

M, N = gm.dims("M N")
TABLE = np.array([0, 1, 2, 4], np.int32)
FALSE: list[Any] = []
CONTRADICTORY: list[Any] = []


def false(f: Callable[..., Any]) -> Any:
    """Something in the kernel fails for some inputs: where its lines say so."""
    k = gm.kernel(f)
    FALSE.append(k)
    return k


def contradictory(f: Callable[..., Any]) -> Any:
    """No inputs fulfil what the kernel requires or assumes."""
    k = gm.kernel(f)
    CONTRADICTORY.append(k)
    return k


@false
def narrowing_teaches(a: i32[128], x: i32) -> i32:
    y: i8 = x
    r: i32 = y
    if x >= 0:
        r = a[x]  # no
    return r


@false
def unknown_stride_balance(a: i32[1], n: i32, stride: i32) -> i32:
    gm.requires(stride > 0)
    up = 0
    down = 0
    out: i32 = 0
    for i in range(0, n, stride):
        up += 1  # noqa: SIM113
        down -= 1
        out += a[i]  # no
    return out


@false
def unknown_stride_invariant(a: i32[1], n: i32, stride: i32) -> i32:
    gm.requires(stride > 0)
    out: i32 = 0
    for i in range(0, n, stride):
        gm.invariant(i == 0)  # no
        out += a[i]
    return out


@false
def unknown_stride_fills(a: i32[N], stride: i32) -> i32[N]:
    gm.requires(stride > 0)
    out = gm.empty((N,), i32)
    for i in range(0, N, stride):
        out[i] = a[i]
    for i in range(N):
        out[i] = out[i] + 1  # no
    return out


@false
def iteration_unknown_same(f: f32[N], a: i32[2 * N + 2]):
    for i in gm.parallel(range(N)):  # no
        k = index(f[i])
        if k >= 0 and k <= 1:
            a[i + k] = 1


@false
def iteration_bool_same(f: f32[N], a: i32[N + 1]):
    for i in gm.parallel(range(N)):  # no
        if f[i] > 0.0:
            a[i] = 1
        else:
            a[i + 1] = 2


@false
def iteration_unknown_region(f: f32[4]) -> i32[4]:
    out = gm.empty((4,), i32)
    for i in range(4):
        k = index(f[i])
        if k >= 0 and k < 4:
            out[k] = 1
    k2 = index(f[0])
    r = gm.zeros((4,), i32)
    if k2 >= 0 and k2 < 4:
        r[0] = out[k2]  # no
    return r


@false
def exit_invariant(a: i32[1], n: i32) -> i32:
    x: i32 = 0
    while x < n:
        gm.invariant(x % 2 == 0)
        x += 1
    return a[x % 2]  # no


@false
def entry_invariant(a: i32[4], x: i32) -> i32:
    y: i32 = x
    n: i32 = 0
    while n < 3:
        gm.invariant(y >= 0 and y < 4)
        n += 1
    return a[y]  # no


@false
def entry_invariant_zero_trip(a: i32[4], x: i32, m: i32) -> i32:
    y: i32 = x
    n: i32 = 0
    while n < m:
        gm.invariant(y >= 0 and y < 4)
        n += 1
    return a[y]  # no


@false
def for_exit_invariant(a: i32[4], x: i32, m: i32) -> i32:
    y: i32 = 0
    for i in range(m):
        gm.invariant(y >= 0 and y < 4)
        y = x
    return a[y]  # no


@false
def chain_with_holes(a: i32[N], p: i32[9]) -> i32:
    gm.requires(N >= 8)
    gm.requires(all(p[i] <= p[i + 1] for i in range(0, 7, 2)))
    assert p[0] <= p[3]  # no
    return p[0]


@false
def chain_scaled(p: i32[9]) -> i32:
    gm.requires(all(p[2 * i] <= p[2 * i + 1] for i in range(4)))
    assert p[0] <= p[3]  # no
    return p[0]


@false
def chain_reversed(p: i32[9]) -> i32:
    gm.requires(all(p[8 - i] <= p[7 - i] for i in range(8)))
    assert p[0] <= p[3]  # no
    return p[0]


@false
def chain_conditional(p: i32[9], q: i32[9]) -> i32:
    gm.requires(all(q[i] == 0 or p[i] <= p[i + 1] for i in range(8)))
    assert p[0] <= p[3]  # no
    return p[0]


@false
def uninitialised_index(a: i32[N]) -> i32[N]:
    idx = gm.empty((N,), i32)
    out = gm.zeros((N,), i32)
    for i in range(0, N, 2):
        idx[i] = i
    for i in range(N):
        out[i] = a[idx[i]]  # no
    return out


@false
def index_wrap_loop(a: i32[100], x: index) -> i32:
    gm.requires(x <= 25)
    out: i32 = 0
    for i in range(4 * x):
        out += a[i]  # no
        if out > 1000:
            break
    return out


@false
def index_wrap_access(a: i32[100], x: index) -> i32:
    out: i32 = 0
    if x > 0:
        y = x + x
        if y < 100:
            out = a[y]  # no
    return out


@false
def index_wrap_square(a: i32[100], x: index) -> i32:
    y = x * x
    out: i32 = 0
    if y < 100:
        out = a[y]  # no
    return out


@false
def index_cast_wrap(a: i32[100], x: gm.UInt(64)) -> i32:
    y = index(x)
    out: i32 = 0
    if y < 100:
        out = a[y]  # no
    return out


@false
def nan_compare(a: f32[N]) -> i32:
    n: i32 = 0
    x = a[0] if N > 0 else f32(0.0)
    assert x < 1.0 or x >= 1.0  # no
    return n


@false
def nan_to_int(a: i32[10], x: f32) -> i32:
    y = index(x)
    out: i32 = 0
    if not (x < 0.0) and not (x > 9.0):
        out = a[y]  # no
    return out


@false
def float_equal(a: i32[1], x: f32) -> i32:
    out: i32 = 0
    if x != x:
        out = a[1]  # no
    return out


@false
def negative_step(a: i32[N]) -> i32:
    out: i32 = 0
    for i in range(N, 0, -1):
        out += a[i]  # no
    return out


@false
def negative_step_fill(a: i32[N]) -> i32[N]:
    out = gm.empty((N,), i32)
    for i in range(N - 1, 0, -1):
        out[i] = a[i]
    for i in range(N):
        out[i] = out[i] + 1  # no
    return out


@false
def zero_size(a: i32[N]) -> i32:
    return a[0]  # no


@false
def zero_size_max(a: i32[N]) -> i32:
    m = a[N // 2]  # no
    return m


@false
def early_return(a: i32[N], x: i32) -> i32:
    for i in range(N):
        if a[i] == x:
            return i
    return a[N]  # no


@false
def after_break(a: i32[N], x: i32) -> i32:
    at = 0
    for i in range(N):
        at = i
        if a[i] == x:
            break
        at = i + 1
    return a[at]  # no


@contradictory
def impossible_input(a: i32[4], x: i32) -> i32:
    gm.requires(x > 3)
    gm.requires(x < 3)
    return a[x]


@contradictory
def impossible_sizes(a: i32[N]) -> i32:
    gm.requires(N < 0)
    return a[5]


@contradictory
def impossible_all(a: i32[N], p: i32[N]) -> i32:
    gm.requires(N == 4)
    gm.requires(all(p[i] < p[i] for i in range(N)))
    return a[7]


@contradictory
def impossible_assume(a: i32[4], x: i32) -> i32:
    gm.requires(x > 3)
    gm.assume(x < 3)
    return a[x]


@false
def sum_wraps(a: i32[N]) -> i32:
    s: i32 = 0
    for i in range(N):
        s += a[i]  # no
    return s


@false
def count_wraps(a: u8[N], b: i32[256]) -> i32:
    gm.requires(N < 1000)
    n: i8 = 0
    for i in range(N):
        n += 1
    return b[n]  # no


@false
def store_wraps(a: i32[N], b: i32[300]) -> i32:
    gm.requires(all(0 <= a[i] < 300 for i in range(N)))
    gm.requires(N > 0)
    t = gm.zeros((N,), i8)
    for i in range(N):
        t[i] = a[i]
    return b[t[0]]  # no


@false
def table_index(a: i32[4], x: u8) -> i32:
    t = TABLE
    return a[t[x & 3]]  # no


@false
def parallel_reduce_read(a: i32[N]) -> i32:
    s: i32 = 0
    for i in gm.parallel(range(N)):  # no
        s += a[i]
        a[i] = s
    return s


@false
def parallel_mixed(a: i32[N], b: i32[N]) -> i32:
    s: i32 = 0
    for i in gm.parallel(range(N)):  # no
        s += a[i]
        s = max(s, b[i])
    return s


@false
def parallel_indirect(a: i32[N], at: i32[N]):
    gm.requires(all(0 <= at[i] < N for i in range(N)))
    for i in gm.parallel(range(N)):  # no
        a[at[i]] = i


@false
def parallel_wrapped(a: i32[256]):
    for i in gm.parallel(range(300)):  # no
        a[u8(i)] = 1


@false
def parallel_mod(a: i32[N]):
    gm.requires(N > 3)
    for i in gm.parallel(range(N)):  # no
        a[i % 3] = i


@gm.kernel
def take_one_beyond(a: i32[N]) -> i32:
    gm.requires(N > 0)
    return a[N]  # no


@false
def view_beyond(a: i32[8]) -> i32:
    return take_one_beyond(a[0:4])


@gm.kernel
def summed(a: i32[N], b: i32[N]):
    for i in range(N):
        a[i] = b[i]  # no


@false
def view_out_of_base(a: i32[N], b: i32[8], n: index):
    gm.requires(N == 8 and n >= 0)
    summed(a[0:n], b[0:n])


@false
def clz_like(a: i32[4], x: u8) -> i32:
    y: i32 = ~x
    return a[y & 3] + a[x]  # no


@false
def mutated_pointer(p: i32[3], a: i32[N]) -> i32:
    gm.requires(0 <= p[0] < N and 0 <= p[1] < N)
    p[1] = p[1] + 1
    return a[p[1]]  # no


@false
def mutated_all(p: i32[N], a: i32[N]) -> i32:
    gm.requires(all(0 <= p[i] < N for i in range(N)))
    for i in range(N):
        p[i] = p[i] + 1
    out: i32 = 0
    for i in range(N):
        out += a[p[i]]  # no
    return out


@false
def aliased_store(p: i32[N], a: i32[N], j: i32, k: i32) -> i32:
    gm.requires(0 <= j < N and 0 <= k < N)
    p[j] = 0
    p[k] = N
    return a[p[j]]  # no


@false
def while_counter(a: i32[N]) -> i32:
    i = 0
    while a[i] != 0:  # no
        i += 1
    return i


@false
def while_two(a: i32[N], b: bool_) -> index:
    i = 0
    j = N
    while i < j:
        if b:
            i += 2
        else:
            j -= 1
    assert i == j  # no
    return i


@false
def divided(a: i32[N], d: i32) -> i32:
    return 100 // (d * d - 4)  # no


@false
def int_min(x: i32) -> i32:
    y: i32 = -x  # no
    return y


@false
def abs_min(x: i32) -> i32:
    y: i32 = abs(x)  # no
    return y


@false
def floor_signs(a: i32[4], x: i32, d: i32) -> i32:
    gm.requires(d != 0)
    r = x % d
    out: i32 = 0
    if r < 4:
        out = a[r]  # no
    return out


@false
def select_paths(a: i32[10], x: i32, c: bool_) -> i32:
    y = x if (x >= 0 and x < 10) else 5
    z = a[y]
    return z + a[x]  # no


@false
def xor_bound(a: i32[16], x: i32, y: i32) -> i32:
    z = (x ^ y) if (x >= 0 and x < 16 and y >= 0 and y < 16) else 0
    return a[z] + a[x ^ y]  # no


@false
def ensures_wrong(x: i32) -> i32:
    y: i32 = x
    if x > 5:
        return x
    gm.ensures(y > 5)  # no
    return y


@false
def fixed_index(a: i32[16], x: gm.Fixed(16, 8)) -> i32:
    y = index(x)
    out: i32 = 0
    if x >= 0:
        out = a[y]  # no
    return out


@false
def early_return_leaves_holes(a: i32[N], x: i32) -> i32:
    t = gm.empty((N,), i32)
    for i in range(N):
        t[i] = a[i]
        if a[i] == x:
            break
    total: gm.Int(64) = 0
    for i in range(N):
        total = t[i]  # no
    return gm.cast(total, i32)


@false
def one_branch_only(x: i32) -> i32:
    t = gm.empty((2,), i32)
    if x > 0:
        t[0] = 1
    return t[0]  # no


@false
def assumed_on_the_way(a: i32[4], i: index, c: bool_) -> i32:
    found: i32 = 0
    if c:
        gm.assume(i >= 0 and i < 4)
        found = a[i]
    return found + a[i]  # no


@false
def asserted_in_a_loop(a: i32[4], i: index, n: index) -> i32:
    for _ in range(n):
        assert 0 <= i < 4  # no
    return a[i]  # no


@false
def float_as_index(a: i32[8], x: f32) -> i32:
    gm.requires(x >= 0.0 and x < 8.5)
    return a[index(x)]  # no


@false
def fixed_as_index(a: i32[8], x: gm.Fixed(8, 4)) -> i32:
    gm.requires(x >= 0)
    return a[index(x + x)]  # no


@false
def counter_of_few_bits(a: i32[N]) -> i32:
    gm.requires(N <= 300)
    n: u8 = 0
    t = gm.empty((N,), i32)
    for i in range(N):
        t[n] = a[i]
        n += 1  # noqa: SIM113  # no
    found: i32 = 0
    for i in range(N):
        found = t[i]  # no
    return found


@false
def inner_loop_runs_less(a: i32[N]) -> i32[N, N]:
    t = gm.empty((N, N), i32)
    for i in range(N):
        for j in range(i):
            t[i, j] = a[j]
    for i in range(N):
        t[i, i] += 1  # no
    return t


@false
def vector_of_neighbours(a: i16[N]):
    for i in gm.parallel(range(0, N - 1, 2)):  # no
        a[i + 1] = a[i]
        a[i] = a[max(i - 1, 0)]


@false
def swapped_rows(a: i32[M, N], p: i32[M]):
    gm.requires(all(0 <= p[i] < M for i in range(M)))
    for i in gm.parallel(range(M)):  # no
        for j in range(N):
            a[p[i], j] = i


@false
def bounds_of_one_branch(x: i32) -> i8:
    v: i32 = x
    if x >= 0 and x <= 100:
        v = i8(x)
    w: i8 = v  # no
    return w
