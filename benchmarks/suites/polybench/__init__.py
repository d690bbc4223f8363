"""PolyBench/C 4.2.1 in Gemel, written from the suite's definitions; `suite` lists the kernels."""
