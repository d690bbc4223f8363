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
        key = (n, turn)
        if key not in self.later:
            first = max(n.ready, n.kept)
            before = self._held(n, turn - 1) if turn else self._fresh(n)
            enable = None if self.ii == 1 else self.bits[first + turn * self.ii]
            suffix = f"_{first + 1 + turn}" if self.ii == 1 else ""
            self.later[key] = self.gen.register(f"{_hint(n)}{suffix}", before, n.span, enable)
        return self.later[key]

    def kept(self, n: Node, hint: str) -> Expr:
        """The value in a register that keeps it after the region has run; inputs and literals as they are."""
        if n.kind in (Kind.CONST, Kind.INPUT):
            return self._fresh(n)
        n.hint = n.hint or hint
        return self._held(n, 0)

    def _fresh(self, n: Node) -> Expr:
        if n not in self.made:
            self.made[n] = self._make(n)
        return self.made[n]

    def _make(self, n: Node) -> Expr:
        if n.kind is Kind.CONST:
            return Const(bool(n.value) if isinstance(n.dtype, BoolType) else n.value, n.dtype, n.span)
        if n.var is not None:
            return Ref(n.var, n.span)
        if n.kind is Kind.LOAD and n.buffer is not None:
            return Ref(self.ports.data(n.buffer, n.port), n.span)
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
