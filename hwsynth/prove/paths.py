"""A circuit's ways: where a bit of its control is a symbol, it goes on both ways, each with what it takes as known.

A way ends at a state of the control that is looked for, or where `done` is high. Facts that contradict each other end
it too, by z3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gemel.hwsynth.prove import control
from gemel.hwsynth.prove.machine import Machine, Stuck, Undecided
from gemel.hwsynth.prove.memories import Memory
from gemel.semantics.symbolic.solver import ask
from gemel.semantics.symbolic.terms import Term, Value
from gemel.semantics.symbolic.verdict import PROVED
from gemel.semantics.symbolic.walk import rebuilt

LONGEST = 5000
"""Cycles after which a way isn't followed any more, unless runs on numbers take as many."""

MOST = 400
"""Ways from one state, after which they are too many."""

FEASIBLE = 2.0
"""Seconds of z3 for whether facts contradict each other."""

Key = tuple[int, ...]
"""The values of control's registers."""

Facts = Mapping[Term, int]


class Wrong(Exception):
    """The handshake isn't kept."""


@dataclass
class Way:
    """Where a circuit has come to, after so many cycles, under which facts."""

    state: list[Any]
    lines: dict[str, Any]
    memories: list[Memory]
    facts: dict[Term, int] = field(default_factory=dict)
    cycles: int = 0
    key: Key | None = None
    outputs: Mapping[str, Value] = field(default_factory=dict)

    def copy(self) -> Way:
        """The same, to go on apart."""
        state = [list(x) if type(x) is list else x for x in self.state]
        lines = {n: replace(x, results=deque(x.results)) for n, x in self.lines.items()}
        memories = [replace(m, cells=list(m.cells), shown=dict(m.shown), held=dict(m.held)) for m in self.memories]
        return Way(state, lines, memories, dict(self.facts), self.cycles)


class Ways:
    """Follows a machine. `controls` are the places of the registers whose values say where control is."""

    def __init__(self, machine: Machine, controls: Sequence[int]) -> None:
        self.machine, self.controls = machine, controls
        self.words, self.normal = machine.words, machine.normal
        self.longest = LONGEST
        self.serial = any(c.interval > 1 for c in machine.cuts)

    def key(self, state: list[Any]) -> Key:
        """Where control is."""
        return tuple(state[n] for n in self.controls)

    def begin(self, state: list[Any], memories: list[Memory]) -> Way:
        """A state with anything under way in the units."""
        self.machine.restart()
        self.machine.next_time = -1
        return Way(state, self.machine.lines, memories)

    def followed(self, way: Way, keys: Collection[Key], given: Value, first: Mapping[str, Value]) -> Iterator[Way]:
        """All ways from here to one of the keys, or to `done`, where its key is None. `first` are the first inputs."""
        waiting = [way]
        found = 0
        while waiting:
            way = waiting.pop()
            forks = self._forks(way, given) if way.cycles else None
            if forks is not None:
                waiting += forks
                continue
            way.key = self.key(way.state)
            if way.cycles and way.key in keys:
                ended = True
            else:
                more, ended = self._stepped(way, first if not way.cycles else {}, given)
                waiting += more
            if ended:
                found += 1
                yield way
            if found + len(waiting) > MOST:
                raise Stuck(f"control has more than {MOST} ways")

    def _stepped(self, way: Way, first: Mapping[str, Value], given: Value) -> tuple[list[Way], bool]:
        """Passes an edge; gives ways to go on with, and whether this is the end."""
        machine = self.machine
        before = way.copy() if self.serial else way
        inputs: dict[str, Value] = {control.RESET: 0, control.START: 0, **first}
        for m in way.memories:
            inputs.update(m.inputs(self.words))
        machine.state, machine.lines = way.state, way.lines
        machine.known = lambda v: self.known(v, way.facts)
        at = list(way.state)
        try:
            outputs = machine.step(inputs)
        except Undecided as stuck:
            return self._both(before, stuck.bit, given), False
        for m in way.memories:
            m.edge(self.words, self.normal, outputs)
        done = outputs[control.DONE]
        if not first and outputs[control.BUSY] != (not done):
            raise Wrong(f"busy is wrong {way.cycles} cycles after the start")
        way.outputs = outputs
        if done == 1 and not first:
            way.key, way.state = None, at
            return [], True
        way.state, way.cycles = machine.state, way.cycles + 1
        if way.cycles > self.longest:
            raise Stuck(f"done isn't high after {self.longest} cycles")
        return [way], False

    # ------------------------------------------------------------------------------------------------------------ facts

    def known(self, v: Value, facts: Facts) -> Value:
        """A bit, as far as facts say what it is."""
        normals = self.normals(facts)
        found = self._said(self.normal(v), normals)
        if type(found) is int or not facts:
            return v if type(found) is Term else found
        (v,) = rebuilt(self.words, [v], dict(facts))
        if type(v) is not Term:
            return v
        (normal,) = rebuilt(self.words, [self.normal(v)], normals)
        normal = self.normal(normal)
        return v if type(normal) is Term else normal

    @staticmethod
    def _said(normal: Value, normals: Mapping[Term, Value]) -> Value:
        """What facts say of a bit as it is."""
        if type(normal) is Term and normal.op == "xor" and normal.args[1] == 1 and normal.args[0] in normals:
            return 1 - normals[normal.args[0]]
        return normals.get(normal, normal)

    def normals(self, facts: Facts) -> dict[Term, Value]:
        """Facts on the normal forms of what they are of."""
        found: dict[Term, Value] = {}
        for t, value in facts.items():
            normal = self.normal(t)
            if type(normal) is Term and normal.op == "xor" and normal.args[1] == 1:
                normal, value = normal.args[0], 1 - value
            if type(normal) is Term:
                found[normal] = value
        return found

    def _forks(self, way: Way, given: Value) -> list[Way] | None:
        """Both ways, where control isn't known; None where it is."""
        for n in self.controls:
            v = way.state[n]
            if type(v) is not Term:
                continue
            bits = [self.known(self.words.ext(v, k, 1), way.facts) for k in range(v.w)]
            unknown = next((b for b in bits if type(b) is Term), None)
            if unknown is not None:
                return self._both(way, unknown, given)
            way.state[n] = sum(b << k for k, b in enumerate(bits))
        return None

    def _both(self, way: Way, bit: Term, given: Value) -> list[Way]:
        atom = _atom(bit)
        found = []
        for value in (0, 1):
            facts = {**way.facts, atom: value}
            if not self.contradict(facts, given):
                found.append(way.copy())
                found[-1].facts = facts
        return found

    def contradict(self, facts: Facts, given: Value) -> bool:
        """Whether facts can't be so."""
        cond = self.conjunction(facts, given)
        return cond == 0 or (type(cond) is Term and ask(self.words, 1, 0, 1, cond, FEASIBLE).status == PROVED)

    def conjunction(self, facts: Facts, given: Value = 1) -> Value:
        """Facts as one bit."""
        return self.words.all_of((given, *(t if value else self.words.xor(1, t, 1) for t, value in facts.items())))


def _atom(t: Term) -> Term:
    """A part of a condition that isn't made of conditions."""
    while t.w == 1 and t.op in ("and", "or", "xor", "ite"):
        t = next(x for x in t.args if type(x) is Term)
    return t
