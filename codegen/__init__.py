"""IR to LLVM IR, just-in-time compilation, the CPU runtime."""
