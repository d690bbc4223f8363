"""Loops while tracing: loops of the kernel, and loops that Python unrolls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from gemel import indexing
from gemel.assignments import assign
from gemel.expressions import evaluate
from gemel.iteration import Range, iterate
from gemel.loops import Grid, Unordered
from gemel.scope import (
    Cell,
    Flag,
    Frame,
    LoopState,
    Unset,
    assigned_names,
    exposed,
    loaded_names,
    new_flag,
    without_unread,
)
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import BOOL, INDEX, DType
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.ir import LoopKind
from gemel.semantics.span import Span
from gemel.statements import State, guarded, negated, run_block, tensor_as_condition
from gemel.tensors import Tensor
from gemel.traced import Traced, Value
from gemel.tracer import Retrace, tracer
from gemel.values import as_expr, as_index, truth

Loop = ast.For | ast.While


def run_for(s: ast.For, frame: Frame) -> State:
    """Runs a `for`: a loop of the kernel over range, grid or a tensor, else unrolled."""
    if s.orelse:
        raise _with_else(s, frame)
    items = evaluate(s.iter, frame)
    span = frame.span(s)
    kind = LoopKind.SERIAL
    if isinstance(items, Unordered):
        items, kind = items.items, LoopKind.PARALLEL
        if not isinstance(items, Range | Grid):
            raise TraceError(
                "gm.parallel of what is no loop of the kernel",
                code="P12",
                span=frame.span(s.iter),
                mend="write gm.parallel(range(n)) or gm.parallel(gm.grid(m, n))",
            )
    if isinstance(items, Range):
        return _counted(s, frame, [(items.lo, items.hi, items.step)], span, kind)
    if isinstance(items, Grid):
        return _counted(s, frame, [(0, size, 1) for size in items.sizes], span, kind)
    if isinstance(items, Tensor):
        return _over_tensor(s, frame, items, span)
    return _unrolled(s, frame, iterate(items, frame.span(s.iter)))


def _with_else(s: Loop, frame: Frame) -> TraceError:
    return TraceError(
        "`else` after a loop",
        code="P01",
        span=frame.span(s.orelse[0]),
        mend="set a variable before `break`, and test it after the loop",
        notes=[("the loop", frame.span(s))],
    )


# ---------------------------------------------------------------------------------------------- loops that are unrolled


def _unrolled(s: ast.For, frame: Frame, items: Iterator[Any]) -> State:
    def bodies() -> Iterator[Callable[[], State]]:
        for item in items:
            yield partial(_one, s, item, frame)

    return _static_loop(s, frame, bodies())


def _one(s: ast.For, item: Any, frame: Frame) -> State:
    assign(s.target, item, frame, s)
    return run_block(s.body, frame)


def _static_loop(s: Loop, frame: Frame, bodies: Iterator[Callable[[], State]]) -> State:
    t, span = tracer(), frame.span(s)
    broke = new_flag("broke", span)
    start = len(t.blocks[-1])
    frame.nodes.append(s)
    state = _iterations(s, frame, bodies, broke)
    frame.nodes.pop()
    block = t.blocks[-1]
    block[start:] = [*broke.cleared(span), *without_unread(block[start:], [broke])]
    return state


def _iterations(s: Loop, frame: Frame, bodies: Iterator[Callable[[], State]], broke: Flag) -> State:
    t, span = tracer(), frame.span(s)
    mend = "let its condition depend on the kernel's values" if isinstance(s, ast.While) else "use range() or gm.grid()"
    for body in bodies:
        t.step(span, mend)
        loop = LoopState(False, len(t.blocks), broke, new_flag("skipped", span))
        start = len(t.blocks[-1])
        frame.loops.append(loop)
        frame.jump = ""
        state = body()
        frame.loops.pop()
        block = t.blocks[-1]
        block[start:] = [*loop.skipped.cleared(span), *without_unread(block[start:], [loop.skipped])]
        jump, frame.jump = frame.jump, ""
        if jump == "return":
            frame.jump = jump
            return State.DEAD
        if jump == "break":
            break
        if state is not State.LIVE and _ended(frame, broke):
            frame.loops.append(loop)
            loop.skipped.stored = False
            result = guarded(frame, span, partial(_after, frame, loop, partial(_iterations, s, frame, bodies, broke)))
            frame.loops.pop()
            return result if _returned(frame) else State.LIVE
    return State.MAYBE if _returned(frame) else State.LIVE


def _after(frame: Frame, loop: LoopState, run: Callable[[], State]) -> State:
    frame.loops.pop()
    try:
        return run()
    finally:
        frame.loops.append(loop)


def _ended(frame: Frame, broke: Flag) -> bool:
    return broke.stored or _returned(frame)


def _returned(frame: Frame) -> bool:
    return frame.returns is not None and frame.returns.flag.stored


# ------------------------------------------------------------------------------------------------- loops of the kernel


def _counted(s: ast.For, frame: Frame, bounds: list[tuple[Any, Any, Any]], span: Span, kind: LoopKind) -> State:
    """One loop of the kernel for each bound, the last innermost."""
    t = tracer()
    names = _targets(s.target, len(bounds), frame)
    limits = [tuple(as_index(x, span) for x in bound) for bound in bounds]
    if any(isinstance(step, ir.Const) and step.value == 0 for _, _, step in limits):
        raise TraceError("range() with step 0", code="P12", span=frame.span(s.iter), mend="give a step other than 0")
    limits = [(t.let(lo, "lo"), t.let(hi, "hi"), t.let(step, "step")) for lo, hi, step in limits]
    variables = [ir.Var(name, INDEX, frame.span(s.target)) for name in names]
    values = [Value(ir.Ref(v, v.span)) for v in variables]

    def begin() -> None:
        target = values[0] if not isinstance(s.target, ast.Tuple | ast.List) else tuple(values)
        assign(s.target, target, frame, s)

    body, loop, state = _body(s, frame, begin, s.body)
    until = _until(loop, frame, span)
    if until is not None and kind is not LoopKind.SERIAL:
        jump = next((n for n in ast.walk(s) if isinstance(n, ast.Break | ast.Return)), s)
        raise TraceError(
            "`break` or `return` in a parallel loop",
            code="P12",
            span=frame.span(jump),
            mend="use range() without gm.parallel",
            notes=[("the parallel loop", span)],
        )
    statements: tuple[ir.Stmt, ...] = body
    for var, (lo, hi, step) in reversed(list(zip(variables, limits, strict=True))):
        statements = (ir.For(var, lo, hi, step, kind, statements, span, until),)
    _emit_loop(loop, statements, span)
    return state


def _targets(target: ast.expr, count: int, frame: Frame) -> list[str]:
    elements = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    if (isinstance(target, ast.Name) and count > 1) or len(elements) != count:
        raise TraceError(
            f"{len(elements)} names for {count} loop variables",
            code="P12",
            span=frame.span(target),
            mend=f"write {count} names separated by commas",
        )
    return [e.id if isinstance(e, ast.Name) else "i" for e in elements]


def _over_tensor(s: ast.For, frame: Frame, items: Tensor, span: Span) -> State:
    var = ir.Var("n", INDEX, span)
    index = Value(ir.Ref(var, span))
    body, loop, state = _body(
        s, frame, lambda: assign(s.target, indexing.subscript(items, index, span), frame, s), s.body
    )
    zero, one = build.index(0, span), build.index(1, span)
    size = items.shape_exprs[0]
    until = _until(loop, frame, span)
    _emit_loop(loop, (ir.For(var, zero, size, one, LoopKind.SERIAL, body, span, until),), span)
    return state


def _emit_loop(loop: LoopState, statements: Sequence[ir.Stmt], span: Span) -> None:
    for s in (*loop.broke.cleared(span), *statements):
        tracer().emit(s)


def _body(
    s: Loop, frame: Frame, begin: Callable[[], None], body: Sequence[ast.stmt], end: Callable[[], None] | None = None
) -> tuple[tuple[ir.Stmt, ...], LoopState, State]:
    """The statements of a loop's body, the loop's flags, and the state after the loop."""
    t, span = tracer(), frame.span(s)
    carry_names(s, frame)
    before = dict(frame.locals)
    loop = LoopState(True, len(t.blocks) + 1, new_flag("broke", span), new_flag("skipped", span))
    frame.loops.append(loop)
    frame.nodes.append(s)
    with t.block() as inner:
        begin()
        run_block(body, frame)
        inner[:] = [*loop.skipped.cleared(span), *without_unread(inner, [loop.skipped])]
        if end is not None:
            end()
    frame.nodes.pop()
    frame.loops.pop()
    frame.locals = _after_loop(before, frame.locals, span)
    if loop.broke.stored:
        loop.broke.read = True
    return tuple(inner), loop, State.MAYBE if _returned(frame) else State.LIVE


def _after_loop(before: dict[str, Any], after: dict[str, Any], span: Span) -> dict[str, Any]:
    names = dict(before)
    for name, value in after.items():
        if name not in before or before[name] is not value:
            names[name] = Unset(f"{name} is set only inside this loop", span)
    return names


def _until(loop: LoopState, frame: Frame, span: Span) -> ir.Expr | None:
    flags = _loop_flags(loop, frame)
    if not flags:
        return None
    result = flags[0].load(span)
    for flag in flags[1:]:
        result = build.apply(ops.LOR, result, flag.load(span), span=span)
    return result


def _loop_flags(loop: LoopState, frame: Frame) -> list[Flag]:
    flags = [loop.broke] + ([frame.returns.flag] if frame.returns else [])
    return [f for f in flags if f.stored]


def carry_names(s: Loop, frame: Frame) -> None:
    """Turns the names that a loop changes and that are needed later into variables of the kernel.

    Raises TypeCheckError for a name whose type isn't known.
    """
    changed = set(assigned_names(s.body))
    tests = [] if isinstance(s, ast.For) else [ast.Expr(s.test)]
    needed = exposed([*tests, *s.body])
    bound = set(assigned_names(s.body, in_place=False))
    for name in sorted(changed & frame.locals.keys()):
        value = frame.locals[name]
        if name not in bound and isinstance(value, Tensor) and value.buffer is not None:
            continue  # only `t += x`, which changes the tensor and not the name
        if isinstance(value, Cell | Unset) or not (name in needed or _live_after(name, s, frame)):
            continue
        frame.locals[name] = _variable(name, value, frame, frame.span(s))


def _variable(name: str, value: Any, frame: Frame, span: Span) -> Any:
    if isinstance(value, bool | int | Value | np.generic):
        dtype = _carried_type(value, span)
        e = build.convert(as_expr(value, span, None if isinstance(value, bool) else dtype), dtype)
        start = frame.starts.get(name)
        at = frame.span(start) if start is not None else e.span if isinstance(value, Value) else span
        buffer = tracer().scalar(name, dtype, at)
        tracer().emit(ir.Store(buffer, (), e, span))
        return Cell(buffer, False)
    if isinstance(value, float):
        start = frame.starts.get(name)
        raise TypeCheckError(
            f"the type of {name}, which a loop changes, isn't known",
            code="T04",
            span=span if start is None else frame.span(start),
            mend=f"say it where {name} starts: `{name}: f32 = {value!r}`",
            notes=[(f"this loop changes {name}", span)] if start is not None else [],
        )
    kind = "tensor" if isinstance(value, Tensor) else type(value).__name__
    mend = f"store to its elements, which keeps the tensor: {name}[...] = ..., after {name} = {name}.copy()"
    return Unset(
        f"{name} is a {kind} before this loop and is bound anew in it",
        span,
        "P11",
        mend if kind == "tensor" else f"give {name} a number, or leave it as it is in the loop",
    )


def _carried_type(value: Any, span: Span) -> DType:
    if isinstance(value, bool):
        return BOOL
    return INDEX if isinstance(value, int) and not isinstance(value, np.generic) else as_expr(value, span).dtype


def _live_after(name: str, s: Loop, frame: Frame) -> bool:
    """Whether a name may be read after a loop, or by a next iteration of a loop around it."""
    inside = set(map(id, ast.walk(s)))
    end = (s.end_lineno or s.lineno, s.end_col_offset or 0)
    for node in ast.walk(frame.source.node):
        if isinstance(node, ast.Name) and node.id == name and id(node) not in inside:
            after = (node.lineno, node.col_offset) >= end
            if after and (isinstance(node.ctx, ast.Load) or _augments(node, frame)):
                return True
    return any(name in loaded_names([n for n in outer.body if n is not s]) for outer in frame.nodes)


def _augments(node: ast.Name, frame: Frame) -> bool:
    return any(isinstance(n, ast.AugAssign) and n.target is node for n in ast.walk(frame.source.node))


# --------------------------------------------------------------------------------------------------------------- while


def run_while(s: ast.While, frame: Frame) -> State:
    """Runs a `while`: by Python while its condition is known, as a loop of the kernel where it depends on values."""
    if s.orelse:
        raise _with_else(s, frame)
    span = frame.span(s)
    key = ("while", span, len(frame.nodes))
    t = tracer()
    if key in t.decisions or _is_traced(s, frame):
        return _traced_while(s, frame, span)
    bodies = 0

    def iterations() -> Iterator[Callable[[], State]]:
        nonlocal bodies
        while True:
            test = evaluate(s.test, frame)
            if isinstance(test, Traced):
                raise Retrace(key)
            if not test:
                return
            bodies += 1
            yield lambda: _forever(s, frame, run_block(s.body, frame), key)

    return _static_loop(s, frame, iterations())


def _forever(s: ast.While, frame: Frame, state: State, key: tuple[Any, ...]) -> State:
    """The state after a turn of a `while`; `while True` that a kernel's value may leave is a loop of the kernel."""
    if isinstance(s.test, ast.Constant) and (state is State.MAYBE or frame.loops[-1].broke.stored):
        raise Retrace(key)
    return state


