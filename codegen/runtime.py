"""Compiled kernels: arguments checked and passed, results and errors brought back."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.codegen import cache, keeping, keys, tables, tuned
from gemel.codegen.jit import Code, load, object_of
from gemel.codegen.made import Facts, Made, packed, unpacked
from gemel.semantics.arguments import Bound, Output, bind, outputs, places, shape_of, unpack
from gemel.semantics.convert import Value, from_bits
from gemel.semantics.dtypes import F64, BoolType, DType, FloatType, storage_bits, width_of
from gemel.semantics.entry import trimmed
from gemel.semantics.errors import CompileError, GemelError, OutOfMemoryError
from gemel.semantics.failures import failure
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.storage import WORD, Array, filled, from_values, from_words, is_wide, numpy_dtype, to_words
from gemel.semantics.traverse import stored

if TYPE_CHECKING:
    from gemel.codegen.entries import Entry
    from gemel.codegen.lower import Lowered
    from gemel.codegen.objects import Library
    from gemel.codegen.prove.proof import CodeProof

SETUP = "setup"
"""The function of a module that computes what depends on constants only."""

WARM = 40
"""Calls after which a native entry is made: it takes as long to make as some hundred calls without it."""

Function = Callable[..., Any]


def _nobody(compiled: Compiled) -> bool:
    return False


class Compiled:
    """Native code of a kernel at given sizes; call it as the kernel.

    `source` is that kernel. Where the code comes from the disk cache, nothing else is made until it is asked for.

    Calls from several threads run at the same time: the GIL is released while the code runs, unless that takes a few
    microseconds only. A kernel that doesn't end can't be interrupted.

    Memory for large local arrays is kept from one call to the next, as long as this lives.

    `when_warm` is told when the code has been called often; it says whether calls have another entry from then on.
    """

    def __init__(self, made: Made, facts: Facts, code: bytes) -> None:
        self.source, self._made, self._facts = made.source, made, facts
        beside = tables.addresses(made.source)
        self.code = Code(lambda: self._lowered.text, *facts.how, load(code, beside))
        self.alone = not beside and not facts.begins  # it needs no data of the kernel's, and nothing runs before it
        if facts.keeps:
            self.code.at_end(keeping.RELEASE)
        if facts.begins and self.code.function(SETUP, ctypes.c_int64)():
            raise self.error(-1, b"")
        source = made.source
        types = [_ctype(p) for p in source.params] + [ctypes.c_void_p] * (len(source.results) + 1)
        self._native = self.code.function("kernel", ctypes.c_int64, *types)
        self._makers = [
            (np.empty if filled else np.zeros, *_memory(b))
            for b, filled in zip(source.results, facts.filled, strict=True)
        ]
        self._wide = [p for p in source.params if is_wide(p.dtype)]
        self._stored = stored(source.body)
        self._calls = 0
        self._call: Function = self._first
        self.when_warm: Callable[[Compiled], bool] = _nobody
        self.kept_as: str | None = None  # the name of the code in the disk cache

    @property
    def vectors(self) -> bool:
        """Whether there are explicit vector loops in the code."""
        return self._facts.vectors

    @property
    def scheduled(self) -> Kernel:
        """The kernel with the order of computation decided; it has the bits that the code has."""
        return self._made.scheduled

    @property
    def kernel(self) -> Kernel:
        """What the other passes made of that."""
        return self._made.kernel

    @cached_property
    def _lowered(self) -> Lowered:
        return self._made.again(self._facts)

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

    def prove(self, seconds: float = 10.0, **scalars: Any) -> CodeProof:
        """Proves that the LLVM IR, before LLVM's passes, computes the kernel: `.llvm` on symbols against `.scheduled`.

        Gives a CodeProof: `.status` ("proved", "refuted", "unknown"), `.ok`, `.why`, `.assumed`. It holds for all
        elements of arrays, and all scalars but those that are given. `seconds` is z3's time for each question that is
        left. With `validate()` of the schedule, the code is that of the kernel as written. Loads z3 and LLVM.
        """
        from gemel.codegen.prove.proof import prove

        return prove(self.scheduled, self.llvm, seconds, scalars)

    @cached_property
    def library(self) -> Library:
        """The kernel as C functions for this machine, compiled ahead of time."""
        from gemel.codegen.objects import library
        from gemel.codegen.targets import NATIVE, target

        return library(self.source, target(NATIVE), computed)

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes the kernel as C functions for this machine; see `Library.save`."""
        return self.library.save(path)

    def __call__(self, *args: Any, **out: Any) -> Any:
        """Runs the code on arrays and numbers; gives what the kernel returns. `out=` names arrays for the results.

        Raises what `arguments.bind` and `arguments.outputs` raise; BoundsError, DivisionError or CheckError where the
        run fails; OutOfMemoryError where there is no memory for a local array.
        """
        return self._call(*args, **out)

    @property
    def sizes(self) -> tuple[tuple[int, ...] | None, ...]:
        """The sizes of the arguments; None for a number."""
        return tuple(shape_of(p, {}) if isinstance(p, Buffer) else None for p in self.source.params)

    def entry(self, fallback: Function, gate: ctypes.c_int64 | None = None) -> Function:
        """A function for calls that take well under a microsecond: it checks the arguments natively.

        What it can't take as it is (other types or sizes, say), it passes on to `fallback`, whose result it returns; so
        it does with all calls while `gate` is not 0.
        """
        made = self.native_entry
        return fallback if made is None else made.function(self.code.loaded, fallback, self.error, self, gate)

    @cached_property
    def native_entry(self) -> Entry | None:
        """The code of that function; None where layout or types are such that there is none."""
        from gemel.codegen import fastcall

        source, facts = fastcall.bare(self.source), self._facts
        changed = [p for p, stored in zip(source.params, facts.changed, strict=True) if stored]
        return fastcall.make(fastcall.Plan(source, changed, facts.record, facts.brief, self._makers))

    def _first(self, *args: Any, **out: Any) -> Any:
        self._calls += 1
        if self._calls > WARM:
            self.when_warm(self)
            self._call = self.entry(self._checked)  # for arrays that aren't NumPy's: they come here by their memory
        return self._checked(*args, **out)

    def _checked(self, *args: Any, out: Any = None) -> Any:
        named = places(out)
        bound = bind(self.source, args)
        given = outputs(self.source, bound, named)
        results = [self._room(n, o) for n, o in enumerate(given)]
        self._run(bound, results)
        for n, (b, o) in enumerate(zip(self.source.results, given, strict=True)):
            results[n] = _finished(b, results[n])
            if o is not None and results[n] is not o.array:
                o.array[...] = results[n]
        return unpack(self.source, results, given)

    def _room(self, n: int, out: Output | None) -> Array:
        """The memory for a result: the caller's array where it has the very form that code wants."""
        make, shape, dtype = self._makers[n]
        if out is None or is_wide(self.source.results[n].dtype):
            made: Array = make(shape, dtype)
            return made
        if make is not np.empty:
            out.array[...] = 0
        return out.array

    def _run(self, bound: Bound, results: Sequence[Array]) -> None:
        record = ctypes.create_string_buffer(self._facts.record or 1)
        words = {p: _words(p, bound) for p in self._wide}
        given = [words[p].ctypes.data if p in words else _passed(p, bound) for p in self.source.params]
        status = self._native(*given, *(r.ctypes.data for r in results), ctypes.addressof(record))
        for p in self._stored.intersection(words):
            from_values(from_words(words[p], p.dtype), p.dtype, bound.arrays[p])
        if status:
            raise self.error(status, record.raw)

    def error(self, status: int, record: bytes) -> GemelError:
        """What a run failed of."""
        if status < 0:
            return trimmed(
                OutOfMemoryError(
                    f"{self.source.name}: no memory for a local array",
                    code="R08",
                    span=self.source.span,
                    mend="make it smaller, or pass it as an argument that is smaller",
                )
            )
        site = self._lowered.sites[status - 1]
        places = zip(site.check.values, site.offsets, strict=True)
        return trimmed(failure(site.check, [_value(record, offset, v.dtype) for v, offset in places]))

    def __repr__(self) -> str:
        return f"<compiled kernel {self.source.name}>"


