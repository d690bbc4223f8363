"""Gemel: plain kernels, called as a user calls them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gemel._version import __version__
from gemel.bench import kernels
from gemel.bench.workload import Array, Maker, Run


def facts() -> dict[str, str]:
    """Versions."""
    import llvmlite
    import llvmlite.binding as llvm

    version = ".".join(map(str, llvm.llvm_version_info))
    return {"gemel": __version__, "llvmlite": llvmlite.__version__, "llvm": version, "target": llvm.get_host_cpu_name()}


def _plain(kernel: Any) -> Maker:
    """A kernel of its own for each workload, whose result has its place, as those of the others have."""
    return lambda *args: _placed(kernel.specialize(), *args)


def _placed(kernel: Any, *args: Any) -> Run:
    result = kernel(*args)
    return Run(partial(kernel, *args, out=result) if isinstance(result, np.ndarray) else partial(kernel, *args))


def _layer(kernel: Any) -> Maker:
    """A kernel whose arguments but the first are constants."""

    def make(x: Array, *weights: Array) -> Run:
        names = [p.hint for p in kernel.ir.params[1:]]
        return _placed(kernel.specialize(**dict(zip(names, weights, strict=True))), x)

    return make


def _changes(kernel: Any) -> Maker:
    """A kernel whose first argument is its result."""

    def make(*args: Any) -> Run:
        return Run(partial(kernel.specialize(), *args), lambda _: args[0])

    return make


def _bf16(a: Array, b: Array) -> Run:
    x, y = _patterns(a), _patterns(b)
    return replace(_placed(kernels.gemm_bf16.specialize(), x, y), result=_from_patterns)


def _patterns(x: Array) -> Array:
    return (x.view(np.uint32) >> 16).astype(np.uint16)


def _from_patterns(x: Array) -> Array:
    return (x.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _add(a: Array, b: Array) -> Run:
    out = np.empty_like(a)
    return Run(partial(kernels.add, a, b, out), lambda _: out)


CHANGED = ("jacobi_2d", "heat_3d", "regions")
PLAIN = (
    *("gemm", "gemm_tn", "gemm_nt", "gemm_tt", "gemm_i8", "gemv", "softmax", "layernorm", "rmsnorm"),
    *("gelu", "attention", "causal", "chain", "total", "dot"),
)
LAYERS = ("linear_gelu", "conv3x3", "depthwise", "conv1x1")
RUNS: dict[str, Maker] = {
    **{name: _plain(getattr(kernels, name)) for name in PLAIN},
    **{name: _layer(getattr(kernels, name)) for name in LAYERS},
    **{name: _changes(getattr(kernels, name)) for name in CHANGED},
    "gemm_bf16": _bf16,
    "add": _add,
}