def _is_traced(s: ast.While, frame: Frame) -> bool:
    with tracer().block():
        return isinstance(evaluate(s.test, frame), Traced)


def _traced_while(s: ast.While, frame: Frame, span: Span) -> State:
    t = tracer()
    carry_names(s, frame)
    with t.block() as pre:
        cond = _test(s, frame)
    again: ir.Buffer | None = None
    if pre:
        for statement in pre:
            t.emit(statement)
        again = t.scalar("again", BOOL, span)
        t.emit(ir.Store(again, (), cond, span))
        cond = ir.Load(again, (), span)

    def repeat() -> None:
        if again is not None:
            t.emit(ir.Store(again, (), _test(s, frame), span))

    body, loop, state = _body(s, frame, lambda: None, s.body, repeat)
    flags = [f.load(span) for f in _loop_flags(loop, frame)]
    condition = build.both(negated(flags, span), cond, span)
    _emit_loop(loop, (ir.While(condition, body, span),), span)
    endless = isinstance(cond, ir.Const) and cond.value and not loop.broke.stored
    return State.DEAD if endless else state


def _test(s: ast.While, frame: Frame) -> ir.Expr:
    value = evaluate(s.test, frame)
    span = frame.span(s.test)
    if isinstance(value, Tensor):
        raise tensor_as_condition(span)
    return truth(value, span) if isinstance(value, Value) else build.boolean(bool(value), span)
