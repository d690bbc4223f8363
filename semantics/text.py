"""The text form of the IR: printing. `gemel.parser` reads it back; `docs/ir.md` describes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gemel.semantics import build
from gemel.semantics.dtypes import BoolType, DType, FloatType, IndexType
from gemel.semantics.errors import TypeCheckError
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Call,
    Carry,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    View,
    While,
)
from gemel.semantics.storage import to_values
from gemel.semantics.traverse import statements

KEYWORDS = frozenset(
    [
        "kernel",
        "strict",
        "alloc",
        "table",
        "let",
        "for",
        "in",
        "step",
        "until",
        "every",
        "banks",
        "carry",
        "yield",
        "while",
        "if",
        "else",
        "call",
        "view",
        "assert",
        "assume",
        "true",
        "false",
        "nan",
        "inf",
        "cast",
        "narrow",
        "saturate",
        "bitcast",
        "serial",
        "parallel",
        "vector",
        "unroll",
        "pipeline",
        "index",
        "bool",
        "fixed",
        "ufixed",
    ]
)


Contents = Callable[[Buffer], str]
"""Prints what a table holds."""


def print_kernel(kernel: Kernel, contents: Contents | None = None) -> str:
    """The text of a kernel, after that of the kernels that it calls; `contents` may print tables in another way."""
    texts: dict[Kernel, str] = {}
    names: dict[Kernel, str] = {}
    given = _Names()
    for k in _callees_first(kernel):
        names[k] = given.new(k.name)
        texts[k] = _Printer(names, contents or _elements).kernel(k)
    return "\n\n".join(texts.values())


def print_expr(e: Expr) -> str:
    """An expression as text, each name by its hint."""
    return _Printer({}, _elements).expr(e)


def _callees_first(kernel: Kernel) -> list[Kernel]:
    order: dict[Kernel, None] = {}

    def visit(k: Kernel) -> None:
        for s in statements(k.body):
            if isinstance(s, Call) and s.kernel not in order:
                visit(s.kernel)
        order[k] = None

    visit(kernel)
    return list(order)


@dataclass
class _Names:
    """Names that are taken; of each hint, the number that comes next."""

    taken: set[str] = field(default_factory=lambda: set(KEYWORDS))
    following: dict[str, int] = field(default_factory=dict)

    def new(self, hint: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_]", "_", hint) or "v"
        base = base if not base[0].isdigit() else f"_{base}"
        n = self.following.get(base, 0)
        name = base if not n else f"{base}.{n}"
        while name in self.taken:
            n += 1
            name = f"{base}.{n}"
        self.following[base] = n + 1
        self.taken.add(name)
        return name


def literal(value: bool | int | float, dtype: DType) -> str:
    """A literal with its type; bools and indices need none."""
    match dtype:
        case BoolType():
            return "true" if value else "false"
        case IndexType():
            return str(value)
        case FloatType():
            return f"{float_text(float(value))}:{dtype}"
        case _:
            return f"{value}:{dtype}"


def float_text(x: float) -> str:
    """An exact notation of a float."""
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    return repr(x)


@dataclass
class _Printer:
    kernels: dict[Kernel, str]
    contents: Contents
    names: dict[Var | Buffer, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    given: _Names = field(default_factory=_Names)
    level: int = 0

    def name(self, x: Var | Buffer) -> str:
        if x not in self.names:
            self.names[x] = self.given.new(x.hint)
        return self.names[x]

    def line(self, text: str) -> None:
        self.lines.append("  " * self.level + text)

    # ----------------------------------------------------------------------------------------------------- kernel

    def kernel(self, k: Kernel) -> str:
        dims = f"[{', '.join(map(self.name, k.dims))}]" if k.dims else ""
        params = ", ".join(map(self.declared, k.params))
        results = f" -> ({', '.join(map(self.declared, k.results))})" if k.results else ""
        self.line(f"kernel {self.kernels[k]}{dims}({params}){results}{' strict' if k.strict else ''} {{")
        self.level += 1
        self.body(k.body)
        self.level -= 1
        self.line("}")
        return "\n".join(self.lines)

    def declared(self, x: Buffer | Var) -> str:
        shape = f"[{self.list(x.shape)}]" if isinstance(x, Buffer) else ""
        banks = x.banks if isinstance(x, Buffer) else ()
        laid = "".join(f" banks({', '.join(map(str, (k.axis, k.count, k.kind.value, *k.skew)))})" for k in banks)
        return f"{self.name(x)}: {x.dtype}{shape}{laid}"

    # ------------------------------------------------------------------------------------------------- expressions

    def list(self, exprs: Iterable[Expr]) -> str:
        return ", ".join(map(self.expr, exprs))

    def expr(self, e: Expr, inner: bool = False) -> str:
        match e:
            case Const():
                return literal(e.value, e.dtype)
            case Ref():
                return self.name(e.var)
            case Load():
                return f"{self.name(e.buffer)}[{self.list(e.indices)}]"
            case Apply():
                return self.apply(e, inner)

    def apply(self, e: Apply, inner: bool) -> str:
        suffix = "" if e.dtype == _ruled(e) else f":{e.dtype}"
        if e.op.symbol and len(e.args) == 2:
            a, b = (self.expr(x, True) for x in e.args)
            text = f"{a} {e.op.symbol} {b}"
            return f"({text}){suffix}" if inner or suffix else text
        return f"{e.op.name}({self.list(e.args)}){suffix}"

    # -------------------------------------------------------------------------------------------------- statements

    def body(self, body: Iterable[Stmt]) -> None:
        for s in body:
            self.stmt(s)

    def block(self, head: str, body: Iterable[Stmt], values: Iterable[Expr] = ()) -> None:
        self.line(f"{head} {{")
        self.level += 1
        self.body(body)
        given = self.list(values)
        if given:
            self.line(f"yield {given}")
        self.level -= 1

    def stmt(self, s: Stmt) -> None:
        match s:
            case Let():
                value = self.expr(s.value)
                self.line(f"let {self.name(s.var)}: {s.var.dtype} = {value}")
            case Alloc():
                self.alloc(s.buffer)
            case Store():
                self.line(f"{self.name(s.buffer)}[{self.list(s.indices)}] = {self.expr(s.value)}")
            case Reduce():
                self.line(f"{self.name(s.buffer)}[{self.list(s.indices)}] {s.op.name}= {self.expr(s.value)}")
            case For():
                self.for_(s)
            case While():
                carry = self.carry(s.carry)
                self.block(f"while {self.expr(s.cond)}{carry}", s.body, (c.next for c in s.carry))
                self.line("}")
            case If():
                self.if_(s)
            case Call():
                self.call(s)
            case Assert():
                self.line("assert " + self.asserted(s))
            case Assume():
                self.line(f"assume {self.expr(s.cond)}")

    def alloc(self, b: Buffer) -> None:
        if b.data is None:
            self.line(f"alloc {self.declared(b)}")
            return
        self.line(f"table {self.declared(b)} = [{self.contents(b)}]")

    def carry(self, carry: tuple[Carry, ...]) -> str:
        """Carried values: name, type, initial value and, behind the arrow, the name after the loop."""
        rows = [f"{self.name(c.var)}: {c.var.dtype} = {self.expr(c.init)} -> {self.name(c.result)}" for c in carry]
        return f" carry ({', '.join(rows)})" if rows else ""

    def for_(self, s: For) -> None:
        inits = self.carry(s.carry)
        bounds = f"{self.expr(s.lo, True)} .. {self.expr(s.hi, True)}"
        step = "" if isinstance(s.step, Const) and s.step.value == 1 else f" step {self.expr(s.step, True)}"
        kind = "" if s.kind is LoopKind.SERIAL else f" {s.kind.value}"
        kind += f" every {s.every}" if s.every else ""
        head = f"for {self.name(s.var)} in {bounds}{step}{kind}"
        until = f" until {self.expr(s.until, True)}" if s.until is not None else ""
        self.block(head + inits + until, s.body, (c.next for c in s.carry))
        self.line("}")

    def if_(self, s: If) -> None:
        merged = ", ".join(f"{self.name(m.var)}: {m.var.dtype}" for m in s.merges)
        head = f"if {self.expr(s.cond)}" + (f" -> ({merged})" if merged else "")
        self.block(head, s.then, (m.then for m in s.merges))
        if s.orelse or s.merges:
            self.block("} else", s.orelse, (m.orelse for m in s.merges))
        self.line("}")

    def call(self, s: Call) -> None:
        dims = f"[{self.list(s.dims)}]" if s.dims else ""
        args = ", ".join(self.view(a) if isinstance(a, View) else self.expr(a) for a in s.args)
        results = f" -> ({', '.join(map(self.name, s.results))})" if s.results else ""
        self.line(f"call {self.kernels[s.kernel]}{dims}({args}){results}")

    def view(self, v: View) -> str:
        names = ", ".join(map(self.name, v.vars))
        return f"view({self.name(v.buffer)}, [{names}], [{self.list(v.indices)}], [{self.list(v.shape)}])"

    def asserted(self, s: Assert) -> str:
        values = f" ({self.list(s.values)})" if s.values else ""
        return f"{s.check.name.lower()} {self.expr(s.cond, True)} {json.dumps(s.message)}{values}"


def _elements(b: Buffer) -> str:
    values = () if b.data is None else to_values(b.data, b.dtype)
    return ", ".join(float_text(v) if isinstance(v, float) else str(int(v)) for v in values)


def _ruled(e: Apply) -> DType | None:
    if e.op.rule is None:
        return None
    try:
        return build.result_type(e.op, e.args, e.span)
    except TypeCheckError:
        return None
