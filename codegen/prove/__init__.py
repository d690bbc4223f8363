"""Proof that generated LLVM IR computes the kernel: run on symbols, against the interpreter."""
