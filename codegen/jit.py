"""LLVM IR text to machine code in this process."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import llvmlite.binding as llvm

from gemel.codegen import threads, widediv
from gemel.codegen.machine import optimize
from gemel.semantics.errors import CompileError

LARGE = 10_000
"""Lines of a module from which on the costly passes are left out, so that compile time stays near linear."""

_lock = threading.RLock()


@cache
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@cache
def features() -> dict[str, bool]:
    """What this CPU has, by LLVM's names."""
    return dict(llvm.get_host_cpu_features())


def is_x86() -> bool:
    """Whether this process runs on an x86."""
    return str(llvm.get_process_triple()).startswith(("x86_64", "i686"))


@cache
def converts_half() -> bool:
    """Whether the CPU converts between half and float: elsewhere than on x86 all 64-bit ones do."""
    return not is_x86() or features().get("f16c", False)


@cache
def native() -> tuple[str, str, str]:
    """This machine's triple, CPU and features, by LLVM's names."""
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


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
            threads.start()
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
    optimize(module, text, machine, level, unroll)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return Code(text, level, module, engine)
