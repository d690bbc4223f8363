"""MachSuite in Gemel, written from the suite's definitions; `suite` lists the kernels."""
