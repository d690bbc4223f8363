"""The workloads in Gemel, as a user would write them: no schedule, no flag, no size put in by hand."""

from __future__ import annotations

import gemel as gm
from gemel import bf16, f32, i8, i32

M, N, K, H, W, C, D, L = gm.dims("M N K H W C D L")


@gm.kernel
def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    return A @ B


@gm.kernel
def gemm_tn(A: f32[K, M], B: f32[K, N]) -> f32[M, N]:
    return A.T @ B


@gm.kernel
def gemm_nt(A: f32[M, K], B: f32[N, K]) -> f32[M, N]:
    return A @ B.T


@gm.kernel
def gemm_tt(A: f32[K, M], B: f32[N, K]) -> f32[M, N]:
    return A.T @ B.T


@gm.kernel
def gemm_i8(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def gemm_bf16(A: bf16[M, K], B: bf16[K, N]) -> bf16[M, N]:
    return gm.cast(gm.cast(A, f32) @ gm.cast(B, f32), bf16)


def gelu_of(x):
    """The tanh form; a helper that kernels call with elements or tensors."""
    return 0.5 * x * (1.0 + gm.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


@gm.kernel
def linear_gelu(x: f32[M, K], w: f32[K, N], b: f32[N]) -> f32[M, N]:
    return gelu_of((x @ w) + b)


@gm.kernel
def softmax(x: f32[M, N]) -> f32[M, N]:
    e = gm.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@gm.kernel
def layernorm(x: f32[M, N], g: f32[N], b: f32[N]) -> f32[M, N]:
    d = x - x.mean(axis=1, keepdims=True)
    return d * gm.rsqrt((d * d).mean(axis=1, keepdims=True) + 1e-5) * g + b


@gm.kernel
def rmsnorm(x: f32[M, N], g: f32[N]) -> f32[M, N]:
    return x * gm.rsqrt((x * x).mean(axis=1, keepdims=True) + 1e-5) * g


@gm.kernel
def gelu(x: f32[N]) -> f32[N]:
    return gelu_of(x)


@gm.kernel
def chain(a: f32[N], b: f32[N], c: f32[N]) -> f32[N]:
    return gm.tanh(a * b + c)


@gm.kernel
def attention(q: f32[H, L, D], k: f32[H, L, D], v: f32[H, L, D]) -> f32[H, L, D]:
    out = gm.empty((H, L, D), f32)
    for h in range(H):
        s = (q[h] @ k[h].T) * gm.rsqrt(f32(D))
        e = gm.exp(s - s.max(axis=1, keepdims=True))
        out[h] = (e / e.sum(axis=1, keepdims=True)) @ v[h]
    return out


@gm.kernel
def causal(q: f32[H, L, D], k: f32[H, L, D], v: f32[H, L, D]) -> f32[H, L, D]:
    out = gm.empty((H, L, D), f32)
    for h in range(H):
        for i in range(L):
            s = (k[h, : i + 1] @ q[h, i]) * gm.rsqrt(f32(D))
            e = gm.exp(s - s.max())
            out[h, i] = (e / e.sum()) @ v[h, : i + 1]
    return out


@gm.kernel
def conv3x3(x: f32[C, H, W], w: f32[K, C, 3, 3]) -> f32[K, H, W]:
    padded = gm.zeros((C, H + 2, W + 2), f32)
    padded[:, 1:-1, 1:-1] = x
    y = gm.zeros((K, H, W), f32)
    for k, i, j, c, di, dj in gm.grid(K, H, W, C, 3, 3):
        y[k, i, j] += w[k, c, di, dj] * padded[c, i + di, j + dj]
    return y


@gm.kernel
def depthwise(x: f32[C, H, W], w: f32[C, 3, 3]) -> f32[C, H, W]:
    padded = gm.zeros((C, H + 2, W + 2), f32)
    padded[:, 1:-1, 1:-1] = x
    y = gm.zeros((C, H, W), f32)
    for c, i, j, di, dj in gm.grid(C, H, W, 3, 3):
        y[c, i, j] += w[c, di, dj] * padded[c, i + di, j + dj]
    return y


@gm.kernel
def conv1x1(x: f32[C, H, W], w: f32[K, C]) -> f32[K, H, W]:
    y = gm.zeros((K, H, W), f32)
    for k, i, j, c in gm.grid(K, H, W, C):
        y[k, i, j] += w[k, c] * x[c, i, j]
    return y


@gm.kernel
def gemv(A: f32[M, N], x: f32[N]) -> f32[M]:
    return A @ x


@gm.kernel
def total(x: f32[N]) -> f32:
    return gm.sum(x)


@gm.kernel
def dot(x: f32[N], y: f32[N]) -> f32:
    return x @ y


@gm.kernel
def jacobi_2d(A: f32[N, N], B: f32[N, N], steps: i32):
    for _ in range(steps):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])


def heat_of(A):
    """One sweep over the inside of a cube."""
    c = A[1:-1, 1:-1, 1:-1]
    return (
        0.125 * (A[2:, 1:-1, 1:-1] - 2.0 * c + A[:-2, 1:-1, 1:-1])
        + 0.125 * (A[1:-1, 2:, 1:-1] - 2.0 * c + A[1:-1, :-2, 1:-1])
        + 0.125 * (A[1:-1, 1:-1, 2:] - 2.0 * c + A[1:-1, 1:-1, :-2])
        + c
    )


@gm.kernel
def heat_3d(A: f32[N, N, N], B: f32[N, N, N], steps: i32):
    for _ in range(steps):
        B[1:-1, 1:-1, 1:-1] = heat_of(A)
        A[1:-1, 1:-1, 1:-1] = heat_of(B)


@gm.kernel
def add(a: f32[M, N], b: f32[M, N], out: f32[M, N]):
    out[:] = a + b


@gm.kernel
def regions(x: i32[N], count: i32):
    """Parallel regions that have next to nothing to do: what they take is the fork and the join."""
    for _ in range(count):
        for i in gm.parallel(range(2)):
            x[16 * i] += 1


@gm.kernel
def products(a: f32[N], b: f32[W], turns: f32[C], c: f32[N, W]):
    """The roof: sums products of what registers hold: as many accumulators as hide the latency."""
    for t, i, j in gm.grid(C, N, W):
        c[i, j] += a[i] * b[j]


@gm.kernel
def reading(x: f32[N], rounds: f32[C], out: f32[C]):
    """The roof: reads an array over and over."""
    for t in range(C):
        out[t] = gm.sum(x)
