"""Small netlist expressions, with literals folded away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gemel.semantics import build, intervals, ops
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import BOOL, BoolType, FloatType, IndexType, IntType, int_holding
from gemel.semantics.ir import Const, Expr, Ref
from gemel.semantics.ops import Op
from gemel.semantics.span import BUILTIN

NetType = BoolType | IntType
TRUE: Expr = build.boolean(True)
FALSE: Expr = build.boolean(False)


def net_type(e: Expr) -> NetType:
    """The type of a netlist expression."""
    if isinstance(e.dtype, BoolType | IntType):
        return e.dtype
    raise TypeError(f"{e.dtype} in a netlist")


def constant(e: Const) -> Const:
    """A literal of the narrowest type where it has the type index, of a word where it is a float."""
    if isinstance(e.dtype, FloatType):
        return Const(to_bits(e.value, e.dtype), IntType(e.dtype.width, False), e.span)
    if isinstance(e.dtype, IndexType):
        return number(int(e.value))
    return e


def number(value: int, dtype: IntType | BoolType | None = None) -> Const:
    """A literal."""
    return Const(value, int_holding(min(value, 0), max(value, 0)) if dtype is None else dtype, BUILTIN)


def _is(e: Expr, value: bool) -> bool:
    return isinstance(e, Const) and bool(e.value) == value


def both(a: Expr, b: Expr) -> Expr:
    """a and b."""
    if _is(a, True) or _is(b, False):
        return b
    if _is(b, True) or _is(a, False):
        return a
    return build.apply(ops.LAND, a, b, span=a.span)


def either(a: Expr, b: Expr) -> Expr:
    """a or b."""
    if _is(a, False) or _is(b, True):
        return b
    if _is(b, False) or _is(a, True):
        return a
    return build.apply(ops.LOR, a, b, span=a.span)


def neg(a: Expr) -> Expr:
    """not a."""
    return build.apply(ops.LNOT, a, span=a.span)


def select(cond: Expr, a: Expr, b: Expr) -> Expr:
    """a if cond else b, both of one type."""
    if isinstance(cond, Const):
        return a if cond.value else b
    if isinstance(a, Const) and isinstance(b, Const) and a.value == b.value:
        return a
    return a if a is b else build.apply(ops.SELECT, cond, a, b, span=cond.span)


def cast(e: Expr, dtype: NetType) -> Expr:
    """The value at another type."""
    return build.convert(e, dtype)


def equal(a: Expr, value: int) -> Expr:
    """a == value."""
    own = net_type(a)
    fits = not isinstance(own, IntType) or own.lo <= value <= own.hi
    return build.apply(ops.EQ, a, number(value, own), span=a.span) if fits else FALSE


def add(a: Expr, value: int, dtype: NetType) -> Expr:
    """a + value, wrapped to a type."""
    return build.apply(ops.ADD, a, number(value), span=a.span, dtype=dtype)


def compare(op: Op, a: Expr, b: Expr) -> Expr:
    """A comparison, decided where the types leave no doubt."""
    x, y = (_interval(e) for e in ((a, b) if op in (ops.LT, ops.GE) else (b, a)))
    if op in (ops.LT, ops.GT, ops.LE, ops.GE) and (x[1] < y[0] or x[0] >= y[1]):  # whether x < y is known
        return TRUE if (x[1] < y[0]) == (op in (ops.LT, ops.GT)) else FALSE
    return build.apply(op, a, b, span=a.span, dtype=BOOL)


def _interval(e: Expr) -> tuple[int, int]:
    return (int(e.value), int(e.value)) if isinstance(e, Const) else intervals.of_type(e.dtype) or (0, 0)


def any_of(conditions: Iterable[Expr]) -> Expr:
    """Whether one of the conditions holds."""
    result: Expr = FALSE
    for c in conditions:
        result = either(result, c)
    return result


def chosen(uses: Sequence[tuple[Expr, ...]], field: int, chain: int) -> Expr:
    """That field of whichever use is active, by its field 0; at most one is. Equal values are one choice.

    Up to `chain` values are chosen from one after the other, more of them all at once.
    """
    groups: dict[object, list[tuple[Expr, ...]]] = {}
    for use in uses:
        groups.setdefault(_value_key(use[field]), []).append(use)
    values = [(any_of(use[0] for use in group), group[0][field]) for group in sorted(groups.values(), key=len)]
    if len(values) > chain:
        return _union([_gated(*v) for v in values])
    result = values[-1][1]  # the value of most uses needs no condition
    for active, value in reversed(values[:-1]):
        result = select(active, value, result)
    return result


def _gated(active: Expr, value: Expr) -> Expr:
    """The value where it is active, else 0."""
    return both(active, value) if value.dtype == BOOL else select(active, value, number(0, net_type(value)))


def _union(values: Sequence[Expr]) -> Expr:
    """All bits of the values, in a tree of gates."""
    if len(values) == 1:
        return values[0]
    a, b = _union(values[: len(values) // 2]), _union(values[len(values) // 2 :])
    return either(a, b) if a.dtype == BOOL else build.apply(ops.OR, a, b, span=a.span)


def _value_key(e: Expr) -> object:
    match e:
        case Ref():
            return e.var
        case Const():
            return e.value, e.dtype
        case _:
            return e
