"""Evaluation of Python statements while tracing.

A block ends in one of three states: LIVE (it runs on), DEAD (each path has jumped), MAYBE (some path has jumped, by a
flag). After a branch of which one side is DEAD the rest of the block stands in the other side; after MAYBE it stands
under a test of the flags.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from gemel import arith, indexing, mistakes, stores
from gemel.branches import merge_branches
from gemel.calls import DTYPES, Staged
from gemel.chains import ARM, MAX_ARMS, arms_of, balanced
from gemel.choices import number_of_arm
from gemel.expressions import binary, evaluate, evaluate_key, settle, subscript, unpack
from gemel.functions import each
from gemel.quantified import ForAll, quantified
from gemel.returns import finish_returns, record_return
from gemel.scope import Cell, Flag, Frame, Returns, jumps, new_flag
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import TensorType
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.span import Span
from gemel.source import FunctionNode, Source
from gemel.tensors import Tensor
from gemel.tracer import tracer
from gemel.values import OPERATORS, Traced, Value, as_expr, for_store, meant_by, truth


class State(enum.Enum):
    """How a block ends."""

    LIVE = enum.auto()
    DEAD = enum.auto()
    MAYBE = enum.auto()


def run_function(
    node: FunctionNode,
    source: Source,
    parameters: dict[str, Any],
    outer: Frame | dict[str, Any],
    global_names: dict[str, Any],
) -> Any:
    """The result of a call of a staged function."""
    t = tracer()
    frame = Frame(source, dict(parameters), outer, global_names, depth=len(t.blocks))
    if isinstance(node, ast.Lambda):
        return evaluate(node.body, frame)
    span = source.span(node)
    frame.returns = Returns(new_flag("returned", span))
    start = len(t.blocks[-1])
    state = run_block(node.body, frame)
    return finish_returns(frame, node, start, state is not State.DEAD)


def run_block(body: Sequence[ast.stmt], frame: Frame) -> State:
    """Runs statements up to the first jump that each path takes."""
    for n, s in enumerate(body):
        rest = body[n + 1 :]
        if isinstance(s, ast.If):
            state, consumed = _if(s, rest, frame)
            if consumed:
                return state
        else:
            state = run_statement(s, frame)
        if state is State.DEAD or (state is State.MAYBE and not rest):
            return state
        if state is State.MAYBE:
            return guarded(frame, frame.span(s), partial(run_block, rest, frame))
    return State.LIVE


def guarded(frame: Frame, span: Span, run: Callable[[], State]) -> State:
    """Runs the rest of a block where no jump has been taken."""
    before = dict(frame.locals)
    clear = none_set(frame, span)
    with tracer().block() as inner:
        state = run()
    after = frame.locals
    frame.locals = merge_branches(before, after, inner, None, [], span)
    tracer().emit(ir.If(clear, tuple(inner), (), span))
    return State.DEAD if state is State.DEAD else State.MAYBE


def pending(frame: Frame) -> list[Flag]:
    """The flags of jumps that may have been taken here."""
    flags = [frame.returns.flag] if frame.returns else []
    if frame.loops:
        flags += [frame.loops[-1].broke, frame.loops[-1].skipped]
    return [f for f in flags if f.stored]


def none_set(frame: Frame, span: Span) -> ir.Expr:
    """The condition that no jump was taken."""
    return negated([f.load(span) for f in pending(frame)], span)


def negated(flags: list[ir.Expr], span: Span) -> ir.Expr:
    """None of the flags."""
    result: ir.Expr = build.boolean(True, span)
    for flag in flags:
        result = build.both(result, build.negate(flag, span), span)
    return result


def run_statement(s: ast.stmt, frame: Frame) -> State:
    """Runs one statement.

    Raises TraceError for statements that the language doesn't have.
    """
    from gemel.looping import run_for, run_while

    tracer().span = frame.span(s)
    match s:
        case ast.For():
            return run_for(s, frame)
        case ast.While():
            return run_while(s, frame)
        case ast.Return():
            return _return(s, frame)
        case ast.Break() | ast.Continue():
            return _jump(s, frame)
        case _:
            handler = _SIMPLE.get(type(s))
            if handler is None:
                raise _unsupported(s, frame)
            handler(s, frame)
            return State.LIVE


_NAMES: dict[type[ast.stmt], str] = {
    ast.Delete: "del",
    ast.ClassDef: "class",
    ast.ImportFrom: "import",
    ast.AsyncFunctionDef: "async def",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
    ast.TryStar: "try",
}

_MENDS: dict[type[ast.stmt], str] = {
    ast.Try: "errors can't be caught in a kernel; test the condition before",
    ast.TryStar: "errors can't be caught in a kernel; test the condition before",
    ast.With: "use the resource outside of the kernel",
    ast.Delete: "leave the name alone; it costs nothing",
    ast.ClassDef: "define the class outside of the kernel",
    ast.Global: "pass the value as an argument and return the new one",
    ast.Nonlocal: "pass the value as an argument and return the new one",
    ast.Raise: "write `assert condition, message`",
    ast.Import: "import at the top of the module",
    ast.ImportFrom: "import at the top of the module",
    ast.AsyncFunctionDef: "kernels run to their end; there is nothing to await",
    ast.Match: "write if/elif",
}


def _unsupported(s: ast.stmt, frame: Frame) -> TraceError:
    name = _NAMES.get(type(s), type(s).__name__.lower())
    return TraceError(
        f"`{name}` in a kernel",
        code="P01",
        span=frame.span(s),
        mend=_MENDS.get(type(s), "write it with loops, conditions and assignments"),
    )


def _return(s: ast.Return, frame: Frame) -> State:
    span = frame.span(s)
    value = None if s.value is None else evaluate(s.value, frame)
    if len(tracer().blocks) == frame.depth:
        frame.result, frame.jump = value, "return"
        tracer().returned = span
    else:
        record_return(frame, value, span)
    return State.DEAD


def _jump(s: ast.Break | ast.Continue, frame: Frame) -> State:
    loop = frame.loops[-1]
    is_break = isinstance(s, ast.Break)
    if not loop.traced and len(tracer().blocks) == loop.depth:
        frame.jump = "break" if is_break else "continue"
    else:
        (loop.broke if is_break else loop.skipped).set(frame.span(s))
    return State.DEAD


# ------------------------------------------------------------------------------------------------------------ branches


def _if(s: ast.If, rest: Sequence[ast.stmt], frame: Frame) -> tuple[State, bool]:
    """Runs a branch; True where the rest of the block was taken into it."""
    arms = arms_of(s)
    if len(arms) > MAX_ARMS:
        return _many(arms, rest, frame)
    test = evaluate(s.test, frame)
    span = frame.span(s.test)
    if isinstance(test, Tensor):
        raise tensor_as_condition(span)
    if not isinstance(test, Value):
        return run_block(s.body if test else s.orelse, frame), False
    cond = tracer().let(truth(test, span), "cond") if _jumps(s) else truth(test, span)
    before = frame.locals
    first, then, s1 = _side(s.body, dict(before), frame)
    second, orelse, s2 = _side(s.orelse, dict(before), frame)
    consumed = bool(rest) and {s1, s2} == {State.DEAD, State.LIVE}
    if consumed and s1 is State.DEAD:
        second, orelse, s2 = _side(rest, orelse, frame, second)
    elif consumed:
        first, then, s1 = _side(rest, then, frame, first)
    frame.locals = _merged(before, then, first, s1, orelse, second, s2, frame.span(s))
    tracer().emit(ir.If(cond, tuple(first), tuple(second), span))
    return _joined(s1, s2), consumed


def tensor_as_condition(span: Span) -> TraceError:
    """The error for `if tensor:` and its kin."""
    return TraceError(
        "a tensor as a condition: it has many truth values",
        code="P06",
        span=span,
        mend="loop over its elements and test each, or choose by element: gm.where(condition, a, b)",
    )


def _many(arms: list[ast.If], rest: Sequence[ast.stmt], frame: Frame) -> tuple[State, bool]:
    """Runs a long chain of elif: the number of the arm that is taken first, then branches by number, balanced."""
    bodies = [*(arm.body for arm in arms), arms[-1].orelse]
    number, live = number_of_arm(
        [(partial(evaluate, arm.test, frame), frame.span(arm.test), frame.span(arm.test)) for arm in arms]
    )
    if not isinstance(number, Value) or len(live) == 1:
        return run_block(bodies[live[0]], frame), False
    frame.locals[ARM] = settle(number, "arm", frame.span(arms[0].test))
    found = _if(balanced(live, bodies, arms), rest, frame)
    frame.locals.pop(ARM, None)
    return found


def _jumps(s: ast.If) -> bool:
    return any(jumps([s], kind) for kind in (ast.Break, ast.Continue, ast.Return))


def _side(
    body: Sequence[ast.stmt], names: dict[str, Any], frame: Frame, block: list[ir.Stmt] | None = None
) -> tuple[list[ir.Stmt], dict[str, Any], State]:
    frame.locals = names
    with tracer().block(block) as inner:
        state = run_block(body, frame)
    return inner, frame.locals, state


def _merged(
    before: dict[str, Any],
    then: dict[str, Any],
    first: list[ir.Stmt],
    s1: State,
    orelse: dict[str, Any],
    second: list[ir.Stmt],
    s2: State,
    span: Span,
) -> dict[str, Any]:
    if s1 is State.DEAD:
        return merge_branches(before, orelse, second, None, first, span)
    if s2 is State.DEAD:
        return merge_branches(before, then, first, None, second, span)
    return merge_branches(before, then, first, orelse, second, span)


def _joined(a: State, b: State) -> State:
    return a if a is b else State.MAYBE


# --------------------------------------------------------------------------------------------------------- assignments


def _assign(s: ast.Assign, frame: Frame) -> None:
    hint = s.targets[0].id if isinstance(s.targets[0], ast.Name) else "t"
    t = tracer()
    before, t.hint = t.hint, hint if isinstance(s.value, ast.Call) else "tensor"
    value = evaluate(s.value, frame)
    t.hint = before
    if any(not isinstance(t, ast.Name) for t in s.targets):
        for target in s.targets:
            assign(target, value, frame, s)
        return
    for target in s.targets:
        assign(target, settle(value, hint, frame.span(s.value)), frame, s)


def assign(target: ast.expr, value: Any, frame: Frame, s: ast.stmt) -> None:
    """Binds or stores `value` to a target."""
    span = frame.span(s)
    match target:
        case ast.Name():
            _starts(target, frame, s)
            bind(target.id, value, frame, frame.span(getattr(s, "value", None) or s))
        case ast.Tuple() | ast.List():
            items = unpack(value, target.elts, frame.span(target))
            for t, v in zip(target.elts, items, strict=True):
                assign(t, settle(v, "item", span), frame, s)
        case ast.Subscript():
            store_element(target, value, frame, span, frame.span(s.value) if isinstance(s, ast.Assign) else span)
        case _:
            raise TraceError(
                "an assignment to an attribute",
                code="P01",
                span=frame.span(target),
                mend="use a variable or a tensor; Python objects don't change while a kernel runs",
            )


def bind(name: str, value: Any, frame: Frame, span: Span) -> None:
    """`name = value`."""
    existing = frame.locals.get(name)
    if isinstance(existing, Cell):
        if not isinstance(value, Value | bool | int | float | np.generic):
            raise TypeCheckError(
                f"{name} is a variable of type {existing.buffer.dtype}; {_kind(value)} can't be stored to it",
                code="T08",
                span=span,
                mend="use another name",
                notes=[(f"{name} starts here", existing.buffer.span)],
            )
        existing.store(value, name, span)
    else:
        frame.locals[name] = settle(value, name, span)


def _starts(target: ast.expr, frame: Frame, s: ast.stmt) -> None:
    """Notes where a name got the value that it has now, for messages."""
    if isinstance(target, ast.Name) and not isinstance(frame.locals.get(target.id), Cell):
        frame.starts[target.id] = s


def _kind(value: Any) -> str:
    return "a tensor" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def store_element(target: ast.Subscript, value: Any, frame: Frame, span: Span, at: Span) -> None:
    """`base[key] = value`; the value stands `at`."""
    base = evaluate(target.value, frame)
    key = evaluate_key(target.slice, frame)
    mistakes.check_key(base, target.slice, key, frame)
    if isinstance(base, Tensor):
        view = indexing.window(base, key, frame.span(target))
        if view.rank:
            stores.assign(view, value, span)
        else:
            _put(view, value, span, at)
    elif isinstance(base, np.ndarray):
        raise TraceError(
            "a store to a constant table", code="P02", span=span, mend="copy it first: x = gm.array(table).copy()"
        )
    elif isinstance(base, list | dict):
        mistakes.refuse_change(base, span)
        if isinstance(base, dict) and arith.is_traced(value):
            raise TraceError("a dict of a kernel's values", code="P02", span=span, mend="use a tensor")
        base[key] = settle(value, "element", span)
    else:
        base[key] = settle(value, "element", span)


def _put(view: Tensor, value: Any, span: Span, value_at: Span) -> None:
    if (isinstance(value, Tensor) and value.rank) or (isinstance(value, np.ndarray) and value.shape):
        raise TypeCheckError(
            "a tensor stored to one element",
            code="T08",
            span=value_at,
            mend="index it down to a number, or store to a slice",
        )
    name = view.buffer.hint if view.buffer else "the tensor"
    stores.put(view, (), for_store(value, view.dtype, value_at, f"an element of {name}"), span)


def _augmented(s: ast.AugAssign, frame: Frame) -> None:
    value = evaluate(s.value, frame)
    name = type(s.op).__name__
    span = frame.span(s)
    tracer().span = span
    if isinstance(s.target, ast.Name):
        try:
            _augment_name(s.target, name, value, frame, span)
        except TypeCheckError as error:
            raise mistakes.blamed(error, [s.target, s.value], frame) from None
        return
    if not isinstance(s.target, ast.Subscript):
        raise TraceError("this target of an assignment", code="P01", span=span)
    base = evaluate(s.target.value, frame)
    key = evaluate_key(s.target.slice, frame)
    mistakes.check_key(base, s.target.slice, key, frame)
    if not isinstance(base, Tensor):
        if isinstance(base, list | dict):
            mistakes.refuse_change(base, span)
        base[key] = settle(binary(name, subscript(base, key, span), value, span), "element", span)
        return
    view = indexing.window(base, key, frame.span(s.target))
    op = _operator(name, span)
    if view.rank:
        stores.accumulate(view, op, value, span)
    else:
        buffer, place = stores.writable(view, span)
        stores.reduce_into(buffer, place(()), op, as_expr(value, span, view.dtype), span)


def _is_number(value: Any) -> bool:
    """Whether a value is a number of Python or of the kernel, tensors of rank 0 among them."""
    if isinstance(value, Tensor):
        return not value.rank
    return isinstance(value, Value | bool | int | float | np.generic)


def _operator(name: str, span: Span) -> ops.Op:
    if name not in OPERATORS:
        raise TraceError("this assignment with an operator", code="P02", span=span, mend="write x = x op y")
    return OPERATORS[name][0]


def _augment_name(target: ast.Name, name: str, value: Any, frame: Frame, span: Span) -> None:
    found = frame.lookup(target.id, frame.span(target))
    if isinstance(found, Cell) and _is_number(value):
        op = _operator(name, span)
        e = as_expr(value, span, found.buffer.dtype if op not in (ops.SHL, ops.SHR) else None)
        found.refuse_narrowing(build.apply(op, ir.Load(found.buffer, (), span), e, span=span), target.id, span)
        stores.reduce_into(found.buffer, (), op, e, span)
    elif isinstance(found, Tensor) and found.buffer is not None:
        stores.accumulate(found, _operator(name, span), value, span)
    else:
        current = found.load(span) if isinstance(found, Cell) else found
        bind(target.id, binary(name, current, value, span), frame, span)


def _annotated(s: ast.AnnAssign, frame: Frame) -> None:
    span = frame.span(s)
    if not isinstance(s.target, ast.Name):
        raise TraceError("an annotation on this target", code="P01", span=span, mend="annotate a name")
    name = s.target.id
    dtype = evaluate(s.annotation, frame)
    value = None if s.value is None else evaluate(s.value, frame)
    if isinstance(dtype, TensorType):
        _annotated_tensor(name, dtype, value, frame, span)
        return
    if not isinstance(dtype, DTYPES):
        if meant_by(dtype) or not isinstance(value, Traced):
            raise TraceError(
                f"the annotation of {name} is no element type", code="P07", span=frame.span(s.annotation),
                mend=meant_by(dtype) or "use i32, f32, gm.Int(5), ...",
            )  # fmt: skip
        bind(name, value, frame, span)
        return
    existing = frame.locals.get(name)
    if isinstance(existing, Cell) and (existing.buffer.dtype != dtype or not existing.declared):
        raise TypeCheckError(
            f"{name} is {existing.buffer.dtype} already",
            code="T04",
            span=span,
            mend="annotate the first assignment, or use another name",
            notes=[(f"{name} starts here", existing.buffer.span)],
        )
    if value is not None and not _is_number(value):
        raise TypeCheckError(
            f"{name} is a scalar; {_kind(value)} can't be stored to it",
            code="T08",
            span=span if s.value is None else frame.span(s.value),
            mend="give it a number, or annotate a shape: f32[M, N]",
        )
    at = span if s.value is None else frame.span(s.value)
    stored = None if value is None else for_store(value, dtype, at, f"the variable {name}")
    cell = existing if isinstance(existing, Cell) else Cell(tracer().scalar(name, dtype, span), True)
    frame.locals[name] = cell
    if stored is not None:
        tracer().emit(ir.Store(cell.buffer, (), stored, span))


def _annotated_tensor(name: str, annotation: TensorType, value: Any, frame: Frame, span: Span) -> None:
    from gemel.values import as_index

    shape = [as_index(size, span) for size in annotation.shape]
    made = stores.allocate(annotation.element, shape, name, span)
    if value is not None:
        stores.assign(made, value, span)
    frame.locals[name] = made


# --------------------------------------------------------------------------------------------------------------- other


def _expression(s: ast.Expr, frame: Frame) -> None:
    if isinstance(s.value, ast.Yield | ast.YieldFrom | ast.Await):
        raise TraceError(
            "`yield` in a kernel", code="P01", span=frame.span(s), mend="a kernel returns all of its results at once"
        )
    value = evaluate(s.value, frame)
    if isinstance(value, Traced) and not isinstance(s.value, ast.Call):
        mend = "assign it, store it, or remove the line"
        if isinstance(s.value, ast.Compare) and isinstance(s.value.ops[0], ast.Eq):
            mend = f"did you mean {ast.unparse(s.value.left)} = {ast.unparse(s.value.comparators[0])}?"
        raise TraceError("a value that nothing uses", code="P01", span=frame.span(s), mend=mend)


def _assert(s: ast.Assert, frame: Frame) -> None:
    test = quantified(s.test, frame)
    message = "" if s.msg is None else str(evaluate(s.msg, frame))
    span = frame.span(s.test)
    if isinstance(test, ForAll):
        each(test, lambda c: tracer().emit(ir.Assert(ir.Check.ASSERT, c, message or "assertion failed", (), span)))
    elif isinstance(test, Value):
        tracer().emit(ir.Assert(ir.Check.ASSERT, truth(test, span), message or "assertion failed", (), span))
    elif isinstance(test, Tensor):
        raise tensor_as_condition(span)
    elif not test:
        what = f"assertion failed while tracing{': ' + message if message else ''}"
        raise TraceError(what, code="P12", span=span, mend="its condition is known while tracing: mend what it tests")


def _function(s: ast.FunctionDef, frame: Frame) -> None:
    if s.decorator_list:
        raise TraceError(
            "a decorated function in a kernel", code="P01", span=frame.span(s), mend="define it outside of the kernel"
        )
    frame.locals[s.name] = Staged(s, frame)


def _pass(s: ast.Pass, frame: Frame) -> None:
    return


_SIMPLE: dict[type[ast.stmt], Callable[[Any, Frame], None]] = {
    ast.Assign: _assign,
    ast.AugAssign: _augmented,
    ast.AnnAssign: _annotated,
    ast.Expr: _expression,
    ast.Assert: _assert,
    ast.FunctionDef: _function,
    ast.Pass: _pass,
}
