"""PolyBench/C 4.2.1 in Gemel, written from the suite's definitions; `suite` lists the kernels."""

from __future__ import annotations

from suites.case import Suite
from suites.polybench import blas, linear, medley, solvers, stencils

GROUPS = (blas, linear, solvers, medley, stencils)
suite = Suite("polybench", sorted((c for group in GROUPS for c in group.CASES), key=lambda c: c.name))
