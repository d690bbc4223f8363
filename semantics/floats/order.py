"""Comparisons, the smaller and the greater one, signs."""

from __future__ import annotations

from gemel.semantics.dtypes import FloatType
from gemel.semantics.floats.parts import Parts, apart
from gemel.semantics.floats.words import both, cut, either, masked
from gemel.semantics.tower.formula import X


def _less(a: Parts, b: Parts) -> X:
    """Whether a pattern comes before another by sign and size, -0 before 0; equal ones do where they are negative."""
    return a.pattern.f.where(a.sign.differs(b.sign), a.sign, a.sign.differs(a.size < b.size))


def _number(a: Parts, b: Parts) -> X:
    return ~either(a.nan, b.nan)


def equal(t: FloatType, a: X, b: X) -> X:
    """a == b."""
    pa, pb = apart(a, t), apart(b, t)
    return both(_number(pa, pb), either(a.equals(b), both(pa.zero, pb.zero)))


def unequal(t: FloatType, a: X, b: X) -> X:
    """a != b."""
    return ~equal(t, a, b)


def less(t: FloatType, a: X, b: X) -> X:
    """a < b."""
    pa, pb = apart(a, t), apart(b, t)
    same = either(a.equals(b), both(pa.zero, pb.zero))
    return both(_number(pa, pb), ~same, _less(pa, pb))


def at_most(t: FloatType, a: X, b: X) -> X:
    """a <= b."""
    pa, pb = apart(a, t), apart(b, t)
    same = either(a.equals(b), both(pa.zero, pb.zero))
    return both(_number(pa, pb), either(same, _less(pa, pb)))


def greater(t: FloatType, a: X, b: X) -> X:
    """a > b."""
    return less(t, b, a)


def at_least(t: FloatType, a: X, b: X) -> X:
    """a >= b."""
    return at_most(t, b, a)


def smaller(t: FloatType, a: X, b: X) -> X:
    """The smaller one; -0 is below 0, NaN wins."""
    pa, pb = apart(a, t), apart(b, t)
    return a.f.where(_number(pa, pb), a.f.where(_less(pa, pb), a, b), t.nan)


def larger(t: FloatType, a: X, b: X) -> X:
    """The greater one."""
    pa, pb = apart(a, t), apart(b, t)
    return a.f.where(_number(pa, pb), a.f.where(_less(pa, pb), b, a), t.nan)


def size(t: FloatType, x: X) -> X:
    """|x|."""
    return x & ((1 << t.width - 1) - 1)


def flushed(t: FloatType, x: X) -> X:
    """The number, or the zero of its sign where it is subnormal."""
    normal = cut(x, t.width - 2, t.mantissa).differs(0)
    return masked(x, normal) | (x & (1 << t.width - 1))


def one_nan(t: FloatType, x: X) -> X:
    """The pattern, with every NaN as the quiet one without sign."""
    return x.f.where(apart(x, t).nan, t.nan, x)
