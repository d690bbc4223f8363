"""LLVM IR text to machine code in this process."""

from __future__ import annotations

import ctypes
import re
import threading
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import llvmlite.binding as llvm

from gemel.codegen import threads, widediv
from gemel.codegen.host import features
from gemel.semantics.errors import CompileError

LARGE = 10_000
"""Lines of a module from which on the costly passes are left out, so that compile time stays near linear."""

LONG = 6_000
"""Lines of one basic block from which on LLVM selects instructions the quick way: the other takes the square of it."""

WIDE = re.compile(r"\bi(?:6[5-9]|[7-9]\d|\d{3,})\b")
"""An integer type that no register holds."""

WIDE_VECTOR = re.compile(r"x i(?:6[5-9]|[7-9]\d|\d{3,})>")
"""A vector of such integers, which LLVM 22 doesn't always get right."""

_lock = threading.RLock()


@cache
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@cache
def converts_half() -> bool:
    """Whether the CPU converts between half and float: elsewhere than on x86 all 64-bit ones do."""
    return not llvm.get_process_triple().startswith(("x86_64", "i686")) or features().get("f16c", False)


def _machine(level: int) -> Any:
    """A new target machine: an engine takes its own."""
    return _target().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=level,
        reloc="default",
        codemodel="jitdefault",
    )


@cache
def _wide_division() -> Any:
    """Defines the functions of `widediv` for all modules to come; gives what keeps them alive."""
    code = _compile(widediv.TEXT, 2)
    for name in widediv.NAMES:
        llvm.add_symbol(name, code.address(name))
    return code


class WideVectors(Exception):
    """Vectors of integers of more than 64 bits were left after LLVM's passes: lanes have to be computed one by one."""


@dataclass(frozen=True)
class Code:
    """A module that has been compiled and loaded; its functions live as long as this."""

    llvm: str
    level: int
    module: Any
    engine: Any

    def address(self, name: str) -> int:
        """Where a function is."""
        return int(self.engine.get_function_address(name))

    def function(self, name: str, result: Any, *args: Any) -> Any:
        """A function of the module as a ctypes function, which releases the GIL while it runs."""
        return ctypes.CFUNCTYPE(result, *args)(self.address(name))

    @property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        return str(self.module)

    @cached_property
    def asm(self) -> str:
        """The assembly for this CPU."""
        with _lock:
            return str(_machine(self.level).emit_assembly(llvm.parse_assembly(self.optimized)))


def compile_text(text: str, level: int = 3, unroll: bool = True) -> Code:
    """Compiles and loads a module; `level` is that of LLVM's optimisation (0: none), less for a very large module.

    Without `unroll` loops stay as they are: a schedule has unrolled what is worth it.

    Raises CompileError where LLVM doesn't take the text, which is a mistake of ours; WideVectors.
    """
    with _lock:
        if widediv.needed(text):
            _wide_division()
        if threads.DECLARATION in text:
            threads.start(_compile)
        return _compile(text, min(level, 1) if text.count("\n") > LARGE else level, unroll)


def _compile(text: str, level: int, unroll: bool = True) -> Code:
    machine = _machine(level)
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"LLVM rejects the generated code: {error}", code="C02") from None
    module.triple = llvm.get_process_triple()
    module.data_layout = str(machine.target_data)
    if WIDE.search(text):
        _optimize(module, machine, level, False, unroll)
        left = str(module)
        if WIDE_VECTOR.search(text) and WIDE_VECTOR.search(left):
            raise WideVectors
        if not WIDE.search(left):
            _optimize(module, machine, level, True, unroll)
    else:
        _optimize(module, machine, level, True, unroll)
    if _longest_block(text) > LONG:
        machine = _machine(0)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return Code(text, level, module, engine)


def _longest_block(text: str) -> int:
    """The lines of the longest basic block; labels begin at the margin."""
    longest = lines = 0
    for line in text.splitlines() if text.count("\n") > LONG else ():
        lines = lines + 1 if line.startswith(" ") else 0
        longest = max(longest, lines)
    return longest


def _optimize(module: Any, machine: Any, level: int, vectorize: bool, unroll: bool) -> None:
    """LLVM's passes. What still has wide integers is not vectorised: LLVM 22 gets <4 x i128> wrong for AVX-512."""
    if level == 0:
        return
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = vectorize and level > 1
    options.loop_unrolling = unroll and level > 1
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
