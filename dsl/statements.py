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

from gemel.assignments import annotated, assign_statement, augmented
from gemel.branches import merge_branches
from gemel.calls import Staged
from gemel.chains import ARM, MAX_ARMS, arms_of, balanced
from gemel.choices import number_of_arm
from gemel.expressions import evaluate, settle
from gemel.functions import each
from gemel.quantified import ForAll, quantified
from gemel.returns import finish_returns, record_return
from gemel.scope import Flag, Frame, Returns, jumps, new_flag
from gemel.semantics import build, ir
from gemel.semantics.errors import TraceError
from gemel.semantics.span import Span
from gemel.source import FunctionNode, Source
from gemel.tensors import Tensor
from gemel.traced import Traced, Value
from gemel.tracer import tracer
from gemel.values import truth


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
    ast.Assign: assign_statement,
    ast.AugAssign: augmented,
    ast.AnnAssign: annotated,
    ast.Expr: _expression,
    ast.Assert: _assert,
    ast.FunctionDef: _function,
    ast.Pass: _pass,
}
