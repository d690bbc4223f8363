"""Equal logic once: equal expressions become one node, a net with the value of another one gives way to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gemel.hwsynth.dag import args_of, postorder
from gemel.hwsynth.netcheck import ordered_wires
from gemel.hwsynth.netlist import Memory, Module, Output, ReadPort, Register, Wire, WritePort
from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var


def share(m: Module) -> Module:
    """The module with equal expressions as one node (afterwards compared by identity), and no net twice.

    A wire with a literal stays: it is a constant with a name.
    """
    found = _Sharing()
    wires = tuple(w for old in ordered_wires(m) for w in found.wire(old))
    return replace(
        m,
        wires=wires,
        registers=tuple(map(found.register, m.registers)),
        memories=tuple(map(found.memory, m.memories)),
        instances=tuple(replace(i, inputs={n: found(e) for n, e in i.inputs.items()}) for i in m.instances),
        outputs=tuple(Output(o.name, found(o.value)) for o in m.outputs),
    )


def disjuncts(e: Expr) -> list[Expr]:
    """The operands of nested ors."""
    return _operands(ops.LOR, e)


def conjuncts(e: Expr) -> list[Expr]:
    """The operands of nested ands."""
    return _operands(ops.LAND, e)


def _operands(op: ops.Op, e: Expr) -> list[Expr]:
    found, stack = [], [e]
    while stack:
        top = stack.pop()
        if isinstance(top, Apply) and top.op is op:
            stack += reversed(top.args)
        else:
            found.append(top)
    return found


def joined(op: ops.Op, operands: Sequence[Expr]) -> Expr:
    """The and (or the or) of some operands, of which there is at least one."""
    result = operands[0]
    for e in operands[1:]:
        result = Apply(op, (result, e), result.dtype, e.span)
    return result


@dataclass
class _Sharing:
    table: dict[Expr, Expr] = field(default_factory=dict)
    known: dict[object, Expr] = field(default_factory=dict)
    values: dict[Var, Expr] = field(default_factory=dict)
    constants: dict[Var, object] = field(default_factory=dict)

    def __call__(self, e: Expr) -> Expr:
        """The node for an expression."""
        for node in postorder((e,)):
            if node not in self.table:
                self.table[node] = self.node(node)
        return self.table[e]

    def node(self, e: Expr) -> Expr:
        if isinstance(e, Ref):
            return self.values.get(e.var) or self.known.setdefault(e.var, e)
        if not isinstance(e, Apply):
            return self.known.setdefault(self.key(e), e)
        args = tuple(self.table[a] for a in e.args)
        shorter = _simpler(e.op, args)
        if shorter is not None:
            return self(shorter)
        key = (e.op, e.dtype, *map(self.key, args))
        same = all(a is b for a, b in zip(args, e.args, strict=True))
        return self.known.setdefault(key, e if same else replace(e, args=args))

    def key(self, e: Expr) -> object:
        """What equal operands have in common: a constant counts as its value."""
        if isinstance(e, Const):
            return (int(e.value), e.dtype)
        return self.constants.get(e.var, e) if isinstance(e, Ref) else e

    def wire(self, w: Wire) -> list[Wire]:
        """The wire, or none where its value has a name already."""
        value = self(w.value)
        if isinstance(value, Ref):
            self.values[w.var] = value
            return []
        if isinstance(value, Const):
            self.constants[w.var] = self.key(value)
        else:
            own = Ref(w.var, w.var.span)
            self.known[self.key_of(value)] = self.known[w.var] = self.table[w.value] = own
        return [Wire(w.var, value)]

    def key_of(self, e: Expr) -> object:
        return (e.op, e.dtype, *map(self.key, args_of(e))) if isinstance(e, Apply) else e

    def register(self, r: Register) -> Register:
        return replace(r, next=self(r.next), enable=None if r.enable is None else self(r.enable))

    def memory(self, m: Memory) -> Memory:
        reads = tuple(ReadPort(self(p.addr), None if p.enable is None else self(p.enable), p.data) for p in m.reads)
        writes = tuple(WritePort(self(p.addr), self(p.data), self(p.enable)) for p in m.writes)
        return replace(m, reads=reads, writes=writes)


_NEGATED = {ops.EQ: ops.NE, ops.NE: ops.EQ, ops.LT: ops.GE, ops.GE: ops.LT, ops.LE: ops.GT, ops.GT: ops.LE}


def _simpler(op: ops.Op, args: tuple[Expr, ...]) -> Expr | None:
    """x and not (x and y) is x and not y; x and x is x; c ? x : x is x; not a < b is a >= b; x and 1 is x."""
    if op is ops.LNOT and isinstance(args[0], Apply) and args[0].op in _NEGATED:
        return replace(args[0], op=_NEGATED[args[0].op])
    if op in (ops.LAND, ops.AND) and isinstance(args[0].dtype, BoolType) and isinstance(args[1].dtype, BoolType):
        for a, b in (args, args[::-1]):
            if isinstance(a, Const):
                return b if a.value else a
    if op is ops.SELECT and args[1] is args[2]:
        return args[1]
    if op is not ops.LAND:
        return None
    a, b = args
    if a is b:
        return a
    if not (isinstance(b, Apply) and b.op is ops.LNOT):
        return None
    all_ = conjuncts(b.args[0])
    rest = [x for x in all_ if x is not a]
    if len(rest) == len(all_) or not rest:
        return None
    return Apply(op, (a, Apply(ops.LNOT, (joined(op, rest),), b.dtype, b.span)), a.dtype, a.span)
