"""Networks, images, particles and small kernels of npbench."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import gemel as gm
from gemel import f32, f64, i32, i64, u8, u16
from suites.case import Case, Skipped

A, B, C, D, E, F, G, H, K, L, M, N, P, Q, S, T, W, X, Y, NNZ = gm.dims("A B C D E F G H K L M N P Q S T W X Y NNZ")


@gm.kernel
def azimint_hist(data: f64[N], radius: f64[N], bins: gm.static[int] = 10) -> f64[bins]:
    gm.requires(N > 0)
    low, high = radius.min(), radius.max()
    count = gm.zeros((bins,), f64)
    weight = gm.zeros((bins,), f64)
    for i in range(N):
        at = min(i32((radius[i] - low) * (bins / (high - low))), bins - 1)
        if 0 <= at < bins:
            count[at] += 1.0
            weight[at] += data[i]
    return weight / count


def azimint_hist_reference(data: Any, radius: Any) -> Any:
    return np.histogram(radius, 10, weights=data)[0] / np.histogram(radius, 10)[0]


@gm.kernel
def azimint_naive(data: f64[N], radius: f64[N], bins: gm.static[int] = 10) -> f64[bins]:
    gm.requires(N > 0)
    furthest = radius.max()
    result = gm.empty((bins,), f64)
    for i in range(bins):
        inner, outer = furthest * f64(i) / bins, furthest * f64(i + 1) / bins
        inside = (inner <= radius) & (radius < outer)
        result[i] = gm.where(inside, data, 0.0).sum() / gm.where(inside, f64(1), 0.0).sum()
    return result


def azimint_naive_reference(data: Any, radius: Any) -> Any:
    edges = radius.max() * np.arange(11) / 10
    return np.array([data[(a <= radius) & (radius < b)].mean() for a, b in zip(edges[:-1], edges[1:], strict=True)])


@gm.kernel
def compute(x: i64[M, N], y: i64[M, N], a: i64, b: i64, c: i64) -> i64[M, N]:
    return gm.cast(gm.clip(x, 2, 10) * a + y * b + c, i64)


@gm.kernel
def crc16(data: u8[N], poly: gm.static[int] = 0x8408) -> u16:
    crc: u16 = 0xFFFF
    for i in range(N):
        byte: u8 = data[i]
        for _ in range(8):
            if (crc ^ byte) & 1 == 1:
                crc = (crc >> 1) ^ poly
            else:
                crc = crc >> 1
            byte = byte >> 1
    low, high = gm.bits(crc, 7, 0), gm.bits(crc, 15, 8)
    return gm.concat(low, high) ^ 0xFFFF


def crc16_reference(data: Any) -> int:
    crc = 0xFFFF
    for byte in data.tolist():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    crc ^= 0xFFFF
    return (crc << 8 | crc >> 8) & 0xFFFF


def conv(x, weights):
    """Each K by K window of each image, times the weights."""
    n, h, w, _ = x.shape
    k, outs = weights.shape[0], weights.shape[3]
    out = gm.zeros((n, h - k + 1, w - k + 1, outs), x.dtype)
    for i, j in gm.grid(h - k + 1, w - k + 1):
        out[:, i, j] = (x[:, i : i + k, j : j + k, :, None] * weights[None]).sum(axis=(1, 2, 3))
    return out


def relu(x):
    return gm.maximum(x, 0.0)


def pooled(x):
    """The greatest of each two by two pixels."""
    n, h, w, c = x.shape
    out = gm.empty((n, h // 2, w // 2, c), x.dtype)
    for i, j in gm.grid(h // 2, w // 2):
        out[:, i, j] = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
    return out


def softened(x):
    """Softmax along the last axis."""
    e = gm.exp(x - x.max(axis=-1, keepdims=True)).copy()
    return e / e.sum(axis=-1, keepdims=True)


def normed(x):
    """Batch normalisation as the suite has it, by the root of the standard deviation."""
    spread = (x - x.mean(axis=0, keepdims=True)).copy()
    std = gm.sqrt((spread * spread).mean(axis=0, keepdims=True))
    return spread / gm.sqrt(std + 1e-5)


@gm.kernel
def conv2d_bias(x: f32[N, H, W, C], weights: f32[K, K, C, D], bias: f32[D]) -> f32[N, H - K + 1, W - K + 1, D]:
    gm.requires(K >= 1)
    return conv(x, weights) + bias


@gm.kernel
def softmax(x: f32[N, H, S, T]) -> f32[N, H, S, T]:
    gm.requires(T > 0)
    return softened(x)


@gm.kernel
def mlp(x: f32[N, A], w1: f32[A, B], b1: f32[B], w2: f32[B, C], b2: f32[C], w3: f32[C, D], b3: f32[D]) -> f32[N, D]:
    gm.requires(D > 0)
    x = relu(x @ w1 + b1).copy()
    x = relu(x @ w2 + b2).copy()
    return softened((x @ w3 + b3).copy())


@gm.kernel
def lenet(
    x: f32[N, 28, 28, 1],
    conv1: f32[5, 5, 1, 6],
    bias1: f32[6],
    conv2: f32[5, 5, 6, 16],
    bias2: f32[16],
    w1: f32[256, 120],
    b1: f32[120],
    w2: f32[120, 84],
    b2: f32[84],
    w3: f32[84, 10],
    b3: f32[10],
) -> f32[N, 10]:
    first = pooled(relu(conv(x, conv1) + bias1))
    second = pooled(relu(conv(first, conv2) + bias2))
    flat = gm.empty((N, 256), f32)
    for n, i, j, c in gm.grid(N, 4, 4, 16):
        flat[n, 64 * i + 16 * j + c] = second[n, i, j, c]
    hidden = relu(flat @ w1 + b1).copy()
    hidden = relu(hidden @ w2 + b2).copy()
    return hidden @ w3 + b3


@gm.kernel
def resnet(x: f32[N, H, W, C], w1: f32[1, 1, C, D], w2: f32[3, 3, D, D], w3: f32[1, 1, D, C]) -> f32[N, H, W, C]:
    gm.requires(N > 0)
    padded = gm.zeros((N, H + 2, W + 2, D), f32)
    padded[:, 1:-1, 1:-1] = conv(x, w1)
    inside = relu(normed(padded)).copy()
    inside = relu(normed(conv(inside, w2))).copy()
    return relu(normed(conv(inside, w3)) + x)


def conv_reference(x: Any, weights: Any) -> Any:
    k = weights.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (k, k), (1, 2))
    return np.einsum("nijckl,klcd->nijd", windows, weights.astype(np.float64))


def softmax_reference(x: Any) -> Any:
    e = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).astype(np.float32)


def mlp_reference(x: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any) -> Any:
    x = np.maximum(x.astype(np.float64) @ w1 + b1, 0)
    return softmax_reference(np.maximum(x @ w2 + b2, 0) @ w3 + b3)


def pooled_reference(x: Any) -> Any:
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def lenet_reference(x: Any, c1: Any, d1: Any, c2: Any, d2: Any, *dense: Any) -> Any:
    x = pooled_reference(np.maximum(conv_reference(x, c1) + d1, 0))
    x = pooled_reference(np.maximum(conv_reference(x, c2) + d2, 0)).reshape(len(x), 256)
    w1, b1, w2, b2, w3, b3 = dense
    x = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)
    return (x @ w3 + b3).astype(np.float32)


def normed_reference(x: Any) -> Any:
    return (x - x.mean(axis=0)) / np.sqrt(x.std(axis=0) + 1e-5)


def resnet_reference(x: Any, w1: Any, w2: Any, w3: Any) -> Any:
    y = np.pad(conv_reference(x, w1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = conv_reference(np.maximum(normed_reference(y), 0), w2)
    y = conv_reference(np.maximum(normed_reference(y), 0), w3)
    return np.maximum(normed_reference(y) + x, 0).astype(np.float32)


@gm.kernel
def go_fast(a: f64[N, N]) -> f64[N, N]:
    trace: f64 = 0.0
    for i in range(N):
        trace += gm.tanh(a[i, i])
    return a + trace


@gm.kernel
def mandelbrot1(
    xmin: f64, xmax: f64, ymin: f64, ymax: f64, like: u8[Y, X], rounds: i32
) -> tuple[f64[Y, X], f64[Y, X], i64[Y, X]]:
    """Real and imaginary part of the last value within the horizon's step, and the step."""
    re = gm.zeros((Y, X), f64)
    im = gm.zeros((Y, X), f64)
    step = gm.zeros((Y, X), i64)
    for n in range(rounds):
        for y, x in gm.grid(Y, X):
            cr = xmin + f64(x) * ((xmax - xmin) / f64(X - 1))
            ci = ymin + f64(y) * ((ymax - ymin) / f64(Y - 1))
            zr, zi = re[y, x], im[y, x]
            if zr * zr + zi * zi < 4.0:
                step[y, x] = n
                re[y, x] = zr * zr - zi * zi + cr
                im[y, x] = 2.0 * zr * zi + ci
    step[:] = gm.where(step == rounds - 1, 0, step)
    return re, im, step


