"""The course of a circuit whose control is known, from idle to the end of a run, with the memories around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gemel.hwsynth.prove import control
from gemel.hwsynth.prove.machine import Look, Stuck
from gemel.hwsynth.prove.memories import Memory
from gemel.semantics.ir import Var
from gemel.semantics.symbolic.terms import Value
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, Verdict

if TYPE_CHECKING:
    from gemel.hwsynth.prove.proof import Run

SLACK = 16
"""Cycles that a run may take beyond what is predicted before the proof gives up."""


class Differs(Exception):
    """A run that isn't as it is to be, or isn't shown to be."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.how)
        self.verdict = verdict


class Course:
    """A run of the circuit on symbols, as far as it has come; `cycles` says how long it is to be.

    Raises Differs where the handshake isn't kept.
    """

    def __init__(self, run: Run) -> None:
        if run.subject.cycles is None:
            raise Stuck("the control depends on the data")
        self.run, self.machine, self.cycles = run, run.machine, run.subject.cycles
        self.machine.restart()
        self.machine.state = control.idle_state(self.machine, run.idle)
        self.memories: list[Memory] = list(run.memories_of(run.given))
        self.scalars = {p.hint: run.given[p] for p in run.subject.kernel.params if isinstance(p, Var)}
        self.outputs: Mapping[str, Value] = {}
        self.ended: list[Any] = []
        """The state of the last cycle, in which done is high and a start is taken."""
        self.done = False

    @property
    def taken(self) -> int:
        """The cycles since the one that started the run."""
        return self.machine.cycle - 1

    def step(self, look: Look = lambda following: None) -> None:
        """Passes an edge, as a machine does; the first one starts the run."""
        machine, run, first = self.machine, self.run, not self.machine.cycle
        given: dict[str, Value] = {control.RESET: 0, control.START: int(first), **(self.scalars if first else {})}
        for m in self.memories:
            given.update(m.inputs(run.words))
        before = machine.state
        self.outputs = machine.step(given, look)
        self.ended = before
        for m in self.memories:
            m.edge(run.words, run.normal, self.outputs)
        self.done = not first and self._done()
        if self.outputs[control.BUSY] != (not first and not self.done):
            raise Differs(Verdict(REFUTED, f"busy is wrong {self.taken} cycles after the start"))
        if machine.cycle > self.cycles + SLACK:
            raise Differs(Verdict(REFUTED, f"done isn't high after {machine.cycle} cycles"))

    def finish(self) -> None:
        """Goes on to the end, which is to come in the predicted cycle."""
        while not self.done:
            self.step()
        if self.taken != self.cycles:
            raise Differs(Verdict(REFUTED, f"a run takes {self.taken} cycles, not {self.cycles}"))

    def _done(self) -> bool:
        done = self.run.normal(self.outputs[control.DONE])
        if type(done) is int:
            return bool(done)
        wanted = int(self.taken == self.cycles)
        verdict = self.run.decider.same([(done, wanted, 1)])
        if verdict.status != PROVED:
            what = f"done isn't always {wanted} after {self.taken} cycles"
            raise Differs(Verdict(verdict.status, what, verdict.values))
        return bool(wanted)
