"""Typed construction of expressions: the one place that applies type rules and folds literals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gemel.semantics import ops
from gemel.semantics.convert import Value, cast
from gemel.semantics.dtypes import BOOL, F64, INDEX, DType, FixedType, FloatType, int_holding, is_integer, width_of
from gemel.semantics.errors import TypeCheckError
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref
from gemel.semantics.naming import filled, told
from gemel.semantics.ops import Op
from gemel.semantics.span import BUILTIN, Span
from gemel.semantics.typerules import Operand, RuleError, holds


def operand(e: Expr) -> Operand:
    """An expression as type rules see it."""
    return Operand(e.dtype, e.value if isinstance(e, Const) else None)


def result_type(op: Op, args: Sequence[Expr], span: Span) -> DType:
    """The type that the op's rule gives.

    Raises TypeCheckError where the operands don't fit.
    """
    if op.rule is None:
        raise TypeCheckError(f"{op.name} needs a result type", code="T01", span=span)
    try:
        return op.rule(tuple(map(operand, args)))
    except RuleError as error:
        raise refused(error, args, span) from None


def refused(error: RuleError, args: Sequence[Expr], span: Span) -> TypeCheckError:
    """A rule's error in the words of the user's operands."""
    types = told(args, span)
    what = f"{error.what}; {types}" if types else error.what
    return TypeCheckError(what, code=error.code, span=span, mend=filled(error.mend, args, span))


def apply(op: Op, *args: Expr, span: Span, dtype: DType | None = None) -> Expr:
    """`op` on `args`, folded where all are literals and none fails; `dtype` for conversions and narrowed results."""
    dtype = result_type(op, args, span) if dtype is None else dtype
    literals = [a for a in args if isinstance(a, Const)]
    if len(literals) == len(args) and not _fails(op, args):
        return folded(op, literals, dtype, span)
    return Apply(op, args, dtype, span)


def folded(op: Op, args: Sequence[Const], dtype: DType, span: Span) -> Const:
    """What `op` gives on literals: of what fails, the value that nobody sees behind a guard."""
    return Const(op.meaning(dtype, tuple(a.dtype for a in args), tuple(a.value for a in args)), dtype, span)


def _fails(op: Op, args: Sequence[Expr]) -> bool:
    """Whether an op on literals is an error when it runs, which folding would hide."""
    last = args[-1]
    if op in (ops.FLOORDIV, ops.MOD):
        return is_zero(last)
    return op in (ops.SHL, ops.SHR) and isinstance(last, Const) and last.value < 0


def convert(e: Expr, dtype: DType, span: Span | None = None) -> Expr:
    """`e` at type `dtype`: itself where it has that type, else a cast."""
    return e if e.dtype == dtype else apply(ops.CAST, e, span=span or e.span, dtype=dtype)


def narrow(e: Expr, dtype: DType, span: Span | None = None) -> Expr:
    """`e` as a store to a `dtype` converts it: where an integer may not fit, the verifier asks whether it does."""
    loses = is_integer(e.dtype) and is_integer(dtype) and not holds(dtype, e.dtype)
    return apply(ops.NARROW, e, span=span or e.span, dtype=dtype) if loses else convert(e, dtype, span)


def saturate(e: Expr, dtype: DType, span: Span) -> Expr:
    """`e` clamped to `dtype`'s range."""
    return apply(ops.SATURATE, e, span=span, dtype=dtype)


def bitcast(e: Expr, dtype: DType, span: Span) -> Expr:
    """The pattern of `e` read as another type of the same width.

    Raises TypeCheckError where the widths differ.
    """
    if width_of(e.dtype) != width_of(dtype):
        raise TypeCheckError(
            f"bitcast of {width_of(e.dtype)} bits ({e.dtype}) to {width_of(dtype)} ({dtype})",
            code="T01",
            span=span,
            mend="the two types must have the same width; gm.cast converts the value",
        )
    return apply(ops.BITCAST, e, span=span, dtype=dtype)


def index(value: int, span: Span = BUILTIN) -> Const:
    """An index literal."""
    return Const(value, INDEX, span)


def boolean(value: bool, span: Span = BUILTIN) -> Const:
    """A bool literal."""
    return Const(value, BOOL, span)


