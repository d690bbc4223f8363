"""The coverage of public suites, from the results of `benchmarks/suite_coverage.py`."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from pages import markdown
from pages.markdown import code, table

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SUITES = {
    "polybench": "[PolyBench](https://www.cs.colostate.edu/~pouchet/software/polybench/)",
    "npbench": "[npbench](https://github.com/spcl/npbench)",
    "machsuite": "[MachSuite](https://breagen.github.io/MachSuite/)",
}
COLUMNS = ("expressible", "interpreter", "CPU", "RTL", "verified")
Row = dict[str, str]


def results(suite: str) -> dict[str, Any]:
    """The results file of a suite."""
    found: dict[str, Any] = json.loads((BENCHMARKS / "results" / f"coverage_{suite}.json").read_text())
    return found


def passes(row: Row, column: str) -> bool:
    """Whether a kernel passes in a column."""
    said = row.get(column, "")
    if column == "RTL":
        return said.endswith("cycles")
    if column == "verified":
        count = proved(row)
        return count is not None and count[0] == count[1]
    return said == "yes"


def proved(row: Row) -> tuple[int, int] | None:
    """Obligations proved, and all; None where the kernel doesn't run."""
    found = re.match(r"(\d+)/(\d+)", row.get("verified", ""))
    return (int(found[1]), int(found[2])) if found else None


def reasons() -> dict[str, dict[str, str]]:
    """Why kernels are not entirely proved, by suite and kernel."""
    found: dict[str, dict[str, str]] = tomllib.loads((BENCHMARKS / "unproved.toml").read_text())
    return found


def _totals() -> str:
    rows = []
    for suite, link in SUITES.items():
        found = results(suite)["rows"]
        counts = [proved(r) for r in found]
        known = [c for c in counts if c is not None]
        obligations = f"{sum(c[0] for c in known):,} of {sum(c[1] for c in known):,}"
        rows.append([link, len(found), *(sum(passes(r, c) for r in found) for c in COLUMNS), obligations])
    return table(
        ["suite", "kernels", "expressible", "interpreter", "CPU", "RTL", "entirely verified", "obligations proved"],
        rows,
    )


def _unproved() -> str:
    why = reasons()
    rows = [
        [
            suite,
            code(r["kernel"]),
            r["verified"].split(" in ")[0],
            why.get(suite, {}).get(r["kernel"], "not examined yet"),
        ]
        for suite in SUITES
        for r in results(suite)["rows"]
        if proved(r) is not None and not passes(r, "verified")
    ]
    return table(["suite", "kernel", "proved", "why not all"], rows)


def _left_out() -> str:
    rows = [
        [suite, code(r["kernel"]), r["expressible"].removeprefix("no: ")]
        for suite in SUITES
        for r in results(suite)["rows"]
        if not passes(r, "expressible")
    ]
    return table(["suite", "kernel", "why"], rows)


def _cell(row: Row, column: str) -> str:
    said = row.get(column, "-")
    return said.split(" in ")[0] if column == "verified" else said


def _suite(suite: str) -> str:
    found = results(suite)
    rows = [[code(r["kernel"]), *(_cell(r, c) for c in COLUMNS)] for r in found["rows"] if passes(r, "expressible")]
    machine = found["machine"]
    return (
        f"## {suite}\n\nMeasured {machine['date']}, Gemel {machine['gemel']}, NumPy {machine['numpy']}, llvmlite {machine['llvmlite']}.\n\n"
        + table(["kernel", *COLUMNS], rows)
    )


def page() -> str:
    """The page."""
    return markdown.page(
        "Coverage",
        "How much of three public suites the language covers. Every kernel was written anew in Gemel, with the suite's computation, and is "
        "compared with a NumPy reference. `python benchmarks/suite_coverage.py` makes the record in `benchmarks/results/`.",
        _totals(),
        "- **expressible**: the kernel traces to IR.\n"
        "- **interpreter**, **CPU**: agrees with the reference; the two agree with each other bit for bit.\n"
        "- **RTL**: the simulated hardware gives the CPU's bits, in so many cycles (at tiny sizes). H01 says that the kernel uses floats, which hardware doesn't have yet.\n"
        "- **verified**: obligations proved for all sizes and inputs, of all that there are.",
        "## Not entirely proved\n\nWhat isn't proved is checked when the kernel runs; a narrowing wraps.",
        _unproved(),
        "## Left out",
        _left_out(),
        *map(_suite, SUITES),
    )
