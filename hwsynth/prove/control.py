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
from gemel.hwsynth.prove.step import Write
from gemel.semantics.symbolic.terms import Term, Value

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

    def holds(self, state: list[Any]) -> bool:
        """Whether a state is idle, with `done` low."""
        return all(type(state[n]) is int and state[n] == v for n, v in self.fixed.items())


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
    _, following = machine.general(machine.any_state(), machine.inputs({RESET: 1}))
    fixed = {n: v for n, v in enumerate(following) if type(v) is int}
    return Idle(fixed, done)


def idle_state(machine: Machine, idle: Idle) -> list[Any]:
    """An idle state that holds anything else."""
    state = machine.any_state()
    for n, v in idle.fixed.items():
        if n != idle.done:
            state[n] = v
    return state


def stays_idle(machine: Machine, idle: Idle) -> str:
    """Whether an idle circuit that isn't started stays so and writes nothing; "" or what it does."""
    outputs, following = machine.general(idle_state(machine, idle), machine.inputs({RESET: 0, START: 0}))
    named = dict(zip(machine.places, outputs, strict=True))
    if not idle.holds(following):
        return "a register that reset sets changes without a start"
    moved = [name for name in named if "_wen" in name and named[name] != 0]
    if moved:
        return f"{moved[0]} may be high without a start"
    return "" if named.get(BUSY) == 0 else "busy may be high without a start"


def ignores_start(machine: Machine) -> str:
    """Whether `start` means nothing while busy, in any state; "" or what it changes."""
    circuit = machine.circuit
    busy = next((n for n, s in enumerate(circuit.states) if s.id == circuit.outputs.get(BUSY)), None)
    if busy is None:
        return "busy is no register"
    state = machine.any_state()
    state[busy] = 1
    inputs = machine.inputs({RESET: 0, START: 0})
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
