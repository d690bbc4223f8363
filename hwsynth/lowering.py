"""The state and the pieces that lowering a netlist module needs; `lower` has the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gemel.hwsynth.dag import args_of, choices_of, net_type, postorder, roots_of, shape, uses, whole
from gemel.hwsynth.naming import described, leading
from gemel.hwsynth.netlist import Instance, Memory, Module, NetType, Output, Part, ReadPort, Wire, WritePort
from gemel.hwsynth.statements import Assign, Clocked, Statement, When, clocked, expressions
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, BoolType, IntType
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.typerules import join

LEAVES = 8
"""The most leaves that an unnamed expression may have."""


_MODULAR = (ops.CAST, ops.ADD, ops.SUB, ops.MUL, ops.NEG, ops.AND, ops.OR, ops.XOR, ops.INVERT, ops.SHL, ops.SELECT)
"""Ops whose low result bits depend only on as many low bits of the (first) operands."""


def _sized_from_outside(e: Expr) -> bool:
    """Whether a tool might compute a part of `e` at the width of the cast around it.

    Icarus does so, where a wrap would be lost, and Verilator warns as if.
    """
    if isinstance(e, Const):
        return not isinstance(e.dtype, BoolType) and int(e.value) < 0
    if not isinstance(e, Apply) or isinstance(e.dtype, BoolType):
        return False
    return e.op not in _SIZED or any(map(_sized_from_outside, args_of(e)))


_SIZED = (ops.BITS, ops.CONCAT, ops.CAST, ops.BITCAST)
"""Ops whose text has a width of its own."""


def _value(e: Expr) -> int:
    """The number of a literal."""
    return int(e.value) if isinstance(e, Const) else 0


def uint(width: int) -> IntType:
    """The unsigned type of a width."""
    return IntType(width, False)


def const(value: int, dtype: NetType, like: Expr) -> Const:
    """A literal at the place of another expression."""
    return Const(bool(value) if isinstance(dtype, BoolType) else value, dtype, like.span)


def _apply(op: Op, *args: Expr, dtype: NetType) -> Expr:
    return build.apply(op, *args, span=args[0].span, dtype=dtype)


def _is_atom(e: Expr) -> bool:
    """Whether repeating the expression costs the reader nothing: a net, a literal, or a slice or cast of one."""
    return isinstance(e, Const | Ref) or (
        isinstance(e, Apply) and e.op in (ops.BITS, ops.CAST) and isinstance(e.args[0], Const | Ref)
    )


def _is_select(e: Expr) -> bool:
    return isinstance(e, Apply) and e.op is ops.SELECT


@dataclass(frozen=True, eq=False)
class Lowered:
    """A module in the printable form, its registers as statements; `module.registers` are as they were."""

    module: Module
    blocks: tuple[Clocked, ...]


@dataclass
class Lowering:
    """The state of one module's lowering; `owner` is the hint of the net whose expression is being lowered."""

    source: Module
    rules: Mapping[Op, Callable[..., Expr]]
    owner: str = ""
    wires: list[Wire] = field(default_factory=list)
    table: dict[Expr, Expr] = field(default_factory=dict)
    leaves: dict[Expr, int] = field(default_factory=dict)
    named: dict[Expr, Expr] = field(default_factory=dict)
    count: dict[Expr, int] = field(default_factory=dict)
    parts: dict[Var, Part] = field(default_factory=dict)
    part: Part | None = None

    def module(self) -> Lowered:
        """The lowered module."""
        m, blocks = self.source, clocked(self.source)
        self.count = dict(uses([*roots_of(replace(m, registers=())), *(e for b in blocks for e in expressions(b))]))
        self.parts = dict(m.layout.parts)
        for w in m.wires:
            self.within(w.var)
            self.wires.append(Wire(w.var, self.root(w.value, w.var.hint)))
        blocks = tuple(self.block(b) for b in reversed(blocks))[::-1]  # what parts share belongs to the later one
        self.part = None
        lowered = replace(
            m,
            memories=tuple(map(self.memory, m.memories)),
            instances=tuple(map(self.instance, m.instances)),
            outputs=tuple(Output(o.name, self.root(o.value, o.name)) for o in m.outputs),
            wires=tuple(self.wires),
        )
        return Lowered(replace(lowered, layout=replace(m.layout, parts=self.parts)), blocks)

    def within(self, v: Var) -> None:
        """New nets are in the part of `v` from here on."""
        self.part = self.source.layout.parts.get(v)

    def block(self, b: Clocked) -> Clocked:
        return replace(b, body=tuple(map(self.statement, b.body)))

    def statement(self, s: Statement) -> Statement:
        match s:
            case Assign():
                self.within(s.var)
                return Assign(s.var, self.root(s.value, s.var.hint))
            case When():
                then, orelse = (tuple(map(self.statement, side)) for side in (s.then, s.orelse))
                return When(self.root(s.cond, f"{self.owner}_en"), then, orelse)

    def memory(self, m: Memory) -> Memory:
        return replace(
            m, reads=tuple(self.read(m, p) for p in m.reads), writes=tuple(self.write(m, p) for p in m.writes)
        )

    def read(self, m: Memory, p: ReadPort) -> ReadPort:
        enable = None if p.enable is None else self.root(p.enable, f"{p.data.hint}_en")
        addr, _ = self.address(m, self.root(p.addr, f"{p.data.hint}_addr"))
        return replace(p, addr=addr, enable=enable)

    def write(self, m: Memory, p: WritePort) -> WritePort:
        addr, inside = self.address(m, self.root(p.addr, f"{m.hint}_waddr"))
        enable = self.root(p.enable, f"{m.hint}_we")
        return WritePort(addr, self.root(p.data, f"{m.hint}_wdata"), build.both(enable, inside, p.enable.span))

    def address(self, m: Memory, addr: Expr) -> tuple[Expr, Expr]:
        """The address with as many bits as the depth asks for, and whether it is below the depth if that is lost."""
        target = uint(max(1, (m.depth - 1).bit_length()))
        t = shape(addr)
        if t.hi <= target.hi and not t.signed:
            inside: Expr = const(1, BOOL, addr)
        else:
            addr = self.name(addr, f"{m.hint}_addr")
            inside = self.below(addr, m.depth)
        narrow = self.slice(addr, target.width - 1, 0) if t.width > target.width else self.to(addr, target)
        return (narrow if m.depth > 1 else const(0, target, addr)), inside

    def below(self, x: Expr, limit: int) -> Expr:
        """0 <= x < limit."""
        t = shape(x)
        top: Expr = const(1, BOOL, x)
        if limit <= t.hi:
            top = _apply(ops.LT, x, const(limit, t, x), dtype=BOOL)
        return build.both(self.not_negative(x), top, x.span)

    def not_negative(self, x: Expr) -> Expr:
        """x >= 0."""
        t = shape(x)
        return _apply(ops.GE, x, const(0, t, x), dtype=BOOL) if t.signed else const(1, BOOL, x)

    def instance(self, i: Instance) -> Instance:
        inputs = {port: self.connected(e, f"{i.name}_{port}") for port, e in i.inputs.items()}
        return replace(i, inputs=inputs)

    def connected(self, e: Expr, hint: str) -> Expr:
        """What a port is connected to: a net where it would be a conversion, at which yosys 0.70 ends with an error."""
        value = self.root(e, hint)
        return self.name(value, hint) if isinstance(value, Apply) and value.op is ops.CAST else value

    # ------------------------------------------------------------------------------------------------ bookkeeping

    def root(self, e: Expr, owner: str) -> Expr:
        """A whole expression, lowered."""
        self.owner = owner
        for node in postorder((e,)):
            if node not in self.table:
                self.table[node] = self.finish(node, self.node(node))
        return self.table[e]

    def node(self, e: Expr) -> Expr:
        if not isinstance(e, Apply):
            return e
        return self.rules[e.op](self, e.op, net_type(e), *(self.table[a] for a in e.args))

    def finish(self, old: Expr, new: Expr) -> Expr:
        """Names what is shared, and what has grown long."""
        if self.count.get(old, 0) > 1 and not _is_atom(new):
            return self.name(new)
        return new

    def size(self, e: Expr) -> int:
        """How long the expression is to read: its leaves, an atom counted as one, and its unary operators."""
        if e not in self.leaves:
            simple = _is_atom(e) or not isinstance(e, Apply)
            self.leaves[e] = 1 if simple else sum(map(self.size, args_of(e))) + (len(args_of(e)) == 1)
        return self.leaves[e]

    def name(self, e: Expr, hint: str = "") -> Expr:
        """A net or literal with the value of `e`; the same one each time."""
        if isinstance(e, Const | Ref):
            return e
        if e not in self.named:
            var = Var(hint or leading(described(e), self.owner) or self.owner, e.dtype, e.span)
            self.wires.append(Wire(var, e))
            if self.part is not None:
                self.parts[var] = self.part
            self.named[e] = Ref(var, e.span)
        return self.named[e]

    def make(self, op: Op, *args: Expr, dtype: NetType) -> Expr:
        """An op on lowered operands; long ones among them get names first (choices have a line each)."""
        if all(isinstance(a, Const) for a in args) or (op is ops.OR and all(map(choices_of, args))):
            return _apply(op, *args, dtype=dtype)
        counted = args[:2] if op is ops.SELECT and _is_select(args[2]) else args
        if sum(map(self.size, counted)) > LEAVES:
            longest = max(map(self.size, counted))
            args = tuple(self.name(a) if a in counted and self.size(a) >= min(longest, 4) else a for a in args)
        return _apply(op, *args, dtype=dtype)

    # ----------------------------------------------------------------------------------------------------- pieces

    def to(self, e: Expr, dtype: NetType) -> Expr:
        """`e` converted as by cast: wrapped or extended; to bool by comparison with zero."""
        if e.dtype == dtype:
            return e
        if isinstance(dtype, BoolType) and shape(e).width > 1:
            return _apply(ops.NE, e, const(0, shape(e), e), dtype=BOOL)
        if isinstance(dtype, BoolType):
            return self.reread(e, dtype)
        return self.slice(e, dtype.width - 1, 0, dtype) if dtype.width < shape(e).width else self.widen(e, dtype)

    def widen(self, e: Expr, dtype: IntType) -> Expr:
        if isinstance(e, Apply) and e.op is ops.CAST and shape(e.args[0]).width < shape(e).width:
            inner = shape(e.args[0])
            if inner.signed == shape(e).signed or not inner.signed:
                e = e.args[0]
        if _sized_from_outside(e) and not isinstance(e, Const):
            e = self.name(e)
        return _apply(ops.CAST, e, dtype=dtype)

    def slice(self, e: Expr, hi: int, lo: int, dtype: IntType | None = None) -> Expr:
        """Bits hi..lo of the pattern of `e`, read as `dtype` (unsigned by default) of that width."""
        unsigned = uint(hi - lo + 1)
        dtype = dtype or unsigned
        if isinstance(e, Const):
            pattern = ops.BITS.meaning(unsigned, (e.dtype,) * 3, (e.value, hi, lo))
            return self.reread(const(int(pattern), unsigned, e), dtype)
        if lo == 0 and hi == shape(e).width - 1:
            return self.reread(e, dtype)
        if isinstance(e, Apply) and e.op is ops.BITS:
            net, _, low = e.args
            return self.slice(net, hi + _value(low), lo + _value(low), dtype)
        if isinstance(e, Apply) and e.op is ops.CAST and hi < shape(e.args[0]).width:
            return self.slice(e.args[0], hi, lo, dtype)
        if lo == 0 and isinstance(e, Apply) and e.op in _MODULAR:
            return self.narrow(e, dtype)
        if not isinstance(e, Ref):
            e = self.name(e)  # a cast to fewer bits is read at its operand's width by yosys, within other expressions
        bounds = (const(hi, uint(max(1, hi.bit_length())), e), const(lo, uint(max(1, lo.bit_length())), e))
        return self.reread(_apply(ops.BITS, e, *bounds, dtype=unsigned), dtype)

    def narrow(self, e: Apply, dtype: IntType) -> Expr:
        """The low bits of a result, computed with just these."""
        if e.op is ops.CAST:
            return self.to(e.args[0], dtype)
        if e.op is ops.SELECT:
            cond, a, b = e.args
            return self.select(cond, a, b, dtype)
        kept = 1 if e.op is ops.SHL else len(e.args)
        return self.make(e.op, *(self.to(a, dtype) for a in e.args[:kept]), *e.args[kept:], dtype=dtype)

    def reread(self, e: Expr, dtype: NetType) -> Expr:
        """The pattern of `e` read as another type of the same width."""
        return e if e.dtype == dtype else _apply(ops.CAST, e, dtype=dtype)

    def compare(self, op: Op, a: Expr, b: Expr) -> Expr:
        """A comparison at the narrowest type that holds both; a literal takes the other side's type if it can."""
        if isinstance(a, Const) and not isinstance(b, Const):
            a, b, op = b, a, _MIRRORED.get(op, op)
        if isinstance(b, Const) and not shape(a).signed:  # what an unsigned number is beside 0, as equality
            op, b = _beside_zero(op, b)
        decided = _decided(op, a, b)
        if decided is not None:
            return const(decided, BOOL, a)
        common = _literal_type(a, b) or _literal_type(b, a) or _common(a, b)
        return self.make(op, self.to(a, common), self.to(b, common), dtype=BOOL)

    def negative(self, e: Expr) -> Expr:
        """e < 0."""
        t = shape(e)
        return self.compare(ops.LT, e, const(0, t, e)) if t.signed else const(0, BOOL, e)

    def select(self, cond: Expr, a: Expr, b: Expr, dtype: NetType) -> Expr:
        if isinstance(cond, Const):
            return self.to(a if cond.value else b, dtype)
        return self.make(ops.SELECT, cond, self.to(a, dtype), self.to(b, dtype), dtype=dtype)


