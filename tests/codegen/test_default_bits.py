"""The CPU has the bits of the scheduled kernel in the interpreter, for each default schedule, at odd sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from campaign import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import bf16, f32, f64, i8, i16, i32, u8

B, H, M, N, K, R, S = gm.dims("B H M N K R S")


@gm.kernel
def gemm(a: f32[M, K], b: f32[K, N]) -> f32[M, N]:
    c = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def gemm_nt(a: f64[M, K], b: f64[N, K]) -> f64[M, N]:
    return a @ b.T


@gm.kernel
def gemm_tn(a: f32[K, M], b: f32[K, N]) -> f32[M, N]:
    return a.T @ b


@gm.kernel
def gemm_into(a: f32[M, K], b: f32[K, N], c: f32[M, N]):
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += a[i, k] * b[k, j]


@gm.kernel
def batched(a: f32[B, M, K], b: f32[B, K, N]) -> f32[B, M, N]:
    c = gm.zeros((B, M, N), f32)
    for n, i, j, k in gm.grid(B, M, N, K):
        c[n, i, j] += a[n, i, k] * b[n, k, j]
    return c


@gm.kernel
def whole(a: i8[M, K], b: i8[K, N]) -> i32[M, N]:
    c = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def mixed(a: u8[M, K], b: i8[K, N]) -> i32[M, N]:
    c = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def half(a: bf16[M, K], b: bf16[K, N]) -> f32[M, N]:
    c = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += f32(a[i, k]) * f32(b[k, j])
    return c


@gm.kernel
def gemv(a: f32[M, K], x: f32[K]) -> f32[M]:
    return a @ x


@gm.kernel
def gevm(x: f32[M], a: f32[M, K]) -> f32[K]:
    return x @ a


@gm.kernel
def dot(x: f32[N], y: f32[N]) -> f32:
    return (x * y).sum()


@gm.kernel
def total(x: f64[N]) -> f64:
    s: f64 = 0.0
    for i in range(N):
        s += x[i]
    return s


@gm.kernel
def columns(x: f32[M, N]) -> f32[N]:
    return x.sum(axis=0)


@gm.kernel
def greatest(x: f32[M, N]) -> f32[M]:
    return x.max(axis=1)


@gm.kernel
def linear_gelu(x: f32[M, K], w: f32[K, N], b: f32[N]) -> f32[M, N]:
    y = x @ w + b
    return y * 0.5 * (1.0 + gm.erf(y * 0.70710678))


@gm.kernel
def conv(x: f32[R, M, N], w: f32[S, R, 3, 3]) -> f32[S, M, N]:
    y = gm.zeros((S, M, N), f32)
    for o, i, j, c, p, q in gm.grid(S, M, N, R, 3, 3):
        u, v = i + p - 1, j + q - 1
        if u >= 0 and u < M and v >= 0 and v < N:
            y[o, i, j] += x[c, u, v] * w[o, c, p, q]
    return y


@gm.kernel
def conv_valid(x: f32[R, M, N], w: f32[S, R, 3, 3]) -> f32[S, M - 2, N - 2]:
    y = gm.zeros((S, M - 2, N - 2), f32)
    for o, i, j, c, p, q in gm.grid(S, M - 2, N - 2, R, 3, 3):
        y[o, i, j] += x[c, i + p, j + q] * w[o, c, p, q]
    return y


@gm.kernel
def depthwise(x: f32[R, M, N], w: f32[R, 3, 3]) -> f32[R, M - 2, N - 2]:
    y = gm.zeros((R, M - 2, N - 2), f32)
    for c, i, j, p, q in gm.grid(R, M - 2, N - 2, 3, 3):
        y[c, i, j] += x[c, i + p, j + q] * w[c, p, q]
    return y


@gm.kernel
def softmax(x: f32[M, N]) -> f32[M, N]:
    e = gm.exp(x - x.max(axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]


@gm.kernel
def layernorm(x: f32[M, N], g: f32[N], b: f32[N]) -> f32[M, N]:
    d = x - x.mean(axis=1)[:, None]
    v = (d * d).mean(axis=1)[:, None]
    return d / gm.sqrt(v + 1e-5) * g + b


@gm.kernel
def rmsnorm(x: f64[M, N], g: f64[N]) -> f64[M, N]:
    return x / gm.sqrt((x * x).mean(axis=1)[:, None] + 1e-6) * g


@gm.kernel
def gelu(x: f32[N]) -> f32[N]:
    return x * 0.5 * (1.0 + gm.tanh(0.79788456 * (x + 0.044715 * x * x * x)))


@gm.kernel
def chain(a: f32[M, N], b: f32[N], c: f32[M, 1]) -> f32[M, N]:
    return gm.tanh(a * b + c)


@gm.kernel
def wrapped(a: i16[N], b: i16[N]) -> i16[N]:
    y = gm.empty((N,), i16)
    for i in range(N):
        y[i] = gm.cast(a[i] * b[i] - (a[i] >> 3), i16)
    return y


@gm.kernel
def jacobi(a: f32[M, N], b: f32[M, N]):
    for _ in range(3):
        for i, j in gm.grid(M - 2, N - 2):
            b[i + 1, j + 1] = 0.2 * (a[i + 1, j + 1] + a[i + 1, j] + a[i + 1, j + 2] + a[i, j + 1] + a[i + 2, j + 1])
        for i, j in gm.grid(M - 2, N - 2):
            a[i + 1, j + 1] = b[i + 1, j + 1]


@gm.kernel
def scan(x: f32[M, N]) -> f32[M, N]:
    y = gm.empty((M, N), f32)
    for i in range(M):
        s: f32 = 0.0
        for j in range(N):
            s += x[i, j]
            y[i, j] = s
    return y


@gm.kernel
def attention(q: f32[M, K], k: f32[N, K], v: f32[N, K]) -> f32[M, K]:
    s = q @ k.T * 0.25
    e = gm.exp(s - s.max(axis=1)[:, None])
    return (e / e.sum(axis=1)[:, None]) @ v


@gm.kernel
def causal(q: f32[H, M, K], k: f32[H, M, K], v: f32[H, M, K]) -> f32[H, M, K]:
    out = gm.zeros((H, M, K), f32)
    for h in range(H):
        s = (q[h] @ k[h].T * 0.25).copy()
        for i, j in gm.grid(M, M):
            if j > i:
                s[i, j] = -1e30
        e = gm.exp(s - s.max(axis=1)[:, None])
        out[h] = (e / e.sum(axis=1)[:, None]) @ v[h]
    return out


@gm.kernel
def gathered(table: f32[M, N], at: i32[K]) -> f32[N]:
    y = gm.zeros((N,), f32)
    for k, j in gm.grid(K, N):
        y[j] += table[at[k], j]
    return y


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _erf(x: Any) -> Any:
    from math import erf

    return np.vectorize(erf, otypes=[np.float64])(x)


def _conv(x: Any, w: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.einsum("cijpq,ocpq->oij", windows, w)


def _jacobi(a: Any, b: Any) -> Any:
    a, b = a.copy(), b.copy()
    for _ in range(3):
        b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[:-2, 1:-1] + a[2:, 1:-1])
        a[1:-1, 1:-1] = b[1:-1, 1:-1]
    return a


def _causal(q: Any, k: Any, v: Any) -> Any:
    s = q @ k.transpose(0, 2, 1) * 0.25
    return _softmax(np.where(np.tri(s.shape[1], dtype=bool), s, -1e30)) @ v


def _layernorm(x: Any, g: Any, b: Any) -> Any:
    d = x - x.mean(1, keepdims=True)
    return d / np.sqrt((d * d).mean(1, keepdims=True) + 1e-5) * g + b


def _gelu(x: Any) -> Any:
    return x * 0.5 * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3)))


def _linear_gelu(x: Any, w: Any, b: Any) -> Any:
    y = x @ w + b
    return y * 0.5 * (1 + _erf(y * 0.70710678))


def _wrapped(a: Any, b: Any) -> Any:
    return (a * b - (a >> 3)).astype(np.int16)


@dataclass(frozen=True)
class Row:
    """A kernel, what each of its parameters is made of, the largest sizes, and what computes the same in f64 or i64."""

    kernel: Any
    sizes: dict[str, int]
    wanted: Callable[..., Any]
    least: int = 1


ROWS: dict[str, Row] = {
    "gemm": Row(gemm, {"M": 30, "N": 70, "K": 12}, np.matmul),
    "gemm deep": Row(gemm, {"M": 4, "N": 5, "K": 700}, np.matmul),
    "gemm transposed right": Row(gemm_nt, {"M": 33, "N": 40, "K": 20}, lambda a, b: a @ b.T),
    "gemm transposed left": Row(gemm_tn, {"M": 33, "N": 40, "K": 20}, lambda a, b: a.T @ b),
    "gemm into": Row(gemm_into, {"M": 33, "N": 40, "K": 20}, lambda a, b, c: c + a @ b),
    "batched": Row(batched, {"B": 3, "M": 17, "N": 35, "K": 19}, np.matmul),
    "gemm i8": Row(whole, {"M": 20, "N": 70, "K": 40}, np.matmul),
    "gemm u8 i8": Row(mixed, {"M": 20, "N": 70, "K": 40}, np.matmul),
    "gemm bf16": Row(half, {"M": 20, "N": 40, "K": 30}, np.matmul),
    "gemv": Row(gemv, {"M": 40, "K": 200}, np.matmul),
    "gevm": Row(gevm, {"M": 90, "K": 100}, np.matmul),
    "dot": Row(dot, {"N": 5000}, np.dot),
    "sum": Row(total, {"N": 5000}, np.sum),
    "columns": Row(columns, {"M": 70, "N": 90}, lambda x: x.sum(0)),
    "greatest": Row(greatest, {"M": 20, "N": 300}, lambda x: x.max(1)),
    "linear gelu": Row(linear_gelu, {"M": 17, "N": 40, "K": 30}, _linear_gelu),
    "conv padded": Row(
        conv, {"R": 4, "S": 9, "M": 8, "N": 20}, lambda x, w: _conv(np.pad(x, [(0, 0), (1, 1), (1, 1)]), w)
    ),
    "conv": Row(conv_valid, {"R": 4, "S": 9, "M": 9, "N": 24}, _conv, 3),
    "depthwise": Row(
        depthwise,
        {"R": 5, "M": 20, "N": 40},
        lambda x, w: np.stack([_conv(a[None], b[None, None])[0] for a, b in zip(x, w, strict=True)]),
        3,
    ),
    "softmax": Row(softmax, {"M": 7, "N": 300}, _softmax),
    "layernorm": Row(layernorm, {"M": 7, "N": 300}, _layernorm),
    "rmsnorm": Row(rmsnorm, {"M": 7, "N": 300}, lambda x, g: x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6) * g),
    "gelu": Row(gelu, {"N": 700}, _gelu),
    "chain": Row(chain, {"M": 9, "N": 200}, lambda a, b, c: np.tanh(a * b + c)),
    "i16": Row(wrapped, {"N": 700}, _wrapped),
    "jacobi": Row(jacobi, {"M": 20, "N": 70}, _jacobi, 3),
    "scan": Row(scan, {"M": 20, "N": 70}, lambda x: np.cumsum(x, 1)),
    "attention": Row(attention, {"M": 12, "N": 40, "K": 12}, lambda q, k, v: _softmax(q @ k.T * 0.25) @ v),
    "causal": Row(causal, {"H": 2, "M": 30, "K": 20}, _causal),
    "gather": Row(gathered, {"M": 20, "N": 70, "K": 40}, lambda t, at: t[at].sum(0)),
}


def drawn(row: Row, sizes: dict[str, int], seed: int) -> list[Any]:
    """Arguments: whole numbers of their type, floats around zero; places are of the first parameter's first axis."""
    rng, made = np.random.default_rng(seed), []
    for p in row.kernel.specialize(**sizes).ir.params:
        shape = tuple(int(n.value) for n in p.shape)
        name = str(p.dtype)
        if p.hint == "at":
            made.append(rng.integers(0, sizes["M"], shape).astype(np.int32))
        elif name[0] in "iu":
            info = np.iinfo(np.dtype(f"{'int' if name[0] == 'i' else 'uint'}{name[1:]}"))
            made.append(rng.integers(info.min, info.max + 1, shape).astype(info.dtype))
        elif name == "bf16":
            made.append((rng.standard_normal(shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16))
        else:
            made.append(rng.standard_normal(shape).astype(np.float32 if name == "f32" else np.float64))
    return made


def wide(p: Any, a: Any) -> Any:
    """An argument in f64 or i64."""
    if str(p.dtype) == "bf16":
        return (a.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return a.astype(np.float64 if a.dtype.kind == "f" else np.int64)


def hold(row: Row, sizes: dict[str, int], seed: int) -> None:
    """Interpreter and CPU: the same bits in all that a kernel changes or returns; NumPy: nearly the same numbers."""
    args = drawn(row, sizes, seed)
    default = row.kernel.schedule("default", **sizes).kernel
    first, second = ([a.copy() for a in args] for _ in range(2))
    wanted, got = default.interpret(*first), row.kernel(*second)
    assert np.asarray(got).tobytes() == np.asarray(wanted).tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    near = row.wanted(*(wide(p, a) for p, a in zip(row.kernel.ir.params, args, strict=True)))
    result = np.asarray(got if got is not None else second[_changed(row)])
    if result.dtype.kind == "f":
        np.testing.assert_allclose(result, near, rtol=2e-4, atol=2e-4)
    else:
        assert (result == near).all()


def _changed(row: Row) -> int:
    from gemel.semantics.traverse import stored

    changed = stored(row.kernel.ir.body)
    return next(n for n, p in enumerate(row.kernel.ir.params) if p in changed)


def sizes_of(row: Row) -> st.SearchStrategy[dict[str, int]]:
    """Odd ones more often than not, up to the row's."""
    return st.fixed_dictionaries(
        {name: st.integers(row.least, most) | st.sampled_from([most, most - 1 | 1]) for name, most in row.sizes.items()}
    )


@pytest.mark.parametrize("name", ROWS)
def test_the_largest_sizes(name: str) -> None:
    row = ROWS[name]
    hold(row, {n: most - (most % 2 == 0) for n, most in row.sizes.items()}, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_drawn_sizes(name: str) -> None:
    row = ROWS[name]

    @settings(max_examples=examples(4), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(sizes_of(row), st.integers(0, 9))
    def test(sizes: dict[str, int], seed: int) -> None:
        hold(row, sizes, seed)

    test()
