"""Calls while tracing: helpers are staged, kernels become calls of the IR, everything else runs as Python."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import types
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from gemel import arith
from gemel.iteration import Range, iterate
from gemel.scope import Frame
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import GemelError, TraceError
from gemel.semantics.span import Span
from gemel.source import closure_of, source_of
from gemel.traced import Traced
from gemel.tracer import Retrace, tracer

MAX_DEPTH = 100


class Staged:
    """A function defined inside a kernel: its body is evaluated at each call, in the frame where it stands."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, frame: Frame) -> None:
        self.node, self.frame = node, frame
        self.__name__ = getattr(node, "name", "<lambda>")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from gemel.statements import run_function

        frame = self.frame
        parameters = _parameters(self.node, frame, args, kwargs, self.__name__)
        return run_function(self.node, frame.source, parameters, frame, frame.globals)


def _parameters(
    node: ast.FunctionDef | ast.Lambda, frame: Frame, args: Any, kwargs: dict[str, Any], name: str
) -> dict[str, Any]:
    """The arguments of a call by name, defaults evaluated in the defining frame.

    Raises TraceError where they don't fit.
    """
    from gemel.expressions import evaluate

    spec = node.args
    P = inspect.Parameter
    positional = [*spec.posonlyargs, *spec.args]
    defaults = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    params = [
        P(a.arg, P.POSITIONAL_OR_KEYWORD, default=P.empty if d is None else evaluate(d, frame))
        for a, d in zip(positional, defaults, strict=True)
    ]
    params += [P(spec.vararg.arg, P.VAR_POSITIONAL)] if spec.vararg else []
    params += [
        P(a.arg, P.KEYWORD_ONLY, default=P.empty if d is None else evaluate(d, frame))
        for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    params += [P(spec.kwarg.arg, P.VAR_KEYWORD)] if spec.kwarg else []
    return bind_call(name, inspect.Signature(params), args, kwargs, frame.span(node))


def bind_call(
    name: str, signature: inspect.Signature, args: Any, kwargs: dict[str, Any], place: Span | None
) -> dict[str, Any]:
    """A call's arguments by name.

    Raises TraceError where they don't fit.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TraceError(
            f"{name}(): {error}",
            code="P09",
            span=tracer().span,
            mend=f"it takes {_taken(signature)}",
            notes=[] if place is None else [(f"{name} is defined here", place)],
        ) from None
    bound.apply_defaults()
    return dict(bound.arguments)


def _taken(signature: inspect.Signature) -> str:
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(bare))


def call(fn: Any, args: list[Any], kwargs: dict[str, Any], span: Span) -> Any:
    """The result of a call in a kernel.

    Raises TraceError for what can't be traced.
    """
    from gemel.expressions import settle

    fn = REPLACED.get(fn, fn) if _hashable(fn) else fn
    if isinstance(fn, DType):
        return _converted(fn, args, span)
    if isinstance(fn, Staged) or getattr(fn, "traces", False) or getattr(fn, "__module__", "") in OWN_MODULES:
        return _guarded(fn, args, kwargs, span)
    settled = [settle(a, "argument", span) for a in args]
    named = {k: settle(v, k, span) for k, v in kwargs.items()}
    if isinstance(fn, types.MethodType) and isinstance(fn.__func__, types.FunctionType) and _staged(fn.__func__):
        return _stage(fn.__func__, [fn.__self__, *settled], named)
    if isinstance(fn, types.FunctionType) and _staged(fn):
        return _stage(fn, settled, named)
    return _guarded(fn, settled, named, span)


def _hashable(fn: Any) -> bool:
    return getattr(type(fn), "__hash__", None) is not None and not isinstance(fn, Traced)


def _staged(fn: types.FunctionType) -> bool:
    module = (fn.__module__ or "").split(".")[0]
    own = module == "gemel" and not (fn.__module__ or "").startswith(("gemel.examples", "gemel.stdlib"))
    library = module in ("numpy", "functools", "operator", "itertools", "math")
    return not own and not library and not fn.__code__.co_flags & _GENERATOR


def _guarded(fn: Any, args: list[Any], kwargs: dict[str, Any], span: Span) -> Any:
    if not callable(fn):
        raise TraceError(f"{type(fn).__name__} is not a function", code="P09", span=span)
    t, name = tracer(), _name_of(fn)
    outer, t.calling = t.calling, "" if _ours(fn) else name
    try:
        return fn(*args, **kwargs)
    except (GemelError, Retrace, RecursionError) as error:
        if isinstance(error, GemelError) and error.code == "P06" and not _ours(fn) and name in _twins():
            raise _foreign(name, span) from None
        raise
    except Exception as error:
        raise _failed_call(fn, args, kwargs, error, span) from error
    finally:
        t.calling = outer


def _failed_call(fn: Any, args: list[Any], kwargs: dict[str, Any], error: Exception, span: Span) -> TraceError:
    name = _name_of(fn)
    if isinstance(error, TypeError) and _ours(fn):
        bind_call(name, inspect.signature(fn), args, kwargs, None)
    if any(map(arith.is_traced, [*args, *kwargs.values()])):
        return _foreign(name, span, "" if "__array_ufunc__" in str(error) else f": {error}")
    return TraceError(
        f"{type(error).__name__} in {name}(): {error}",
        code="P12",
        span=span,
        mend="this is plain Python, which runs while the kernel is traced",
    )


def _foreign(name: str, span: Span, why: str = "") -> TraceError:
    """The error for Python's functions that compute numbers, given a kernel's value."""
    mend = f"use gm.{name}" if name in _twins() else "use the operators, gm functions and loops of the language"
    return TraceError(f"{name}() can't take a kernel's value{why}", code="P09", span=span, mend=mend)


def _twins() -> Collection[str]:
    from gemel import functions

    return {name.removesuffix("_") for name in vars(functions)}


def _ours(fn: Any) -> bool:
    return getattr(fn, "__module__", "") in OWN_MODULES or getattr(fn, "traces", False)


def _name_of(fn: Any) -> str:
    return str(getattr(fn, "__name__", type(fn).__name__))


def _converted(dtype: Any, args: list[Any], span: Span) -> Any:
    from gemel import functions

    if len(args) != 1:
        raise TraceError(f"{dtype}() takes one value", code="P09", span=span, mend=f"write {dtype}(x)")
    return functions.cast(args[0], dtype)


def _stage(fn: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
    from gemel.statements import run_function

    t = tracer()
    if t.depth >= MAX_DEPTH:
        raise _endless(fn.__name__, t.span)
    here = t.span
    try:
        source = source_of(fn)
    except TraceError:
        return _guarded(fn, args, kwargs, t.span)
    parameters = bind_call(fn.__name__, inspect.signature(fn), args, kwargs, source.span(source.node))
    t.depth += 1
    try:
        return run_function(source.node, source, parameters, closure_of(fn), fn.__globals__)
    except RecursionError:
        raise _endless(fn.__name__, here) from None
    except GemelError as error:
        raise _told_from(error, fn, here) from error.__cause__
    finally:
        t.depth -= 1


MAX_CALLS_TOLD = 3


def _told_from(error: GemelError, fn: types.FunctionType, here: Span) -> GemelError:
    """An error inside of a helper, with the place of its call; for Python's own library the call is the place."""
    if error.code == "P05" or len(error.notes) >= MAX_CALLS_TOLD:
        return error
    if (fn.__module__ or "").split(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return _foreign(fn.__name__, here, f": {error.what}")
    notes = (*error.notes, (f"{fn.__name__} is called here", here))
    return type(error)(error.what, code=error.code, span=error.span, mend=error.mend, notes=notes)


def _endless(name: str, span: Span) -> TraceError:
    return TraceError(
        f"{name} calls itself without an end while tracing",
        code="P05",
        span=span,
        mend="both sides of a condition on a kernel's value are traced: recurse on static numbers, or write a loop",
    )


def _fold(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def fold(*args: Any, **kwargs: Any) -> Any:
        return function(args, kwargs)

    fold.traces = True  # type: ignore[attr-defined]
    return fold


def _plain(args: Any) -> bool:
    return not any(isinstance(a, Traced) for a in args)


def _sum(args: Any, kwargs: Any) -> Any:
    from gemel import functions

    items = args[0]
    if isinstance(items, Traced):
        return functions.sum_(items, **kwargs)
    total = args[1] if len(args) > 1 else kwargs.get("start", 0)
    for n, item in enumerate(iterate(items, tracer().span)):
        total = item if n == 0 and isinstance(total, int) and total == 0 else _add(total, item)
    return total


def _add(a: Any, b: Any) -> Any:
    from gemel.expressions import binary

    return binary("Add", a, b, tracer().span)


def _extreme(name: str) -> Callable[[Any, Any], Any]:
    def run(args: Any, kwargs: Any) -> Any:
        from gemel import functions

        items = list(args)
        if len(items) == 1 and not isinstance(items[0], Traced):
            items = list(iterate(items[0], tracer().span))
        if _plain(items):
            return getattr(builtins, name)(items, **kwargs)
        if len(items) == 1:
            return getattr(functions, name + "_")(items[0], **kwargs)
        result = items[0]
        for item in items[1:]:
            result = getattr(functions, name + "imum")(result, item)
        return result

    return run


def _abs(args: Any, kwargs: Any) -> Any:
    from gemel import functions

    return abs(args[0]) if _plain(args) else functions.abs_(args[0])


def _round(args: Any, kwargs: Any) -> Any:
    from gemel import functions

    return round(*args) if _plain(args) else functions.round_(args[0])


def _len(args: Any, kwargs: Any) -> Any:
    from gemel.tensors import Tensor

    if isinstance(args[0], Traced) and not isinstance(args[0], Tensor):
        raise TraceError("len() of a scalar", code="T08", span=tracer().span, mend="take it of a tensor")
    return args[0].shape[0] if isinstance(args[0], Tensor) else len(args[0])


def _bool(args: Any, kwargs: Any) -> Any:
    from gemel.traced import Value
    from gemel.values import truth

    x = args[0] if args else False
    return Value(truth(x, tracer().span)) if isinstance(x, Value) else bool(x)


def _whole(args: Any, kwargs: Any) -> Any:
    x = args[0] if args else 0
    if isinstance(x, Traced):
        raise TraceError(
            "int() has no width", code="P09", span=tracer().span, mend="cast to a type: i32(x), or gm.cast(x, i32)"
        )
    return int(*args, **kwargs)


def _real(args: Any, kwargs: Any) -> Any:
    x = args[0] if args else 0.0
    if isinstance(x, Traced):
        raise TraceError("float() has no format", code="P09", span=tracer().span, mend="cast to a type: f32(x)")
    return float(*args, **kwargs)


def _divmod(args: Any, kwargs: Any) -> Any:
    from gemel.expressions import binary

    a, b = args
    return binary("FloorDiv", a, b, tracer().span), binary("Mod", a, b, tracer().span)


def _range(args: Any, kwargs: Any) -> Any:

    return Range(*args)


def _print(args: Any, kwargs: Any) -> Any:
    print(*args, **kwargs)


def _isinstance(args: Any, kwargs: Any) -> Any:
    return isinstance(*args)


REPLACED: dict[Any, Any] = {
    sum: _fold(_sum),
    min: _fold(_extreme("min")),
    max: _fold(_extreme("max")),
    abs: _fold(_abs),
    round: _fold(_round),
    len: _fold(_len),
    bool: _fold(_bool),
    int: _fold(_whole),
    float: _fold(_real),
    divmod: _fold(_divmod),
    range: _fold(_range),
    print: _fold(_print),
    isinstance: _fold(_isinstance),
    np.minimum: _fold(_extreme("min")),
    np.maximum: _fold(_extreme("max")),
}
"""Python's functions that mean something on a kernel's values."""

for _python, _own in REPLACED.items():
    _own.__name__ = _python.__name__  # for messages

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

OWN_MODULES = ("gemel.functions", "gemel.loops")
