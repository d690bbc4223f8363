"""Units on numbers: what no proof was found for is run on drawn operands and those at the ends of ranges.

The circuit is the same one that proofs run on symbols, with Python's integers in it. Pipelined units take operands in
each cycle, so that what is under way is tested with them.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping

from gemel.hwsynth.netlist import Contract
from gemel.hwsynth.prove.machine import Machine
from gemel.hwsynth.prove.reading import Text
from gemel.hwsynth.prove.units import cuts, function
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Words
from gemel.semantics.symbolic.verdict import REFUTED, TESTED, Verdict

MOST = 100_000
"""Operands that are tried if there is time."""

Operands = Mapping[str, int]


def tried(
    contract: Contract,
    text: Text,
    units: Mapping[str, tuple[str, Contract]],
    seconds: float,
    why: str,
    most: int | None = None,
) -> Verdict:
    """A unit on as many operands as the time allows, or the first ones for which it is wrong; `why` it isn't proved."""
    unit = _Unit(contract, text, units)
    end, done = time.monotonic() + seconds, 0
    for operands, results in unit.run():
        wanted = unit.definition(operands)
        if any(results[p] != v for p, v in wanted.items()):
            named = {unit.words.var(p, w): operands[p] for p, w in unit.ports.items()}
            return Verdict(REFUTED, f"on operand vector {done + 1:,}", named)
        done += 1
        if done == (most or MOST) or time.monotonic() > end:
            break
    return Verdict(TESTED, f"on {done:,} operand vectors ({why})", tests=done)


class _Unit:
    """A unit that runs on numbers."""

    def __init__(self, contract: Contract, text: Text, units: Mapping[str, tuple[str, Contract]]) -> None:
        self.random = random.Random(1)
        self.words = Words()
        self.contract = contract
        self.machine = Machine(self.words, Normal(self.words), text.circuit, cuts(text.circuit, units), self._word)
        self.machine.start_on_numbers()
        ports = self.machine.unit_ports()
        self.ports, self.results, self.started = ports.inputs, ports.outputs, ports.started
        self.meaning = function(contract.operation, self.ports, self.results)

    def _word(self, name: str, w: int) -> int:
        return self.random.getrandbits(w)

    def definition(self, operands: Operands) -> Operands:
        """What the results are to be; nothing of a division by 0."""
        return self.meaning(self.words, operands) if operands.get("divisor", 1) else {}

    def run(self) -> Iterator[tuple[Operands, Operands]]:
        """Operands with the results that come of them."""
        return self._one_by_one() if self.started else self._in_each_cycle()

    def _in_each_cycle(self) -> Iterator[tuple[Operands, Operands]]:
        under_way: deque[Operands] = deque()
        while True:
            operands = self._drawn()
            under_way.append(operands)
            outputs = self.machine.step(operands)
            if len(under_way) > self.contract.latency:
                yield under_way.popleft(), outputs

    def _one_by_one(self) -> Iterator[tuple[Operands, Operands]]:
        while True:
            operands = self._drawn()
            outputs = self.machine.step({**operands, "start": 1})
            for _ in range(self.contract.latency + self.random.randrange(3)):
                outputs = self.machine.step({"start": 0})
            yield operands, outputs

    def _drawn(self) -> Operands:
        made: dict[str, int] = {}
        for p, w in self.ports.items():
            made[p] = self._near(made, w) if made and not self.random.randrange(4) else self._number(w)
        return made

    def _number(self, w: int) -> int:
        """A word: any, one of few bits, or one near the ends of a range."""
        kind, top = self.random.randrange(4), (1 << w) - 1
        if kind == 0:
            return self.random.getrandbits(w) >> self.random.randrange(w)
        if kind == 1:
            edge = self.random.choice((0, 1 << (w - 1), 1 << self.random.randrange(w)))
            return (edge + self.random.randrange(-2, 3)) & top
        return self.random.getrandbits(w)

    def _near(self, made: Operands, w: int) -> int:
        """A word that differs little from another one."""
        other = self.random.choice(list(made.values()))
        return (other ^ 1 << self.random.randrange(w) ^ self.random.randrange(2)) & ((1 << w) - 1)