def plane(xmin: float, xmax: float, ymin: float, ymax: float, like: Any) -> Any:
    h, w = like.shape
    return np.linspace(xmin, xmax, w) + 1j * np.linspace(ymin, ymax, h)[:, None]


def mandelbrot1_reference(xmin: float, xmax: float, ymin: float, ymax: float, like: Any, rounds: int) -> Any:
    c = plane(xmin, xmax, ymin, ymax, like)
    z, step = np.zeros_like(c), np.zeros(c.shape, np.int64)
    for n in range(rounds):
        near = z.real**2 + z.imag**2 < 4
        step[near] = n
        z[near] = z[near] ** 2 + c[near]
    step[step == rounds - 1] = 0
    return z.real.copy(), z.imag.copy(), step


@gm.kernel
def mandelbrot2(
    xmin: f64, xmax: f64, ymin: f64, ymax: f64, like: u8[Y, X], rounds: i32
) -> tuple[f64[Y, X], f64[Y, X], i64[Y, X]]:
    """Per point, until it leaves the horizon: where it was then, and after how many steps."""
    re = gm.zeros((Y, X), f64)
    im = gm.zeros((Y, X), f64)
    step = gm.zeros((Y, X), i64)
    for y, x in gm.grid(Y, X):
        cr = xmin + f64(x) * ((xmax - xmin) / f64(X - 1))
        ci = ymin + f64(y) * ((ymax - ymin) / f64(Y - 1))
        zr: f64 = 0.0
        zi: f64 = 0.0
        for n in range(rounds):
            turned = zr * zr - zi * zi + cr
            zi = 2.0 * zr * zi + ci
            zr = turned
            if zr * zr + zi * zi > 4.0:
                re[y, x] = zr
                im[y, x] = zi
                step[y, x] = n + 1
                break
    return re, im, step