def literal(value: bool | int | float, span: Span, like: DType | None = None) -> Const:
    """A Python number as a literal of the other side's type `like`, or the narrowest type that holds it.

    A float literal takes a float or fixed `like`; without one it is f64.
    Raises TypeCheckError where it doesn't fit: a fraction to an integer, a number out of a fixed type's range.
    """
    if isinstance(value, bool):
        return Const(value, BOOL, span)
    if isinstance(value, int):
        return _int_literal(value, span, like)
    return _float_literal(value, span, like)


def _int_literal(value: int, span: Span, like: DType | None) -> Const:
    own = int_holding(min(value, 0), max(value, 0))
    if like is None:
        return Const(value, own, span)
    if isinstance(like, FixedType | FloatType):
        return _checked(cast(value, own, like), value, like, span)
    fits = like != BOOL and getattr(like, "lo", 0) <= value <= getattr(like, "hi", -1)
    return Const(value, like, span) if fits else Const(value, own, span)


def _float_literal(value: float, span: Span, like: DType | None) -> Const:
    if like is None:
        return Const(value, F64, span)
    if isinstance(like, FloatType | FixedType):
        return _checked(cast(value, F64, like), value, like, span)
    raise TypeCheckError(
        f"{value!r} with {like}: a fraction is never rounded to an integer silently",
        code="T02",
        span=span,
        mend=f"cast the {like} side to a float or fixed type first, for example gm.cast(x, f32)",
    )


def _checked(stored: Value, value: int | float, like: DType, span: Span) -> Const:
    """A literal may be rounded but not wrapped or saturated."""
    if isinstance(like, FixedType) and abs(stored / 2.0**like.frac - value) >= 2.0**-like.frac:
        raise TypeCheckError(
            f"{value!r} is out of the range of {like}", code="T07", span=span, mend="use a wider fixed type"
        )
    return Const(stored, like, span)


def neg(e: Expr, span: Span) -> Expr:
    """-e."""
    return apply(ops.NEG, e, span=span)


def add(a: Expr, b: Expr, span: Span = BUILTIN) -> Expr:
    """a + b, with zeros dropped."""
    for this, other in ((a, b), (b, a)):
        if isinstance(this, Const) and this.value == 0 and this.dtype == other.dtype == INDEX:
            return other
    return apply(ops.ADD, a, b, span=span)


def sub(a: Expr, b: Expr, span: Span = BUILTIN) -> Expr:
    """a - b, with a zero dropped."""
    if isinstance(b, Const) and b.value == 0 and a.dtype == b.dtype == INDEX:
        return a
    return apply(ops.SUB, a, b, span=span)


def mul(a: Expr, b: Expr, span: Span = BUILTIN) -> Expr:
    """a * b, with ones dropped."""
    for this, other in ((a, b), (b, a)):
        if isinstance(this, Const) and this.value == 1 and this.dtype == other.dtype == INDEX:
            return other
    return apply(ops.MUL, a, b, span=span)


def both(a: Expr, b: Expr, span: Span = BUILTIN) -> Expr:
    """a and b, literals folded."""
    if isinstance(a, Const):
        return b if a.value else a
    return a if isinstance(b, Const) and b.value else apply(ops.LAND, a, b, span=span)


def all_of(conditions: Iterable[Expr], span: Span = BUILTIN) -> Expr:
    """The conditions, all of them; True where there is none."""
    whole: Expr = boolean(True, span)
    for c in conditions:
        whole = both(whole, c, span)
    return whole


def negate(e: Expr, span: Span = BUILTIN) -> Expr:
    """not e."""
    return apply(ops.LNOT, e, span=span)


def is_zero(e: Expr) -> bool:
    """Whether the expression is the literal 0."""
    return isinstance(e, Const) and e.value == 0


def is_atom(e: Expr) -> bool:
    """Whether evaluating it again costs nothing and gives the same value at any later point."""
    return isinstance(e, Const | Ref)


def reads_memory(e: Expr) -> bool:
    """Whether the expression holds a load."""
    match e:
        case Load():
            return True
        case Apply():
            return any(map(reads_memory, e.args))
        case _:
            return False
