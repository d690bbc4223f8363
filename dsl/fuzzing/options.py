"""What drawn kernels may hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from gemel.semantics.dtypes import BOOL, FLOATS, INDEX, DType, FixedType, IntType, Overflow, Rounding
from gemel.semantics.span import Span

SPAN = Span("<fuzz>", 1, 1, 1, 2)
WIDTHS = (1, 3, 8, 13, 16, 32, 33)
HINTS = ("x", "y", "p0", "index", "reg", "clk", "done", "_", "ä")
"""Names that users may choose; the text form or SystemVerilog take some of them amiss."""


@dataclass(frozen=True)
class Options:
    """What kernels may hold. `total`: no run fails. `wide`: integers beyond 64 bits inside."""

    ints: bool = True
    floats: bool = False
    fixed: bool = True
    total: bool = False
    elementary: bool = False
    wide: bool = False
    symbolic: bool = True
    calls: bool = True
    contracts: bool = True
    parallel: bool = True
    budget: int = 14

    @property
    def widest(self) -> int:
        """Expressions that would be wider are cast down, so that kernels stay small in hardware."""
        return 400 if self.wide else 48


CPU = Options(floats=True, elementary=True, wide=True)
"""All that the language has."""
FLOATING = Options(ints=False, floats=True, fixed=False, elementary=True)
"""Mostly floats, of which there are many ops."""
HARDWARE = Options()
"""All that hardware has so far: no floats."""
SIMULATED = Options(total=True, budget=8)
"""For simulators that take seconds for a kernel."""


@cache
def dtypes(o: Options, boundary: bool = False) -> st.SearchStrategy[DType]:
    """Element types; `boundary`: such as parameters and results may have."""
    widths = (*WIDTHS, 70, 130) if o.wide and not boundary else (*WIDTHS, 64)
    ints = st.builds(IntType, st.sampled_from(widths), st.booleans())
    kinds: list[st.SearchStrategy[Any]] = [ints, ints] * o.ints + [st.just(BOOL), st.just(INDEX)]
    if o.floats:
        kinds += [st.sampled_from(tuple(FLOATS.values()))] * 2
    if o.fixed:
        modes = (st.sampled_from(list(Rounding)), st.sampled_from(list(Overflow)))
        kinds.append(st.builds(FixedType, st.sampled_from((8, 12, 16)), st.integers(-2, 10), st.booleans(), *modes))
    return st.one_of(kinds)
