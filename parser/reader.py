"""From a syntax tree to IR: names resolved, types found, nothing executed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lark import Token, Tree

from gemel.semantics import build, ops
from gemel.semantics.dtypes import (
    BOOL,
    FLOATS,
    INDEX,
    MAX_EXACT,
    BoolType,
    DType,
    Fixed,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    UFixed,
)
from gemel.semantics.errors import ParseError
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Banking,
    Banks,
    Buffer,
    Call,
    Carry,
    Check,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Merge,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    View,
    While,
)
from gemel.semantics.rounding import round_float
from gemel.semantics.span import Span
from gemel.semantics.storage import filled

Node = Any
INFIX = {op.symbol: op for op in ops.TABLE.values() if op.symbol}


@dataclass
class Reader:
    """Builds kernels from the tree of a file; later kernels may call earlier ones."""

    file: str
    kernels: dict[str, Kernel] = field(default_factory=dict)
    scope: dict[str, Var | Buffer] = field(default_factory=dict)

    def span(self, node: Node) -> Span:
        """Where a node or token stands."""
        if isinstance(node, Token):
            return Span(self.file, node.line or 1, node.column or 1, node.end_line or 1, node.end_column or 1)
        meta = node.meta
        if meta.empty:
            return Span(self.file, 1, 1, 1, 2)
        return Span(self.file, meta.line, meta.column, meta.end_line, meta.end_column)

    def fail(self, what: str, node: Node, mend: str = "") -> ParseError:
        """The error for a node."""
        return ParseError(what, code="I01", span=self.span(node), mend=mend)

    # -------------------------------------------------------------------------------------------------------- names

    def find(self, token: Token, kind: type[Any]) -> Any:
        """The variable or buffer of a name."""
        found = self.scope.get(str(token))
        if not isinstance(found, kind):
            what = "a buffer" if kind is Buffer else "a variable"
            raise self.fail(f"{token} is not {what} here", token, "declare it before")
        return found

    def declare(self, token: Token, x: Var | Buffer) -> None:
        """Binds a name.

        Raises ParseError where it is bound already.
        """
        if str(token) in self.scope:
            raise self.fail(f"{token} is declared twice", token, "use another name")
        self.scope[str(token)] = x

    @contextmanager
    def inner(self) -> Iterator[None]:
        """A nested scope."""
        saved = dict(self.scope)
        yield
        self.scope = saved

    def var(self, token: Token, dtype: DType) -> Var:
        """A new variable."""
        var = Var(str(token).split(".")[0], dtype, self.span(token))
        self.declare(token, var)
        return var

    # ------------------------------------------------------------------------------------------------------- kernels

    def kernel(self, node: Node) -> Kernel:
        """A kernel."""
        self.scope = {}
        name, *rest = node.children
        dims = tuple(self.var(t, INDEX) for d in _all(rest, "dims") for t in d.children)
        params = tuple(self.parameter(p) for p in _all(rest, "declared"))
        results = tuple(self.buffer(p) for r in _all(rest, "results") for p in r.children)
        skip = ("dims", "declared", "results", "strict")
        body = tuple(self.statement(s) for s in rest if isinstance(s, Tree) and s.data not in skip)
        strict = bool(_all(rest, "strict"))
        made = Kernel(str(name).split(".")[0], dims, params, results, body, self.span(node), strict)
        if str(name) in self.kernels:
            raise self.fail(f"the kernel {name} is defined twice", name)
        self.kernels[str(name)] = made
        return made

    def parameter(self, node: Node) -> Buffer | Var:
        """A parameter: with a shape a buffer, without one a scalar."""
        if len(node.children) > 2:
            return self.buffer(node)
        return self.var(node.children[0], self.type(node.children[1]))

    def buffer(self, node: Node, data: Callable[[DType, tuple[Expr, ...]], Any] | None = None) -> Buffer:
        """A declared buffer."""
        token, kind, *more = node.children
        dtype, shape = self.type(kind), _all(more, "shape")
        sizes = tuple(self.exprs(shape[0].children)) if shape else ()
        content = None if data is None else data(dtype, sizes)
        banks = tuple(map(self.banks, _all(more, "banks")))
        made = Buffer(str(token).split(".")[0], dtype, sizes, self.span(node), content, banks)
        self.declare(token, made)
        return made

    def banks(self, node: Node) -> Banks:
        """banks(axis, count, kind, skew...)"""
        axis, count, kind, *skew = node.children
        try:
            return Banks(int(axis), int(count), Banking(str(kind)), tuple(map(int, skew)))
        except ValueError:
            raise self.fail(f"{kind} is no way to lay out an axis", kind) from None

    # --------------------------------------------------------------------------------------------------------- types

    def type(self, node: Node) -> DType:
        """An element type."""
        if node.data in ("index_type", "bool_type"):
            return INDEX if node.data == "index_type" else BOOL
        if node.data == "fixed_type":
            return self.fixed(node)
        name = str(node.children[0])
        if name in FLOATS:
            return FLOATS[name]
        if name[0] in "iu" and name[1:].isdigit() and len(name) <= 5 and 1 <= int(name[1:]) <= MAX_EXACT:
            return IntType(int(name[1:]), name[0] == "i")
        raise self.fail(f"{name} is no element type", node, "types are i8, u5, bool, index, f32, fixed(8, 4), ...")

    def fixed(self, node: Node) -> DType:
        """A fixed-point type."""
        which, width, frac, *modes = (c for c in node.children if c is not None)
        make = Fixed if which == "fixed" else UFixed
        return make(self.integer(width), self.integer(frac), *map(str, modes))

    def integer(self, token: Token) -> int:
        """An integer token."""
        try:
            return int(token)
        except ValueError:
            raise self.fail(f"{token} is no integer", token) from None

    # --------------------------------------------------------------------------------------------------- expressions

    def exprs(self, nodes: list[Node]) -> list[Expr]:
        """Expressions."""
        return [self.expr(n) for n in nodes if n is not None]

    def expr(self, node: Node, dtype: DType | None = None) -> Expr:
        """An expression; `dtype` where the text gives its type."""
        span = self.span(node)
        if node.data == "typed":
            return self.expr(node.children[0], self.type(node.children[1]))
        if node.data == "group":
            return self.expr(node.children[0], dtype)
        if node.data == "infix":
            a, symbol, b = node.children
            return self.apply(INFIX[str(symbol)], (self.expr(a), self.expr(b)), dtype, node)
        if node.data == "apply":
            return self.named(node, dtype)
        made = self.simple(node, dtype, span)
        if dtype is not None and made.dtype != dtype:
            raise self.fail(f"this is {made.dtype}, not {dtype}", node)
        return made

    def simple(self, node: Node, dtype: DType | None, span: Span) -> Expr:
        """A literal, a name or a load."""
        if node.data == "ref":
            return Ref(self.find(node.children[0], Var), span)
        if node.data == "load":
            token, *indices = node.children
            return Load(self.find(token, Buffer), tuple(self.exprs(indices)), span)
        if node.data in ("true", "false"):
            return Const(node.data == "true", BOOL, span)
        if node.data == "number":
            return self.number(node.children[0], dtype or INDEX, span)
        value = {"nan": float("nan"), "inf": float("inf"), "minus_inf": float("-inf")}[node.data]
        return self.float_const(value, dtype, node)

    def float_const(self, value: float, dtype: DType | None, node: Node) -> Const:
        """A float literal of its type."""
        if not isinstance(dtype, FloatType):
            raise self.fail("a float literal needs a float type", node, "write it behind a colon: 1.5:f32")
        if round_float(value, dtype) != value and value == value:
            raise self.fail(f"{value!r} is no value of {dtype}", node)
        return Const(value, dtype, self.span(node))

    def number(self, token: Token, dtype: DType, span: Span) -> Const:
        """A number literal of its type."""
        if isinstance(dtype, FloatType):
            return self.float_const(float(token), dtype, token)
        value = self.integer(token)
        raw = dtype.raw if isinstance(dtype, FixedType) else dtype
        if isinstance(raw, BoolType) or not raw.lo <= value <= raw.hi:
            raise self.fail(f"{token} is no value of {dtype}", token)
        return Const(value, dtype, span)

    def named(self, node: Node, dtype: DType | None) -> Expr:
        """An op by name."""
        token, *args = node.children
        op = ops.TABLE.get(str(token))
        if op is None:
            close = difflib.get_close_matches(str(token), ops.TABLE, 1)
            mend = f"did you mean {close[0]}?" if close else f"the ops are {', '.join(sorted(ops.TABLE))}"
            raise self.fail(f"{token} is no op", token, mend)
        return self.apply(op, tuple(self.exprs(args)), dtype, node)

    def apply(self, op: ops.Op, args: tuple[Expr, ...], dtype: DType | None, node: Node) -> Expr:
        """An op on operands that fit it."""
        if len(args) != op.arity:
            raise self.fail(f"{op.name} takes {op.arity} operands, not {len(args)}", node)
        span = self.span(node)
        if op.rule is None:
            if dtype is None:
                raise self.fail(f"{op.name} needs a type", node, f"write it behind a colon: {op.name}(x):i32")
            if op is ops.BITCAST:
                build.bitcast(args[0], dtype, span)
            return Apply(op, args, dtype, span)
        ruled = build.result_type(op, args, span)
        if dtype is not None and not _may_narrow(ruled, dtype):
            raise self.fail(f"{op.name} gives {ruled} here, not {dtype}", node)
        return Apply(op, args, dtype or ruled, span)

    # ---------------------------------------------------------------------------------------------------- statements

    def statement(self, node: Node) -> Stmt:
        """A statement."""
        handler: Callable[[Node], Stmt] = getattr(self, f"stmt_{node.data}")
        return handler(node)

    def block(self, node: Node) -> tuple[tuple[Stmt, ...], list[Expr]]:
        """A nested block and what it yields; the scope is the caller's to nest."""
        body = tuple(self.statement(s) for s in node.children if s.data != "yield")
        return body, [e for y in _all(node.children, "yield") for e in self.exprs(y.children)]

    def stmt_let(self, node: Node) -> Stmt:
        """let x: t = e"""
        token, kind, value = node.children
        e, dtype = self.expr(value), self.type(kind)
        if e.dtype != dtype:
            raise self.fail(f"{token} is {dtype}, the value is {e.dtype}", node, f"write cast(...):{dtype}")
        return Let(self.var(token, dtype), e, self.span(node))

    def stmt_alloc(self, node: Node) -> Stmt:
        """alloc b: t[shape]"""
        return Alloc(self.buffer(node.children[0]), self.span(node))

    def stmt_table(self, node: Node) -> Stmt:
        """table b: t[shape] = [values]"""
        declared, *values = node.children

        def data(dtype: DType, sizes: tuple[Expr, ...]) -> Any:
            return self.table_data(dtype, sizes, [v for v in values if v is not None], node)

        return Alloc(self.buffer(declared, data), self.span(node))

    def table_data(self, dtype: DType, sizes: tuple[Expr, ...], values: list[Node], node: Node) -> Any:
        """The contents of a table."""
        if not all(isinstance(s, Const) for s in sizes):
            raise self.fail("the sizes of a table are literals", node)
        shape = [int(s.value) for s in sizes if isinstance(s, Const)]
        if int(np.prod(shape, dtype=object)) != len(values):
            raise self.fail(f"a table of shape {shape} with {len(values)} values", node)
        texts = ["".join(map(str, v.children)) or "nan" for v in values]
        try:
            made = [round_float(float(t), dtype) if isinstance(dtype, FloatType) else int(t) for t in texts]
            array = filled(made, dtype, tuple(shape))
        except (ValueError, OverflowError) as error:
            raise self.fail(f"a value of the table: {error}", node) from None
        array.flags.writeable = False
        return array

    def place(self, nodes: list[Node]) -> tuple[Buffer, tuple[Expr, ...], Node]:
        """The buffer, the indices and the last node of a store."""
        token, *rest = nodes
        return self.find(token, Buffer), tuple(self.exprs(rest[:-1])), rest[-1]

    def stmt_store(self, node: Node) -> Stmt:
        """b[i] = e"""
        buffer, indices, value = self.place(node.children)
        return Store(buffer, indices, self.expr(value), self.span(node))

    def stmt_reduce(self, node: Node) -> Stmt:
        """b[i] add= e"""
        token = next(c for c in node.children if isinstance(c, Token) and c.type == "REDUCE")
        buffer, indices, value = self.place([c for c in node.children if c is not token])
        return Reduce(ops.TABLE[str(token)[:-1]], buffer, indices, self.expr(value), self.span(node))

    def carried(self, node: Node) -> list[tuple[Token, DType, Expr, Token]]:
        """Carried values as declared, initial values in the outer scope."""
        rows = [c.children for found in _all(node.children, "carry") for c in found.children]
        return [(name, self.type(kind), self.expr(init), result) for name, kind, init, result in rows]

    def finish(
        self, rows: list[tuple[Token, DType, Expr, Token]], inside: list[Var], nexts: list[Expr], node: Node
    ) -> tuple[Carry, ...]:
        """Carried values with their next values; their results are declared in the scope around."""
        if len(nexts) != len(rows):
            raise self.fail(f"the loop carries {len(rows)} values and yields {len(nexts)}", node)
        results = [self.var(result, dtype) for _, dtype, _, result in rows]
        zipped = zip(inside, rows, nexts, results, strict=True)
        return tuple(Carry(var, row[2], nxt, result) for var, row, nxt, result in zipped)

    def stmt_for(self, node: Node) -> Stmt:
        """for i in lo .. hi step s kind carry (...) until c { ... }"""
        token, lo, hi, *rest = (c for c in node.children if c is not None)
        low, high = self.expr(lo), self.expr(hi)
        steps = _all(rest, "step")
        step = self.expr(steps[0].children[0]) if steps else build.index(1, self.span(node))
        kinds = [c for c in rest if isinstance(c, Token)]
        kind = LoopKind(str(kinds[0])) if kinds else LoopKind.SERIAL
        rows, every = self.carried(node), _all(rest, "every")
        with self.inner():
            var = self.var(token, INDEX)
            inside = [self.var(name, dtype) for name, dtype, _, _ in rows]
            untils = _all(rest, "until")
            until = self.expr(untils[0].children[0]) if untils else None
            body, nexts = self.block(_all(rest, "block")[0])
        carry = self.finish(rows, inside, nexts, node)
        cycles = int(every[0].children[0]) if every else 0
        return For(var, low, high, step, kind, body, self.span(node), until, carry, every=cycles)

    def stmt_while(self, node: Node) -> Stmt:
        """while c carry (...) { ... }"""
        rows = self.carried(node)
        with self.inner():
            inside = [self.var(name, dtype) for name, dtype, _, _ in rows]
            cond = self.expr(node.children[0])
            body, nexts = self.block(_all(node.children, "block")[0])
        return While(cond, body, self.span(node), self.finish(rows, inside, nexts, node))

    def stmt_if(self, node: Node) -> Stmt:
        """if c -> (v: t) { ... } else { ... }"""
        cond = self.expr(node.children[0])
        blocks = _all(node.children, "block") + [b for e in _all(node.children, "else") for b in e.children]
        sides = []
        for block in blocks:
            with self.inner():
                sides.append(self.block(block))
        if len(sides) == 1:
            sides.append(((), []))
        rows = [m.children for found in _all(node.children, "merges") for m in found.children]
        (then, first), (orelse, second) = sides
        if not len(first) == len(second) == len(rows):
            raise self.fail("the branch yields another number of values than it names", node)
        named = [self.var(name, self.type(kind)) for name, kind in rows]
        merges = tuple(Merge(v, a, b) for v, a, b in zip(named, first, second, strict=True))
        return If(cond, then, orelse, self.span(node), merges)

    def stmt_call(self, node: Node) -> Stmt:
        """call k[dims](args) -> (results)"""
        token, *rest = node.children
        kernel = self.kernels.get(str(token))
        if kernel is None:
            raise self.fail(f"the kernel {token} is not defined before", token)
        dims = tuple(e for d in _all(rest, "shape") for e in self.exprs(d.children))
        skip = ("shape", "returned")
        args = tuple(self.argument(a) for a in rest if isinstance(a, Tree) and a.data not in skip)
        results = tuple(self.find(t, Buffer) for r in _all(rest, "returned") for t in r.children)
        return Call(kernel, dims, args, results, self.span(node))

    def argument(self, node: Node) -> Expr | View:
        """An argument of a call."""
        if node.data != "view":
            return self.expr(node)
        token, names, indices, shape = node.children
        sizes = tuple(self.exprs(shape.children))
        with self.inner():
            variables = tuple(self.var(t, INDEX) for t in names.children if t is not None)
            places = tuple(self.exprs(indices.children))
        return View(self.find(token, Buffer), variables, places, sizes, self.span(node))

    def assertion(self, node: Node) -> Assert:
        """kind cond "message" (values)"""
        kind, cond, message, *values = node.children
        try:
            check = Check[str(kind).upper()]
        except KeyError:
            raise self.fail(f"{kind} is no kind of check", kind) from None
        try:
            text = json.loads(str(message))
        except ValueError as error:
            raise self.fail(f"the message: {error}", message) from None
        return Assert(check, self.expr(cond), text, tuple(self.exprs(values)), self.span(node))

    def stmt_assert(self, node: Node) -> Stmt:
        """assert kind cond "message" (values)"""
        return self.assertion(node.children[0])

    def stmt_assume(self, node: Node) -> Stmt:
        """assume c"""
        return Assume(self.expr(node.children[0]), self.span(node))


def _all(nodes: list[Node], kind: str) -> list[Node]:
    return [n for n in nodes if isinstance(n, Tree) and n.data == kind]


def _may_narrow(ruled: DType, dtype: DType) -> bool:
    """Whether an op may have a result type other than its rule's: integers and fixed point may."""
    if ruled == dtype:
        return True
    integers = IntType | IndexType
    return (isinstance(ruled, integers) and isinstance(dtype, integers)) or (
        isinstance(ruled, FixedType) and isinstance(dtype, FixedType) and ruled.frac == dtype.frac
    )
