"""The contenders by name: the module with their runs, and what has to be importable for it."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType

OURS = "gemel"
MODULES = {
    OURS: ("gemel_runs", ()),
    "numpy": ("numpy_runs", ()),
    "numba": ("numba_runs", ("numba",)),
    "torch": ("torch_runs", ("torch",)),
    "torch.compile": ("compiled_runs", ("torch",)),
    "jax": ("jax_runs", ("jax",)),
    "onnxruntime": ("onnx_runs", ("onnxruntime", "onnx")),
}


def missing(name: str) -> list[str]:
    """The packages that a contender lacks here."""
    return [package for package in MODULES[name][1] if find_spec(package) is None]


def installed() -> list[str]:
    """The contenders that can run here."""
    return [name for name in MODULES if not missing(name)]


def load(name: str) -> ModuleType:
    """A contender's module: `RUNS` by family, and `facts()`."""
    return importlib.import_module(f"gemel.bench.contenders.{MODULES[name][0]}")
