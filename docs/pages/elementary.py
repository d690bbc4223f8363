"""The accuracy of the elementary functions, from the last complete measurement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gemel.semantics.dtypes import FLOATS
from pages import markdown
from pages.markdown import code, table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
FORMATS = tuple(FLOATS)


def _most(row: dict[str, Any], name: str) -> str:
    found = row.get(f"{name} ulp", "")
    return f"{found:.4f}".rstrip("0") if isinstance(found, float) else str(found)


def _tried(rows: list[dict[str, Any]], name: str) -> str:
    """How many values, in words: all of a format, or so many at random."""
    values = {row.get(f"{name} values") for row in rows} - {None, ""}
    samples = {row.get(f"{name} samples") for row in rows} - {None, ""}
    if values:
        every, *some = sorted(values, reverse=True)
        fewer = [f"{n:,} for {', '.join(_tried_by(rows, name, n))}" for n in some]
        pairs = [f"{n:,} random ones for {', '.join(_tried_by(rows, name, n, 'samples'))}" for n in sorted(samples)]
        return ", ".join([f"{name}: {every:,} values", *fewer, *pairs])
    return f"{name}: {', '.join(f'{n:,}' for n in sorted(samples))} random values"


def _tried_by(rows: list[dict[str, Any]], name: str, count: int, what: str = "values") -> list[str]:
    """The functions that were tried on so many."""
    return [code(f"gm.{row['function']}") for row in rows if row.get(f"{name} {what}") == count]


def page() -> str:
    """The page."""
    measured = json.loads((RESULTS / "elementary.json").read_text())
    rows, machine = measured["rows"], measured["machine"]
    formats = [n for n in FORMATS if any(f"{n} ulp" in row for row in rows)]
    return markdown.page(
        "Elementary functions",
        "Each function is defined once, in the IR, by additions, multiplications, fused multiply-adds and bit operations "
        "(`semantics/tower/`). The interpreter and the CPU run that definition, so both give the same bits everywhere.",
        "The greatest error found, in units in the last place (half a unit is what a correctly rounded result may have), to four digits:",
        table(
            ["function", *map(code, formats)],
            [[code(f"gm.{r['function']}"), *(_most(r, n) for n in formats)] for r in rows],
        ),
        f"Tried: {'; '.join(_tried(rows, n) for n in formats)}, against a reference of higher precision. Measured {machine['date']} by "
        "`python benchmarks/elementary.py`; `benchmarks/results/elementary.json` has the record.",
    )
