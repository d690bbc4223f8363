"""The proof that a functional unit's text computes what its contract says, whatever came before and comes after.

A unit's results are compared with its definition: the op tower's where it is a float's, long division where it divides.
What isn't proved is run on numbers, as many as the time allows, and then said to be tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gemel.hwsynth.netlist import Contract
from gemel.hwsynth.prove.control import clocks
from gemel.hwsynth.prove.division import divides
from gemel.hwsynth.prove.machine import Machine
from gemel.hwsynth.prove.reading import Text
from gemel.hwsynth.prove.trials import tried
from gemel.hwsynth.prove.units import applied, cuts, function
from gemel.semantics.symbolic.decide import Decider
from gemel.semantics.symbolic.meaning import definition_named, written_out
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN, Verdict


def proved_unit(contracts: Mapping[str, Contract], name: str, text: Text, seconds: float) -> Verdict:
    """What became of a unit: proved, tested or refuted."""
    if odd := clocks(text):
        return Verdict(REFUTED, odd)
    contract = contracts[name]
    units = text.contracts(contracts)
    verdict = _Unit(contract, text, units, Words(narrows=not _is_divider(contract))).verdict(seconds)
    if verdict.status == UNKNOWN:
        verdict = tried(contract, text, units, seconds, verdict.how)
    return replace(verdict, how=f"{contract.operation} {verdict.how}")


class _Unit:
    """A unit from any state, with symbols as operands."""

    def __init__(self, contract: Contract, text: Text, units: Mapping[str, tuple[str, Contract]], words: Words) -> None:
        self.contract, self.words = contract, words
        self.normal = Normal(self.words)
        self.machine = Machine(self.words, self.normal, text.circuit, cuts(text.circuit, units))
        self.ports = self.machine.unit_ports()
        self.operands = {n: self.words.var(n, w) for n, w in self.ports.inputs.items()}

    def verdict(self, seconds: float) -> Verdict:
        """Whether the results are those of the definition in the cycle of the contract, and stay."""
        outputs = self.results()
        found = {p: outputs[p] for p in self.ports.outputs}
        if _is_divider(self.contract):
            verdict = divides(self.words, self.operands, found, seconds)
        else:
            verdict = Decider(self.words, self.normal, applied, seconds).same(self.pairs(outputs))
        if verdict.status != PROVED:
            return verdict
        lost = self._lost(found)
        return Verdict(REFUTED, lost) if lost else replace(verdict, how=f"by {verdict.how}")

    def results(self) -> Mapping[str, Value]:
        """The outputs in the cycle that the contract says."""
        outputs: Mapping[str, Value] = {}
        for cycle in range(self.contract.latency + 1):
            outputs = self.machine.step({**self._start(not cycle), **({} if cycle else self.operands)})
        return outputs

    def pairs(self, outputs: Mapping[str, Value]) -> list[tuple[Value, Value, int]]:
        """Results, what they are to be, and their widths."""
        expected = self._definition()
        return [(outputs[p], expected[p], w) for p, w in self.ports.outputs.items()]

    def _start(self, high: bool) -> dict[str, Value]:
        return {"start": int(high)} if self.ports.started else {}

    def _definition(self) -> Mapping[str, Value]:
        """What the results are to be."""
        made = definition_named(self.contract.operation)
        if made is None:
            return function(self.contract.operation, self.ports.inputs, self.ports.outputs)(self.words, self.operands)
        return {p: written_out(self.words, made, list(self.operands.values()), scales=True) for p in self.ports.outputs}

    def _lost(self, results: Mapping[str, Value]) -> str:
        """Whether a unit that is started loses its results before the next start; "" or which.

        By induction: the registers that keep what they hold, whatever the others do, keep the results.
        """
        if not self.ports.started:
            return ""
        machine = self.machine
        kept = [n for n, _ in enumerate(machine.state)]
        held = list(machine.state)
        while True:
            state = [held[n] if n in kept else x for n, x in enumerate(machine.any_state())]
            outputs, following = machine.general(state, machine.any_inputs(self._start(False)))
            still = [n for n in kept if self._same(following[n], held[n])]
            if still == kept:
                shown = dict(zip(machine.places, outputs, strict=True))
                lost = [p for p, v in results.items() if not self._same(shown[p], v)]
                return f"{lost[0]} isn't kept until the next start" if lost else ""
            kept = still

    def _same(self, a: Any, b: Any) -> bool:
        if type(a) is list:
            return all(map(self._same, a, b))
        return a is b or (type(a) is int and a == b) or (type(a) is Term and self.normal(a) is self.normal(b))


def _is_divider(contract: Contract) -> bool:
    return contract.operation.startswith("divide_")
