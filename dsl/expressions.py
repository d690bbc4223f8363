"""Evaluation of Python expressions while tracing: Python's own values by Python's rules, the kernel's by IR."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from gemel import arith, broadcasting, functions, indexing, logic, mistakes, quantified, stores, tensors
from gemel.calls import Staged, call
from gemel.chains import MAX_ARMS
from gemel.choices import balanced_value, conditional, number_of_arm
from gemel.iteration import bind_target, iterate
from gemel.quantified import QUANTIFIERS
from gemel.scope import Cell, Frame
from gemel.semantics import build
from gemel.semantics.errors import GemelError, TraceError, TypeCheckError
from gemel.semantics.span import Span
from gemel.tensors import Tensor
from gemel.traced import Dim, Traced, Value
from gemel.tracer import Retrace, tracer
from gemel.values import COMPARISONS, OPERATORS, truth


def evaluate(node: ast.expr, frame: Frame) -> Any:
    """The value of an expression: a Python object, a traced scalar or a tensor."""
    handler = _HANDLERS.get(type(node))
    t = tracer()
    before, t.span = t.span, frame.span(node)
    if handler is None:
        name = _NAMES.get(type(node), type(node).__name__)
        mistakes.stop(
            f"`{name}` in a kernel", "a kernel runs to its end and returns all of its results at once", t.span
        )
    try:
        return handler(node, frame)
    except (GemelError, Retrace, RecursionError):
        raise
    except Exception as error:
        raise TraceError(
            f"{type(error).__name__} while tracing: {error}",
            code="P12",
            span=frame.span(node),
            mend="this is plain Python, which runs while the kernel is traced",
        ) from error
    finally:
        t.span = before


def settle(x: Any, hint: str, span: Span) -> Any:
    """A value that escapes from its expression, made independent of later stores."""
    t = tracer()
    if isinstance(x, Value):
        e = x.expr if broadcasting.of_dims(x.expr) else t.let(x.expr, hint)
        return x if e is x.expr else Value(e)
    if isinstance(x, Tensor) and x.buffer is None and x.sources:
        t.settled += 1
        if ("materialise", t.settled) in t.decisions:
            return stores.materialise(x, hint, span)
        t.lazies[t.settled] = x
    return x


def _constant(node: ast.Constant, frame: Frame) -> Any:
    return node.value


def _name(node: ast.Name, frame: Frame) -> Any:
    found = frame.lookup(node.id, frame.span(node))
    return found.load(frame.span(node)) if isinstance(found, Cell) else found


def _binop(node: ast.BinOp, frame: Frame) -> Any:
    """Operators in a row (`a + b + c + ...`) nest to the left as deep as there are operands: they are taken in turn."""
    spine = [node]
    while isinstance(spine[-1].left, ast.BinOp):
        spine.append(spine[-1].left)
    a = evaluate(spine[-1].left, frame)
    for each in reversed(spine):
        a = _operator(each, a, evaluate(each.right, frame), frame)
    return a


def _operator(node: ast.BinOp, a: Any, b: Any, frame: Frame) -> Any:
    mistakes.check_operand(a, b, node.left, frame)
    mistakes.check_operand(b, a, node.right, frame)
    try:
        return binary(type(node.op).__name__, a, b, frame.span(node))
    except TypeCheckError as error:
        raise mistakes.blamed(error, [node.left, node.right], frame) from None


def binary(name: str, a: Any, b: Any, span: Span) -> Any:
    """A binary operator on anything."""
    if arith.is_traced(a) or arith.is_traced(b):
        tracer().span = span
        return arith.binary(name, a, b, span)
    if name == "Pow":
        return a**b
    return a @ b if name == "MatMult" else OPERATORS[name][1](a, b)


def _unary(node: ast.UnaryOp, frame: Frame) -> Any:
    spine = [node]
    while isinstance(spine[-1].operand, ast.UnaryOp):
        spine.append(spine[-1].operand)
    x = evaluate(spine[-1].operand, frame)
    for each in reversed(spine):
        x = _signed(each, x, frame.span(each))
    return x


def _signed(node: ast.UnaryOp, x: Any, span: Span) -> Any:
    if isinstance(node.op, ast.Not):
        return Value(build.negate(truth(x, span), span)) if isinstance(x, Value) else not x
    if not arith.is_traced(x):
        return _PLAIN_UNARY[type(node.op)](x)
    if isinstance(node.op, ast.USub):
        return arith.negative(x, span)
    return arith.invert(x, span) if isinstance(node.op, ast.Invert) else x


_PLAIN_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}


def _compare(node: ast.Compare, frame: Frame) -> Any:
    span = frame.span(node)
    left = evaluate(node.left, frame)
    result: Any = True
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = evaluate(right_node, frame)
        one = _compared(op, left, right, span)
        result = one if result is True else _both(result, one, span)
        if not arith.is_traced(result) and not isinstance(result, np.ndarray) and not result:
            return result
        left = right
    return result


def _compared(op: ast.cmpop, a: Any, b: Any, span: Span) -> Any:
    name = type(op).__name__
    if name in COMPARISONS:
        traced = arith.is_traced(a) or arith.is_traced(b)
        if traced and (a is None or b is None or isinstance(a, str) or isinstance(b, str)):
            return name == "NotEq"
        return arith.compare(name, a, b, span) if traced else COMPARISONS[name][1](a, b)
    if name in ("Is", "IsNot"):
        if any(isinstance(x, Value) for x in (a, b)) and a is not None and b is not None:
            mistakes.stop("`is` with a kernel's value", "compare with == or !=", span)
        return (a is b) == (name == "Is")
    if arith.is_traced(a) or arith.is_traced(b):
        mistakes.stop("`in` with a kernel's value", "compare with each: x == 1 or x == 2", span)
    return (a in b) == (name == "In")


def _both(a: Any, b: Any, span: Span) -> Any:
    if not arith.is_traced(a):
        return b if a else a
    if not arith.is_traced(b):
        return a if b else b
    return Value(build.both(truth(a, span), truth(b, span), span))


def _boolop(node: ast.BoolOp, frame: Frame) -> Any:
    return logic.boolop(node, frame, evaluate)


def _ifexp(node: ast.IfExp, frame: Frame) -> Any:
    arms: list[ast.IfExp] = []
    last: ast.expr = node
    while isinstance(last, ast.IfExp):
        arms.append(last)
        last = last.orelse
    values = [partial(evaluate, e, frame) for e in (*(arm.body for arm in arms), last)]
    tests = [(partial(evaluate, arm.test, frame), frame.span(arm.test), frame.span(arm)) for arm in arms]
    if len(tests) <= MAX_ARMS:
        return conditional(list(zip(tests, values[:-1], strict=True)), values[-1])
    number, live = number_of_arm(tests)
    return balanced_value(number, live, values, frame.span(node))


def _attribute(node: ast.Attribute, frame: Frame) -> Any:
    base = evaluate(node.value, frame)
    if isinstance(base, Tensor) and not hasattr(base, node.attr):
        method = _METHODS.get(node.attr)
        if method is not None:
            return lambda *args, **kwargs: method(base, *args, **kwargs)
    try:
        return getattr(base, node.attr)
    except AttributeError:
        raise mistakes.no_attribute(base, node.attr, node, frame) from None


def _subscript(node: ast.Subscript, frame: Frame) -> Any:
    base = evaluate(node.value, frame)
    key = evaluate_key(node.slice, frame)
    mistakes.check_key(base, node.slice, key, frame)
    return subscript(base, key, frame.span(node))


def evaluate_key(node: ast.expr, frame: Frame) -> Any:
    """What stands between the brackets of a subscript."""
    if isinstance(node, ast.Slice):
        parts = (None if p is None else evaluate(p, frame) for p in (node.lower, node.upper, node.step))
        return slice(*parts)
    if isinstance(node, ast.Tuple):
        return tuple(evaluate_key(e, frame) for e in node.elts)
    return evaluate(node, frame)


def subscript(base: Any, key: Any, span: Span) -> Any:
    """`base[key]` for a tensor, a NumPy array, or any Python object."""
    if isinstance(base, np.ndarray) and _holds_traced(key):
        base = tensors.constant(base, span)
    if isinstance(base, Tensor):
        return indexing.subscript(base, key, span)
    if isinstance(base, Value):
        raise TraceError("a scalar has no elements", code="T08", span=span, mend="gm.bits(x, hi, lo) takes bits of it")
    if isinstance(key, Value) and isinstance(base, list | tuple | dict):
        raise TraceError(
            f"a Python {type(base).__name__} indexed by a kernel's value",
            code="P10",
            span=span,
            mend="make it a constant table: gm.array(values, i32)[...]",
        )
    return base[key]


def _holds_traced(key: Any) -> bool:
    if isinstance(key, tuple):
        return any(map(_holds_traced, key))
    if isinstance(key, slice):
        return any(map(arith.is_traced, (key.start, key.stop, key.step)))
    return arith.is_traced(key)


def _elements(nodes: list[ast.expr], frame: Frame) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            items = evaluate(node.value, frame)
            if isinstance(items, Traced):
                raise TraceError("* of a kernel's value", code="P02", span=frame.span(node), mend="write the elements")
            yield from items
        else:
            yield settle(evaluate(node, frame), "element", frame.span(node))


def _tuple(node: ast.Tuple, frame: Frame) -> Any:
    return tuple(_elements(node.elts, frame))


def _list(node: ast.List, frame: Frame) -> Any:
    return mistakes.noted(list(_elements(node.elts, frame)), frame.span(node))


def _set(node: ast.Set, frame: Frame) -> Any:
    items = list(_elements(node.elts, frame))
    _no_traced(items, "a set", frame.span(node))
    return set(items)


def _dict(node: ast.Dict, frame: Frame) -> Any:
    result: dict[Any, Any] = mistakes.noted({}, frame.span(node))
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        if key_node is None:
            result.update(evaluate(value_node, frame))
            continue
        key, value = evaluate(key_node, frame), evaluate(value_node, frame)
        _no_traced([key], "a dict keyed by one", frame.span(key_node))
        _no_traced([value], "a dict", frame.span(value_node))
        result[key] = value
    return result


def _no_traced(items: list[Any], what: str, span: Span) -> None:
    if any(map(arith.is_traced, items)):
        mistakes.stop(f"{what} of a kernel's values", "use a tensor, or separate variables", span)


def _comprehension(node: ast.ListComp | ast.SetComp | ast.GeneratorExp, frame: Frame) -> list[Any]:
    inner = Frame(frame.source, {}, frame, frame.globals)
    out: list[Any] = mistakes.noted([], frame.span(node))

    def loop(generators: list[ast.comprehension]) -> None:
        if not generators:
            out.append(settle(evaluate(node.elt, inner), "element", frame.span(node.elt)))
            return
        first = generators[0]
        for item in iterate(evaluate(first.iter, inner), frame.span(first.iter)):
            bind_target(first.target, item, inner)
            if all(_static_truth(evaluate(c, inner), frame.span(c)) for c in first.ifs):
                loop(generators[1:])

    loop(node.generators)
    return out


def _static_truth(x: Any, span: Span) -> bool:
    if isinstance(x, Traced):
        raise TraceError(
            "a comprehension's condition that isn't known while tracing", code="P06", span=span, mend="write a loop"
        )
    return bool(x)


def _generator(node: ast.GeneratorExp, frame: Frame) -> Any:
    return iter(_comprehension(node, frame))


def _dictcomp(node: ast.DictComp, frame: Frame) -> Any:
    pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node)
    items = _comprehension(ast.copy_location(ast.ListComp(pair, node.generators), node), frame)
    _no_traced([x for item in items for x in item], "a dict", frame.span(node))
    return dict(items)


def _lambda(node: ast.Lambda, frame: Frame) -> Any:
    return Staged(node, frame)


def _call(node: ast.Call, frame: Frame) -> Any:
    fn = evaluate(node.func, frame)
    span = frame.span(node)
    mistakes.check_function(fn, node, span)
    generator = node.args[0] if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp) else None
    if generator is not None and fn in QUANTIFIERS:
        return quantified.evaluated(fn, generator, frame, span)
    adds = fn in (sum, functions.sum_) and not node.keywords
    if generator is not None and adds and quantified.over_kernel(generator, frame):
        return quantified.total(generator, frame, span)
    if getattr(fn, "states", False) and node.args:
        return call(fn, [quantified.quantified(node.args[0], frame)], {}, span)
    args = [*_arguments(node.args, frame)]
    kwargs: dict[str, Any] = {}
    for kw in node.keywords:
        value = evaluate(kw.value, frame)
        kwargs.update(value if kw.arg is None else {kw.arg: value})
    tracer().span = span
    return mistakes.noted(call(fn, args, kwargs, span), span)


def _arguments(nodes: list[ast.expr], frame: Frame) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from iterate(evaluate(node.value, frame), frame.span(node))
        else:
            yield evaluate(node, frame)


def _named(node: ast.NamedExpr, frame: Frame) -> Any:
    value = settle(evaluate(node.value, frame), node.target.id, frame.span(node))
    existing = frame.locals.get(node.target.id)
    if isinstance(existing, Cell):
        existing.store(value, node.target.id, frame.span(node))
    else:
        frame.locals[node.target.id] = value
    return value


def _joined(node: ast.JoinedStr, frame: Frame) -> Any:
    parts = []
    for piece in node.values:
        if isinstance(piece, ast.Constant):
            parts.append(str(piece.value))
        elif isinstance(piece, ast.FormattedValue):
            value = evaluate(piece.value, frame)
            spec = "" if piece.format_spec is None else evaluate(piece.format_spec, frame)
            if isinstance(value, Traced) and not isinstance(value, Dim):
                mend = "tracing has no number for it: write the text without it"
                mistakes.stop("a kernel's value in an f-string", mend, frame.span(piece.value))
            parts.append(format(str(value) if isinstance(value, Dim) else value, spec))
    return "".join(parts)


def _slice(node: ast.Slice, frame: Frame) -> Any:
    return evaluate_key(node, frame)


_HANDLERS: dict[type[ast.expr], Callable[[Any, Frame], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolop,
    ast.IfExp: _ifexp,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Tuple: _tuple,
    ast.List: _list,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.SetComp: lambda node, frame: set(_comprehension(node, frame)),
    ast.GeneratorExp: _generator,
    ast.DictComp: _dictcomp,
    ast.Lambda: _lambda,
    ast.Call: _call,
    ast.NamedExpr: _named,
    ast.JoinedStr: _joined,
    ast.Slice: _slice,
}


_NAMES: dict[type[ast.expr], str] = {ast.Yield: "yield", ast.YieldFrom: "yield from", ast.Await: "await"}

_METHODS: dict[str, Callable[..., Any]] = {
    "sum": functions.sum_,
    "prod": functions.prod,
    "min": functions.min_,
    "max": functions.max_,
    "mean": functions.mean,
    "argmax": functions.argmax,
    "argmin": functions.argmin,
    "astype": functions.cast,
    "clip": functions.clip,
}
mistakes.TENSOR_METHODS += _METHODS
