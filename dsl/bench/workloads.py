"""The workloads: sizes, arguments, and what the result has to be.

Products are written m x k x n: (m, k) times (k, n). Images are channels x height x width, padded by one for
3x3 filters. A stencil's sweep goes from one array to the other, and a step is two sweeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gemel.bench.workload import Arguments, Array, Workload

Inputs = Callable[[np.random.Generator], Arguments]


def normal(*shapes: tuple[int, ...]) -> Inputs:
    """Arguments of normally distributed f32."""
    return lambda rng: tuple(rng.standard_normal(s, dtype=np.float32) for s in shapes)


def uniform(*shapes: tuple[int, ...]) -> Inputs:
    """Arguments in 0..1: their sums don't cancel."""
    return lambda rng: tuple(rng.random(s, dtype=np.float32) for s in shapes)


# ------------------------------------------------------------------------------------------------------------ products


def product(m: int, k: int, n: int, family: str = "gemm", name: str = "") -> Workload:
    """A matrix product; t in the family's name: this operand lies transposed."""
    flags = family.removeprefix("gemm").removeprefix("_") or "nn"
    a, b = ((k, m) if flags[0] == "t" else (m, k)), ((n, k) if flags[1] == "t" else (k, n))

    def reference(x: Array, y: Array) -> Array:
        return (x.T if flags[0] == "t" else x) @ (y.T if flags[1] == "t" else y)

    label = name or (f"gemm {n}" if m == k == n else f"gemm {m}x{k}x{n}")
    return Workload(label, family, "products", normal(a, b), reference, 2.0 * m * k * n)


def integer_product(n: int) -> Workload:
    """i8 to i32."""

    def inputs(rng: np.random.Generator) -> Arguments:
        return tuple(rng.integers(-128, 128, (n, n), dtype=np.int8) for _ in range(2))

    def reference(a: Array, b: Array) -> Array:
        return a.astype(np.float64) @ b.astype(np.float64)

    return Workload(f"gemm i8 {n}", "gemm_i8", "products", inputs, reference, 2.0 * n**3, None, 0.0, "i8")


def brief(x: Array) -> Array:
    """f32 values that bf16 has: the low half of the pattern is dropped."""
    return (np.ascontiguousarray(x).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def brief_product(n: int) -> Workload:
    """bf16 in and out, sums in f32. The arguments are f32 arrays of bf16 values: contenders convert them before."""

    def inputs(rng: np.random.Generator) -> Arguments:
        return tuple(brief(rng.standard_normal((n, n), dtype=np.float32)) for _ in range(2))

    traffic = 6.0 * n * n
    return Workload(f"gemm bf16 {n}", "gemm_bf16", "products", inputs, np.matmul, 2.0 * n**3, traffic, 1e-2, "bf16")


def linear(m: int, k: int, n: int) -> Workload:
    """A layer with constant weights: who can, packs them beforehand."""

    def reference(x: Array, w: Array, b: Array) -> Array:
        return gelu(x @ w + b)

    def inputs(rng: np.random.Generator) -> Arguments:
        x, w, b = normal((m, k), (k, n), (n,))(rng)
        return x, w / np.float32(np.sqrt(k)), b

    flops = 2.0 * m * k * n
    return Workload(f"linear+gelu {m}x{k}x{n}", "linear_gelu", "layers", inputs, reference, flops)


# ---------------------------------------------------------------------------------------------------------------- rows


def gelu(x: Array) -> Array:
    """The tanh form."""
    return np.asarray(0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x))))


