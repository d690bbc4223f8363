"""Functional units: modules that compute, made once for each operation, target and clock, and instantiated.

An operation says what is computed, a unit how: a module that takes operands in each cycle and gives results `latency`
cycles later, or one that is started and busy for `interval` cycles. Neither can be held up, so that the scheduler
knows where each value is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gemel.hwsynth import logic as lg
from gemel.hwsynth.dag import modules_of
from gemel.hwsynth.names import Names, legal
from gemel.hwsynth.netlist import Instance, Module
from gemel.hwsynth.report import UnitReport
from gemel.semantics.ir import Expr, Var
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph
    from gemel.hwsynth.nodes import Node
    from gemel.hwsynth.schedule import Clock

Port = tuple[str, lg.NetType]
Build = Callable[["Graph", "tuple[Node, ...]", Span], "tuple[Node, ...]"]

START = "start"
"""The input of a unit with an interval that begins its work; its operands are taken in that cycle."""


@dataclass(frozen=True)
class Iteration:
    """A step done in each of `cycles` cycles: `begin` gives the first state, `step` the next, `end` the results."""

    state: tuple[Port, ...]
    cycles: int
    begin: Build
    step: Build
    end: Build


@dataclass(frozen=True)
class Operation:
    """What a unit computes: `build` gives the results of operands in a dataflow graph.

    Operations with one `key` are the same. `name` is the module's, `resource` what `resources=` calls the unit.
    `iteration` is another way to the results, for a smaller unit that is busy for several cycles: the least one, or
    with 2, 3, ... times as much done in each cycle. `wider` gives an operation that does for two of the same resource.
    Where there is `make`, the pipelined unit is what it gives, and nothing is built.
    """

    key: Hashable
    name: str
    resource: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    build: Build = field(compare=False)
    iteration: Callable[[int], Iteration] | None = field(default=None, compare=False)
    wider: Callable[[Operation, Operation], Operation] | None = field(default=None, compare=False)
    make: Callable[[Operation, Clock], Unit] | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Unit:
    """A module with its timing: `setup` ns of logic lie before its first register, and its results are there `delay` ns
    into the cycle `latency` cycles after the operands.

    With an `interval` above 1 the module has the input START, and takes operands that many cycles apart.
    """

    operation: Operation
    module: Module
    latency: int
    setup: float
    delay: float
    interval: int = 1


@dataclass
class Bank:
    """The instances in a netlist; of those that use one, at most one is active in a cycle."""

    uses: dict[tuple[Unit, int], list[tuple[Expr, ...]]] = field(default_factory=dict)
    spans: dict[tuple[Unit, int], list[Span]] = field(default_factory=dict)
    nets: dict[tuple[Unit, int], tuple[Var, ...]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    names: dict[tuple[Unit, int], str] = field(default_factory=dict)

    def use(self, unit: Unit, number: int, active: Expr, operands: Sequence[Expr], span: Span) -> None:
        """Notes a use of an instance: its operands where `active` holds."""
        self.results(unit, number, span)
        self.uses[unit, number].append((active, *operands))
        self.spans[unit, number].append(span)

    def results(self, unit: Unit, number: int, span: Span) -> tuple[Var, ...]:
        """The nets of an instance's results."""
        key = (unit, number)
        if key not in self.nets:
            self.uses[key], self.spans[key] = [], []
            name = self.name(key)
            self.nets[key] = tuple(Var(f"{name}_{p}", dtype, span) for p, dtype in unit.operation.outputs)
        return self.nets[key]

    def name(self, key: tuple[Unit, int]) -> str:
        """The name of an instance: its module's with a number, its own or the next that another unit's hasn't."""
        if key not in self.names:
            stem, taken = key[0].module.name, set(self.names.values())
            numbers = itertools.count(key[1])
            self.names[key] = next(name for n in numbers if (name := f"{stem}_{n}") not in taken)
        return self.names[key]

    def instances(self, clock: Clock) -> tuple[Instance, ...]:
        """All instances."""
        return tuple(self._instance(key, clock.chain(key[0].setup)) for key in self.uses)

    def _instance(self, key: tuple[Unit, int], chain: int) -> Instance:
        unit, uses = key[0], self.uses[key]
        inputs = {p: lg.chosen(uses, n + 1, chain) for n, (p, _) in enumerate(unit.operation.inputs)}
        if unit.interval > 1:
            inputs[START] = lg.any_of(u[0] for u in uses)
        outputs = {p: net for (p, _), net in zip(unit.operation.outputs, self.nets[key], strict=True)}
        return Instance(unit.module, self.name(key), inputs, outputs, self.spans[key][0])

    def report(self) -> tuple[UnitReport, ...]:
        """A row for each kind of unit."""
        return tuple(map(self._row, dict.fromkeys(u for u, _ in self.uses)))

    def _row(self, unit: Unit) -> UnitReport:
        spans = [self.spans[key] for key in self.uses if key[0] is unit]
        lines = sorted({s.line for part in spans for s in part if s.line})
        operations = sum(map(len, spans))
        return UnitReport(unit.module.name, len(spans), operations, tuple(lines), unit.latency, unit.interval)


def named_apart(top: Module) -> Module:
    """The module with those inside renamed where two would have one name."""
    names = Names((legal(top.name),))
    done: dict[Module, Module] = {}
    for m in modules_of(top):
        instances = tuple(replace(i, module=done[i.module]) for i in m.instances)
        done[m] = replace(m, name=m.name if m is top else names.fresh(m.name), instances=instances)
    return done[top]
