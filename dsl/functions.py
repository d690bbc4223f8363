"""The functions of the language, `gm.*`: on a kernel's values while tracing, on plain numbers and arrays otherwise."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gemel import arith, reductions, stores, tensors
from gemel.elementwise import elementwise
from gemel.quantified import ForAll
from gemel.reductions import Axis
from gemel.semantics import build, ir, ops
from gemel.semantics.convert import from_bits, from_python, to_bits
from gemel.semantics.convert import saturate as saturate_value
from gemel.semantics.dtypes import BOOL, F64, INDEX, DType, FixedType, FloatType, IntType, int_holding, width_of
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.ops import Op
from gemel.semantics.storage import EXTENSIONS, filled, is_wide, numpy_dtype, to_values
from gemel.tensors import Tensor
from gemel.traced import Traced, Value
from gemel.tracer import here, tracer
from gemel.underway import tracing
from gemel.values import (
    NUMPY_TYPES,
    as_expr,
    as_index,
    described,
    element_type,
    is_static,
    meant_by,
    scalar_op,
    truth,
)


def _traced(*xs: object) -> bool:
    return tracing() is not None or any(isinstance(x, Traced) for x in xs)


def _element_type(dtype: object) -> DType:
    if isinstance(dtype, DType):
        return dtype
    quoted = isinstance(dtype, str) and dtype.isidentifier()
    named = f"write {dtype} without quotes" if quoted else meant_by(dtype)
    mend = named or "use i8, f32, gm.Int(5), gm.Fixed(8, 4), ..."
    raise TypeCheckError(f"{described(dtype)} is no element type", code="P07", span=here(), mend=mend)


# ------------------------------------------------------------------------------------------------------ making tensors


def empty(shape: Any, dtype: DType) -> Any:
    """A new tensor whose elements have no values yet; `shape` is a size or a tuple of sizes (ints, dims, values).

    `verify` proves that no element is read before it is stored to. Raises TypeCheckError P07 for no element type.
    """
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    if not _traced(*sizes):
        return np.zeros(sizes, numpy_dtype(_element_type(dtype)))
    return stores.allocate(_element_type(dtype), [as_index(s, here()) for s in sizes], tracer().name(), here())


def full(shape: Any, value: Any, dtype: DType) -> Any:
    """A new tensor of a shape, each element `value`; errors as for `empty`, and T07 for a value that doesn't fit."""
    t = empty(shape, dtype)
    if isinstance(t, Tensor):
        stores.assign(t, value, here())
    else:
        t[...] = value
    return t


def zeros(shape: Any, dtype: DType) -> Any:
    """A new tensor of a shape, all zero (False for bool); errors as for `empty`."""
    return full(shape, False if dtype == BOOL else 0, dtype)


def ones(shape: Any, dtype: DType) -> Any:
    """A new tensor of a shape, all one (True for bool); errors as for `empty`."""
    return full(shape, True if dtype == BOOL else 1, dtype)


def array(values: Any, dtype: DType | None = None) -> Any:
    """A constant table of the shape of `values`, a list or a NumPy array; a ROM in hardware.

    Without `dtype` the type is that of NumPy. Raises TypeCheckError T07 where an element doesn't fit the type, T01
    where NumPy's type has no equal here.
    """
    data = np.asarray(values)
    own = element_type(data) if dtype is None else _element_type(dtype)
    if own is None:
        raise TypeCheckError(f"no element type for {data.dtype}", code="T01", span=here(), mend="give a type")
    stored = _table(data, own)
    if stored is None:
        raise TypeCheckError(
            f"a value of the table doesn't fit {own}", code="T07", span=here(), mend="use a wider type"
        )
    return tensors.constant(stored, here(), own) if _traced() else stored


def _table(data: np.ndarray[Any, Any], own: DType) -> np.ndarray[Any, Any] | None:
    """The elements as they are stored; None where one is no value of the type."""
    if own not in EXTENSIONS and not is_wide(own):
        stored = data.astype(numpy_dtype(own))
        return stored if np.array_equal(stored.astype(data.dtype), data) else None
    raw = own.raw if isinstance(own, FixedType) else own
    given = data.reshape(-1).tolist()
    made = [from_python(x, raw) for x in given]
    return filled(made, own, data.shape) if all(a == b or a != a for a, b in zip(made, given, strict=True)) else None


# --------------------------------------------------------------------------------------------------------- conversions


def _convert(op: Op, x: Any, dtype: DType, plain: Callable[[Any, DType | None], Any]) -> Any:
    """`plain` converts a number; it gets the element type where that is known."""
    target = _element_type(dtype)
    if _traced(x):
        return arith.convert(op, x, target, here())
    if isinstance(x, np.ndarray):
        own = NUMPY_TYPES.get(x.dtype.name)
        values = x.reshape(-1).tolist() if own is None else to_values(x, own)
        return filled([plain(v, own) for v in values], target, x.shape)
    return plain(x, None)


