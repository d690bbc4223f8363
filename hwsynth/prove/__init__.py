"""Proof that emitted SystemVerilog computes its kernel, by running the text on symbols.

yosys reads the text and writes BTOR2 (`reading`, `btor`); the circuit runs cycle by cycle on terms (`step`, `machine`)
with memories of symbols around it, the reference interpreter runs on the same symbols, and the terms are compared.
"""