_MIRRORED = {ops.LT: ops.GT, ops.GT: ops.LT, ops.LE: ops.GE, ops.GE: ops.LE}


def _beside_zero(op: Op, b: Const) -> tuple[Op, Const]:
    """The comparison of an unsigned number with a literal, with 0 where it asks for that alone."""
    empty = (op is ops.LT and b.value == 1) or (op is ops.LE and b.value == 0)
    there = (op is ops.GE and b.value == 1) or (op is ops.GT and b.value == 0)
    return (ops.EQ if empty else ops.NE, replace(b, value=0)) if empty or there else (op, b)


def _decided(op: Op, a: Expr, b: Expr) -> bool | None:
    """The result of an order comparison that the operands' ranges alone decide."""
    if op not in (ops.LT, ops.LE, ops.GT, ops.GE):
        return None
    low, high = map(_range, (a, b) if op in (ops.LT, ops.GE) else (b, a))  # low < high, or its negation
    if low[1] < high[0]:
        return op in (ops.LT, ops.GT)
    return op in (ops.GE, ops.LE) if low[0] >= high[1] else None


def _range(e: Expr) -> tuple[int, int]:
    return (int(e.value), int(e.value)) if isinstance(e, Const) else (shape(e).lo, shape(e).hi)


def _common(a: Expr, b: Expr) -> NetType:
    """The narrowest type that holds both."""
    return net_type(a) if a.dtype == b.dtype else whole(join(shape(a), shape(b)))


def _literal_type(literal: Expr, other: Expr) -> IntType | None:
    t = shape(other)
    fits = isinstance(literal, Const) and not isinstance(other, Const) and t.lo <= literal.value <= t.hi
    return t if fits and other.dtype != BOOL else None
