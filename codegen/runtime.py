"""Compiled kernels: arguments checked and passed, results and errors brought back."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from gemel.codegen.jit import Code, compile_text
from gemel.codegen.lower import ERROR_SLOTS, lower
from gemel.codegen.pipeline import CPU
from gemel.semantics.arguments import Bound, bind, new_results, unpack
from gemel.semantics.convert import Value, wrap
from gemel.semantics.dtypes import DType, FloatType, IntType
from gemel.semantics.errors import CompileError
from gemel.semantics.failures import failure
from gemel.semantics.ir import Assert, Buffer, Kernel, Var
from gemel.semantics.pipeline import run


class Compiled:
    """Native code of a kernel at given sizes. Calling it is thread-safe and releases the GIL while the code runs."""

    def __init__(self, source: Kernel, kernel: Kernel, code: Code, sites: Sequence[Assert]) -> None:
        self.source, self.kernel, self.code = source, kernel, code
        self._sites = sites
        entry = ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p
        self._entry = code.function("gemel_entry", *entry)
        self._slots = ctypes.c_uint64 * max(len(source.params) + len(source.results), 1)

    @property
    def llvm(self) -> str:
        """The LLVM IR as generated."""
        return self.code.llvm

    @property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        return self.code.optimized

    @property
    def asm(self) -> str:
        """The assembly."""
        return self.code.asm

    def __call__(self, *args: Any) -> Any:
        """Runs the code; arguments, results and errors as for the kernel.

        Raises MemoryError where memory for local arrays runs out.
        """
        bound = bind(self.source, args)
        results = [np.zeros(r.shape, r.dtype) for r in new_results(self.source, bound.dims)]
        slots = self._slots(*(_slot(p, bound) for p in self.source.params), *(r.ctypes.data for r in results))
        errors = (ctypes.c_int64 * ERROR_SLOTS)()
        status = self._entry(ctypes.addressof(slots), ctypes.addressof(errors))
        if status:
            raise self._failed(status, errors)
        return unpack(self.source, results)

    def _failed(self, status: int, errors: Any) -> Exception:
        if status < 0:
            return MemoryError(f"{self.source.name}: no memory for a local array")
        site = self._sites[status - 1]
        return failure(site, [_value(errors[n], v.dtype) for n, v in enumerate(site.values[:ERROR_SLOTS])])

    def __repr__(self) -> str:
        return f"<compiled kernel {self.source.name}>"


def _slot(p: Buffer | Var, bound: Bound) -> int:
    if isinstance(p, Buffer):
        return int(bound.arrays[p].ctypes.data)
    value = bound.scalars[p]
    if isinstance(p.dtype, FloatType):
        return int(struct.unpack("<Q", struct.pack("<d", value))[0])
    return int(value) & 0xFFFFFFFFFFFFFFFF


def _value(raw: int, dtype: DType) -> Value:
    if isinstance(dtype, FloatType):
        return float(struct.unpack("<d", struct.pack("<q", raw))[0])
    return wrap(raw, dtype) if isinstance(dtype, IntType) and dtype.width <= 64 else raw


def compile_kernel(kernel: Kernel) -> Compiled:
    """Native code for this CPU of a source-level kernel with known sizes.

    Raises CompileError where a size is not known.
    """
    if kernel.dims:
        raise CompileError(f"{kernel.name} has sizes that are not known", code="C02", span=kernel.span)
    lowered = run(kernel, CPU, "cpu")
    text, sites = lower(lowered)
    return Compiled(kernel, lowered, compile_text(text), sites)
