"""A kernel's signature: annotations evaluated, parameters made."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from gemel.loops import Static
from gemel.semantics import ir
from gemel.semantics.build import index
from gemel.semantics.dtypes import DType, TensorType
from gemel.semantics.errors import TraceError
from gemel.semantics.span import Span
from gemel.semantics.traverse import subexprs
from gemel.source import Source
from gemel.traced import Value
from gemel.values import meant_by


@dataclass(frozen=True)
class Deferred:
    """An annotation that speaks of a static parameter: evaluated when its argument is known."""

    node: ast.expr
    name: str
    span: Span


Annotation = DType | TensorType | Static | Deferred


@dataclass(frozen=True)
class Parameter:
    """A parameter as declared."""

    name: str
    annotation: Annotation
    span: Span
    default: Any = inspect.Parameter.empty

    EMPTY: ClassVar = inspect.Parameter.empty

    @property
    def static(self) -> bool:
        """Whether tracing knows the argument."""
        return isinstance(self.annotation, Static)


@dataclass(frozen=True)
class Signature:
    """What a kernel takes and gives; `result` is None where the user didn't say."""

    parameters: tuple[Parameter, ...]
    result: tuple[Annotation, ...] | None
    result_span: Span
    source: Source
    names: Mapping[str, Any]

    def at(self, statics: Mapping[str, Any]) -> Signature:
        """The signature at given static arguments, with nothing deferred.

        Raises TraceError for an annotation that makes no sense then.
        """
        names = {**self.names, **statics}

        def settled(a: Annotation) -> Annotation:
            return _evaluated(a.node, a.name, self.source, names, a.span) if isinstance(a, Deferred) else a

        parameters = tuple(replace(p, annotation=settled(p.annotation)) for p in self.parameters)
        result = None if self.result is None else tuple(map(settled, self.result))
        return replace(self, parameters=parameters, result=result)


def read_signature(source: Source, names: Mapping[str, Any], defaults: Mapping[str, Any]) -> Signature:
    """The signature of a kernel from its syntax tree, with annotations evaluated in `names`.

    Raises TraceError for a missing or unusable annotation.
    """
    node = source.node
    if isinstance(node, ast.Lambda):
        raise TraceError("a lambda as a kernel", code="P01", mend="write it with def")
    if node.args.vararg or node.args.kwarg:
        star = node.args.vararg or node.args.kwarg or node
        raise TraceError(
            "a kernel with * or ** parameters", code="P07", span=source.span(star), mend="name each parameter"
        )
    args = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    own = {arg.arg for arg in args}
    made = []
    for arg in args:
        annotation = _annotation(arg.annotation, arg.arg, source, names, source.span(arg), own)
        default = defaults.get(arg.arg, inspect.Parameter.empty)
        made.append(Parameter(arg.arg, annotation, source.span(arg), default))
    if node.returns is None or (isinstance(node.returns, ast.Constant) and node.returns.value is None):
        return Signature(tuple(made), None, source.span(node), source, names)
    result = tuple(_annotation(e, "the result", source, names, source.span(e), own) for e in _results(node.returns))
    return Signature(tuple(made), result, source.span(node.returns), source, names)


def _results(node: ast.expr) -> list[ast.expr]:
    """The annotations of a result: several in `tuple[...]` or a tuple."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "tuple":
        return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return node.elts if isinstance(node, ast.Tuple) else [node]


MEND = "write an element type, or one with a shape: `x: f32[M, N]`, `n: i32`, `k: gm.static[int]`"


def _annotation(
    node: ast.expr | None, name: str, source: Source, names: Mapping[str, Any], span: Span, own: set[str]
) -> Annotation:
    if node is None:
        raise TraceError(f"{name} has no annotation", code="P07", span=span, mend=MEND)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if any(isinstance(n, ast.Name) and n.id in own for n in ast.walk(node)):
        return Deferred(node, name, span)
    return _evaluated(node, name, source, names, span)


def _evaluated(node: ast.expr, name: str, source: Source, names: Mapping[str, Any], span: Span) -> Annotation:
    try:
        code = compile(ast.fix_missing_locations(ast.Expression(node)), source.file, "eval")
        found = eval(code, {"__builtins__": __builtins__}, dict(names))
    except Exception as error:
        mend = f'declare the size: {error.name} = gm.dims("{error.name}")' if isinstance(error, NameError) else MEND
        raise TraceError(f"the annotation of {name}: {error}", code="P07", span=span, mend=mend) from None
    if isinstance(found, DType):
        return found
    if isinstance(found, TensorType):
        if not isinstance(found.element, DType):
            raise TraceError(f"the element type of {name} is {found.element!r}", code="P07", span=span, mend=MEND)
        return found
    if isinstance(found, Static):
        return found
    what = f"the annotation of {name} is {ast.unparse(node)}, which is no type of Gemel"
    raise TraceError(what, code="P07", span=span, mend=meant_by(found) or MEND)


def shape_of(annotation: TensorType, span: Span) -> tuple[ir.Expr, ...]:
    """The sizes of an annotation as expressions.

    Raises TraceError for a size that is no int, dim or sum of such.
    """
    sizes = []
    for size in annotation.shape:
        if isinstance(size, Value):
            sizes.append(size.expr)
        elif isinstance(size, int) and not isinstance(size, bool) and size >= 0:
            sizes.append(index(size, span))
        else:
            raise TraceError(
                f"{size!r} as a size", code="P07", span=span, mend="use an int from 0, or a name from gm.dims"
            )
    return tuple(sizes)


def dims_of(shapes: list[tuple[ir.Expr, ...]]) -> tuple[ir.Var, ...]:
    """The dims that shapes mention, in the order of their first use."""
    found = {e.var: None for shape in shapes for size in shape for e in subexprs(size) if isinstance(e, ir.Ref)}
    return tuple(found)
