"""IR to LLVM IR, just-in-time and ahead-of-time compilation, the CPU runtime."""
