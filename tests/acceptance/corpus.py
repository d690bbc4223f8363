"""Kernels of many fields, each with inputs and an independent reference; they run through every engine."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

import gemel as gm
from gemel import bool_, i8, i16, i32, i64, u8, u16, u32

H, K, L, M, N, NNZ, P = gm.dims("H K L M N NNZ P")


@dataclass(frozen=True)
class Case:
    """A kernel, a maker of fresh arguments, and what results (or changed arguments) the reference gives."""

    name: str
    kernel: Any
    arguments: Callable[[], tuple[Any, ...]]
    reference: Callable[..., Any]
    in_place: bool = False


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# ------------------------------------------------------------------------------------------------------ dense algebra


@gm.kernel
def atax(A: i32[M, N], x: i32[N]) -> i32[N]:
    y = gm.zeros((N,), i32)
    for i in range(M):
        t: i32 = 0
        for j in range(N):
            t += A[i, j] * x[j]
        for j in range(N):
            y[j] += A[i, j] * t
    return y


@gm.kernel
def triangular_solve(lower: i64[N, N], b: i64[N]) -> i64[N]:
    x = gm.empty((N,), i64)
    for i in range(N):
        total: i64 = b[i]
        for j in range(i):
            total -= lower[i, j] * x[j]
        x[i] = gm.cast(total // lower[i, i], i64)
    return x


def solve_reference(lower: Any, b: Any) -> Any:
    x = np.zeros_like(b)
    for i in range(len(b)):
        x[i] = (b[i] - (lower[i, :i] * x[:i]).sum()) // lower[i, i]
    return x


def solve_arguments() -> tuple[Any, ...]:
    lower = np.tril(rng().integers(-5, 6, (7, 7)))
    np.fill_diagonal(lower, [3, -2, 1, 4, -1, 2, 5])
    return lower, rng().integers(-100, 100, 7)


@gm.kernel
def transpose_scale(A: i16[M, N], factor: i16) -> i32[N, M]:
    return gm.cast(A.T * factor, i32)


# ---------------------------------------------------------------------------------------------------------- stencils


@gm.kernel
def blur(image: u8[M, N]) -> u8[M - 2, N - 2]:
    out = gm.empty((M - 2, N - 2), u8)
    for y, x in gm.grid(M - 2, N - 2):
        total: u16 = 0
        for dy, dx in gm.grid(3, 3):
            weight = (1 + (dy & 1)) * (1 + (dx & 1))
            total += image[y + dy, x + dx] * weight
        out[y, x] = (total + 8) >> 4
    return out


def blur_reference(image: Any) -> Any:
    p = image.astype(int)
    rows = p[:-2] + 2 * p[1:-1] + p[2:]
    return ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:] + 8) >> 4).astype(np.uint8)


@gm.kernel
def life(board: bool_[M, N], steps: i32) -> bool_[M, N]:
    now = board.copy()
    for _ in range(steps):
        then = gm.empty((M, N), bool_)
        for y, x in gm.grid(M, N):
            alive: u8 = 0
            for dy, dx in gm.grid(3, 3):
                if (dy != 1 or dx != 1) and now[(y + dy + M - 1) % M, (x + dx + N - 1) % N]:
                    alive += 1
            then[y, x] = alive == 3 or (alive == 2 and now[y, x])
        now[:, :] = then
    return now


def life_reference(board: Any, steps: int) -> Any:
    for _ in range(steps):
        turns = [np.roll(board, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        count = np.sum(turns, axis=0)
        board = (count == 3) | ((count == 2) & board)
    return board


@gm.kernel
def fir(x: i16[N], taps: i16[K]) -> i32[N - K + 1]:
    y = gm.empty((N - K + 1,), i32)
    for i in range(N - K + 1):
        acc: i32 = 0
        for k in range(K):
            acc += x[i + k] * taps[K - 1 - k]
        y[i] = acc
    return y


# --------------------------------------------------------------------------------------------------------- irregular


@gm.kernel
def spmv(rows: i32[P], columns: i32[NNZ], values: i32[NNZ], x: i32[N]) -> i32[P - 1]:
    y = gm.zeros((P - 1,), i32)
    for i in range(P - 1):
        for k in range(rows[i], rows[i + 1]):
            y[i] += values[k] * x[columns[k]]
    return y


def spmv_arguments() -> tuple[Any, ...]:
    dense = rng().integers(-9, 10, (8, 6)) * (rng().random((8, 6)) < 0.4)
    row, column = np.nonzero(dense)
    pointers = np.searchsorted(row, np.arange(9)).astype(np.int32)
    return (
        pointers,
        column.astype(np.int32),
        dense[row, column].astype(np.int32),
        rng().integers(-50, 50, 6).astype(np.int32),
    )


def spmv_reference(rows: Any, columns: Any, values: Any, x: Any) -> Any:
    products = values * x[columns]
    return np.array([products[a:b].sum() for a, b in pairwise(rows)], np.int32)


@gm.kernel
def histogram(values: u8[N]) -> i32[16]:
    bins = gm.zeros((16,), i32)
    for i in range(N):
        bins[values[i] >> 4] += 1
    return bins


@gm.kernel
def breadth_first(starts: i32[P], edges: i32[NNZ], source: i32) -> i32[P - 1]:
    level = gm.full((P - 1,), -1, i32)
    queue = gm.empty((P - 1,), i32)
    head: i32 = 0
    tail: i32 = 1
    queue[0] = source
    level[source] = 0
    while head < tail:
        node = queue[head]
        head += 1
        for k in range(starts[node], starts[node + 1]):
            other = edges[k]
            if level[other] < 0:
                level[other] = level[node] + 1
                queue[tail] = other
                tail += 1
    return level


def graph_arguments() -> tuple[Any, ...]:
    lists = [[1, 2], [3], [3, 4], [5], [5, 0], [6], [], [1]]
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return starts, np.array(list(chain.from_iterable(lists)), np.int32), 0


def graph_reference(starts: Any, edges: Any, source: int) -> Any:
    level = {source: 0}
    queue = [source]
    for node in queue:
        for other in edges[starts[node] : starts[node + 1]]:
            if int(other) not in level:
                level[int(other)] = level[node] + 1
                queue.append(int(other))
    return np.array([level.get(i, -1) for i in range(len(starts) - 1)], np.int32)


# --------------------------------------------------------------------------------------------------------- bit level


@gm.kernel
def crc32(data: u8[N]) -> u32:
    crc: u32 = 0xFFFFFFFF
    for i in range(N):
        crc = crc ^ data[i]
        for _ in gm.unroll(range(8)):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return ~crc & 0xFFFFFFFF


def fractional_roots(count: int, power: int) -> list[int]:
    """The first 32 fraction bits of the square (power 2) or cube roots of the first primes."""
    primes = [n for n in range(2, 400) if all(n % d for d in range(2, n))][:count]
    return [_integer_root(p << 32 * power, power) & 0xFFFFFFFF for p in primes]


def _integer_root(n: int, power: int) -> int:
    lo, hi = 0, 1 << 64
    while hi - lo > 1:
        middle = (lo + hi) // 2
        lo, hi = (middle, hi) if middle**power <= n else (lo, middle)
    return lo


ROUND_CONSTANTS = np.array(fractional_roots(64, 3), np.uint32)
START = fractional_roots(8, 2)


def rotate(x: Any, n: int) -> Any:
    return gm.cast((x >> n) | (x << (32 - n)), u32)


@gm.kernel
def sha256_block(block: u32[16], state: u32[8]):
    schedule = gm.empty((64,), u32)
    for t in range(16):
        schedule[t] = block[t]
    for t in range(16, 64):
        a, b = schedule[t - 15], schedule[t - 2]
        s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)
        s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10)
        schedule[t] = schedule[t - 16] + s0 + schedule[t - 7] + s1
    a: u32 = state[0]
    b: u32 = state[1]
    c: u32 = state[2]
    d: u32 = state[3]
    e: u32 = state[4]
    f: u32 = state[5]
    g: u32 = state[6]
    h: u32 = state[7]
    for t in range(64):
        big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
        choice = (e & f) ^ (~e & g)
        first = h + big1 + choice + ROUND_CONSTANTS[t] + schedule[t]
        big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
        majority = (a & b) ^ (a & c) ^ (b & c)
        h, g, f, e, d, c, b, a = g, f, e, d + first, c, b, a, first + big0 + majority
    for i, x in enumerate([a, b, c, d, e, f, g, h]):
        state[i] += x


def sha_arguments() -> tuple[Any, ...]:
    message = b"the quick brown fox jumps over the lazy dog"
    padded = message + b"\x80" + bytes(64 - 9 - len(message)) + (8 * len(message)).to_bytes(8, "big")
    return np.frombuffer(padded, ">u4").astype(np.uint32), np.array(START, np.uint32)


def sha_reference(block: Any, state: Any) -> Any:
    digest = hashlib.sha256(b"the quick brown fox jumps over the lazy dog").digest()
    return block, np.frombuffer(digest, ">u4").astype(np.uint32)


@gm.kernel
def popcount(words: u32[N]) -> u8[N]:
    out = gm.empty((N,), u8)
    for i in range(N):
        out[i] = sum(gm.bits(words[i], b, b) for b in range(32))
    return out


@gm.kernel
def gray(codes: u16[N]) -> u16[N]:
    return codes ^ (codes >> 1)


# ---------------------------------------------------------------------------------------------------------- sorting


@gm.kernel
def insertion_sort(a: i32[N]):
    for i in range(1, N):
        key = a[i]
        j: i32 = i - 1
        while j >= 0 and a[j] > key:
            a[j + 1] = a[j]
            j -= 1
        a[j + 1] = key


@gm.kernel
def bitonic(a: i16[16]):
    for stage in gm.unroll([2, 4, 8, 16]):
        distance = stage // 2
        while distance:
            for i in range(16):
                j = i ^ distance
                if j > i:
                    x, y = a[i], a[j]
                    if (x > y) == ((i & stage) == 0):
                        a[i] = y
                        a[j] = x
            distance //= 2


@gm.kernel
def merge(a: i32[M], b: i32[N]) -> i32[M + N]:
    out = gm.empty((M + N,), i32)
    i: i32 = 0
    j: i32 = 0
    for k in range(M + N):
        if j >= N or (i < M and a[i] <= b[j]):
            out[k] = a[i]
            i += 1
        else:
            out[k] = b[j]
            j += 1
    return out


# ------------------------------------------------------------------------------------------------ dynamic programming


@gm.kernel
def edit_distance(a: u8[M], b: u8[N]) -> i32:
    row = gm.empty((N + 1,), i32)
    for j in range(N + 1):
        row[j] = j
    for i in range(M):
        diagonal: i32 = row[0]
        row[0] = i + 1
        for j in range(N):
            cost = 0 if a[i] == b[j] else 1
            best = min(row[j] + 1, row[j + 1] + 1, diagonal + cost)
            diagonal = row[j + 1]
            row[j + 1] = best
    return row[N]


def edit_reference(a: Any, b: Any) -> int:
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a):
        current = [i + 1]
        for j, y in enumerate(b):
            current.append(min(current[j] + 1, previous[j + 1] + 1, previous[j] + (x != y)))
        previous = current
    return previous[-1]


@gm.kernel
def floyd_warshall(distance: i32[N, N]):
    for k, i, j in gm.grid(N, N, N):
        through = distance[i, k] + distance[k, j]
        if through < distance[i, j]:
            distance[i, j] = through


def floyd_reference(distance: Any) -> Any:
    d = distance.copy()
    for k in range(len(d)):
        d = np.minimum(d, d[:, k : k + 1] + d[k : k + 1, :])
    return (d,)


@gm.kernel
def knapsack(weights: i32[N], values: i32[N], capacity: gm.static[int]) -> i32:
    best = gm.zeros((capacity + 1,), i32)
    for i in range(N):
        for c in range(capacity, -1, -1):
            if weights[i] <= c:
                best[c] = max(best[c], best[c - weights[i]] + values[i])
    return best[capacity]


def knapsack_reference(weights: Any, values: Any, capacity: int) -> int:
    choices = range(1 << len(weights))
    chosen = [[n for n in range(len(weights)) if c >> n & 1] for c in choices]
    return max(sum(values[n] for n in c) for c in chosen if sum(weights[n] for n in c) <= capacity)


# ----------------------------------------------------------------------------------------------------- number theory


@gm.kernel
def gcd(a: u32, b: u32) -> u32:
    x: u32 = a
    y: u32 = b
    while y != 0:
        x, y = y, x % y
    return x


@gm.kernel
def sieve(flags: bool_[N]):
    for i in range(N):
        flags[i] = i >= 2
    i: i32 = 2
    while i * i < N:
        if flags[i]:
            for j in range(i * i, N, i):
                flags[j] = False
        i += 1


@gm.kernel
def first_negative(a: i32[N]) -> i32:
    for i in range(N):
        if a[i] == 0:
            continue
        if a[i] < 0:
            return i
    return -1


# ------------------------------------------------------------------------------------------------ networks, fixed point


Q = gm.Fixed(16, 8, "half_even", "saturate")


@gm.kernel
def iir(x: Q[N], a: Q, b: Q) -> Q[N]:
    y = gm.empty((N,), Q)
    state: Q = 0
    for i in range(N):
        state = a * state + b * x[i]
        y[i] = state
    return y


def iir_reference(x: Any, a: int, b: int) -> Any:
    state, out = 0, []
    for sample in x:
        exact = a * state + b * int(sample)  # 16 fraction bits
        floor, rest = divmod(exact, 256)
        state = floor + (rest > 128 or (rest == 128 and floor % 2 == 1))
        state = max(-32768, min(32767, state))
        out.append(state)
    return np.array(out, np.int16)


@gm.kernel
def dense_relu(x: i8[K], w: i8[N, K], bias: i32[N], shift: u8) -> i8[N]:
    out = gm.empty((N,), i8)
    for n in range(N):
        acc: i32 = bias[n]
        for k in range(K):
            acc += x[k] * w[n, k]
        out[n] = gm.saturate(max(acc, 0) >> shift, i8)
    return out


def byte_array(text: str) -> Any:
    return np.frombuffer(text.encode(), np.uint8).copy()


def ints(shape: Any, dtype: Any, lo: int = -100, hi: int = 100) -> Any:
    return rng().integers(lo, hi, shape).astype(dtype)


CASES = (
    Case("atax", atax, lambda: (ints((6, 9), "i4"), ints(9, "i4")), lambda A, x: A.T @ (A @ x)),
    Case("triangular_solve", triangular_solve, solve_arguments, solve_reference),
    Case("transpose_scale", transpose_scale, lambda: (ints((3, 5), "i2"), -7), lambda A, f: A.T.astype(int) * f),
    Case("blur", blur, lambda: (ints((9, 11), "u1", 0, 256),), blur_reference),
    Case("life", life, lambda: (rng().random((6, 7)) < 0.4, 4), life_reference),
    Case(
        "fir",
        fir,
        lambda: (ints(40, "i2", -30000, 30000), ints(5, "i2")),
        lambda x, t: np.convolve(x.astype(int), t.astype(int), "valid"),
    ),
    Case("spmv", spmv, spmv_arguments, spmv_reference),
    Case("histogram", histogram, lambda: (ints(100, "u1", 0, 256),), lambda v: np.bincount(v >> 4, minlength=16)),
    Case("breadth_first", breadth_first, graph_arguments, graph_reference),
    Case("crc32", crc32, lambda: (byte_array("123456789"),), lambda d: zlib.crc32(d.tobytes())),
    Case("sha256_block", sha256_block, sha_arguments, sha_reference, in_place=True),
    Case("popcount", popcount, lambda: (ints(9, "u4", 0, 2**32),), lambda w: np.array([int(x).bit_count() for x in w])),
    Case("gray", gray, lambda: (ints(30, "u2", 0, 65536),), lambda c: c ^ (c >> 1)),
    Case("insertion_sort", insertion_sort, lambda: (ints(20, "i4"),), lambda a: (np.sort(a),), in_place=True),
    Case("bitonic", bitonic, lambda: (ints(16, "i2"),), lambda a: (np.sort(a),), in_place=True),
    Case(
        "merge",
        merge,
        lambda: (np.sort(ints(7, "i4")), np.sort(ints(5, "i4", -50, 50))),
        lambda a, b: np.sort(np.concatenate([a, b])),
    ),
    Case(
        "edit_distance", edit_distance, lambda: (byte_array("kitten sits"), byte_array("sitting kit")), edit_reference
    ),
    Case("floyd_warshall", floyd_warshall, lambda: (ints((6, 6), "i4", 1, 100),), floyd_reference, in_place=True),
    Case(
        "knapsack",
        knapsack,
        lambda: (np.array([3, 4, 5, 9], np.int32), np.array([3, 4, 4, 10], np.int32), 11),
        knapsack_reference,
    ),
    Case("gcd", gcd, lambda: (3528, 3780), lambda a, b: int(np.gcd(a, b))),
    Case(
        "sieve",
        sieve,
        lambda: (np.zeros(60, bool),),
        lambda f: (np.array([n > 1 and all(n % d for d in range(2, n)) for n in range(60)]),),
        in_place=True,
    ),
    Case("first_negative", first_negative, lambda: (np.array([3, 0, 5, -2, -9], np.int32),), lambda a: 3),
    Case("iir", iir, lambda: (ints(25, "i2", -32768, 32768), 200, 90), iir_reference),
    Case(
        "dense_relu",
        dense_relu,
        lambda: (ints(12, "i1"), ints((5, 12), "i1"), ints(5, "i4"), 6),
        lambda x, w, b, s: np.minimum(np.maximum(w.astype(int) @ x + b, 0) >> s, 127),
    ),
)