def cast(x: Any, dtype: DType) -> Any:
    """`x`, a number or tensor, as another type.

    Integers wrap; to a float, rounds to nearest-even; from a float to an integer, drops the fraction and clamps, and
    NaN gives 0; to fixed point, as that type says. `verify` asks nothing of a cast.
    """
    return _convert(ops.CAST, x, dtype, lambda v, own: from_python(v, dtype))


def saturate(x: Any, dtype: DType) -> Any:
    """`x`, a number or tensor, as another type, clamped to its range; NaN gives 0."""
    return _convert(ops.SATURATE, x, dtype, lambda v, own: saturate_value(v, _own_type(v), dtype))


def bitcast(x: Any, dtype: DType) -> Any:
    """The bits of `x`, a number or tensor, read as another type of the same width.

    A plain number counts as that wide already. Raises TypeCheckError T01 where the widths differ.
    """
    return _convert(ops.BITCAST, x, dtype, lambda v, own: from_bits(to_bits(v, own or _as_wide(v, dtype)), dtype))


def _own_type(v: Any) -> DType:
    return F64 if isinstance(v, float) else int_holding(builtins.min(int(v), 0), builtins.max(int(v), 0))


def _as_wide(v: Any, dtype: DType) -> DType:
    if isinstance(v, float):
        return next(t for t in NUMPY_TYPES.values() if width_of(t) == width_of(dtype) and isinstance(t, FloatType))
    return IntType(width_of(dtype), True)


def bits(x: Any, hi: int, lo: int) -> Any:
    """Bits hi..lo of `x`, an integer or a tensor of such, as an unsigned integer of hi - lo + 1 bits; bit 0 is lowest.

    Raises TraceError P06 for bounds that tracing doesn't know, TypeCheckError T01 for bits that `x` hasn't.
    """
    if not _traced(x):
        return int(x) >> lo & ((1 << (hi - lo + 1)) - 1)
    return arith.apply(ops.BITS, (x if isinstance(x, Traced) else Value(as_expr(x, here())), *_known(hi, lo)), here())


def _known(hi: Any, lo: Any) -> tuple[Value, Value]:
    if isinstance(hi, Traced) or isinstance(lo, Traced):
        raise TraceError(
            "gm.bits with bounds that aren't known while tracing",
            code="P06",
            span=here(),
            mend="shift and mask: (x >> n) & 1; or loop over gm.unroll(range(n))",
        )
    return Value(build.literal(int(hi), here())), Value(build.literal(int(lo), here()))


def concat(*parts: Any) -> Any:
    """The bits of the parts side by side, the first on top, as an unsigned integer; parts are integers with types.

    Raises TypeCheckError T01 for a plain number, which has no width.
    """
    result = parts[0]
    for part in parts[1:]:
        if is_static(part) or is_static(result):
            raise TypeCheckError(
                "gm.concat of a plain number, which has no width", code="T01", span=here(), mend="give it a type: u8(1)"
            )
        result = scalar_op(ops.CONCAT, (result, part), here())
    return result


# --------------------------------------------------------------------------------------------------------- mathematics


