"""A run as a picture: for each kernel, how many times our cycles and our LUTs others take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemel.bench.hardware.table import ratio
from gemel.bench.picture import Bar, bars

SHOWN = (
    ("vivado", "cycles", "cycles"),
    ("piezo", "lut", "LUTs"),
    ("calyx", "lut", "LUTs"),
    ("bambu", "cycles", "cycles"),
)


def svg(data: Mapping[str, Any]) -> str:
    """The picture of a record: two bars for a kernel."""
    where = f"7 ns; cycles simulated, area by yosys; {data['date'][:10]}"
    return bars("Published figures over Gemel's", where, [bar for row in data["rows"] for bar in _bars(row)])


def _bars(row: Mapping[str, Any]) -> list[Bar]:
    found: dict[str, Bar] = {}
    for tool, what, label in SHOWN:
        value = ratio(dict(row), tool, what)
        if value and label not in found:
            found[label] = Bar(f"{row['group']} {row['kernel']}, {label}", 1 / value, f"{1 / value:.2f} ({tool})")
    return list(found.values())