def mandelbrot2_reference(xmin: float, xmax: float, ymin: float, ymax: float, like: Any, rounds: int) -> Any:
    c = plane(xmin, xmax, ymin, ymax, like)
    z, out, step = np.zeros_like(c), np.zeros_like(c), np.zeros(c.shape, np.int64)
    for n in range(rounds):
        z = np.where(step == 0, z**2 + c, z)
        gone = (z.real**2 + z.imag**2 > 4) & (step == 0)
        step[gone], out[gone] = n + 1, z[gone]
    return out.real.copy(), out.imag.copy(), step


def acceleration(pos, mass, g, softening):
    """The pull on each body by all others."""
    dx, dy, dz = (pos[None, :, a] - pos[:, None, a] for a in range(3))
    distance = dx**2 + dy**2 + dz**2 + softening**2
    inverse = gm.where(distance > 0.0, gm.pow(distance, -1.5), distance).copy()
    out = gm.empty(pos.shape, f64)
    for a, d in enumerate((dx, dy, dz)):
        out[:, a] = g * ((d * inverse) @ mass)
    return out


def energy(pos, vel, mass, g):
    """Kinetic and potential."""
    kinetic = 0.5 * (mass[:, None] * vel**2).sum()
    potential: f64 = 0.0
    n = pos.shape[0]
    for i in range(n):
        for j in range(i + 1, n):
            d = pos[j] - pos[i]
            r2 = (d**2).sum()
            if r2 > 0.0:
                potential -= mass[i] * mass[j] / gm.sqrt(r2)
    return kinetic, g * potential


