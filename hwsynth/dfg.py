"""The dataflow graph of a straight-line region: operators, memory accesses, checks, and values that come in and go on.

Built from promoted statements with branches turned into choices and predicates. Equal operators are one node. Wide
multiplications and divisions are spelled out in operators that a target has (`arithmetic`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gemel.hwsynth import arithmetic, floats, peephole, wide
from gemel.hwsynth.forms import apart
from gemel.hwsynth.nodes import Access, Kind, Node, net_dtype, stand_in
from gemel.hwsynth.ports import inside_width
from gemel.hwsynth.rams import reading, writing
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.sharing import Sharing
from gemel.hwsynth.targets import delay
from gemel.hwsynth.units import Operation
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, BoolType, DType, IndexType, IntType, int_holding, width_of
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Call,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body


@dataclass
class Graph:
    """A region's nodes, operands before users, and its accesses to each memory in program order."""

    clock: Clock
    nodes: list[Node] = field(default_factory=list)
    known: dict[object, Node] = field(default_factory=dict)
    env: dict[Var, Node] = field(default_factory=dict)
    accesses: dict[Buffer, list[Node]] = field(default_factory=dict)
    stores: dict[Buffer, list[Node]] = field(default_factory=dict)
    outer: Callable[[Var], Var] = lambda v: v
    sites: list[Assert] = field(default_factory=list)
    depth_of: Mapping[Buffer, int] = field(default_factory=dict)
    counts: Mapping[tuple[Buffer, Kind], int] = field(default_factory=dict)
    """The loads and stores of each memory in the whole kernel."""
    banks: Mapping[Buffer, Var] = field(default_factory=dict)
    """Of arrays with two copies which one it is."""
    shared: Sharing = field(default_factory=Sharing)
    uncounted: bool = False
    packs: bool = False
    """Whether sums take in choices: only where no other operation could use their adders."""
    numbers: set[Var] = field(default_factory=set)
    """Floats that are never NaN."""
    flipped: dict[Node, Node] = field(default_factory=dict)
    """For a negated float the word that is its equal except that a NaN may have a sign."""

    # ------------------------------------------------------------------------------------------------------- making

    def _add(self, key: object, node: Node) -> Node:
        if key is not None and key in self.known:
            return self.known[key]
        self.nodes.append(node)
        if key is not None:
            self.known[key] = node
        return node

    def const(self, value: int, dtype: DType | None, span: Span) -> Node:
        """A literal; without a type of the narrowest that holds it."""
        own = int_holding(min(value, 0), max(value, 0)) if dtype is None else dtype
        return self._add((Kind.CONST, value, own), Node(Kind.CONST, own, (), span, value=value))

    def apply(self, op: ops.Op, args: tuple[Node, ...], dtype: DType | None, span: Span) -> Node:
        """An operator, folded where its operands are literals; without `dtype` of the type that the op's rule gives."""
        exprs = tuple(stand_in(a) for a in args)
        result = build.apply(op, *exprs, span=span, dtype=dtype)
        literals = [e for e in exprs if isinstance(e, Const)]
        if len(literals) == len(exprs):  # all that may fail is behind a guard
            result = build.folded(op, literals, result.dtype, span)
        if isinstance(result, Const):
            return self.const(int(result.value), result.dtype, span)
        rules = (arithmetic.SPECIAL.get(op), peephole.RULES.get(op))
        made = next((n for rule in rules if rule and (n := rule(self, args, result.dtype, span)) is not None), None)
        if made is None and op in wide.RULES and isinstance(result, Apply):
            slow = delay(self.clock.target, result) > max(self.clock.room, 0.0)
            made = wide.RULES[op](self, args, result.dtype, span) if slow else None
        if made is not None:
            return made
        key = (op, args, result.dtype)
        return self._add(key, Node(Kind.OP, result.dtype, args, span, op=op))

    def cast(self, node: Node, dtype: DType, span: Span) -> Node:
        """A conversion."""
        return node if node.dtype == dtype else self.apply(ops.CAST, (node,), dtype, span)

    def input(self, var: Var, span: Span) -> Node:
        """A value from outside of the region."""
        net = self.outer(var)
        return self._add((Kind.INPUT, net), Node(Kind.INPUT, net.dtype, (), span, var=net))

    def unit(self, operation: Operation, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        """The results of an operation that a functional unit does."""
        operands = tuple(self.cast(a, dtype, span) for a, (_, dtype) in zip(args, operation.inputs, strict=True))
        key = (operation, operands)
        made = self._add(key, Node(Kind.UNIT, BOOL, operands, span, operation=operation))
        return tuple(
            self._add((made, n), Node(Kind.RESULT, dtype, (made,), span, number=n))
            for n, (_, dtype) in enumerate(operation.outputs)
        )

    def keep(self, results: Iterable[Node]) -> None:
        """Drops the nodes that some don't need: what a rule has found something better for."""
        needed: set[Node] = set()
        todo = list(results)
        while todo:
            n = todo.pop()
            if n not in needed:
                needed.add(n)
                todo += n.reads()
        self.nodes = [n for n in self.nodes if n in needed or n.kind is Kind.ARGUMENT]
        kept = {b: [n for n in found if n in needed] for b, found in self.accesses.items()}
        self.accesses = {b: found for b, found in kept.items() if found}

    # -------------------------------------------------------------------------------------------------- expressions

    def expr(self, e: Expr, pred: Node | None) -> Node:
        """The node of an expression."""
        match e:
            case Const():
                e = floats.literal(e)
                if isinstance(e.dtype, BoolType):
                    return self.const(int(e.value), BOOL, e.span)
                return self.const(int(e.value), None if isinstance(e.dtype, IndexType) else e.dtype, e.span)
            case Ref():
                return self.env[e.var] if e.var in self.env else self.input(e.var, e.span)
            case Load():
                return self.load(e, pred)
            case Apply():
                args = tuple(self.expr(a, pred) for a in e.args)
                if floats.concerns(e):
                    return floats.applied(self, e, args)
                if e.op is ops.CAST and isinstance(e.dtype, IndexType) and width_of(args[0].dtype) <= 64:
                    if isinstance(args[0].dtype, BoolType):
                        return self.cast(args[0], IntType(1, False), e.span)
                    return args[0]
                if e.op in _BY_PATTERN:  # a node may be narrower than the expression: a counter, say
                    args = tuple(
                        self.cast(n, net_dtype(a.dtype, a.span), a.span) for n, a in zip(args, e.args, strict=True)
                    )
                return self.apply(e.op, args, net_dtype(e.dtype, e.span), e.span)

    def address(self, b: Buffer, indices: tuple[Expr, ...], pred: Node | None) -> Node:
        """The row-major address of an element, as wide as the memory needs; its sums count for no limit of adders."""
        before, self.uncounted = self.uncounted, True
        addr = self._address(b, indices, pred)
        self.uncounted = before
        return addr

    def _address(self, b: Buffer, indices: tuple[Expr, ...], pred: Node | None) -> Node:
        width = inside_width(self.depth_of[b]) - (b in self.banks)
        total: Node | None = None
        for axis, i in enumerate(indices):
            index = self.expr(i, pred)
            if total is None or (total.kind is Kind.CONST and not total.value):
                total = index
                continue
            size = int(b.shape[axis].value)  # type: ignore[union-attr]
            scaled = self.apply(ops.MUL, (total, self.const(size, None, i.span)), None, i.span)
            total = self.apply(ops.ADD, (scaled, index), None, i.span)
        if total is None:
            return self.const(0, IntType(1, False), b.span)
        return self.cast(total, IntType(width, False), total.span)

    def _at(self, b: Buffer, inside: Node) -> dict[str, Any]:
        """What the node of an access says of its address: the one in the array, and in a memory with two copies."""
        if b not in self.banks:
            return {"args": (inside,)}
        bank = self.cast(self.input(self.banks[b], inside.span), IntType(1, False), inside.span)
        return {"args": (self.apply(ops.CONCAT, (bank, inside), None, inside.span),), "inside": inside}

    def load(self, e: Load, pred: Node | None) -> Node:
        """A memory read."""
        inside = self.address(e.buffer, e.indices, pred)
        at = self._at(e.buffer, inside)
        stored = self._forwarded(e.buffer, inside, pred)
        if stored is not None:
            return stored
        key = (Kind.LOAD, e.buffer, inside, pred, len(self.stores.get(e.buffer, ())))
        fresh = key not in self.known
        node = self._add(
            key,
            Node(
                Kind.LOAD,
                net_dtype(e.dtype, e.span),
                span=e.span,
                buffer=e.buffer,
                pred=pred,
                access=self._access(e.buffer, Kind.LOAD),
                **at,
            ),
        )
        if fresh:
            self.accesses.setdefault(e.buffer, []).append(node)
        return node

    def _forwarded(self, b: Buffer, addr: Node, pred: Node | None) -> Node | None:
        """The value that an earlier store of the region leaves at an address, where it is known to have run."""
        probe = Node(Kind.LOAD, BOOL, (addr,), addr.span, inside=addr)
        for n in reversed(self.stores.get(b, [])):
            if apart(n, probe):
                continue
            return n.args[1] if (n.inside or n.args[0]) is addr and implies(pred, n.pred) else None
        return None

    # --------------------------------------------------------------------------------------------------- statements

    def body(self, body: Body, pred: Node | None) -> None:
        """Adds statements, executed where `pred` holds."""
        for s in body:
            self.stmt(s, pred)

    def stmt(self, s: Stmt, pred: Node | None) -> None:
        """Adds a statement."""
        match s:
            case Let():
                node = self.expr(s.value, pred)
                node.hint = node.hint or s.var.hint
                self.env[s.var] = node
            case Store():
                self._store(s.buffer, s.indices, self.expr(s.value, pred), pred, s.span)
            case Reduce():
                old = Load(s.buffer, s.indices, s.span)
                new = build.apply(s.op, old, s.value, span=s.span)
                self._store(s.buffer, s.indices, self.expr(new, pred), pred, s.span)
            case If():
                self._if(s, pred)
            case Assert():
                cond = self.expr(s.cond, pred)
                self.sites.append(s)
                check = Node(Kind.CHECK, BOOL, (cond,), s.span, pred=pred, site=len(self.sites))
                self.nodes.append(check)
            case Alloc() | Assume():
                pass
            case For() | While() | Call():
                raise TypeError(f"{type(s).__name__} in a straight-line region")

    def _store(self, b: Buffer, indices: tuple[Expr, ...], value: Node, pred: Node | None, span: Span) -> None:
        at = self._at(b, self.address(b, indices, pred))
        data = self.cast(value, net_dtype(b.dtype, span), span)
        access = self._access(b, Kind.STORE)
        node = Node(Kind.STORE, BOOL, span=span, buffer=b, pred=pred, access=access, **at)
        node.args = (*node.args, data)
        self.nodes.append(node)
        self.accesses.setdefault(b, []).append(node)
        self.stores.setdefault(b, []).append(node)

    def _access(self, b: Buffer, kind: Kind) -> Access:
        places = self.counts.get((b, kind), 0)
        if kind is Kind.STORE:
            return writing(self.clock, places)
        return reading(self.clock, self.depth_of[b], b.data is not None, places)

    def both(self, a: Node | None, b: Node, span: Span) -> Node:
        """The conjunction of a predicate and a condition."""
        return b if a is None else self.apply(ops.LAND, (a, b), BOOL, span)

    def _if(self, s: If, pred: Node | None) -> None:
        cond = self.expr(s.cond, pred)
        if cond.kind is Kind.CONST:
            self._known_if(s, bool(cond.value), pred)
            return
        self.body(s.then, self.both(pred, cond, s.span))
        if s.orelse:
            self.body(s.orelse, self.both(pred, self.apply(ops.LNOT, (cond,), BOOL, s.span), s.span))
        for m in s.merges:
            dtype = net_dtype(m.var.dtype, s.span)
            a, b = (self.cast(self.expr(e, pred), dtype, s.span) for e in (m.then, m.orelse))
            self.env[m.var] = a if a is b else self.apply(ops.SELECT, (cond, a, b), dtype, s.span)

    def _known_if(self, s: If, cond: bool, pred: Node | None) -> None:
        self.body(s.then if cond else s.orelse, pred)
        for m in s.merges:
            self.env[m.var] = self.cast(
                self.expr(m.then if cond else m.orelse, pred), net_dtype(m.var.dtype, s.span), s.span
            )


_BY_PATTERN = (ops.BITS, ops.CONCAT, ops.BITCAST)
"""Ops that look at the bits of an operand, and so at its width."""


def implies(a: Node | None, b: Node | None) -> bool:
    """Whether predicate `a` can be seen to imply `b`."""
    return b is None or a is b or (a is not None and a.op is ops.LAND and any(implies(x, b) for x in a.args))