def _unary(op: Op, plain: Callable[[Any], Any], doc: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return arith.apply(op, (x,), here()) if _traced(x) and not is_static(x) else plain(x)

    function.__doc__ = f"{doc}; of a number, or of each element of a tensor."
    function.__name__ = function.__qualname__ = op.name
    return function


def _elementary(op: Op, plain: Callable[[Any], Any], what: str) -> Callable[[Any], Any]:
    doc = f"{what}, of floats alone: as the op tower defines it (`semantics/tower`), the same in interpreter and CPU"
    return _unary(op, plain, doc)


sqrt = _unary(ops.SQRT, np.sqrt, "The square root of a float, correctly rounded; NaN below zero")
floor = _unary(ops.FLOOR, np.floor, "The greatest whole float that is not above `x`")
ceil = _unary(ops.CEIL, np.ceil, "The least whole float that is not below `x`")
trunc = _unary(ops.TRUNC, np.trunc, "The float without its fraction")
round_ = _unary(ops.RINT, np.rint, "The nearest whole float, ties to the even one")
abs_ = _unary(ops.ABS, abs, "The size of a number; of an integer, unsigned and of the same width")
exp = _elementary(ops.EXP, np.exp, "e to the power of `x`")
exp2 = _elementary(ops.EXP2, np.exp2, "2 to the power of `x`")
log = _elementary(ops.LOG, np.log, "The natural logarithm")
log2 = _elementary(ops.LOG2, np.log2, "The logarithm to base 2")
tanh = _elementary(ops.TANH, np.tanh, "The hyperbolic tangent")
sin = _elementary(ops.SIN, np.sin, "The sine, of any size of argument")
cos = _elementary(ops.COS, np.cos, "The cosine, of any size of argument")
erf = _elementary(ops.ERF, np.vectorize(math.erf), "The error function")
sigmoid = _elementary(ops.SIGMOID, lambda x: 1 / (1 + np.exp(-x)), "The logistic function 1 / (1 + exp(-x))")
rsqrt = _elementary(ops.RSQRT, lambda x: 1 / np.sqrt(x), "1 / sqrt(x)")
reciprocal = _elementary(ops.RECIPROCAL, lambda x: 1 / x, "1 / x")


def pow_(x: Any, y: Any) -> Any:
    """x to the power of y, of floats or tensors of one format; `x ** y` is the same where y isn't a small known int.

    Raises TypeCheckError T01 for integers: these take a known exponent from 0 to 64, `x ** 3`.
    """
    return arith.apply(ops.POW, (x, y), here()) if _traced(x, y) and not (is_static(x) and is_static(y)) else x**y


def fma(a: Any, b: Any, c: Any) -> Any:
    """a * b + c of floats or tensors of one format, rounded once; errors T01 to T03 for other types."""
    if _traced(a, b, c):
        return arith.apply(ops.FMA, (a, b, c), here())
    return ops.FMA.meaning(F64, (F64, F64, F64), (float(a), float(b), float(c)))


def minimum(a: Any, b: Any) -> Any:
    """The lesser of two numbers or tensors (broadcast); NaN where one is NaN, and -0.0 is below 0.0."""
    return arith.apply(ops.MIN, (a, b), here()) if _traced(a, b) else np.minimum(a, b)


def maximum(a: Any, b: Any) -> Any:
    """The greater of two numbers or tensors (broadcast); NaN where one is NaN, and 0.0 is above -0.0."""
    return arith.apply(ops.MAX, (a, b), here()) if _traced(a, b) else np.maximum(a, b)


def where(cond: Any, a: Any, b: Any) -> Any:
    """`a` where `cond` holds, else `b`: numbers or tensors, broadcast; the type holds both.

    Raises TypeCheckError T02 or T03 where no type holds both, ShapeError S03 where the shapes don't fit.
    """
    if not _traced(cond, a, b):
        return np.where(cond, a, b)
    if not any(isinstance(x, Tensor | np.ndarray) for x in (cond, a, b)):
        chosen = cond if isinstance(cond, Value) else Value(build.boolean(bool(cond), here()))
        return _chosen(chosen, a, b)
    typed = [t for x in (a, b) if not is_static(x) and (t := tensors.as_tensor(x, here())) is not None]
    like = typed[0].dtype if typed else None
    parts = [tensors.as_tensor(cond, here()), tensors.as_tensor(a, here(), like), tensors.as_tensor(b, here(), like)]
    known = [p for p in parts if p is not None]
    if len(known) < 3:
        raise TraceError("gm.where needs numbers or tensors", code="P10", span=here())
    return elementwise(lambda args: build.apply(ops.SELECT, *args, span=here()), known, here())


def _chosen(cond: Value, a: Any, b: Any) -> Value:
    from gemel.values import operands

    return Value(build.apply(ops.SELECT, truth(cond, here()), *operands((a, b), here()), span=here()))


def _reduction(op: Op, plain: Callable[..., Any], what: str, kind: str) -> Callable[..., Any]:
    def function(x: Any, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False) -> Any:
        if not _traced(x):
            return plain(x, axis=axis, keepdims=keepdims)
        return reductions.reduction(op, _reduced(x), axis, dtype, here(), keepdims)

    function.__doc__ = (
        f"The {what} over an axis, some axes (a tuple) or all axes of a tensor; {kind}.\n\n"
        "`keepdims` keeps the axes, with size 1. Raises ShapeError S01 for an axis that isn't there, TraceError T08 "
        "where `x` is no tensor."
    )
    function.__name__ = function.__qualname__ = plain.__name__
    return function


def _reduced(x: Any) -> Tensor:
    t = tensors.as_tensor(x, here())
    if t is None or not isinstance(x, Tensor | np.ndarray):
        raise TraceError(
            "a reduction needs a tensor",
            code="T08",
            span=here(),
            mend="gm.minimum and gm.maximum compare two numbers, as Python's own min and max do",
        )
    return t


sum_ = _reduction(
    ops.ADD, np.sum, "sum", "of integers it has the bits that the number of terms needs, 32 more where that isn't known"
)
prod = _reduction(ops.MUL, np.prod, "product", "of the elements' type, or `dtype`, and wraps there")
min_ = _reduction(ops.MIN, np.min, "least element", "there must be one")
max_ = _reduction(ops.MAX, np.max, "greatest element", "there must be one")


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over an axis, some axes (a tuple) or all axes of a tensor of floats: the sum by the number of elements.

    Raises ShapeError S01 for an axis that isn't there, TypeCheckError T01 for integers.
    """
    if not _traced(x):
        return np.mean(x, axis=axis, keepdims=keepdims)
    t = _reduced(x)
    count: Any = 1
    for n in reductions.reduced_axes(axis, t.rank, here()):
        count = arith.binary("Mult", count, Value(t.shape_exprs[n]), here())
    total = reductions.reduction(ops.ADD, t, axis, None, here(), keepdims)
    return arith.binary("Div", total, cast(count, t.dtype), here())


def clip(x: Any, low: Any, high: Any) -> Any:
    """`x` brought into low..high: numbers or tensors, broadcast; the same as `minimum(maximum(x, low), high)`."""
    return minimum(maximum(x, low), high)


def argmax(x: Any) -> Any:
    """The index of the first greatest element of a tensor of rank 1, which must have one.

    Raises TraceError T08 for another rank.
    """
    return _arg(x, ops.GT, np.argmax)


def argmin(x: Any) -> Any:
    """The index of the first least element of a tensor of rank 1, which must have one.

    Raises TraceError T08 for another rank.
    """
    return _arg(x, ops.LT, np.argmin)


def _arg(x: Any, better: Op, plain: Callable[..., Any]) -> Any:
    if not _traced(x):
        return int(plain(x))
    t, span = tensors.as_tensor(x, here()), here()
    if t is None or t.rank != 1:
        raise TraceError(
            "argmax and argmin need a tensor of rank 1", code="T08", span=span, mend="take a row: gm.argmax(x[i])"
        )
    zero = build.index(0, span)
    best = tracer().scalar("best", t.dtype, span)
    at = tracer().scalar("at", INDEX, span)
    tracer().emit(ir.Store(best, (), t.element((zero,)), span))
    tracer().emit(ir.Store(at, (), zero, span))

    def visit(indices: tensors.Indices) -> None:
        value = tracer().let(t.element(indices), "value")
        cond = build.apply(better, value, ir.Load(best, (), span), span=span)
        then = (ir.Store(best, (), value, span), ir.Store(at, (), indices[0], span))
        tracer().emit(ir.If(cond, then, (), span))

    stores.nest(t.shape_exprs, visit, span)
    return Value(tracer().let(ir.Load(at, (), span), "at"))


# ----------------------------------------------------------------------------------------------------------- contracts


def each(cond: Any, state: Callable[[ir.Expr], None]) -> None:
    """States a condition, or each that `all(... for ...)` ranges over, as loops of statements."""
    if isinstance(cond, ForAll):
        cond.run(lambda inner: each(inner, state))
    elif isinstance(cond, Value):
        state(truth(cond, here()))
    else:
        state(build.boolean(bool(cond), here()))


def requires(cond: Any) -> None:
    """States what callers must ensure: a bool, or `all(... for ...)` of many.

    Checked where it stands, usually at the top: CheckError R09 where it doesn't hold. `verify` takes it as given.
    """
    _state(ir.Check.REQUIRES, cond, "a `requires` of the kernel doesn't hold")


def ensures(cond: Any) -> None:
    """States what holds where it stands, usually just before `return`: a bool, or `all(... for ...)` of many.

    `verify` proves or refutes it; what isn't proved is checked there: CheckError R10.
    """
    _state(ir.Check.ENSURES, cond, "an `ensures` of the kernel doesn't hold")


def invariant(cond: Any) -> None:
    """States, at the top of a loop's body, what holds before each iteration and after the last.

    `verify` proves it from the turn before, and uses it; what isn't proved is checked there: CheckError R11.
    """
    _state(ir.Check.INVARIANT, cond, "a loop invariant doesn't hold")


def _state(check: ir.Check, cond: Any, message: str) -> None:
    each(cond, lambda c: tracer().emit(ir.Assert(check, c, message, (), here())))


def assume(cond: Any) -> None:
    """States what may be taken as true without a check; every verification report lists it."""
    each(cond, lambda c: tracer().emit(ir.Assume(c, here())))


for _contract in (requires, ensures, invariant, assume):
    _contract.states = True  # type: ignore[attr-defined]  # takes all(... for ...) unevaluated
