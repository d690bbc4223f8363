"""Dense and sparse arrays of MachSuite: gemm, spmv, stencils, fft, md."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import gemel as gm
from gemel import f64, i32
from suites.case import Case

A, B, C, E, H, L, M, N, P = gm.dims("A B C E H L M N P")


@gm.kernel
def gemm_ncubed(m1: f64[N, N], m2: f64[N, N]) -> f64[N, N]:
    prod = gm.empty((N, N), f64)
    for i, j in gm.grid(N, N):
        total: f64 = 0.0
        for k in range(N):
            total += m1[i, k] * m2[k, j]
        prod[i, j] = total
    return prod


@gm.kernel
def gemm_blocked(m1: f64[N, N], m2: f64[N, N], block: gm.static[int] = 8) -> f64[N, N]:
    gm.requires(N % block == 0)
    prod = gm.zeros((N, N), f64)
    for jj in range(0, N, block):
        for kk in range(0, N, block):
            for i, k in gm.grid(N, block):
                t = m1[i, kk + k]
                for j in range(block):
                    prod[i, jj + j] += t * m2[kk + k, jj + j]
    return prod


@gm.kernel
def spmv_crs(val: f64[E], cols: i32[E], row_start: i32[N + 1], vec: f64[M]) -> f64[N]:
    gm.requires(row_start[0] == 0 and row_start[N] == E)
    gm.requires(all(row_start[i] <= row_start[i + 1] for i in range(N)))
    gm.requires(all(0 <= cols[j] < M for j in range(E)))
    out = gm.empty((N,), f64)
    for i in range(N):
        total: f64 = 0.0
        for j in range(row_start[i], row_start[i + 1]):
            total += val[j] * vec[cols[j]]
        out[i] = total
    return out


def spmv_crs_reference(val: Any, cols: Any, row_start: Any, vec: Any) -> Any:
    return np.array([val[a:b] @ vec[cols[a:b]] for a, b in itertools.pairwise(row_start)])


@gm.kernel
def spmv_ellpack(nzval: f64[N, L], cols: i32[N, L], vec: f64[M]) -> f64[N]:
    gm.requires(all(0 <= cols[i, j] < M for i, j in gm.grid(N, L)))
    out = gm.empty((N,), f64)
    for i in range(N):
        total: f64 = 0.0
        for j in range(L):
            total += nzval[i, j] * vec[cols[i, j]]
        out[i] = total
    return out


@gm.kernel
def stencil2d(orig: i32[M, N], filter: i32[3, 3]) -> i32[M, N]:
    sol = gm.zeros((M, N), i32)
    for r in range(M - 2):
        for c in range(N - 2):
            total: i32 = 0
            for k1, k2 in gm.grid(3, 3):
                total += gm.cast(filter[k1, k2] * orig[r + k1, c + k2], i32)
            sol[r, c] = total
    return sol


def stencil2d_reference(orig: Any, filter: Any) -> Any:
    sol = np.zeros_like(orig)
    windows = np.lib.stride_tricks.sliding_window_view(orig, (3, 3))
    sol[:-2, :-2] = np.einsum("rcij,ij->rc", windows, filter)
    return sol


@gm.kernel
def stencil3d(coefficients: i32[2], orig: i32[H, M, N]) -> i32[H, M, N]:
    sol = gm.empty((H, M, N), i32)
    for i, j, k in gm.grid(H, M, N):
        sol[i, j, k] = orig[i, j, k]
    for i in range(1, H - 1):
        for j in range(1, M - 1):
            for k in range(1, N - 1):
                sum1 = (
                    orig[i, j, k + 1] + orig[i, j, k - 1] + orig[i, j + 1, k]
                    + orig[i, j - 1, k] + orig[i + 1, j, k] + orig[i - 1, j, k]
                )  # fmt: skip
                sol[i, j, k] = gm.cast(orig[i, j, k] * coefficients[0] + sum1 * coefficients[1], i32)
    return sol


def stencil3d_reference(coefficients: Any, orig: Any) -> Any:
    sol, c = orig.copy(), slice(1, -1)
    around = orig[c, c, 2:] + orig[c, c, :-2] + orig[c, 2:, c] + orig[c, :-2, c] + orig[2:, c, c] + orig[:-2, c, c]
    sol[c, c, c] = orig[c, c, c] * coefficients[0] + around * coefficients[1]
    return sol


@gm.kernel
def fft_strided(real: f64[N], img: f64[N], real_twid: f64[N // 2], img_twid: f64[N // 2]):
    """In place; the result is in bit-reversed order, as the suite leaves it."""
    gm.requires(N & (N - 1) == 0)
    log = 0
    span = N >> 1
    while span > 0:
        odd = span
        while odd < N:
            odd = odd | span
            if odd < N:
                even = odd ^ span
                assert even < N
                real[even], real[odd] = real[even] + real[odd], real[even] - real[odd]
                img[even], img[odd] = img[even] + img[odd], img[even] - img[odd]
                root = (even << (log & 31)) & (N - 1)
                if root > 0:
                    assert root < N // 2
                    re = real_twid[root] * real[odd] - img_twid[root] * img[odd]
                    img[odd] = real_twid[root] * img[odd] + img_twid[root] * real[odd]
                    real[odd] = re
            odd += 1
        span = span >> 1
        log += 1


def reversed_bits(n: int) -> Any:
    """The permutation that reverses the bits of an index below `n`."""
    bits = n.bit_length() - 1
    return np.array([int(format(i, f"0{bits}b")[::-1], 2) if bits else 0 for i in range(n)])


def fft_strided_reference(real: Any, img: Any, real_twid: Any, img_twid: Any) -> None:
    turned = np.fft.fft(real + 1j * img)[reversed_bits(len(real))]
    real[:], img[:] = turned.real, turned.imag


def _fft(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    angles = -2 * np.pi * np.arange(N // 2) / N
    return rng.standard_normal(N), rng.standard_normal(N), np.cos(angles), np.sin(angles)


def butterfly2(a, b):
    """Sum and difference of two complex numbers, each a pair."""
    return (a[0] + b[0], a[1] + b[1]), (a[0] - b[0], a[1] - b[1])


def times(a, b):
    """The product of two complex numbers."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


