"""The longest path of a mapped netlist by stated cell delays: for families whose cells no open placer knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CellModel:
    """Delays in ns. `through` is from the inputs of a cell to its outputs, by type and where it differs `type.pin`.

    `clocked` is from the clock to the outputs of a cell with state, `route` lies before each input but `direct` ones.
    """

    through: Mapping[str, float]
    clocked: Mapping[str, float]
    direct: Sequence[str]
    route: float
    setup: float

    def before(self, kind: str, pin: str) -> float:
        """The route to a pin."""
        return 0.0 if f"{kind}.{pin}" in self.direct else self.route

    def inside(self, kind: str, pin: str) -> float:
        """From a pin to the outputs."""
        return self.through.get(f"{kind}.{pin}", self.through[kind])


@dataclass(frozen=True)
class _Cell:
    kind: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[int, ...]


def longest_path(netlist: Path, top: str, model: CellModel) -> float:
    """The shortest clock period of a netlist that yosys wrote as JSON, in ns."""
    found = json.loads(netlist.read_text())["modules"][top]
    cells = [_cell(c) for c in found["cells"].values() if c["type"] in model.through or c["type"] in model.clocked]
    start = max(model.clocked.values()) if not cells else min(model.clocked.values())
    arrival: dict[int, float] = {}
    for c in cells:
        if c.kind in model.clocked:
            arrival |= dict.fromkeys(c.outputs, model.clocked[c.kind])
    for c in _ordered([c for c in cells if c.kind in model.through]):
        late = max((t for t in _through(c, arrival, model, start)), default=0.0)
        arrival |= dict.fromkeys(c.outputs, late)
    held = [c for c in cells if c.kind in model.clocked]
    ends = [
        arrival.get(b, start) + model.before(c.kind, pin) for c in held for pin, bits in c.inputs.items() for b in bits
    ]
    return max(ends or arrival.values(), default=start) + model.setup


def _through(c: _Cell, arrival: Mapping[int, float], model: CellModel, start: float) -> Iterable[float]:
    for pin, bits in c.inputs.items():
        for bit in bits:
            yield arrival.get(bit, start) + model.before(c.kind, pin) + model.inside(c.kind, pin)


def _cell(c: Mapping[str, Any]) -> _Cell:
    pins = {pin: tuple(b for b in bits if isinstance(b, int)) for pin, bits in c["connections"].items()}
    ways = c["port_directions"]
    inputs = {pin: bits for pin, bits in pins.items() if ways[pin] == "input" and bits}
    return _Cell(c["type"], inputs, tuple(b for pin, bits in pins.items() if ways[pin] == "output" for b in bits))


def _ordered(cells: list[_Cell]) -> Iterable[_Cell]:
    driver = {bit: n for n, c in enumerate(cells) for bit in c.outputs}
    graph = {n: {driver[b] for bits in c.inputs.values() for b in bits if b in driver} for n, c in enumerate(cells)}
    return (cells[n] for n in TopologicalSorter(graph).static_order())