def _memory(b: Buffer) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and element type of the memory of a result."""
    shape = shape_of(b, {})
    if not is_wide(b.dtype):
        return shape, numpy_dtype(b.dtype)
    return (*shape, storage_bits(b.dtype) // WORD), np.dtype(np.uint64)


def _finished(b: Buffer, memory: Array) -> Array:
    """A result as the caller gets it."""
    return filled(from_words(memory, b.dtype), b.dtype, memory.shape[:-1]) if is_wide(b.dtype) else memory


def _words(p: Buffer | Var, bound: Bound) -> Array:
    """An argument of more than 64 bits as code takes it."""
    return to_words(bound.arrays[p] if isinstance(p, Buffer) else np.array(bound.scalars[p], object), p.dtype)


def _ctype(p: Buffer | Var) -> Any:
    if isinstance(p, Buffer) or is_wide(p.dtype):
        return ctypes.c_void_p
    if isinstance(p.dtype, FloatType):
        return ctypes.c_double if p.dtype == F64 else ctypes.c_float
    signed = getattr(p.dtype, "signed", False)
    return getattr(ctypes, f"c_{'' if signed else 'u'}int{storage_bits(p.dtype)}")


def _passed(p: Buffer | Var, bound: Bound) -> Value:
    return bound.arrays[p].ctypes.data if isinstance(p, Buffer) else bound.scalars[p]


def _value(record: bytes, offset: int, dtype: DType) -> Value:
    bits = int.from_bytes(record[offset : offset + storage_bits(dtype) // 8], "little")
    return bool(bits) if isinstance(dtype, BoolType) else from_bits(bits & ((1 << width_of(dtype)) - 1), dtype)


def compile_for(kernel: Kernel, name: str) -> Compiled | Library:
    """Code of a source-level kernel with known sizes for a target; what is not for `native` can't be called.

    Raises CompileError for an unknown target, or where a size is not known.
    """
    from gemel.codegen.objects import library
    from gemel.codegen.targets import NATIVE, target

    machine = target(name)
    if name == NATIVE:
        return compile_kernel(kernel)
    _known(kernel)
    return library(kernel, machine, computed)


def computed(kernel: Kernel) -> list[Array]:
    """The results of a kernel without parameters, as it is scheduled."""
    found = compile_kernel(kernel)()
    return list(found) if isinstance(found, tuple) else [found]


def compile_kernel(kernel: Kernel, steps: str | None = None) -> Compiled:
    """Native code for this CPU of a source-level kernel with known sizes: kept on disk, or made and then kept.

    It is scheduled by `steps` ("" for the default); without them by what tuning has found, if it has.

    Raises CompileError where a size is not known.
    """
    _known(kernel)
    steps = tuned.steps(kernel) if steps is None else steps
    key, made = keys.of_kernel(kernel, steps), Made(kernel, steps)
    entry = None if key is None else cache.get(key)
    facts, code = _compiled(made) if entry is None else unpacked(entry)
    if key is not None and entry is None:
        cache.put(key, packed(facts, code))
    compiled = Compiled(made, facts, code)
    compiled.kept_as = key
    return compiled


def _known(kernel: Kernel) -> None:
    if kernel.dims:
        names = ", ".join(d.hint for d in kernel.dims)
        raise CompileError(
            f"{kernel.name} has sizes that are not known: {names}",
            code="C02",
            span=kernel.span,
            mend="specialize the kernel first",
        )


def _compiled(made: Made) -> tuple[Facts, bytes]:
    from gemel.codegen.machine import WideVectors

    lowered = made.lowered(True)
    facts = made.facts(lowered, True)
    if lowered.vectors:
        with suppress(WideVectors):
            return facts, object_of(lowered.text, *facts.how)
        lowered = made.lowered(False)
        facts = made.facts(lowered, False)
    return facts, object_of(lowered.text, *facts.how)
