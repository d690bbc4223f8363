"""The values at a module's ports in a simulated run, cycle by cycle: the first cycles and the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.hwsynth.handover.interface import Interface
from gemel.hwsynth.handover.vectors import Run
from gemel.hwsynth.nativesim import Compiled, NativeSim, word_array
from gemel.hwsynth.netlist import Output
from gemel.hwsynth.system import DONE, START
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.ir import Ref

FIRST, LAST = 9, 5
"""Cycles that are shown at the start and at the end of a run."""


@dataclass(frozen=True)
class Trace:
    """For each shown cycle its number and the bits of each port, by printed name; start is high in cycle 0."""

    cycles: tuple[tuple[int, dict[str, int]], ...]


def trace(interface: Interface, run: Run) -> Trace:
    """What the ports show in a run."""
    return Trace(tuple(_Probe(interface).rows(run)))


class _Probe:
    """The system with the kernel's ports as outputs of its own."""

    def __init__(self, interface: Interface) -> None:
        self.i = interface
        system = interface.design.system
        inside = system.module.instances[0]
        shown = {v.hint: Ref(v, v.span) for v in inside.outputs.values()}
        shown |= {
            n: e for n, e in inside.inputs.items() if isinstance(e, Ref) and n not in system.scalars and n != START
        }
        names = {port: f"p{k}" for k, port in enumerate(shown)}
        self.names = {interface.ports[port]: n for port, n in names.items()}
        self.types = {names[port]: e.dtype for port, e in shown.items()}
        outputs = (*system.module.outputs, *(Output(names[port], e) for port, e in shown.items()))
        self.sim = NativeSim(Compiled(replace(system.module, outputs=outputs), DONE))

    def rows(self, run: Run) -> Iterator[tuple[int, dict[str, int]]]:
        """Cycle -1 is before the start; cycle `run.cycles` is the one where done is high."""
        self.load(run)
        yield -1, self.row(0)
        self.sim[START] = 1
        yield 0, {**self.row(1), **run.scalars}
        self.sim.run(1)
        self.sim[START] = 0
        at, skipped = 1, run.cycles - LAST
        while at <= run.cycles + 1:
            if FIRST <= at < skipped:
                self.sim.run(skipped - at)
                at = skipped
            yield at, self.row(0)
            self.sim.run(1)
            at += 1

    def load(self, run: Run) -> None:
        """Resets, and puts the words and scalars of a run into their places."""
        self.sim.reset(2)
        for m in self.i.memories:
            values = [int(from_bits(w, m.dtype)) for w in run.given.get(m.name, ())]
            self.sim.load(m.name, word_array(values, m.dtype, m.words))
        for p, port in self.i.scalars.items():
            self.sim[p.hint] = int(from_bits(run.scalars[port], self.i.design.system.scalars[p.hint]))

    def row(self, start: int) -> dict[str, int]:
        """The bits of all ports now."""
        found = {port: to_bits(self.sim[name], self.types[name]) for port, name in self.names.items()}
        return {self.i.start: start, **found}
