"""One kernel: built, simulated, compared, synthesised; a row of the table."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gemel.bench.hardware import area
from gemel.bench.hardware.cases import Case
from gemel.bench.hardware.identity import everywhere
from gemel.bench.hardware.runs import expected, same, simulated, told
from gemel.errors import GemelError

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design
    from gemel.hwsynth.report import LoopReport

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What is asked for: `target` and `family` for all kernels where they are given; `quick` leaves Verilator out, and
    yosys where it hasn't seen the text before; `identity` lets every engine run."""

    target: str = ""
    family: str = ""
    quick: bool = False
    identity: bool = False


def measure(case: Case, settings: Settings) -> Row:
    """The row of a kernel; what refuses it stands in `refused`, what failed in `failed`."""
    row: Row = {"group": case.group, "kernel": case.name, "clock ns": case.clock_ns, "published": dict(case.published)}
    if case.refused:
        return {**row, "refused": case.refused}
    start = time.perf_counter()
    try:
        design = built(case, settings)
    except GemelError as error:
        return {**row, "refused": told(error)}
    row |= {
        "seconds": round(time.perf_counter() - start, 3),
        "target": design.report.target,
        "predicted": design.cycles,
    }
    row |= {"ii": intervals(design), "bounds": bounds(design)}
    for step in (_simulated, _area):
        try:
            row |= step(case, design, settings)
        except GemelError as error:
            row.setdefault("failed", []).append(told(error))
    return row


def built(case: Case, settings: Settings) -> Design:
    """The design of a kernel."""
    target = settings.target or case.target
    return case.kernel().synth_for(*case.arguments(), target=target, clock_mhz=1000 / case.clock_ns)


def intervals(design: Design) -> list[int | None]:
    """The initiation intervals of the innermost loops; None where one isn't pipelined."""
    return [loop.ii for loop in _innermost(design)]


def bounds(design: Design) -> list[str]:
    """What keeps innermost loops from beginning an iteration each cycle."""
    return [f"{r.name} (line {r.span.line}): II {r.ii}, {r.bound}" for r in _innermost(design) if r.ii not in (None, 1)]


def _innermost(design: Design) -> list[LoopReport]:
    loops = design.report.loops
    return [a for a, b in zip(loops, (*loops[1:], None), strict=True) if b is None or b.level <= a.level]


def _simulated(case: Case, design: Design, settings: Settings) -> Row:
    """Cycles natively and in Verilator: they agree with each other and the prediction, and so do the values."""
    wanted = expected(case, design)
    engines = ["native"] if settings.quick else ["native", "verilator"]
    found = {e: simulated(case, design, e) for e in engines}
    cycles = {c for _, c in found.values()} | ({design.cycles} if design.cycles is not None else set())
    wrong = [e for e, (left, _) in found.items() if not same(left, wanted)]
    row: Row = {"cycles": found["native"][1], "simulated": {e: c for e, (_, c) in found.items()}}
    problems = [f"other values in {e}" for e in wrong] + ([f"cycles differ: {cycles}"] if len(cycles) > 1 else [])
    row |= {"failed": problems} if problems else {}
    return row | ({"identity": everywhere(case, design, wanted)} if settings.identity else {})


def _area(case: Case, design: Design, settings: Settings) -> Row:
    family = settings.family or case.family
    found = area.area(design.verilog, design.module.name, family, settings.quick)
    return {"family": family, "area": asdict(found)} if found else {"family": family}