@gm.kernel
def nbody(
    mass: f64[N], pos: f64[N, 3], vel: f64[N, 3], like: u8[T], dt: f64, g: f64, softening: f64
) -> tuple[f64[T + 1], f64[T + 1]]:
    gm.requires(N > 0)
    kinetic = gm.empty((T + 1,), f64)
    potential = gm.empty((T + 1,), f64)
    vel -= (mass[:, None] * vel).mean(axis=0) / mass.mean()
    acc = acceleration(pos, mass, g, softening)
    kinetic[0], potential[0] = energy(pos, vel, mass, g)
    for t in range(T):
        vel += acc * dt / 2.0
        pos += vel * dt
        acc[:] = acceleration(pos, mass, g, softening)
        vel += acc * dt / 2.0
        kinetic[t + 1], potential[t + 1] = energy(pos, vel, mass, g)
    return kinetic, potential


def nbody_reference(mass: Any, pos: Any, vel: Any, like: Any, dt: float, g: float, softening: float) -> Any:
    def pull() -> Any:
        d = pos[None] - pos[:, None]
        r = (d**2).sum(-1) + softening**2
        return g * (d * (r**-1.5 * mass)[..., None]).sum(1)

    def state() -> tuple[float, float]:
        d = np.sqrt(((pos[None] - pos[:, None]) ** 2).sum(-1))
        pairs = np.triu(-np.outer(mass, mass) / np.where(d > 0, d, 1), 1)
        return 0.5 * (mass[:, None] * vel**2).sum(), g * pairs.sum()

    vel -= (mass[:, None] * vel).mean(axis=0) / mass.mean()
    acc, found = pull(), [state()]
    for _ in range(len(like)):
        vel += acc * dt / 2
        pos += vel * dt
        acc = pull()
        vel += acc * dt / 2
        found.append(state())
    return tuple(np.array(c) for c in zip(*found, strict=True))


@gm.kernel
def scattering_self_energies(
    near: i32[A, B],
    dh_re: f64[A, B, D, N, N],
    dh_im: f64[A, B, D, N, N],
    g_re: f64[K, E, A, N, N],
    g_im: f64[K, E, A, N, N],
    d_re: f64[Q, W, A, B, D, D],
    d_im: f64[Q, W, A, B, D, D],
    sigma_re: f64[K, E, A, N, N],
    sigma_im: f64[K, E, A, N, N],
):
    """Complex arrays as pairs: re and im."""
    gm.requires(all(0 <= near[a, b] < A for a, b in gm.grid(A, B)))
    for k, e, q, w in gm.grid(K, E, Q, W):
        if e - w >= 0:
            for i, j, a, b in gm.grid(D, D, A, B):
                at = near[a, b]
                gr, gi = g_re[k, e - w, at], g_im[k, e - w, at]
                hr, hi = dh_re[a, b, i], dh_im[a, b, i]
                left_re = (gr @ hr - gi @ hi).copy()
                left_im = (gr @ hi + gi @ hr).copy()
                dr, di = d_re[q, w, a, b, i, j], d_im[q, w, a, b, i, j]
                right_re = (dh_re[a, b, j] * dr - dh_im[a, b, j] * di).copy()
                right_im = (dh_re[a, b, j] * di + dh_im[a, b, j] * dr).copy()
                sigma_re[k, e, a] += left_re @ right_re - left_im @ right_im
                sigma_im[k, e, a] += left_re @ right_im + left_im @ right_re


def scattering_reference(near: Any, hr: Any, hi: Any, gr: Any, gi: Any, dr: Any, di: Any, sr: Any, si: Any) -> None:
    h, g, d, total = hr + 1j * hi, gr + 1j * gi, dr + 1j * di, np.zeros(sr.shape, complex)
    for w in range(d.shape[1]):
        moved = g[:, : g.shape[1] - w][:, :, near]
        total[:, w:] += np.einsum("keabmn,abinp,abjpr,qabij->keamr", moved, h, h, d[:, w], optimize=True)
    sr += total.real
    si += total.imag


