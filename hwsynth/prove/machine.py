"""A circuit that runs on symbols, and the functional units that were cut out of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gemel.hwsynth.prove.btor import Circuit, joined
from gemel.hwsynth.prove.step import Step, compiled, settle
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words

Look = Callable[[list[Any]], None]
"""What is shown the states that follow, some memories with changes to come; it may settle registers."""

Function = Callable[[Words, Mapping[str, Value]], Mapping[str, Value]]
"""What a unit computes: results by port from operands by port."""

FIRST = 6
"""After how many cycles the circuit is compiled for what is known by then; again after 4, 16, ... times as many."""


class Stuck(Exception):
    """A run that can't go on: something of the control hangs on a symbol."""


class Undecided(Stuck):
    """A run that could go on if a bit were known."""

    def __init__(self, what: str, bit: Term) -> None:
        super().__init__(what)
        self.bit = bit


@dataclass(frozen=True)
class Cut:
    """A unit that was cut out: an instance, its ports with their widths, its timing, and what it computes.

    One with an `interval` above 1 takes operands where its port `start` is high, and keeps its results until the next
    start.
    """

    instance: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    latency: int
    interval: int
    function: Function

    @property
    def timeless(self) -> bool:
        """Whether results are there in the cycle of their operands."""
        return not self.latency and self.interval == 1

    def port(self, words: Words, name: str) -> Callable[..., Value]:
        """A result as a function of the operands in order."""
        return lambda *args: self.function(words, dict(zip(self.inputs, args, strict=True)))[name]


