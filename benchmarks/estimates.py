"""Estimated against synthesised area of the kernels of the tables: `python benchmarks/estimates.py [TARGET...]`.

Yosys' counts are kept by the text that they are of, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from harness import RESULTS, machine

from gemel.bench.hardware.cases import Case, tables
from gemel.codegen import cache
from gemel.errors import GemelError
from gemel.hwsynth import judges, tools
from gemel.hwsynth.targets import Target, target

LEAST = 5
"""Of fewer than this, a difference of one is too much of a share to count."""


@dataclass(frozen=True)
class Row:
    """A kernel's resources, estimated and synthesised."""

    kernel: str
    estimated: Mapping[str, float]
    synthesised: Mapping[str, float]

    def shares(self) -> dict[str, float]:
        """By resource, how much more was estimated, as a share of what is."""
        both = {r: (self.estimated[r], n) for r, n in self.synthesised.items()}
        return {r: (a - b) / max(b, 1) for r, (a, b) in both.items() if max(a, b) >= LEAST}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=["ecp5", "xcup"])
    parser.add_argument("--only", default="", help="kernels whose group/name has this in it")
    options = parser.parse_args()
    cases = [c for c in tables() if options.only in f"{c.group}/{c.name}"]
    found = {name: list(_rows(target(name), cases)) for name in options.targets}
    data = {name: {"rows": [vars(r) for r in rows], "median": medians(rows)} for name, rows in found.items()}
    if not options.only:
        (RESULTS / "estimates.json").write_text(
            json.dumps({"machine": machine(), "pyosys": version("pyosys"), **data}, indent=1) + "\n"
        )


def _rows(t: Target, cases: Iterable[Case]) -> Iterable[Row]:
    rows = []
    for case in cases:
        try:
            rows.append(_row(t, case))
        except GemelError as error:
            print(f"{t.name}: {case.group}/{case.name}: {str(error).splitlines()[0]}")
            continue
        print(f"{t.name:8} {rows[-1].kernel:28} {_text(rows[-1])}", flush=True)
    for resource, share in medians(rows).items():
        print(f"{t.name:8} median difference of {resource}: {share:.1%}")
    return rows


def _row(t: Target, case: Case) -> Row:
    design = case.kernel().synth_for(*case.arguments(), target=t.name, clock_mhz=1000 / case.clock_ns)
    name = cache.key("estimates", t.family, version("pyosys"), design.module.name, design.verilog)
    cells = tools.remembered(name, lambda: dict(judges.area(design.verilog, design.module.name, t, 1800.0)))
    return Row(f"{case.group}/{case.name}", dict(design.report.estimate.resources), t.used(cells))


def _text(row: Row) -> str:
    both = [f"{row.estimated[r]:,.0f} for {n:,.0f} {r}" for r, n in row.synthesised.items()]
    return ", ".join(both)


def medians(rows: Iterable[Row]) -> dict[str, float]:
    """By resource, the median of how far estimates are off."""
    shares: dict[str, list[float]] = {}
    for row in rows:
        for resource, share in row.shares().items():
            shares.setdefault(resource, []).append(abs(share))
    return {r: round(statistics.median(values), 4) for r, values in shares.items()}


if __name__ == "__main__":
    main()
