"""The goals of the hardware side beside what a run measured; what keeps kernels from one is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gemel.bench.hardware.measure import Row
from gemel.bench.hardware.table import aligned, figure, mean, ratio

Rows = Sequence[Row]


@dataclass(frozen=True)
class Goal:
    """What is to be reached: a measured figure of at most `least`, better of at most `aim`. None: not in this run."""

    name: str
    least: float
    aim: float
    measured: Callable[[Mapping[str, Any]], float | None]


def compared(group: str, tool: str, what: str, kernel: str = "") -> Callable[[Mapping[str, Any]], float | None]:
    """The geometric mean of ours over theirs in a group, or of one kernel in it."""

    def found(data: Mapping[str, Any]) -> float | None:
        return mean(ratio(r, tool, what) for r in _of(data, group) if kernel in ("", r["kernel"]))

    return found


def _of(data: Mapping[str, Any], *groups: str) -> list[Row]:
    return [r for r in data["rows"] if r["group"] in groups]


def _arrays(data: Mapping[str, Any]) -> float | None:
    """The most cycles beyond 3N - 2."""
    over = [r["cycles"] - (3 * int(r["kernel"]) - 2) for r in _of(data, "systolic") if "cycles" in r]
    return max(over, default=None)


def _slow(data: Mapping[str, Any]) -> list[Row]:
    """Kernels with an innermost loop that begins no iteration each cycle, or that aren't built."""
    return [r for r in _of(data, "tablec", "loops") if set(r.get("ii", [None])) - {1}]


def _share_slow(data: Mapping[str, Any]) -> float | None:
    asked = _of(data, "tablec", "loops")
    return len(_slow(data)) / len(asked) if asked else None


def _mispredicted(data: Mapping[str, Any]) -> float | None:
    static = [r for r in data["rows"] if r.get("predicted") is not None and "cycles" in r]
    return sum(r["predicted"] != r["cycles"] for r in static) / len(static) if static else None


def _large(data: Mapping[str, Any]) -> float | None:
    fits = [r["cycles"] for r in _of(data, "tableb") if "cycles" in r and (figure(r, "dsp") or 1e9) <= 175]
    return min(fits, default=None)


def _edit(data: Mapping[str, Any]) -> float | None:
    seconds: float | None = data["edit to cycles"].get("seconds")
    return seconds


GOALS = (
    Goal("tablec: cycles over Vivado HLS, geometric mean", 1.0, 0.7, compared("tablec", "vivado", "cycles")),
    Goal("tablec: LUTs over Piezo, geometric mean", 1.0, 0.8, compared("tablec", "piezo", "lut")),
    Goal("unrolled: cycles over Vivado HLS, geometric mean", 1.0, 0.7, compared("unrolled", "vivado", "cycles")),
    Goal("systolic: most cycles beyond 3N - 2", 7, 0, _arrays),
    Goal("tablec, loops: share of kernels with an innermost II above 1", 0, 0, _share_slow),
    Goal("tableb: f32 gemm with at most 175 DSP, cycles", 238_622, 125_000, _large),
    Goal("share of static kernels whose cycles were predicted wrong", 0, 0, _mispredicted),
    Goal(
        "tabled: i32 product, cycles over a hand-written core",
        1.05,
        1.0,
        compared("tabled", "hand", "cycles", "product"),
    ),
    Goal("tabled: i32 product, LUTs over a hand-written core", 2.0, 1.3, compared("tabled", "hand", "lut", "product")),
    Goal("edit to cycles, seconds", 1.0, 0.2, _edit),
)


def page(data: Mapping[str, Any]) -> str:
    """The table of goals, and the kernels that keep one from being reached; empty where none was measured."""
    measured = [(g, m) for g in GOALS if (m := g.measured(data)) is not None]
    if not measured:
        return ""
    body = [[g.name, _shown(g.least), _shown(g.aim), _shown(m), _verdict(g, m)] for g, m in measured]
    table = aligned(["goal", "at most", "aim", "measured", "reached"], body)
    notes = [f"- {r['group']}/{r['kernel']}: {_why(r)}" for r in _slow(data)]
    return "\n".join(["## goals", "", *table, *(["", *notes] if notes else []), "", ""])


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _verdict(g: Goal, value: float) -> str:
    return "aim" if value <= g.aim else "goal" if value <= g.least else "no"


def _why(r: Row) -> str:
    if "refused" in r:
        return str(r["refused"])
    return "; ".join(r.get("bounds", ())) or "an innermost loop isn't pipelined"
