"""npbench in Gemel, written from the suite's definitions; `suite` lists the kernels."""

from __future__ import annotations

from suites.case import Suite
from suites.npbench import apps, dense, flows

GROUPS = (apps, dense, flows)
suite = Suite("npbench", sorted((c for group in GROUPS for c in group.CASES), key=lambda c: c.name), apps.SKIPPED)