@gm.kernel
def spmv(start: i32[M + 1], column: i32[NNZ], value: f64[NNZ], x: f64[N]) -> f64[M]:
    gm.requires(start[0] == 0 and start[M] == NNZ)
    gm.requires(all(start[i] <= start[i + 1] for i in range(M)))
    gm.requires(all(0 <= column[k] < N for k in range(NNZ)))
    y = gm.empty((M,), f64)
    for i in range(M):
        total: f64 = 0.0
        for k in range(start[i], start[i + 1]):
            total += value[k] * x[column[k]]
        y[i] = total
    return y


def spmv_reference(start: Any, column: Any, value: Any, x: Any) -> Any:
    return np.array([value[a:b] @ x[column[a:b]] for a, b in zip(start[:-1], start[1:], strict=True)])


@gm.kernel
def arc_distance(theta1: f64[N], phi1: f64[N], theta2: f64[N], phi2: f64[N]) -> f64[N]:
    """By the arc tangent's own series after two halvings of the angle, since it is no function of the language yet."""
    t = gm.sin((theta2 - theta1) / 2.0) ** 2 + gm.cos(theta1) * gm.cos(theta2) * gm.sin((phi2 - phi1) / 2.0) ** 2
    s, c = gm.sqrt(t), gm.sqrt(1.0 - t)
    return 2.0 * 8.0 * arctangent(halved(halved(halved((s, c)))))


def halved(p):
    """The sine and cosine of half an angle in 0..pi/2."""
    s, c = p
    half = gm.sqrt((1.0 + c) / 2.0)
    return s / (2.0 * half), half


def arctangent(p):
    """The angle of a small sine and its cosine."""
    x = p[0] / p[1]
    z = x * x
    total = 1.0 / 27.0
    for n in gm.unroll(range(25, 0, -2)):
        total = 1.0 / n - z * total
    return x * total


def arc_distance_reference(theta1: Any, phi1: Any, theta2: Any, phi2: Any) -> Any:
    t = np.sin((theta2 - theta1) / 2) ** 2 + np.cos(theta1) * np.cos(theta2) * np.sin((phi2 - phi1) / 2) ** 2
    return 2 * np.arctan2(np.sqrt(t), np.sqrt(1 - t))


def floats(*shapes: str, dtype: Any = np.float64) -> Any:
    """Random arrays; a shape is its dims, by name or number."""

    def make(rng: np.random.Generator, **sizes: int) -> tuple[Any, ...]:
        wanted = [[sizes.get(d) or int(d) for d in s.split()] for s in shapes]
        return tuple(rng.standard_normal(s).astype(dtype) for s in wanted)

    return make


