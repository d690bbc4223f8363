"""`all(cond for i in range(N))`, `any(...)` and `sum(...)`: statements about many elements, and loops over them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from gemel.iteration import Range, bind_target, iterate
from gemel.loops import Grid
from gemel.reductions import reduced_type
from gemel.scope import Frame
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import BOOL, INDEX
from gemel.semantics.ir import LoopKind
from gemel.semantics.span import Span
from gemel.traced import Traced, Value
from gemel.tracer import tracer
from gemel.values import as_expr, as_index, truth

QUANTIFIERS = (all, any)


class ForAll:
    """`all(...)` over a generator, not yet evaluated: a contract makes a loop of statements of it."""

    traces = True

    def __init__(self, node: ast.GeneratorExp, frame: Frame) -> None:
        self.node, self.frame = node, frame

    def run(self, leaf: Callable[[Any], None]) -> None:
        """Emits the loops; `leaf` gets the element (a condition, or another `ForAll`) in the innermost one."""
        inner = Frame(self.frame.source, {}, self.frame, self.frame.globals)
        self._loop(self.node.generators, inner, leaf)

    def _loop(self, generators: Sequence[ast.comprehension], inner: Frame, leaf: Callable[[Any], None]) -> None:
        from gemel.expressions import evaluate

        if not generators:
            leaf(quantified(self.node.elt, inner))
            return
        first, rest = generators[0], generators[1:]
        items, span = evaluate(first.iter, inner), inner.span(first.iter)
        if isinstance(items, Range | Grid):
            bounds = _bounds(items)
            self._counted(bounds, first, inner, span, lambda: self._filtered(first.ifs, rest, inner, leaf))
            return
        for item in iterate(items, span):
            _bind(first.target, item, inner)
            self._filtered(first.ifs, rest, inner, leaf)

    def _counted(
        self,
        bounds: list[tuple[Any, Any, Any]],
        first: ast.comprehension,
        inner: Frame,
        span: Span,
        body: Callable[[], None],
    ) -> None:
        """One loop of the kernel for each bound."""
        t = tracer()
        limits = [[t.let(as_index(x, span), "bound") for x in bound] for bound in bounds]
        names = first.target.elts if isinstance(first.target, ast.Tuple) else [first.target]
        hints = [n.id if isinstance(n, ast.Name) else "i" for n in names]
        variables = [ir.Var(hint, INDEX, span) for hint in (hints * len(bounds))[: len(bounds)]]
        values = tuple(Value(ir.Ref(v, span)) for v in variables)
        with t.block() as block:
            _bind(first.target, values if isinstance(first.target, ast.Tuple) else values[0], inner)
            body()
        for var, (lo, hi, step) in reversed(list(zip(variables, limits, strict=True))):
            block = [ir.For(var, lo, hi, step, LoopKind.SERIAL, tuple(block), span)]
        for s in block:
            t.emit(s)

    def _filtered(
        self, ifs: Sequence[ast.expr], rest: Sequence[ast.comprehension], inner: Frame, leaf: Callable[[Any], None]
    ) -> None:
        """The loops inside, where the generator's conditions hold."""
        from gemel.expressions import evaluate

        if not ifs:
            self._loop(rest, inner, leaf)
            return
        test, span = evaluate(ifs[0], inner), inner.span(ifs[0])
        if not isinstance(test, Value):
            if test:
                self._filtered(ifs[1:], rest, inner, leaf)
            return
        with tracer().block() as block:
            self._filtered(ifs[1:], rest, inner, leaf)
        tracer().emit(ir.If(truth(test, span), tuple(block), (), span))


def _bounds(items: Range | Grid) -> list[tuple[Any, Any, Any]]:
    if isinstance(items, Grid):
        return [(0, size, 1) for size in items.sizes]
    return [(items.lo, items.hi, items.step)]


def _bind(target: ast.expr, value: Any, inner: Frame) -> None:

    bind_target(target, value, inner)


def quantified(node: ast.expr, frame: Frame) -> Any:
    """The value of an expression; `all(... for ...)` stays a `ForAll`."""
    from gemel.expressions import evaluate

    generator = _generator(node, frame, all)
    return evaluate(node, frame) if generator is None else ForAll(generator, frame)


def _generator(node: ast.expr, frame: Frame, which: Any) -> ast.GeneratorExp | None:
    from gemel.expressions import evaluate

    if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
        return node.args[0] if evaluate(node.func, frame) is which else None
    return None


def evaluated(which: Any, node: ast.GeneratorExp, frame: Frame, span: Span) -> Value:
    """`all(...)` or `any(...)` as a bool: a loop over all elements."""
    t, is_all = tracer(), which is all
    out = t.scalar("every" if is_all else "some", BOOL, span)
    t.emit(ir.Store(out, (), build.boolean(is_all, span), span))

    def leaf(value: Any) -> None:
        if isinstance(value, ForAll):
            value = evaluated(all, value.node, value.frame, span)
        e = truth(value, span) if isinstance(value, Value) else build.boolean(bool(value), span)
        t.emit(ir.Reduce(ops.AND if is_all else ops.OR, out, (), e, span))

    ForAll(node, frame).run(leaf)
    return Value(t.let(ir.Load(out, (), span), out.hint))


def over_kernel(node: ast.GeneratorExp, frame: Frame) -> bool:
    """Whether a generator's first loop has bounds that tracing doesn't know."""
    from gemel.expressions import evaluate

    with tracer().block():
        items = evaluate(node.generators[0].iter, frame)
    bounds = [x for bound in _bounds(items) for x in bound] if isinstance(items, Range | Grid) else []
    return any(isinstance(x, Traced) for x in bounds)


def total(node: ast.GeneratorExp, frame: Frame, span: Span) -> Value:
    """`sum(...)` as a number: a loop over all elements, of the type that `gm.sum` has."""
    t = tracer()
    seen: list[ir.Expr] = []
    with t.block():
        ForAll(node, frame).run(lambda value: seen.append(as_expr(value, span)))
    own = seen[0].dtype if seen else INDEX  # none where tracing knows that a condition never holds
    dtype = reduced_type(ops.ADD, own, [ir.Ref(ir.Var("n", INDEX, span), span)])
    out = t.scalar("total", dtype, span)
    t.emit(ir.Store(out, (), build.literal(0, span, dtype), span))

    def leaf(value: Any) -> None:
        t.emit(ir.Reduce(ops.ADD, out, (), build.convert(as_expr(value, span), dtype), span))

    ForAll(node, frame).run(leaf)
    return Value(t.let(ir.Load(out, (), span), out.hint))
