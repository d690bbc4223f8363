"""LLVM IR text to machine code in this process."""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import llvmlite.binding as llvm

from gemel.semantics.errors import CompileError

_lock = threading.RLock()
_LARGE = 20_000
"""Lines of LLVM IR from which the costly passes are left out, so that compile time stays near linear."""


@cache
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    _add_wide_division()
    return llvm.Target.from_default_triple()


def _add_wide_division() -> None:
    """LLVM divides integers of 65 to 128 bits by calls into the compiler's runtime library."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("gcc_s") or "libgcc_s.so.1")
        for name in ("__divti3", "__modti3", "__udivti3", "__umodti3"):
            llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    except (OSError, AttributeError):
        return


def machine(level: int = 3) -> Any:
    """A target machine for this CPU."""
    features = llvm.get_host_cpu_features().flatten()
    return _target().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=level, reloc="default", codemodel="jitdefault"
    )


@dataclass
class Code:
    """A module that has been compiled and loaded."""

    llvm: str
    engine: Any
    module: Any
    target: Any

    def function(self, name: str, result: Any, *args: Any) -> Any:
        """A function of the module as a ctypes function, which releases the GIL while it runs."""
        return ctypes.CFUNCTYPE(result, *args)(self.engine.get_function_address(name))

    @cached_property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        return str(self.module)

    @cached_property
    def asm(self) -> str:
        """The assembly for this CPU."""
        with _lock:
            module = llvm.parse_assembly(self.optimized)
            return str(machine().emit_assembly(module))


def compile_text(text: str, *, vectorize: bool = True) -> Code:
    """Compiles and loads a module.

    Raises CompileError where LLVM doesn't take it, which is a mistake of ours.
    """
    with _lock:
        large = text.count("\n") > _LARGE
        target = machine(1 if large else 3)
        try:
            module = llvm.parse_assembly(text)
            module.verify()
        except RuntimeError as error:
            raise CompileError(f"LLVM rejects the generated code: {error}", code="C02") from None
        module.triple = llvm.get_process_triple()
        module.data_layout = str(target.target_data)
        options = llvm.create_pipeline_tuning_options(speed_level=1 if large else 3)
        options.loop_vectorization = options.slp_vectorization = vectorize and not large
        options.loop_unrolling = not large
        builder = llvm.create_pass_builder(target, options)
        builder.getModulePassManager().run(module, builder)
        engine = llvm.create_mcjit_compiler(module, target)
        engine.finalize_object()
        return Code(text, engine, module, target)