def _azimint(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    return rng.random(N), np.concatenate([rng.random(N - 10), np.arange(0.05, 1.05, 0.1)[:10]])


def _fractal(rng: np.random.Generator, X: int, Y: int, rounds: int) -> tuple[Any, ...]:
    return -2.25, 0.75, -1.25, 1.25, np.zeros((Y, X), np.uint8), rounds


def _bodies(rng: np.random.Generator, N: int, T: int) -> tuple[Any, ...]:
    mass = np.full(N, 20.0 / N)
    return mass, rng.standard_normal((N, 3)), rng.standard_normal((N, 3)), np.zeros(T, np.uint8), 0.05, 1.0, 0.1


def _scattering(rng: np.random.Generator, **s: int) -> tuple[Any, ...]:
    shapes = ["A B D N N"] * 2 + ["K E A N N"] * 2 + ["Q W A B D D"] * 2 + ["K E A N N"] * 2
    return rng.integers(0, s["A"], (s["A"], s["B"]), np.int32), *floats(*shapes)(rng, **s)


def _sparse(rng: np.random.Generator, M: int, N: int) -> tuple[Any, ...]:
    counts = rng.integers(0, 5, M)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    total = int(starts[-1])
    return starts, rng.integers(0, N, total, np.int32), rng.random(total), rng.random(N)


def _lenet(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    shapes = ["N 28 28 1", "5 5 1 6", "6", "5 5 6 16", "16", "256 120", "120", "120 84", "84", "84 10", "10"]
    return floats(*shapes, dtype=np.float32)(rng, N=N)  # type: ignore[no-any-return]


def _angles(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    return tuple(rng.random(N) * math.pi / 2 for _ in range(4))


SINGLE = np.float32
CASES = [
    Case("azimint_hist", azimint_hist, _azimint, azimint_hist_reference, {"N": 40}, {"N": 4000}),
    Case("azimint_naive", azimint_naive, _azimint, azimint_naive_reference, {"N": 40}, {"N": 4000}),
    Case(
        "compute",
        compute,
        lambda rng, M, N: (*(rng.integers(0, 1000, (M, N)) for _ in range(2)), 4, 3, 9),
        lambda x, y, a, b, c: np.clip(x, 2, 10) * a + y * b + c,
        {"M": 5, "N": 6},
        {"M": 200, "N": 200},
    ),
    Case("crc16", crc16, lambda rng, N: (rng.integers(0, 256, N, np.uint8),), crc16_reference, {"N": 9}, {"N": 1600}),
    Case(
        "conv2d_bias",
        conv2d_bias,
        floats("N H W C", "K K C D", "D", dtype=SINGLE),
        lambda x, w, b: (conv_reference(x, w) + b).astype(SINGLE),
        {"N": 2, "H": 5, "W": 6, "C": 2, "K": 3, "D": 2},
        {"N": 4, "H": 16, "W": 16, "C": 3, "K": 5, "D": 8},
        rtol=1e-5,
    ),
    Case(
        "softmax",
        softmax,
        floats("N H S T", dtype=SINGLE),
        softmax_reference,
        {"N": 2, "H": 2, "S": 3, "T": 4},
        {"N": 4, "H": 4, "S": 32, "T": 32},
        rtol=1e-5,
    ),
    Case(
        "mlp",
        mlp,
        floats("N A", "A B", "B", "B C", "C", "C D", "D", dtype=SINGLE),
        mlp_reference,
        {"N": 2, "A": 3, "B": 4, "C": 5, "D": 3},
        {"N": 8, "A": 30, "B": 40, "C": 50, "D": 10},
        rtol=1e-4,
    ),
    Case("lenet", lenet, _lenet, lenet_reference, {"N": 1}, {"N": 4}, rtol=1e-4),
    Case(
        "resnet",
        resnet,
        floats("N H W C", "1 1 C D", "3 3 D D", "1 1 D C", dtype=SINGLE),
        resnet_reference,
        {"N": 2, "H": 4, "W": 4, "C": 4, "D": 2},
        {"N": 8, "H": 14, "W": 14, "C": 32, "D": 8},
        rtol=1e-3,
    ),
    Case("go_fast", go_fast, floats("N N"), lambda a: a + np.tanh(np.diag(a)).sum(), {"N": 6}, {"N": 200}),
    Case(
        "mandelbrot1",
        mandelbrot1,
        _fractal,
        mandelbrot1_reference,
        {"X": 6, "Y": 5, "rounds": 8},
        {"X": 60, "Y": 50, "rounds": 30},
        rtol=1e-6,
    ),
    Case(
        "mandelbrot2",
        mandelbrot2,
        _fractal,
        mandelbrot2_reference,
        {"X": 6, "Y": 5, "rounds": 8},
        {"X": 60, "Y": 50, "rounds": 30},
        rtol=1e-6,
    ),
    Case("nbody", nbody, _bodies, nbody_reference, {"N": 4, "T": 2}, {"N": 25, "T": 20}, rtol=1e-7),
    Case(
        "scattering_self_energies",
        scattering_self_energies,
        _scattering,
        scattering_reference,
        {"K": 1, "E": 2, "Q": 1, "W": 2, "A": 2, "B": 2, "D": 2, "N": 2},
        {"K": 2, "E": 4, "Q": 2, "W": 2, "A": 6, "B": 4, "D": 3, "N": 4},
    ),
    Case("spmv", spmv, _sparse, spmv_reference, {"M": 6, "N": 7}, {"M": 512, "N": 512}),
    Case("arc_distance", arc_distance, _angles, arc_distance_reference, {"N": 5}, {"N": 1000}),
]
SKIPPED = [
    Skipped(
        "contour_integral", "inverts complex matrices: without complex numbers it would not read as the suite does"
    ),
    Skipped("stockham_fft", "reshapes with a different rank and shape in each pass"),
]
