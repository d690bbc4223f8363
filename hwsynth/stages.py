"""The values of a scheduled graph, cycle by cycle: combinational where they arise, in registers after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemel.hwsynth import logic as lg
from gemel.hwsynth.netlist import Wire
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.ports import Ports
from gemel.semantics import build
from gemel.semantics.dtypes import BoolType
from gemel.semantics.ir import Const, Expr, Ref

if TYPE_CHECKING:
    from gemel.hwsynth.generate.pieces import Generator


class Stages:
    """Where values are: `bits` are the region's active-cycle bits, `ii` its initiation interval."""

    def __init__(self, gen: Generator, ports: Ports, bits: list[Expr], ii: int) -> None:
        self.gen, self.ports, self.bits, self.ii = gen, ports, bits, ii
        self.made: dict[Node, Expr] = {}
        self.later: dict[tuple[Node, int], Expr] = {}

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
        suffix = f"_{cycle + 1}" if self.ii == 1 else ""
        return self.gen.register(f"{_hint(n)}{suffix}", before, n.span, enable)

    def kept(self, n: Node, hint: str) -> Expr:
        """The value in a register that keeps it after the region has run; inputs and literals as they are."""
        if n.kind in (Kind.CONST, Kind.INPUT):
            return self._fresh(n)
        n.hint = n.hint or hint
        return self._held(n, 0)

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


def _hint(n: Node) -> str:
    if n.hint:
        return n.hint
    if n.var is not None:
        return n.var.hint
    if n.buffer is not None:
        return f"{n.buffer.hint}_q"
    return n.op.name if n.op else "v"