@dataclass(frozen=True)
class UnitPorts:
    """A unit's operands and results with their widths; whether it is started."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    started: bool


@dataclass
class _Line:
    """What a unit has under way; what it shows while nothing is known of that is nothing here, and any word."""

    results: deque[Mapping[str, Value]] = field(default_factory=deque)
    left: int = 0
    pending: Mapping[str, Value] = field(default_factory=dict)
    shown: Mapping[str, Value] = field(default_factory=dict)


class Machine:
    """A circuit in some state. `step` passes an edge; what isn't given as an input is any word, as `fresh` makes it."""

    def __init__(
        self,
        words: Words,
        normal: Normal,
        circuit: Circuit,
        cuts: Sequence[Cut] = (),
        fresh: Callable[[str, int], Value] | None = None,
    ) -> None:
        self.words, self.normal, self.fresh = words, normal, fresh or words.fresh
        self.cuts = [c for c in cuts if not c.timeless]
        self.functions = {f"{c.instance}.{p}": c.port(words, p) for c in cuts if c.timeless for p in c.outputs}
        for c in cuts:
            if c.timeless:
                circuit = joined(circuit, c.instance, tuple(c.inputs), tuple(c.outputs))
        self.circuit = circuit
        self.places = {name: n for n, name in enumerate(circuit.outputs)}
        self.known: Callable[[Value], Value] = lambda bit: bit
        self.general: Step = self._compiled([s.id for s in circuit.states], list(circuit.inputs))
        self.restart()

    def _compiled(self, states: Collection[int], inputs: Collection[str]) -> Step:
        return compiled(self.words, self.normal, self.circuit, states, inputs, self.functions)

    def restart(self) -> None:
        """Any state, with anything under way in the units."""
        self.cycle = 0
        self.current, self.next_time = self.general, FIRST
        self.state: list[Any] = self.any_state()
        self.lines = {c.instance: self._idle(c) for c in self.cuts}

    def start_on_numbers(self) -> None:
        """Any state, for a run in which all words are known: `fresh` makes numbers."""
        self.restart()
        self.current, self.next_time = self._compiled((), ()), -1

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Comes back to where it was, if what it does meanwhile is done to copies of its state."""
        names = ("cycle", "current", "next_time", "state", "lines", "known")
        kept = [getattr(self, name) for name in names]
        self.next_time = -1
        try:
            yield
        finally:
            for name, value in zip(names, kept, strict=True):
                setattr(self, name, value)

    def unit_ports(self) -> UnitPorts:
        """The ports of a circuit that is a unit; those of units within aren't its own."""
        nodes = self.circuit.by_id()
        inputs = {n: x.sort.w for n, x in self.circuit.inputs.items() if n not in ("clk", "rst", "start")}
        outputs = {n: nodes[abs(x)].sort.w for n, x in self.circuit.outputs.items() if "." not in n}
        operands = {n: w for n, w in sorted(inputs.items()) if "." not in n}
        return UnitPorts(operands, outputs, "start" in self.circuit.inputs)

    def any_state(self) -> list[Any]:
        """A state in which registers and memories hold anything; what never changes holds its first value."""
        made: list[Any] = []
        for s in self.circuit.states:
            if s.init is not None and s.next in (None, s.id):
                made.append(initial(self.circuit, s.init))
            elif s.sort.depth_bits is None:
                made.append(self.fresh(s.name, s.sort.w))
            else:
                made.append([self.fresh(f"{s.name}[{k}]", s.sort.w) for k in range(1 << s.sort.depth_bits)])
        return made

    def _idle(self, c: Cut) -> _Line:
        return _Line(deque(self._anything(c) for _ in range(c.latency if c.interval == 1 else 0)))

    def _anything(self, c: Cut) -> Mapping[str, Value]:
        return {p: self.fresh(f"{c.instance}.{p}", w) for p, w in c.outputs.items()}

    # ------------------------------------------------------------------------------------------------------- running

    def step(self, given: Mapping[str, Value], look: Look = lambda following: None) -> Mapping[str, Value]:
        """Passes an edge; gives the outputs before it. `look` sees what follows; where it raises, nothing is passed."""
        outputs, following = self.current(self.state, self.inputs(given))
        look(following)
        settle(self.words, self.normal, following)
        self.state = following
        named = dict(zip(self.places, outputs, strict=True))
        for c in self.cuts:
            self._pass(c, named)
        self.cycle += 1
        if self.cycle == self.next_time:
            self.next_time *= 4
            self._specialise(given)
        return named

    def inputs(self, given: Mapping[str, Value]) -> list[Value]:
        """The values of inputs in order: what is given, units' results, and any word for the rest."""
        ready = {f"{c.instance}.{p}": v for c in self.cuts for p, v in self._results(c).items()}
        found = []
        for name, node in self.circuit.inputs.items():
            v = given[name] if name in given else ready.get(name)
            found.append(self.fresh(name, node.sort.w) if v is None else v)
        return found

    def any_inputs(self, given: Mapping[str, Value]) -> list[Value]:
        """The values of inputs in order: what is given, and any word for the rest, units' results included."""
        inputs = self.circuit.inputs.items()
        return [given[n] if n in given else self.fresh(n, x.sort.w) for n, x in inputs]

    def _results(self, c: Cut) -> Mapping[str, Value]:
        line = self.lines[c.instance]
        return line.results[0] if c.interval == 1 else line.shown

    def _pass(self, c: Cut, outputs: Mapping[str, Value]) -> None:
        """Takes a unit's operands of this cycle."""
        line = self.lines[c.instance]
        operands = {p: outputs[f"{c.instance}.{p}"] for p in c.inputs}
        if c.interval == 1:
            line.results.popleft()
            line.results.append(c.function(self.words, operands))
            return
        start = self.known(outputs[f"{c.instance}.start"])
        if type(start) is not int:
            raise Undecided(f"the start of {c.instance} depends on the data", start)
        if start:
            line.pending, line.left, line.shown = c.function(self.words, operands), c.latency, {}
        if line.left:
            line.left -= 1
            if not line.left:
                line.shown = line.pending

    def _specialise(self, given: Mapping[str, Value]) -> None:
        """Compiles the circuit for what is a symbol now."""
        symbolic = [s.id for s, v in zip(self.circuit.states, self.state, strict=True) if _is_symbolic(v)]
        known = [n for n, v in given.items() if n in self.circuit.inputs and type(v) is int and n in ("rst", "start")]
        inputs = [n for n in self.circuit.inputs if n not in known]
        self.current = self._compiled(symbolic, inputs)


def _is_symbolic(v: Any) -> bool:
    return type(v) is Term or (type(v) is list and any(type(x) is Term for x in v))


def initial(circuit: Circuit, node: int) -> Any:
    """The value of a node that hangs on nothing: the first value of a register or memory.

    Raises Stuck where it isn't made of constants and writes.
    """
    nodes = circuit.by_id()
    writes = []
    while nodes[abs(node)].op == "write":
        writes.append(nodes[abs(node)])
        node = writes[-1].args[0]
    n = nodes[abs(node)]
    if n.op == "const":
        return n.extra[0] ^ ((1 << n.sort.w) - 1 if node < 0 else 0)
    if n.op != "state" or n.sort.depth_bits is None:
        raise Stuck(f"a first value by {n.op}")
    cells = [0] * (1 << n.sort.depth_bits)
    for w in reversed(writes):
        cells[initial(circuit, w.args[1])] = initial(circuit, w.args[2])
    return cells
