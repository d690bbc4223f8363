"""JAX: jitted functions on arrays of its own; a call ends when the result is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gemel.bench.workload import Maker, Run


def facts() -> dict[str, str]:
    """Versions."""
    return {"jax": jax.__version__}


def attention(q: Any, k: Any, v: Any) -> Any:
    return jax.nn.softmax(q @ k.transpose(0, 2, 1) * q.shape[-1] ** -0.5, axis=-1) @ v


def causal(q: Any, k: Any, v: Any) -> Any:
    s = q @ k.transpose(0, 2, 1) * q.shape[-1] ** -0.5
    return jax.nn.softmax(jnp.where(jnp.tri(q.shape[1], dtype=bool), s, -jnp.inf), axis=-1) @ v


def layernorm(x: Any, g: Any, b: Any) -> Any:
    d = x - x.mean(1, keepdims=True)
    return d * lax.rsqrt((d * d).mean(1, keepdims=True) + 1e-5) * g + b


def convolution(x: Any, w: Any, padding: str, groups: int = 1) -> Any:
    return lax.conv_general_dilated(x[None], w, (1, 1), padding, feature_group_count=groups)


def cross(a: Any) -> Any:
    inside = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
    return a.at[1:-1, 1:-1].set(inside)


def heat(a: Any) -> Any:
    c = a[1:-1, 1:-1, 1:-1]
    x = a[2:, 1:-1, 1:-1] - 2 * c + a[:-2, 1:-1, 1:-1]
    y = a[1:-1, 2:, 1:-1] - 2 * c + a[1:-1, :-2, 1:-1]
    z = a[1:-1, 1:-1, 2:] - 2 * c + a[1:-1, 1:-1, :-2]
    return a.at[1:-1, 1:-1, 1:-1].set(0.125 * x + 0.125 * y + 0.125 * z + c)


def i8(a: Any, b: Any) -> Any:
    return lax.dot(a, b, preferred_element_type=jnp.int32)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gemm": lambda a, b: a @ b,
    "gemm_tn": lambda a, b: a.T @ b,
    "gemm_nt": lambda a, b: a @ b.T,
    "gemm_tt": lambda a, b: a.T @ b.T,
    "gemm_i8": i8,
    "gemm_bf16": lambda a, b: a @ b,
    "gemv": lambda a, x: a @ x,
    "softmax": lambda x: jax.nn.softmax(x, axis=1),
    "layernorm": layernorm,
    "rmsnorm": lambda x, g: x * lax.rsqrt((x * x).mean(1, keepdims=True) + 1e-5) * g,
    "gelu": lambda x: jax.nn.gelu(x, approximate=True),
    "attention": attention,
    "causal": causal,
    "chain": lambda a, b, c: jnp.tanh(a * b + c),
    "total": lambda x: x.sum(),
    "dot": lambda x, y: x @ y,
    "add": lambda a, b: a + b,
}
WEIGHTS: dict[str, Callable[..., Any]] = {
    "linear_gelu": lambda x, w, b: jax.nn.gelu(x @ w + b, approximate=True),
    "conv3x3": lambda x, w: convolution(x, w, "SAME"),
    "depthwise": lambda x, w: convolution(x, w[:, None], "SAME", len(w)),
    "conv1x1": lambda x, w: convolution(x, w[:, :, None, None], "VALID"),
}
"""All but the first argument are constants of the function."""

SWEEPS = {"jacobi_2d": cross, "heat_3d": heat}


def _run(f: Callable[..., Any], *args: Any) -> Run:
    jitted = jax.jit(f)
    return Run(lambda: jitted(*args).block_until_ready(), lambda y: np.asarray(y.astype(jnp.float32)))


def _function(family: str) -> Maker:
    kind = jnp.bfloat16 if family == "gemm_bf16" else None
    return lambda *args: _run(FUNCTIONS[family], *(jnp.asarray(a, kind) for a in args))


def _with_weights(f: Callable[..., Any]) -> Maker:
    def make(x: Any, *weights: Any) -> Run:
        constant = [jnp.asarray(w) for w in weights]
        return _run(lambda x: f(x, *constant), jnp.asarray(x))

    return make


def _swept(sweep: Callable[..., Any]) -> Maker:
    def make(a: Any, b: Any, steps: int) -> Run:
        return _run(lambda x: lax.fori_loop(0, 2 * steps, lambda _, y: sweep(y), x), jnp.asarray(a))

    return make


RUNS: dict[str, Maker] = {
    **{family: _function(family) for family in FUNCTIONS},
    **{family: _with_weights(f) for family, f in WEIGHTS.items()},
    **{family: _swept(f) for family, f in SWEEPS.items()},
}
