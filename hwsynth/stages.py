"""The values of a scheduled graph, cycle by cycle: combinational where they arise, in registers after."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from gemel.hwsynth import logic as lg
from gemel.hwsynth.naming import SAME, leading, spelled
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.ports import Ports
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BoolType
from gemel.semantics.ir import Const, Expr, Ref, Var

if TYPE_CHECKING:
    from gemel.hwsynth.generate.pieces import Generator
    from gemel.hwsynth.regions import Region


class Stages:
    """Where values are: `bits` are the region's active-cycle bits, `ii` its initiation interval.

    Nodes `outliving` the region are looked at after it.
    """

    def __init__(
        self,
        gen: Generator,
        ports: Ports,
        bits: list[Expr],
        ii: int,
        region: Region | None = None,
        outliving: Collection[Node] = (),
    ) -> None:
        self.gen, self.ports, self.bits, self.ii, self.outliving = gen, ports, bits, ii, set(outliving)
        self.region = region
        self.made: dict[Node, Expr] = {}
        self.later: dict[tuple[Node, int], Expr] = {}
        self.called: dict[Node, str] = {}
        self.goals: dict[Node, str] = {}
        """What values without a name of their own are for: the next one on their way that has one."""

    def value(self, n: Node, cycle: int) -> Expr:
        """The value of a node in a later (or its own) cycle of the same iteration."""
        if n.kind in (Kind.CONST, Kind.INPUT):
            return self._fresh(n)
        first = max(n.ready, n.kept)
        return self._fresh(n) if cycle <= first else self._held(n, (cycle - first - 1) // self.ii)

    def _held(self, n: Node, turn: int) -> Expr:
        """The value in the register that has it for II cycles, after `turn` times II cycles in registers before."""
        known = next((k for k in range(turn, -1, -1) if (n, k) in self.later), -1)
        value = self.later[n, known] if known >= 0 else self._fresh(n)
        for k in range(known + 1, turn + 1):  # not by recursion: a pipeline may have thousands of stages
            value = self.later[n, k] = self._register(n, k, value)
        return value

    def _register(self, n: Node, turn: int, before: Expr) -> Expr:
        cycle = max(n.ready, n.kept) + turn * self.ii
        enable = None if self.ii == 1 else self.bits[cycle]
        if turn == 0 and n.kept_in is not None:
            self.gen.registers.append(Register(n.kept_in, before, enable))
            return Ref(n.kept_in, n.span)
        suffix = f"_s{cycle + 1}" if self.ii == 1 else "_q" if n.hint and n.kind is Kind.OP else ""
        region = None if n in self.outliving else self.region
        return self.gen.staged(f"{self.hint(n)}{suffix}", before, n.span, enable, region)

    def keep(self, n: Node) -> None:
        """Drives the net in which other regions find the value, after the region has run."""
        if n.kept_in is None:
            return
        if n.kind is Kind.CONST:
            self.gen.wires.append(Wire(n.kept_in, self._fresh(n)))
        else:
            self._held(n, 0)

    def _fresh(self, n: Node) -> Expr:
        todo = [n]
        while todo:  # operands first, and not by recursion
            top = todo[-1]
            missing = [a for a in top.args if a not in self.made] if top.kind is Kind.OP else []
            todo += missing
            if not missing:
                todo.pop()
                if top not in self.made:
                    self.made[top] = self._make(top)
        return self.made[n]

    def _make(self, n: Node) -> Expr:
        if n.kind is Kind.CONST:
            return Const(bool(n.value) if isinstance(n.dtype, BoolType) else n.value, n.dtype, n.span)
        if n.var is not None:
            return Ref(n.var, n.span)
        if n.kind is Kind.LOAD and n.buffer is not None:
            return Ref(self.ports.data(n.buffer, n.port), n.span)
        if n.kind is Kind.RESULT and n.args[0].unit is not None:
            return Ref(self.gen.units.results(n.args[0].unit, n.args[0].port, n.span)[n.number], n.span)
        if n.op is None:
            raise TypeError(f"a {n.kind.value} has no value")
        args = tuple(self.value(a, n.cycle) for a in n.args)
        e = build.apply(n.op, *args, span=n.span, dtype=n.dtype)
        if not n.hint:
            return e
        net = self.gen.net(n.hint, lg.net_type(e), n.span)
        self.gen.wires.append(Wire(net, e))
        return Ref(net, n.span)

    def call(self, access: Node) -> None:
        """Addresses and data are called after the memory that they go to."""
        if access.kind in (Kind.LOAD, Kind.STORE) and access.buffer is not None:
            for n, what in zip(access.args, ("addr", "wdata"), strict=False):
                self.called.setdefault(n, f"{access.buffer.hint}_{what}")

    def lead(self, nodes: Sequence[Node]) -> None:
        """Notes what the values of a graph go to."""
        for n in reversed(nodes):
            name = n.hint if n.kind is Kind.OP else ""
            for a in n.args:
                self.goals[a] = name or self.goals.get(n, "")

    def hint(self, n: Node) -> str:
        """What a value is called: as in the source, else after what it goes to, else what it is made of."""
        if n.kind in (Kind.OP, Kind.PHI) and not n.hint and n in self.called:
            return self.called[n]
        return leading(named(n), self.goals.get(n, ""))


def call_next(n: Node, carried: Var | None) -> None:
    """The value that a carried one takes next is not called just the same."""
    if n.kind is Kind.OP and carried is not None and n.hint in ("", carried.hint):
        n.hint = f"{carried.hint}_next"


def named(n: Node) -> str:
    """A name for a node's value."""
    if n.var is not None:
        return n.var.hint
    if n.hint or n.buffer is not None:
        return n.hint or (n.buffer.hint if n.buffer is not None else "")
    if n.kind is Kind.RESULT:
        return _result(n)
    if n.kind is Kind.CONST:
        return f"m{-n.value}" if n.value < 0 else str(n.value)
    if n.op in SAME:
        return named(n.args[0])
    return spelled(n.op, [named(a) if a.hint or a.kind is not Kind.OP else _wire(a) for a in n.args]) if n.op else ""


def _result(n: Node) -> str:
    """What a unit gives: called as the operator is, if it is one, else as its output."""
    operation = n.args[0].operation
    if operation is None:
        return ""
    parts = [_wire(a) if a.kind is Kind.OP and not a.hint else named(a) for a in n.args[0].args]
    return spelled(ops.MUL, parts) if operation.resource == "mul" else operation.outputs[n.number][0]


def _wire(n: Node) -> str:
    """The name of an operand that is an op itself: only where it adds nothing to its own operand's."""
    return named(n) if n.op in SAME else ""