def softmaxed(x: Array) -> Array:
    """Softmax of the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def layernorm(x: Array, g: Array, b: Array) -> Array:
    """Layer normalisation of rows."""
    d = x - x.mean(axis=1, keepdims=True)
    return np.asarray(d / np.sqrt((d * d).mean(axis=1, keepdims=True) + 1e-5) * g + b)


def rmsnorm(x: Array, g: Array) -> Array:
    """Rows over their root mean square."""
    return np.asarray(x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5) * g)


def attention(heads: int, length: int, width: int, masked: bool = False) -> Workload:
    """Scaled dot-product attention; masked: a row sees the rows up to it."""

    def reference(q: Array, k: Array, v: Array) -> Array:
        s = q @ k.transpose(0, 2, 1) / np.sqrt(width)
        if masked:
            s = np.where(np.tri(length, dtype=bool), s, -np.inf)
        return np.asarray(softmaxed(s) @ v)

    shape = (heads, length, width)
    pairs = length * (length + 1) / 2 if masked else length * length
    family = "causal" if masked else "attention"
    name = f"{'causal ' if masked else ''}attention {heads}x{length}x{width}"
    return Workload(name, family, "layers", normal(shape, shape, shape), reference, 4.0 * heads * pairs * width)


# ---------------------------------------------------------------------------------------------------------- convolution


def around(x: Array) -> Array:
    """An image with a border of zeros."""
    return np.pad(x, ((0, 0), (1, 1), (1, 1)))


def convolved(x: Array, w: Array) -> Array:
    """A 3x3 convolution."""
    p, (_, h, c) = around(x), x.shape
    windows = [np.tensordot(w[:, :, i, j], p[:, i : i + h, j : j + c], 1) for i in range(3) for j in range(3)]
    return np.asarray(sum(windows))


def each_convolved(x: Array, w: Array) -> Array:
    """A 3x3 convolution of each channel alone."""
    p, (_, h, c) = around(x), x.shape
    windows = [w[:, i, j, None, None] * p[:, i : i + h, j : j + c] for i in range(3) for j in range(3)]
    return np.asarray(sum(windows))


def convolutions() -> list[Workload]:
    """Those of a small residual network."""
    image, points = (64, 56, 56), 56 * 56
    return [
        Workload("conv 3x3", "conv3x3", "layers", normal(image, (64, 64, 3, 3)), convolved, 2.0 * 64 * 64 * 9 * points),
        Workload(
            "conv depthwise", "depthwise", "layers", normal(image, (64, 3, 3)), each_convolved, 2.0 * 64 * 9 * points
        ),
        Workload(
            "conv 1x1",
            "conv1x1",
            "layers",
            normal(image, (64, 64)),
            lambda x, w: np.tensordot(w, x, 1),
            2.0 * 64 * 64 * points,
        ),
    ]


# ------------------------------------------------------------------------------------------------------------- stencils


def cross(a: Array) -> Array:
    """A sweep of jacobi-2d."""
    return np.asarray(0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]))


def heat(a: Array) -> Array:
    """A sweep of heat-3d."""
    c = a[1:-1, 1:-1, 1:-1]
    x = a[2:, 1:-1, 1:-1] - 2 * c + a[:-2, 1:-1, 1:-1]
    y = a[1:-1, 2:, 1:-1] - 2 * c + a[1:-1, :-2, 1:-1]
    z = a[1:-1, 1:-1, 2:] - 2 * c + a[1:-1, 1:-1, :-2]
    return np.asarray(0.125 * x + 0.125 * y + 0.125 * z + c)


def stencil(family: str, n: int, steps: int, rank: int, flops: float) -> Workload:
    """Sweeps there and back; the inside of an array changes, its border stays."""
    inside = (slice(1, -1),) * rank
    sweep = cross if rank == 2 else heat

    def inputs(rng: np.random.Generator) -> Arguments:
        a = rng.standard_normal((n,) * rank, dtype=np.float32)
        return a, a.copy(), steps

    def reference(a: Array, b: Array, steps: int) -> Array:
        for _ in range(steps):
            b[inside] = sweep(a)
            a[inside] = sweep(b)
        return a

    points, name = 2.0 * steps * (n - 2) ** rank, f"{family.replace('_', '-')} {n} x{steps}"
    traffic = 2 * 4 * points
    note = "traffic counted for each sweep: tiling over time can go beyond the roof"
    return Workload(name, family, "stencils", inputs, reference, flops * points, traffic, note=note)


# ---------------------------------------------------------------------------------------------------------------- all


def regions(count: int = 1000) -> Workload:
    """Fork and join."""

    def reference(x: Array, count: int) -> Array:
        x = np.asarray(x)
        x[[0, 16]] += count
        return x

    return Workload(
        "fork and join",
        "regions",
        "overhead",
        lambda rng: (np.zeros(32, np.int32), count),
        reference,
        calls=count,
        least_threads=2,
        note=f"{count} parallel regions of two iterations in one call; the time is that of one region",
    )


def _one(name: str, family: str, group: str, inputs: Inputs, reference: Callable[..., Any], **more: Any) -> Workload:
    return Workload(name, family, group, inputs, reference, **more)


def every() -> list[Workload]:
    """All workloads, in the order of the table."""
    square, row, long = (1024, 1024), (1024,), (10**7,)
    return [
        *(product(n, n, n) for n in (256, 512, 1024, 2048)),
        product(100, 3000, 7),
        product(33, 65, 129),
        *(product(512, 512, 512, f"gemm_{t}", f"gemm 512 {t}") for t in ("tn", "nt", "tt")),
        *(product(n, n, n, name=f"small gemm {n}") for n in (16, 32, 64, 128)),
        *(integer_product(n) for n in (512, 1024)),
        *(brief_product(n) for n in (512, 1024)),
        _one("gemv 4096", "gemv", "products", normal((4096, 4096), (4096,)), np.matmul, flops=2.0 * 4096**2),
        *(linear(*s) for s in ((32, 256, 256), (128, 512, 512), (8, 768, 3072))),
        _one("softmax 1024", "softmax", "layers", normal(square), softmaxed, flops=5.0 * 1024**2),
        _one("layernorm 1024", "layernorm", "layers", normal(square, row, row), layernorm, flops=8.0 * 1024**2),
        _one("rmsnorm 1024", "rmsnorm", "layers", normal(square, row), rmsnorm, flops=4.0 * 1024**2),
        _one("gelu 1e6", "gelu", "layers", normal((10**6,)), gelu, flops=8e6),
        attention(1, 512, 64),
        attention(8, 1024, 64),
        attention(1, 512, 64, masked=True),
        attention(8, 1024, 64, masked=True),
        *convolutions(),
        _one(
            "tanh(a*b+c) 1e7", "chain", "rows", normal(long, long, long), lambda a, b, c: np.tanh(a * b + c), flops=2e7
        ),
        _one("sum 1e7", "total", "rows", uniform(long), np.sum, flops=1e7),
        _one("dot 1e7", "dot", "rows", uniform(long, long), np.dot, flops=2e7),
        stencil("jacobi_2d", 1024, 10, 2, 5),
        stencil("jacobi_2d", 2800, 10, 2, 5),
        stencil("heat_3d", 120, 4, 3, 15),
        _one("call 16x16", "add", "overhead", normal((16, 16), (16, 16)), np.add, flops=256.0),
        regions(),
    ]