ROOT_HALF = 0.7071067811865476
EIGHTHS = [(1.0, 0.0), (ROOT_HALF, -ROOT_HALF), (0.0, -1.0), (-ROOT_HALF, -ROOT_HALF)]


def fft8(x):
    """Eight complex values to their transform in natural order."""
    for half in (4, 2, 1):
        y = list(x)
        for start in gm.unroll(range(0, 8, 2 * half)):
            for n in gm.unroll(range(half)):
                top, bottom = butterfly2(x[start + n], x[start + n + half])
                y[start + n] = top
                y[start + n + half] = times(bottom, EIGHTHS[n * (4 // half)])
        x = y
    return [x[n] for n in (0, 4, 2, 6, 1, 5, 3, 7)]


@gm.kernel
def fft_transpose(work_x: f64[512], work_y: f64[512]):
    """512 points as 8 x 8 x 8, each of 64 threads with eight of them; natural order in and out."""
    x = gm.empty((8, 64), f64)
    y = gm.empty((8, 64), f64)
    for tid in range(64):
        found = fft8([(work_x[tid + 64 * r], work_y[tid + 64 * r]) for r in gm.unroll(range(8))])
        for k in gm.unroll(range(8)):
            angle = f64(tid) * (-2.0 * 3.141592653589793 * k / 512)
            x[k, tid], y[k, tid] = times(found[k], (gm.cos(angle), gm.sin(angle)))
    for k, low in gm.grid(8, 8):
        found = fft8([(x[k, low + 8 * r], y[k, low + 8 * r]) for r in gm.unroll(range(8))])
        for j in gm.unroll(range(8)):
            angle = f64(low) * (-2.0 * 3.141592653589793 * j / 64)
            x[k, low + 8 * j], y[k, low + 8 * j] = times(found[j], (gm.cos(angle), gm.sin(angle)))
    for k, j in gm.grid(8, 8):
        found = fft8([(x[k, 8 * j + r], y[k, 8 * j + r]) for r in gm.unroll(range(8))])
        for i in gm.unroll(range(8)):
            work_x[k + 8 * j + 64 * i], work_y[k + 8 * j + 64 * i] = found[i]


def fft_transpose_reference(work_x: Any, work_y: Any) -> None:
    found = np.fft.fft(work_x + 1j * work_y)
    work_x[:], work_y[:] = found.real, found.imag


def lennard_jones(dx: f64, dy: f64, dz: f64):
    """The force between two atoms at a distance, as a factor of the distance vector."""
    r2inv = 1.0 / (dx * dx + dy * dy + dz * dz)
    r6inv = r2inv * r2inv * r2inv
    return r2inv * (r6inv * (1.5 * r6inv - 2.0))


@gm.kernel
def md_knn(x: f64[N], y: f64[N], z: f64[N], neighbours: i32[N, L]) -> tuple[f64[N], f64[N], f64[N]]:
    gm.requires(all(0 <= neighbours[i, j] < N for i, j in gm.grid(N, L)))
    force_x = gm.empty((N,), f64)
    force_y = gm.empty((N,), f64)
    force_z = gm.empty((N,), f64)
    for i in range(N):
        fx: f64 = 0.0
        fy: f64 = 0.0
        fz: f64 = 0.0
        for j in range(L):
            at = neighbours[i, j]
            dx, dy, dz = x[i] - x[at], y[i] - y[at], z[i] - z[at]
            force = lennard_jones(dx, dy, dz)
            fx += dx * force
            fy += dy * force
            fz += dz * force
        force_x[i] = fx
        force_y[i] = fy
        force_z[i] = fz
    return force_x, force_y, force_z


def forces(p: Any, q: Any) -> Any:
    """The forces on points `p` by points `q`, an axis for each."""
    d = p[:, None] - q[None]
    r2 = 1 / (d**2).sum(-1)
    r6 = r2**3
    return (d * (r2 * r6 * (1.5 * r6 - 2))[..., None]).sum(1)


def md_knn_reference(x: Any, y: Any, z: Any, neighbours: Any) -> Any:
    p = np.stack([x, y, z], -1)
    found = np.array([forces(p[i : i + 1], p[near])[0] for i, near in enumerate(neighbours)])
    return tuple(np.ascontiguousarray(c) for c in found.T)


def _knn(rng: np.random.Generator, N: int, L: int) -> tuple[Any, ...]:
    p = rng.random((3, N)) * 10
    distance = ((p[:, :, None] - p[:, None]) ** 2).sum(0)
    return (*p, np.argsort(distance, axis=1)[:, 1 : L + 1].astype(np.int32))


@gm.kernel
def md_grid(n_points: i32[B, B, B], force: f64[B, B, B, P, 3], position: f64[B, B, B, P, 3]):
    """Atoms in boxes; those of a box and of the boxes around it push each other."""
    gm.requires(all(0 <= n_points[i, j, k] <= P for i, j, k in gm.grid(B, B, B)))
    for bx, by, bz in gm.grid(B, B, B):
        for nx in range(max(0, bx - 1), min(B, bx + 2)):
            for ny in range(max(0, by - 1), min(B, by + 2)):
                for nz in range(max(0, bz - 1), min(B, bz + 2)):
                    for p in range(n_points[bx, by, bz]):
                        total = [force[bx, by, bz, p, a] for a in gm.unroll(range(3))]
                        fx: f64 = total[0]
                        fy: f64 = total[1]
                        fz: f64 = total[2]
                        for q in range(n_points[nx, ny, nz]):
                            if not (bx == nx and by == ny and bz == nz and p == q):
                                here, there = position[bx, by, bz, p], position[nx, ny, nz, q]
                                d = [here[a] - there[a] for a in gm.unroll(range(3))]
                                push = lennard_jones(d[0], d[1], d[2])
                                fx += d[0] * push
                                fy += d[1] * push
                                fz += d[2] * push
                        force[bx, by, bz, p, 0] = fx
                        force[bx, by, bz, p, 1] = fy
                        force[bx, by, bz, p, 2] = fz


def md_grid_reference(n_points: Any, force: Any, position: Any) -> None:
    side = len(n_points)
    for b in np.ndindex(n_points.shape):
        ranges = [range(max(0, c - 1), min(side, c + 2)) for c in b]
        for p in range(n_points[b]):
            others = [
                position[i, j, k, q]
                for i in ranges[0]
                for j in ranges[1]
                for k in ranges[2]
                for q in range(n_points[i, j, k])
                if (i, j, k, q) != (*b, p)
            ]
            if others:
                force[(*b, p)] += forces(position[(*b, p)][None], np.array(others))[0]


def _grid(rng: np.random.Generator, B: int, P: int) -> tuple[Any, ...]:
    points = rng.integers(0, P + 1, (B, B, B), np.int32)
    corner = np.stack(np.meshgrid(*[np.arange(B)] * 3, indexing="ij"), -1)[..., None, :]
    return points, np.zeros((B, B, B, P, 3)), corner * 5.0 + rng.random((B, B, B, P, 3)) * 5.0


def _crs(rng: np.random.Generator, N: int, M: int) -> tuple[Any, ...]:
    counts = rng.integers(0, 5, N)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    total = int(starts[-1])
    return rng.standard_normal(total), rng.integers(0, M, total, np.int32), starts, rng.standard_normal(M)


def _ellpack(rng: np.random.Generator, N: int, L: int) -> tuple[Any, ...]:
    return rng.standard_normal((N, L)), rng.integers(0, N, (N, L), np.int32), rng.standard_normal(N)


def _square(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    return rng.standard_normal((N, N)), rng.standard_normal((N, N))


def _small_ints(*shapes: str) -> Any:
    def make(rng: np.random.Generator, **sizes: int) -> tuple[Any, ...]:
        wanted = [[sizes.get(d) or int(d) for d in s.split()] for s in shapes]
        return tuple(rng.integers(-50, 50, s, np.int32) for s in wanted)

    return make


CASES = [
    Case("gemm/ncubed", gemm_ncubed, _square, lambda a, b: a @ b, {"N": 6}, {"N": 64}),
    Case("gemm/blocked", gemm_blocked, _square, lambda a, b: a @ b, {"N": 8}, {"N": 64}),
    Case("spmv/crs", spmv_crs, _crs, spmv_crs_reference, {"N": 8, "M": 9}, {"N": 494, "M": 494}),
    Case(
        "spmv/ellpack",
        spmv_ellpack,
        _ellpack,
        lambda v, c, x: (v * x[c]).sum(1),
        {"N": 8, "L": 3},
        {"N": 494, "L": 10},
    ),
    Case(
        "stencil/stencil2d",
        stencil2d,
        _small_ints("M N", "3 3"),
        stencil2d_reference,
        {"M": 6, "N": 7},
        {"M": 128, "N": 64},
        note="refuted rightly: for large inputs the 32-bit sum wraps, as the suite's does",
    ),
    Case(
        "stencil/stencil3d",
        stencil3d,
        _small_ints("2", "H M N"),
        stencil3d_reference,
        {"H": 4, "M": 5, "N": 6},
        {"H": 16, "M": 32, "N": 32},
    ),
    Case(
        "fft/strided",
        fft_strided,
        _fft,
        fft_strided_reference,
        {"N": 16},
        {"N": 1024},
        note="indices made by or, xor and masks of powers of two: integers of z3 know no bits",
    ),
    Case(
        "fft/transpose",
        fft_transpose,
        lambda rng: (rng.standard_normal(512), rng.standard_normal(512)),
        fft_transpose_reference,
        {},
        {},
    ),
    Case("md/knn", md_knn, _knn, md_knn_reference, {"N": 8, "L": 3}, {"N": 256, "L": 16}, rtol=1e-8),
    Case("md/grid", md_grid, _grid, md_grid_reference, {"B": 2, "P": 2}, {"B": 4, "P": 10}, rtol=1e-8),
]
