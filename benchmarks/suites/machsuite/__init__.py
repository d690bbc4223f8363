"""MachSuite in Gemel, written from the suite's definitions; `suite` lists the kernels."""

from __future__ import annotations

from suites.case import Suite
from suites.machsuite import arrays, coded, search

GROUPS = (arrays, coded, search)
suite = Suite("machsuite", sorted((c for group in GROUPS for c in group.CASES), key=lambda c: c.name))
