"""npbench in Gemel, written from the suite's definitions; `suite` lists the kernels."""

from __future__ import annotations

from suites.case import Suite

suite = Suite("npbench", [])
