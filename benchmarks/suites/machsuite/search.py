"""Graphs, strings, sorting and dynamic programming of MachSuite."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64, i8, i32, index, u8
from suites.case import Case

A, B, E, K, L, N, S, T = gm.dims("A B E K L N S T")
FAR = 127
LEVELS = 10


@gm.kernel
def bfs_bulk(edge_begin: i32[N], edge_end: i32[N], edges: i32[E], start: i32, level: i8[N]) -> index[LEVELS]:
    gm.requires(0 <= start < N)
    gm.requires(all(edge_begin[n] >= 0 and edge_end[n] <= E for n in range(N)))
    gm.requires(all(0 <= edges[e] < N for e in range(E)))
    counts = gm.zeros((LEVELS,), index)
    level[start] = 0
    counts[0] = 1
    for horizon in range(LEVELS - 1):
        count = 0
        for n in range(N):
            if level[n] == horizon:
                for e in range(edge_begin[n], edge_end[n]):
                    if level[edges[e]] == FAR:
                        level[edges[e]] = gm.cast(horizon + 1, i8)
                        count += 1
        counts[horizon + 1] = count
        if count == 0:
            break
    return counts


def bfs_reference(edge_begin: Any, edge_end: Any, edges: Any, start: int, level: Any) -> Any:
    counts = np.zeros(LEVELS, np.int64)
    level[start], counts[0] = 0, 1
    front = [start]
    for horizon in range(LEVELS - 1):
        reached = {int(e) for n in front for e in edges[edge_begin[n] : edge_end[n]] if level[e] == FAR}
        front = sorted(reached)
        level[front] = horizon + 1
        counts[horizon + 1] = len(front)
    return counts


@gm.kernel
def bfs_queue(edge_begin: i32[N], edge_end: i32[N], edges: i32[E], start: i32, level: i8[N]) -> index[LEVELS]:
    gm.requires(0 <= start < N)
    gm.requires(all(edge_begin[n] >= 0 and edge_end[n] <= E for n in range(N)))
    gm.requires(all(0 <= edges[e] < N for e in range(E)))
    counts = gm.zeros((LEVELS,), index)
    queue = gm.zeros((N,), i32)
    front = 0
    rear = 1
    queue[0] = start
    level[start] = 0
    counts[0] = 1
    while front < rear:
        n = queue[front]
        front += 1
        for e in range(edge_begin[n], edge_end[n]):
            to = edges[e]
            if level[to] == FAR and level[n] + 1 < LEVELS and rear < N:
                level[to] = gm.cast(level[n] + 1, i8)
                if 0 <= level[to] < LEVELS:
                    counts[level[to]] += 1
                queue[rear] = to
                rear += 1
    return counts


def _graph(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    counts = rng.integers(0, 4, N)
    ends = np.cumsum(counts).astype(np.int32)
    edges = rng.integers(0, N, int(ends[-1]), np.int32)
    return (ends - counts).astype(np.int32), ends, edges, 0, np.full(N, FAR, np.int8)


@gm.kernel
def kmp(pattern: u8[K], text: u8[N]) -> i32:
    gm.requires(K > 0 and N < 1 << 31)
    following = gm.zeros((K,), index)
    k = 0
    for q in range(1, K):
        while k > 0 and pattern[k] != pattern[q]:
            k = following[k - 1]
        if pattern[k] == pattern[q]:
            k += 1
        following[q] = k
    matches: i32 = 0
    q = 0
    for i in range(N):
        while q > 0 and pattern[q] != text[i]:
            q = following[q - 1]
        if pattern[q] == text[i]:
            q += 1
        if q >= K:
            matches += 1
            q = following[q - 1]
    return matches


def kmp_reference(pattern: Any, text: Any) -> int:
    p, t = bytes(pattern), bytes(text)
    return sum(t.startswith(p, n) for n in range(len(t)))


@gm.kernel
def nw(a: u8[A], b: u8[B]) -> tuple[u8[A + B], u8[A + B]]:
    """Aligns two sequences: 1 for a match, -1 for a mismatch or a gap; gaps are '-', the rest '_'."""
    score = gm.empty((B + 1, A + 1), i32)
    move = gm.zeros((B + 1, A + 1), u8)
    for x in range(A + 1):
        score[0, x] = gm.cast(-x, i32)
    for y in range(B + 1):
        score[y, 0] = gm.cast(-y, i32)
    for y in range(1, B + 1):
        for x in range(1, A + 1):
            same: i32 = -1
            if a[x - 1] == b[y - 1]:
                same = 1
            diagonal = score[y - 1, x - 1] + same
            up = score[y - 1, x] - 1
            left = score[y, x - 1] - 1
            best = max(diagonal, max(up, left))
            score[y, x] = gm.cast(best, i32)
            if best == left:
                move[y, x] = 1
            elif best == up:
                move[y, x] = 2
    aligned_a = gm.full((A + B,), 95, u8)
    aligned_b = gm.full((A + B,), 95, u8)
    at = 0
    x = A
    y = B
    while x > 0 or y > 0:
        gm.invariant(0 <= x <= A and 0 <= y <= B and 0 <= at <= A + B - x - y)
        if x > 0 and y > 0 and move[y, x] == 0:
            aligned_a[at] = a[x - 1]
            aligned_b[at] = b[y - 1]
            x -= 1
            y -= 1
        elif x > 0 and (y == 0 or move[y, x] == 1):
            aligned_a[at] = a[x - 1]
            aligned_b[at] = 45
            x -= 1
        else:
            aligned_a[at] = 45
            aligned_b[at] = b[y - 1]
            y -= 1
        at += 1
    return aligned_a, aligned_b


def nw_reference(a: Any, b: Any) -> Any:
    n, m = len(a), len(b)
    score = np.zeros((m + 1, n + 1), int)
    score[0], score[:, 0] = -np.arange(n + 1), -np.arange(m + 1)
    for y in range(1, m + 1):
        for x in range(1, n + 1):
            same = 1 if a[x - 1] == b[y - 1] else -1
            score[y, x] = max(score[y - 1, x - 1] + same, score[y - 1, x] - 1, score[y, x - 1] - 1)
    out_a, out_b, x, y = [], [], n, m
    while x or y:
        left = x > 0 and (y == 0 or score[y, x] == score[y, x - 1] - 1)
        up = not left and y > 0 and (x == 0 or score[y, x] == score[y - 1, x] - 1)
        out_a.append(45 if up else a[x - 1])
        out_b.append(45 if left else b[y - 1])
        x, y = x - (not up), y - (not left)
    pad = [95] * (n + m - len(out_a))
    return np.array(out_a + pad, np.uint8), np.array(out_b + pad, np.uint8)


@gm.kernel
def merge_halves(a: i32[N], t: i32[N], start: index, middle: index, stop: index):
    """Merges a[start..middle] and a[middle+1..stop], both sorted; the second half is copied backwards."""
    gm.requires(start >= 0 and start <= middle and middle <= stop and stop < N)
    for i in range(start, middle + 1):
        t[i] = a[i]
    for j in range(middle + 1, stop + 1):
        t[middle + 1 + stop - j] = a[j]
    i = start
    j = stop
    for k in range(start, stop + 1):
        if t[j] < t[i]:
            a[k] = t[j]
            j -= 1
        else:
            a[k] = t[i]
            i += 1


@gm.kernel
def sort_merge(a: i32[N]):
    t = gm.zeros((N,), i32)
    m = 1
    while m < N:
        gm.invariant(m >= 1)
        for i in range(0, N, 2 * m):
            if i + m - 1 < N - 1:
                merge_halves(a, t, i, i + m - 1, min(i + 2 * m - 1, N - 1))
        m += m


RADIX = 4


@gm.kernel
def sort_radix(a: i32[N]):
    """Two bits a pass: a histogram for each block of four elements, its prefix sums, and the stable move."""
    gm.requires(N % 4 == 0)
    blocks = N // 4
    other = gm.zeros((N,), i32)
    bucket = gm.zeros((RADIX * (N // 4),), i32)
    for pass_ in range(0, 32, 2):
        for n in range(RADIX * blocks):
            bucket[n] = 0
        for block, i in gm.grid(blocks, 4):
            digit = (a[4 * block + i] >> gm.cast(pass_, gm.UInt(5))) & 3
            bucket[digit * blocks + block] += 1
        total: i32 = 0
        for n in range(RADIX * blocks):
            here = bucket[n]
            bucket[n] = total
            total += here
        for block, i in gm.grid(blocks, 4):
            value = a[4 * block + i]
            digit = (value >> gm.cast(pass_, gm.UInt(5))) & 3
            to = bucket[digit * blocks + block]
            other[to] = value
            bucket[digit * blocks + block] = gm.cast(to + 1, i32)
        for n in range(N):
            a[n] = other[n]


def sorted_reference(a: Any) -> None:
    a.sort()


@gm.kernel
def viterbi(obs: u8[T], init: f64[S], transition: f64[S, S], emission: f64[S, K]) -> u8[T]:
    """Negative logarithms of probabilities: the cheapest path wins."""
    gm.requires(T > 0 and S > 0 and S <= 256)
    gm.requires(all(obs[t] < K for t in range(T)))
    cost = gm.empty((T, S), f64)
    for s in range(S):
        cost[0, s] = init[s] + emission[s, obs[0]]
    for t in range(1, T):
        for s in range(S):
            least: f64 = cost[t - 1, 0] + transition[0, s] + emission[s, obs[t]]
            for before in range(1, S):
                p = cost[t - 1, before] + transition[before, s] + emission[s, obs[t]]
                if p < least:
                    least = p
            cost[t, s] = least
    path = gm.zeros((T,), u8)
    best = 0
    for s in range(1, S):
        if cost[T - 1, s] < cost[T - 1, best]:
            best = s
    path[T - 1] = gm.cast(best, u8)
    for t in range(T - 2, -1, -1):
        to = best
        best = 0
        for s in range(1, S):
            if cost[t, s] + transition[s, to] < cost[t, best] + transition[best, to]:
                best = s
        path[t] = gm.cast(best, u8)
    return path


def viterbi_reference(obs: Any, init: Any, transition: Any, emission: Any) -> Any:
    cost = [init + emission[:, obs[0]]]
    for o in obs[1:]:
        cost.append((cost[-1][:, None] + transition + emission[:, o]).min(0))
    path = [int(np.argmin(cost[-1]))]
    for c in reversed(cost[:-1]):
        path.append(int(np.argmin(c + transition[:, path[-1]])))
    return np.array(path[::-1], np.uint8)


def _viterbi(rng: np.random.Generator, T: int, S: int, K: int) -> tuple[Any, ...]:
    return rng.integers(0, K, T, np.uint8), rng.random(S), rng.random((S, S)), rng.random((S, K))


def _text(rng: np.random.Generator, K: int, N: int) -> tuple[Any, ...]:
    return rng.integers(97, 99, K, np.uint8), rng.integers(97, 99, N, np.uint8)


def _numbers(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    return (rng.integers(0, 1 << 30, N, np.int32),)


def _sequences(rng: np.random.Generator, A: int, B: int) -> tuple[Any, ...]:
    letters = np.frombuffer(b"acgt", np.uint8)
    return letters[rng.integers(0, 4, A)], letters[rng.integers(0, 4, B)]


CASES = [
    Case("bfs/bulk", bfs_bulk, _graph, bfs_reference, {"N": 12}, {"N": 256}),
    Case("bfs/queue", bfs_queue, _graph, bfs_reference, {"N": 12}, {"N": 256}),
    Case("kmp/kmp", kmp, _text, kmp_reference, {"K": 3, "N": 30}, {"K": 4, "N": 3000}),
    Case("nw/nw", nw, _sequences, nw_reference, {"A": 6, "B": 7}, {"A": 128, "B": 128}),
    Case("sort/merge", sort_merge, _numbers, sorted_reference, {"N": 13}, {"N": 2048}),
    Case(
        "sort/radix",
        sort_radix,
        _numbers,
        sorted_reference,
        {"N": 16},
        {"N": 2048},
        note="that prefix sums of the histogram stay below N speaks of a sum over elements, which invariants can't",
    ),
    Case(
        "viterbi/viterbi", viterbi, _viterbi, viterbi_reference, {"T": 5, "S": 4, "K": 3}, {"T": 140, "S": 64, "K": 64}
    ),
]
