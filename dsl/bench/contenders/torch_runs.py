"""PyTorch, eagerly, with `out=` where there is such; `compiled_runs` has the same through `torch.compile`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from gemel.bench.workload import Maker, Run

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.set_grad_enabled(False)


def facts() -> dict[str, str]:
    """Versions."""
    return {"torch": torch.__version__, "torch vectors": torch.backends.cpu.get_cpu_capability()}


def tensor(x: Any) -> Any:
    """An argument as a tensor on the same memory."""
    return torch.from_numpy(x) if isinstance(x, np.ndarray) else x


def back(x: Any) -> Any:
    """A tensor as an array."""
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


def attention(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q[None], k[None], v[None])[0]


def causal(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


def cross(a: Any) -> Any:
    return 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])


def heat(a: Any) -> Any:
    c = a[1:-1, 1:-1, 1:-1]
    x = a[2:, 1:-1, 1:-1] - 2 * c + a[:-2, 1:-1, 1:-1]
    y = a[1:-1, 2:, 1:-1] - 2 * c + a[1:-1, :-2, 1:-1]
    z = a[1:-1, 1:-1, 2:] - 2 * c + a[1:-1, 1:-1, :-2]
    return 0.125 * x + 0.125 * y + 0.125 * z + c


def jacobi_step(a: Any, b: Any) -> None:
    b[1:-1, 1:-1] = cross(a)
    a[1:-1, 1:-1] = cross(b)


def heat_step(a: Any, b: Any) -> None:
    b[1:-1, 1:-1, 1:-1] = heat(a)
    a[1:-1, 1:-1, 1:-1] = heat(b)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gemm": lambda a, b: a @ b,
    "gemm_tn": lambda a, b: a.T @ b,
    "gemm_nt": lambda a, b: a @ b.T,
    "gemm_tt": lambda a, b: a.T @ b.T,
    "gemm_i8": torch._int_mm,
    "gemm_bf16": lambda a, b: a @ b,
    "gemv": lambda a, x: a @ x,
    "linear_gelu": lambda x, w, b: F.gelu(torch.addmm(b, x, w), approximate="tanh"),
    "softmax": lambda x: torch.softmax(x, 1),
    "layernorm": lambda x, g, b: F.layer_norm(x, x.shape[1:], g, b),
    "rmsnorm": lambda x, g: F.rms_norm(x, x.shape[1:], g, 1e-5),
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "attention": attention,
    "causal": causal,
    "conv3x3": lambda x, w: F.conv2d(x[None], w, padding=1),
    "depthwise": lambda x, w: F.conv2d(x[None], w[:, None], padding=1, groups=len(w)),
    "conv1x1": lambda x, w: F.conv2d(x[None], w[:, :, None, None]),
    "chain": lambda a, b, c: torch.tanh(a * b + c),
    "total": lambda x: x.sum(),
    "dot": lambda x, y: x @ y,
    "add": lambda a, b: a + b,
}
STEPS = {"jacobi_2d": jacobi_step, "heat_3d": heat_step}
INTO: dict[str, Callable[..., Any]] = {
    "gemm": torch.mm,
    "gemm_tn": lambda a, b, out: torch.mm(a.T, b, out=out),
    "gemm_nt": lambda a, b, out: torch.mm(a, b.T, out=out),
    "gemm_tt": lambda a, b, out: torch.mm(a.T, b.T, out=out),
    "gemm_i8": torch._int_mm,
    "gemm_bf16": torch.mm,
    "gemv": torch.mv,
    "chain": lambda a, b, c, out: torch.tanh_(torch.addcmul(c, a, b, out=out)),
    "add": torch.add,
}
"""Forms that store to a tensor made beforehand."""


def given(family: str, args: tuple[Any, ...]) -> list[Any]:
    """The arguments as the family's functions take them."""
    tensors = [tensor(a) for a in args]
    return [t.bfloat16() for t in tensors] if family == "gemm_bf16" else tensors


def _function(family: str) -> Maker:
    def make(*args: Any) -> Run:
        tensors, f, into = given(family, args), FUNCTIONS[family], INTO.get(family)
        if into is None:
            return Run(partial(f, *tensors), back)
        out = f(*tensors).contiguous()
        return Run(partial(into, *tensors, out=out), back)

    return make


def stepped(step: Callable[..., Any]) -> Maker:
    """A stencil; one call of the step makes a sweep there and one back."""

    def make(a: Any, b: Any, steps: int) -> Run:
        x, y = tensor(a), tensor(b)

        def call() -> Any:
            for _ in range(steps):
                step(x, y)
            return x

        return Run(call, back)

    return make


RUNS: dict[str, Maker] = {
    **{family: _function(family) for family in FUNCTIONS},
    **{family: stepped(step) for family, step in STEPS.items()},
}
