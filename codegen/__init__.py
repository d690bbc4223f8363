"""IR to LLVM IR, just-in-time and ahead-of-time compilation, the CPU runtime."""

from gemel.codegen.runtime import Compiled, compile_for, compile_kernel

__all__ = ["Compiled", "compile_for", "compile_kernel"]
