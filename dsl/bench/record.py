"""A run as data: the machine, the conditions, a row for each workload."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gemel.bench.contenders.known import OURS
from gemel.bench.roofline import FACTOR, footprints
from gemel.bench.session import Plan, Times
from gemel.bench.workload import Workload

Row = dict[str, Any]
METHOD = (
    "each contender in a process of its own, pinned, stopped while another has its turn; "
    "turns alternate; a time is the median of the turns' medians, the spread p10 to p90 of all samples; "
    "glibc malloc keeps memory for everybody, page faults a call are counted; results are checked before"
)


def moved(w: Workload) -> float:
    """Bytes that have to be moved."""
    if w.traffic is not None:
        return w.traffic
    arrays = [a for a in w.arguments() if isinstance(a, np.ndarray)]
    return float(sum(a.nbytes for a in arrays) + 4 * w.expected().size)


def level(size: float) -> str:
    """The cache that holds so many bytes."""
    return next((name for name, held in footprints().items() if size <= 2 * held), "DRAM")


def roof(w: Workload, roofs: Mapping[str, float], threads: int) -> dict[str, Any] | None:
    """The least time that the machine's peaks allow, and what sets it; None where nothing is counted."""
    if not w.flops or not roofs.get("flops"):
        return None
    arrays = sum(a.nbytes for a in w.arguments() if isinstance(a, np.ndarray))
    where = level(arrays)
    arithmetic = w.flops / (roofs["flops"] * FACTOR[w.kind] * threads)
    memory = moved(w) / (roofs[where] * (1 if where == "DRAM" else threads))
    bound = "arithmetic" if arithmetic >= memory else where
    return {"seconds": max(arithmetic, memory), "bound": bound}


def row(w: Workload, times: Mapping[str, Times], limit: dict[str, Any] | None) -> Row:
    """A workload's row."""
    made: Row = {"workload": w.name, "group": w.group, "flops": w.flops, "note": w.note, "rtol": w.rtol}
    return compared(made, times, limit)


def compared(made: Row, times: Mapping[str, Times], limit: dict[str, Any] | None = None) -> Row:
    """A row with its times and what they say: the best peer's over ours, our share of the roof."""
    made |= {"times": {name: t.record() for name, t in times.items()}, "roof": limit}
    ours = times[OURS].median if OURS in times else None
    peers = {name: t.median for name, t in times.items() if name != OURS and t.median is not None}
    if ours and peers:
        best = min(peers, key=lambda name: peers[name])
        made["best"] = {"peer": best, "ratio": peers[best] / ours}
    if ours and limit:
        made["reached"] = limit["seconds"] / ours
    return made


def mean_ratio(rows: list[Row]) -> float | None:
    """The geometric mean of the rows' ratios."""
    logs = [math.log(r["best"]["ratio"]) for r in rows if "best" in r]
    return math.exp(sum(logs) / len(logs)) if logs else None


def record(plan: Plan, conditions: Mapping[str, Any], rows: list[Row]) -> dict[str, Any]:
    """All of it."""
    settings = {k: v for k, v in asdict(plan).items() if k != "suites"}
    return {**conditions, "settings": settings, "method": METHOD, "mean ratio": mean_ratio(rows), "rows": rows}


def write(path: Path, data: Mapping[str, Any]) -> None:
    """The record as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
