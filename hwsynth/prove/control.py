"""The handshake: what holds in all states, not just in those of one run from reset.

*Idle* is any state in which the registers that reset sets hold what it sets them to, whatever the others hold; `done`
may be either. That reset leads to idle from any state, that nothing but `start` leaves it, that a run from idle ends in
idle, and that `start` means nothing while busy, is what makes one run stand for all: any number of runs, back to back
or with pauses, after any reset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gemel.hwsynth.prove.machine import Machine, initial
from gemel.hwsynth.prove.reading import Text
from gemel.hwsynth.prove.step import Write
from gemel.semantics.symbolic.decide import Decider
from gemel.semantics.symbolic.terms import Term, Value
from gemel.semantics.symbolic.verdict import PROVED, Verdict

START, BUSY, DONE, RESET = "start", "busy", "done", "rst"


@dataclass(frozen=True)
class Idle:
    """What idle fixes: the values of registers by their place among the states; the place of `done`."""

    fixed: Mapping[int, int]
    done: int | None

    def changed(self, state: list[Any]) -> list[int]:
        """The places of registers, but for `done`, that don't hold in a state what idle says."""
        return [n for n, v in self.fixed.items() if n != self.done and (type(state[n]) is not int or state[n] != v)]

    def without(self, places: list[int]) -> Idle:
        """Idle that says nothing of some registers."""
        return Idle({n: v for n, v in self.fixed.items() if n not in places}, self.done)


def idle_of(machine: Machine) -> Idle:
    """What a reset fixes from any state, with any inputs; without a reset port, what there is at power-up."""
    circuit = machine.circuit
    done = next((n for n, s in enumerate(circuit.states) if s.id == circuit.outputs.get(DONE)), None)
    if RESET not in circuit.inputs:
        started = {
            n: initial(circuit, s.init)
            for n, s in enumerate(circuit.states)
            if s.init is not None and s.next not in (None, s.id) and s.sort.depth_bits is None
        }
        return Idle(started, done)
    _, following = machine.general(machine.any_state(), machine.any_inputs({RESET: 1}))
    fixed = {n: v for n, v in enumerate(following) if type(v) is int}
    return Idle(fixed, done)


def resets(machine: Machine, idle: Idle) -> str:
    """Whether `busy` and `done` are low after a reset in any state, or at power-up without one; "" or what isn't."""
    places = {s.id: n for n, s in enumerate(machine.circuit.states)}
    low = {name: idle.fixed.get(places.get(machine.circuit.outputs.get(name, 0), -1)) for name in (BUSY, DONE)}
    return next((f"{name} isn't low after a reset" for name, value in low.items() if value != 0), "")


def idle_state(machine: Machine, idle: Idle) -> list[Any]:
    """An idle state that holds anything else."""
    state = machine.any_state()
    for n, v in idle.fixed.items():
        if n != idle.done:
            state[n] = v
    return state


def clocks(text: Text) -> str:
    """Whether everything takes the rising edge of `clk`, units too, and these the reset; "" or what doesn't."""
    if text.odd:
        return f"{text.odd[0]} takes another edge than the rising one of clk"
    circuit = text.circuit
    for instance in text.units:
        for port in ("clk", RESET):
            node = circuit.outputs.get(f"{instance}.{port}")
            if node is not None and (port not in circuit.inputs or node != circuit.inputs[port].id):
                return f"{port} of {instance} isn't the module's"
    return ""


def stays_idle(machine: Machine, idle: Idle, decider: Decider) -> Verdict:
    """Whether an idle circuit that isn't started stays so and moves nothing."""
    outputs, following = machine.general(idle_state(machine, idle), machine.any_inputs({RESET: 0, START: 0}))
    states = machine.circuit.states
    wanted = [(f"register {states[n].name}", following[n], v, states[n].sort.w) for n, v in idle.fixed.items()]
    named = dict(zip(machine.places, outputs, strict=True))
    wanted += [(name, v, 0, 1) for name, v in named.items() if name == BUSY or moves(name)]
    for name, found, value, w in wanted:
        verdict = decider.same([(found, value, w)])
        if verdict.status != PROVED:
            return Verdict(verdict.status, f"{name} may move without a start: {verdict.how}", verdict.values)
    return Verdict(PROVED, "from any idle state")


def moves(output: str) -> bool:
    """Whether an output enables a read or write of a memory."""
    return "." not in output and ("_wen" in output or "_ren" in output)


def ignores_start(machine: Machine) -> str:
    """Whether `start` means nothing while busy, in any state; "" or what it changes."""
    circuit = machine.circuit
    busy = next((n for n, s in enumerate(circuit.states) if s.id == circuit.outputs.get(BUSY)), None)
    if busy is None:
        return "busy is no register"
    state = machine.any_state()
    state[busy] = 1
    inputs = machine.any_inputs({RESET: 0, START: 0})
    at = list(circuit.inputs).index(START)
    first = machine.general(state, inputs)
    inputs[at] = 1
    second = machine.general(state, inputs)
    for name, a, b in zip(machine.places, first[0], second[0], strict=True):
        if not _same(machine, a, b):
            return f"{name} depends on start while busy"
    for s, a, b in zip(circuit.states, first[1], second[1], strict=True):
        if not _same(machine, a, b):
            return f"{s.name} depends on start while busy"
    return ""


def _same(machine: Machine, a: Any, b: Any) -> bool:
    if type(a) is Write or type(b) is Write:
        return type(a) is type(b) and a.cells is b.cells and all(map(_equal_change, _pairs(a.changes, b.changes)))
    return a is b or (type(a) is int and a == b) or (type(a) is Term and type(b) is Term and _normal(machine, a, b))


def _normal(machine: Machine, a: Value, b: Value) -> bool:
    return machine.normal(a) is machine.normal(b)


def _pairs(a: Any, b: Any) -> Iterator[tuple[Any, Any]]:
    yield from zip(a, b, strict=True) if len(a) == len(b) else [((0,), (1,))]


def _equal_change(pair: tuple[Any, Any]) -> bool:
    return all(x is y or (type(x) is int and x == y) for x, y in zip(*pair, strict=True))
