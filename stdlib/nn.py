"""Layers of neural networks, in f32."""

from __future__ import annotations

import math

import gemel as gm
from gemel import f32

C, D, H, M, N = gm.dims("C D H M N")


@gm.kernel
def softmax(x: f32[M, N]) -> f32[M, N]:
    """exp(x) by its sum, for each row; rows must have an element."""
    gm.requires(N > 0)
    e = gm.exp(x - x.max(axis=1, keepdims=True)).copy()
    return e / e.sum(axis=1, keepdims=True)


@gm.kernel
def layer_norm(x: f32[M, N], gain: f32[N], bias: f32[N], epsilon: f32 = 1e-5) -> f32[M, N]:
    """Each row brought to mean 0 and variance 1, then scaled and shifted."""
    centred = (x - x.mean(axis=1, keepdims=True)).copy()
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return centred * gm.rsqrt(variance + epsilon) * gain + bias


@gm.kernel
def group_norm(
    groups: gm.static[int], x: f32[M, C, N], gain: f32[C], bias: f32[C], epsilon: f32 = 1e-5
) -> f32[M, C, N]:
    """As `layer_norm` over groups of neighbouring channels, whose number must divide C."""
    gm.requires(C % groups == 0)
    out = gm.empty((M, C, N), f32)
    size = C // groups
    for m in range(M):
        for g in range(groups):
            group = x[m, g * size : (g + 1) * size]
            mean = gm.mean(group)
            scale = gm.rsqrt(gm.mean((group - mean) * (group - mean)) + epsilon)
            for c in range(g * size, (g + 1) * size):
                out[m, c] = (x[m, c] - mean) * scale * gain[c] + bias[c]
    return out


@gm.kernel
def gelu(x: f32[M, N]) -> f32[M, N]:
    """x times the normal distribution's share below x."""
    return 0.5 * x * (1 + gm.erf(x * math.sqrt(0.5)))


@gm.kernel
def rope(x: f32[N, 2 * H]) -> f32[N, 2 * H]:
    """Rotary positions: each pair of neighbours turned by an angle that grows with the row."""
    out = gm.empty((N, 2 * H), f32)
    for n, h in gm.grid(N, H):
        angle = f32(n) * gm.pow(f32(10000.0), -f32(h) / f32(H))
        c, s = gm.cos(angle), gm.sin(angle)
        a, b = x[n, 2 * h], x[n, 2 * h + 1]
        out[n, 2 * h] = a * c - b * s
        out[n, 2 * h + 1] = a * s + b * c
    return out


@gm.kernel
def causal_attention(q: f32[N, D], k: f32[N, D], v: f32[N, D]) -> f32[N, D]:
    """Attention of each row to itself and the rows before it, scaled by 1 / sqrt(D)."""
    out = gm.empty((N, D), f32)
    scale = gm.rsqrt(f32(D))
    for i in range(N):
        score = gm.empty((i + 1,), f32)
        for j in range(i + 1):
            score[j] = gm.sum(q[i] * k[j]) * scale
        weight = gm.exp(score - gm.max(score)).copy()
        out[i] = weight @ v[: i + 1] / gm.sum(weight)
    return out
