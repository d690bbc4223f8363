"""What synthesis found: loops with their initiation intervals, cycles, operators, memories."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gemel.semantics.errors import SynthesisError
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from gemel.hwsynth.charts import Chart, Step, Stretch
    from gemel.hwsynth.estimate import Estimate
    from gemel.hwsynth.formula import Family, Formula


@dataclass(frozen=True)
class LoopReport:
    """A loop: trip count, initiation interval (None: not pipelined), depth in cycles, what bounds the interval where.

    A number that depends on data is None. `chain` are the operations that bound the interval, one after the other,
    `beside` the names and lines of loops that may run at the same time.
    """

    name: str
    level: int
    span: Span
    trips: int | None
    ii: int | None
    depth: int | None
    bound: str
    lines: tuple[int, ...]
    chain: tuple[Step, ...] = ()
    beside: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class MemoryReport:
    """A memory: words, bits a word, ports used, and whether it lies outside of the module.

    `holds` says which part of an array a bank has; `constant` is true of a table. `made_of` is what tools are expected
    to make of it on the target, as in `2 block RAMs of 18 Kbit`; the empty text for a memory outside.
    """

    name: str
    words: int
    bits: int
    reads: int
    writes: int
    external: bool
    holds: str = ""
    constant: bool = False
    made_of: str = ""


@dataclass(frozen=True)
class UnitReport:
    """A kind of functional unit: its instances, the operations that these do and where, and its timing in cycles."""

    name: str
    instances: int
    operations: int
    lines: tuple[int, ...]
    latency: int
    interval: int


@dataclass(frozen=True)
class Report:
    """The report of a design; `str()` is for the terminal."""

    kernel: str
    target: str
    clock_mhz: float
    cycles: int | None
    loops: tuple[LoopReport, ...]
    memories: tuple[MemoryReport, ...]
    operators: dict[str, int] = field(default_factory=dict)
    register_bits: int = 0
    units: tuple[UnitReport, ...] = ()
    charts: tuple[Chart, ...] = field(default=(), repr=False)
    run: tuple[Stretch, ...] = field(default=(), repr=False)
    """When the parts of a run take place, where some do so at the same time and all cycles are known."""
    estimated: Callable[[], Estimate] | None = field(default=None, compare=False, repr=False)
    family: Family | None = field(default=None, repr=False, compare=False)
    ways: Callable[[], tuple[int, ...]] | None = field(default=None, repr=False, compare=False)
    """Cycles along each way through loops that run at the same time; the cycles are the most of these."""

    def __str__(self) -> str:
        from gemel.hwsynth.reporting.tables import text

        return text(self, self.formula)

    def __repr__(self) -> str:
        from gemel.hwsynth.reporting.tables import text

        return text(self, None)

    @cached_property
    def estimate(self) -> Estimate:
        """The area and the highest clock, found from the netlist and the target's data when first asked for.

        Raises SynthesisError H02 for a report that no design belongs to.
        """
        if self.estimated is None:
            raise SynthesisError("this report has no netlist to estimate", code="H02")
        return self.estimated()

    @cached_property
    def formula(self) -> Formula | None:
        """The cycles as a formula in the kernel's sizes, as in `M*N*K + 7`, and the range of sizes in which it holds.

        It is found from the hardware at some other sizes, when it is first asked for. None where the kernel has no
        sizes, or cycles that depend on data or follow no polynomial.
        """
        from gemel.hwsynth.formula import formula

        return None if self.family is None or self.cycles is None else formula(self.family)

    def headlines(self) -> Iterator[str]:
        """What is said first: how long a run takes."""
        known = f"{self.cycles:,}" if self.cycles is not None else "depends on the data"
        time = f" ({self.cycles / self.clock_mhz:,.2f} us)" if self.cycles is not None else ""
        yield f"cycles: {known}{time}"
        if self.estimated is not None:
            yield self.clock

    @property
    def clock(self) -> str:
        """What is estimated of the clock, and whether that is less than was asked for."""
        mhz = round(self.estimate.mhz)
        short = f", less than the {self.clock_mhz:g} asked for" if mhz < self.clock_mhz else ""
        return f"estimated clock: at most {mhz} MHz{short}"

    def _repr_html_(self) -> str:
        from gemel.hwsynth.reporting.page import content

        return content(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the report as one HTML file that needs nothing else: the tables, and each schedule as a picture.

        Raises ToolError where the place can't be written.
        """
        from gemel.hwsynth.reporting.page import save

        return save(self, path)
