"""IR to LLVM IR, just-in-time compilation, the CPU runtime."""

from gemel.codegen.runtime import Compiled, compile_kernel

__all__ = ["Compiled", "compile_kernel"]
