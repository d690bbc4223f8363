"""A kernel's function becomes IR: parameters made, body evaluated, results collected."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from gemel import broadcasting, stores, tensors
from gemel.semantics import ir
from gemel.semantics.dtypes import INDEX, TensorType
from gemel.semantics.errors import ShapeError, TraceError, TypeCheckError, counted
from gemel.semantics.span import Span
from gemel.semantics.traverse import all_exprs
from gemel.signature import Annotation, Parameter, Signature, dims_of, shape_of
from gemel.source import Source
from gemel.statements import run_function
from gemel.tensors import Tensor
from gemel.traced import Value
from gemel.tracer import Retrace, Tracer, Untraced
from gemel.underway import activate
from gemel.values import as_expr, for_store, is_static

MAX_RETRACES = 1000


def trace(
    name: str,
    source: Source,
    signature: Signature,
    statics: Mapping[str, Any],
    closure: dict[str, Any],
    global_names: dict[str, Any],
    strict: bool,
) -> ir.Kernel:
    """The IR of a kernel at given static arguments.

    Raises GemelError for whatever in its source can't be a kernel.
    """
    signature = signature.at(statics)
    decisions: frozenset[object] = frozenset()
    for _ in range(MAX_RETRACES):
        t = Tracer(decisions)
        try:
            with activate(t):
                return _trace_once(t, name, source, signature, statics, closure, global_names, strict)
        except Untraced:
            raise
        except Retrace as again:
            decisions |= {again.decision}
        except RecursionError:
            raise TraceError(
                "the trace is nested too deeply", code="P05", span=t.span, mend="use a loop of the kernel"
            ) from None
    raise TraceError("the trace doesn't settle", code="P05", span=source.span(source.node))


def _trace_once(
    t: Tracer,
    name: str,
    source: Source,
    signature: Signature,
    statics: Mapping[str, Any],
    closure: dict[str, Any],
    global_names: dict[str, Any],
    strict: bool,
) -> ir.Kernel:
    arguments: dict[str, Any] = {}
    params: list[ir.Buffer | ir.Var] = []
    for p in signature.parameters:
        if p.static:
            arguments[p.name] = statics[p.name]
        else:
            param, arguments[p.name] = _parameter(p)
            params.append(param)
    value = run_function(source.node, source, arguments, closure, global_names)
    t.span = source.span(source.node)
    results = _Results(t, params, signature, source).collect(value)
    body = (*t.preamble, *t.blocks[0])
    shapes = [b.shape for b in (*params, *results) if isinstance(b, ir.Buffer)]
    used = {e.var: None for e in all_exprs(body) if isinstance(e, ir.Ref) and _is_dim(e.var, params)}
    dims = dims_of(shapes)
    _check_dims(dims, used, body, source.span(source.node))
    return ir.Kernel(name, dims, tuple(params), results, body, source.span(source.node), strict=strict)


def _parameter(p: Parameter) -> tuple[ir.Buffer | ir.Var, Any]:
    if isinstance(p.annotation, TensorType):
        buffer = ir.Buffer(p.name, p.annotation.element, shape_of(p.annotation, p.span), p.span)
        return buffer, tensors.of_buffer(buffer)
    if not isinstance(p.annotation, tuple):
        var = ir.Var(p.name, p.annotation, p.span)  # type: ignore[arg-type]
        return var, Value(ir.Ref(var, p.span))
    raise TypeError(p.annotation)


def _is_dim(var: ir.Var, params: list[ir.Buffer | ir.Var]) -> bool:
    return broadcasting.is_dim(var) and var not in params


def _check_dims(dims: tuple[ir.Var, ...], used: Mapping[ir.Var, object], body: tuple[ir.Stmt, ...], span: Span) -> None:
    for var in used:
        if var not in dims:
            raise ShapeError(
                f"the size {var.hint} is used, but no parameter has it",
                code="S04",
                span=span,
                mend=f"use {var.hint} in a parameter's shape, or make it an argument: `{var.hint}: gm.static[int]`",
            )


class _Results:
    """Turns what a function returned into the kernel's results."""

    def __init__(self, t: Tracer, params: list[ir.Buffer | ir.Var], signature: Signature, source: Source) -> None:
        self.t, self.params, self.signature, self.source = t, params, signature, source
        self.declared = signature.result_span
        self.span = _return_span(source) or signature.result_span
        self.name = getattr(source.node, "name", "the kernel")
        self.at = t.returned or self.span
        self.taken: set[ir.Buffer] = set()

    def collect(self, value: Any) -> tuple[ir.Buffer, ...]:
        """The result buffers, filled at the end of the open block."""
        self.t.span = self.at
        values = [] if value is None else (list(value) if isinstance(value, tuple | list) else [value])
        wanted = self.signature.result
        if wanted is not None and not values:
            raise TypeCheckError(
                f"{self.name} ends without a return, and its annotation says {self.declared.text() or len(wanted)}",
                code="T09",
                span=self.declared,
                mend="return a value at the end, or remove the annotation",
            )
        if wanted is not None and len(wanted) != len(values):
            raise TypeCheckError(
                f"the kernel returns {counted(len(values), 'value')}, the annotation says {len(wanted)}",
                code="T09",
                span=self.span,
                mend="return what the annotation says",
                notes=self._annotation(),
            )
        annotations: list[Annotation | None] = [None] * len(values) if wanted is None else list(wanted)
        return tuple(self._one(v, a) for v, a in zip(values, annotations, strict=True))

    def _annotation(self) -> list[tuple[str, Span]]:
        return [("the annotation", self.declared)] if self.span != self.declared else []

    def _one(self, value: Any, annotation: Annotation | None) -> ir.Buffer:
        if isinstance(value, np.ndarray) and value.shape:
            value = tensors.constant(value, self.span)
        if isinstance(annotation, TensorType) and not annotation.shape:
            annotation = annotation.element  # a tensor of rank 0 is a number
        if isinstance(value, Tensor) and (value.rank or annotation is None):
            return self._tensor(value, annotation)
        if isinstance(value, Tensor):
            value = Value(value.element(()))
        if not isinstance(value, Value | bool | int | float | np.generic):
            raise TraceError(
                f"a kernel can't return a {type(value).__name__}",
                code="P10",
                span=self.span,
                mend="return tensors and numbers",
            )
        return self._scalar(value, annotation)

    def _scalar(self, value: Any, annotation: Annotation | None) -> ir.Buffer:
        if isinstance(annotation, TensorType):
            raise TypeCheckError(
                f"the kernel returns a number, the annotation says {annotation}",
                code="T09",
                span=self.span,
                mend="return a tensor, or annotate the element type alone",
                notes=self._annotation(),
            )
        dtype = as_expr(value, self.span).dtype if annotation is None else annotation
        if annotation is None and is_static(value):
            dtype = INDEX if isinstance(value, int) and not isinstance(value, bool) else dtype
        buffer = ir.Buffer("result", dtype, (), self.span)  # type: ignore[arg-type]
        e = for_store(value, dtype, self.at, "the result")  # type: ignore[arg-type]
        self.t.emit(ir.Store(buffer, (), e, e.span))
        return buffer

    def _tensor(self, value: Tensor, annotation: Annotation | None) -> ir.Buffer:
        if annotation is not None:
            self._check(value, annotation)
        buffer = value.buffer
        whole = buffer is not None and _is_whole(value) and buffer not in self.taken
        local = whole and any(isinstance(s, ir.Alloc) and s.buffer is buffer for s in self.t.blocks[0])
        dtype = annotation.element if isinstance(annotation, TensorType) else value.dtype
        if local and buffer is not None and buffer.dtype == dtype and all(map(broadcasting.of_dims, buffer.shape)):
            self.t.blocks[0][:] = [s for s in self.t.blocks[0] if not (isinstance(s, ir.Alloc) and s.buffer is buffer)]
            self.taken.add(buffer)
            return buffer
        return self._copied(value, annotation)

    def _copied(self, value: Tensor, annotation: Annotation | None) -> ir.Buffer:
        shape = shape_of(annotation, self.span) if isinstance(annotation, TensorType) else value.shape_exprs
        dtype = annotation.element if isinstance(annotation, TensorType) else value.dtype
        buffer = ir.Buffer("result", dtype, shape, self.span)
        target = tensors.of_buffer(buffer)
        stores.assign(target, value, self.at)
        return buffer

    def _check(self, value: Tensor, annotation: Annotation) -> None:
        if not isinstance(annotation, TensorType):
            raise TypeCheckError(
                f"the kernel returns a tensor, the annotation says {annotation}",
                code="T09",
                span=self.span,
                mend="return a number, or annotate a shape: f32[M, N]",
                notes=self._annotation(),
            )
        wanted = shape_of(annotation, self.span)
        if len(wanted) != value.rank:
            raise ShapeError(
                f"the kernel returns a tensor of rank {value.rank}, the annotation says {annotation}",
                code="S01",
                span=self.span,
                mend="mend the annotation, or index or reduce what is returned",
                notes=self._annotation(),
            )
        if value.buffer is not None and value.dtype != annotation.element:
            raise TypeCheckError(
                f"the kernel returns a tensor of {value.dtype}, the annotation says {annotation}",
                code="T09",
                span=self.span,
                mend=f"return gm.cast({self.span.text() or 'x'}, {annotation.element}), or change the annotation",
                notes=self._annotation(),
            )
        for a, b in zip(wanted, value.shape_exprs, strict=True):
            if isinstance(a, ir.Const) and isinstance(b, ir.Const) and a.value != b.value:
                raise ShapeError(
                    f"the kernel returns a tensor with a size {b.value}, the annotation says {annotation}",
                    code="S02",
                    span=self.span,
                    mend="mend the annotation, or return what it says",
                    notes=self._annotation(),
                )


def _return_span(source: Source) -> Span | None:
    """What a kernel returns, where there is one `return`."""
    found = [n.value for n in ast.walk(source.node) if isinstance(n, ast.Return) and n.value is not None]
    return source.span(found[0]) if len(found) == 1 else None


def _is_whole(t: Tensor) -> bool:
    if t.buffer is None or t.place is None or len(t.shape_exprs) != t.buffer.rank:
        return False
    probe = tuple(ir.Ref(ir.Var("i", INDEX, s.span), s.span) for s in t.shape_exprs)
    same = all(a is b for a, b in zip(t.place(probe), probe, strict=True))
    return same and all(map(broadcasting.same_size, t.shape_exprs, t.buffer.shape))
