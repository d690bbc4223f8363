"""Element types: what a scalar is, which values it has, how many bits it takes.

A value of each type is held in Python as: bool for `BoolType`; int for `IntType` and `IndexType`; the raw integer
(value times 2**frac) for `FixedType`; a float that the format represents exactly for `FloatType`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

from gemel.semantics.errors import TypeCheckError

MAX_WIDTH = 4096
"""The widest integer, in bits, that a variable, parameter or tensor may have."""

MAX_EXACT = 2 * MAX_WIDTH
"""The widest integer, in bits, that an exact result may have: a product of two of the widest."""


class Rounding(enum.Enum):
    """How a fixed-point value is brought to fewer fraction bits."""

    FLOOR = "floor"
    CEIL = "ceil"
    ZERO = "zero"
    AWAY = "away"
    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    HALF_AWAY = "half_away"


class Overflow(enum.Enum):
    """What happens to a fixed-point value outside of its type's range."""

    WRAP = "wrap"
    SATURATE = "saturate"


class _TypeSyntax:
    """The notation that all element types share: `t[M, N]` is a tensor type and `t(x)` a conversion."""

    __slots__ = ()

    def __getitem__(self, shape: object) -> TensorType:
        dims = shape if isinstance(shape, tuple) else (shape,)
        return TensorType(self, dims)  # type: ignore[arg-type]

    def __call__(self, value: Any) -> Any:
        from gemel.semantics.convert import from_python

        return from_python(value, self)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class BoolType(_TypeSyntax):
    """True or False; one bit."""

    def __str__(self) -> str:
        return "bool"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class IntType(_TypeSyntax):
    """A two's-complement (signed) or binary (unsigned) integer of `width` bits."""

    width: int
    signed: bool

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.width}"

    __repr__ = __str__

    @property
    def lo(self) -> int:
        """The least value."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """The greatest value."""
        return (1 << (self.width - self.signed)) - 1


@dataclass(frozen=True, slots=True)
class IndexType(_TypeSyntax):
    """A loop variable, size or subscript: a signed 64-bit integer whose own arithmetic stays 64 bits wide."""

    width = 64
    signed = True
    lo = -(1 << 63)
    hi = (1 << 63) - 1

    def __str__(self) -> str:
        return "index"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class FixedType(_TypeSyntax):
    """A number raw / 2**frac, where raw is an integer of `width` bits; `frac` may exceed `width` or be negative."""

    width: int
    frac: int
    signed: bool
    rounding: Rounding = Rounding.FLOOR
    overflow: Overflow = Overflow.WRAP

    def __str__(self) -> str:
        modes = [str(self.width), str(self.frac)]
        if (self.rounding, self.overflow) != (Rounding.FLOOR, Overflow.WRAP):
            modes += [self.rounding.value, self.overflow.value]
        return f"{'fixed' if self.signed else 'ufixed'}({', '.join(modes)})"

    __repr__ = __str__

    @property
    def raw(self) -> IntType:
        """The integer type of the raw value."""
        return IntType(self.width, self.signed)


@dataclass(frozen=True, slots=True)
class FloatType(_TypeSyntax):
    """A binary format with `exponent` exponent bits and `mantissa` stored fraction bits.

    IEEE 754's, or with `finite` the variant without infinities: the greatest exponent holds numbers too, NaN is the one
    pattern of all ones (of either sign), and what is beyond the range is NaN.
    """

    name: str
    exponent: int
    mantissa: int
    finite: bool = False

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    @property
    def width(self) -> int:
        """Bits in all."""
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self) -> int:
        """The exponent bias."""
        return (1 << (self.exponent - 1)) - 1

    @property
    def largest(self) -> float:
        """The greatest finite value."""
        if self.finite:
            return math.ldexp(2.0 - math.ldexp(2.0, -self.mantissa), self.bias + 1)
        return math.ldexp(2.0 - math.ldexp(1.0, -self.mantissa), self.bias)

    @property
    def beyond(self) -> float:
        """What a positive number above the range becomes."""
        return math.nan if self.finite else math.inf

    @property
    def nan(self) -> int:
        """The pattern that stands for every NaN: quiet, without sign."""
        top = (1 << self.width - 1) - 1
        return top if self.finite else top ^ ((1 << self.mantissa - 1) - 1)


DType = BoolType | IntType | IndexType | FixedType | FloatType


@dataclass(frozen=True, slots=True)
class TensorType:
    """An annotation `element[shape]`; each dim is an int or whatever object stands for a size in the embedding."""

    element: DType
    shape: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.element}[{', '.join(map(str, self.shape))}]"

    __repr__ = __str__


BOOL = BoolType()
INDEX = IndexType()
F8E4M3 = FloatType("f8e4m3", 4, 3, finite=True)
F8E5M2 = FloatType("f8e5m2", 5, 2)
F16 = FloatType("f16", 5, 10)
BF16 = FloatType("bf16", 8, 7)
F32 = FloatType("f32", 8, 23)
F64 = FloatType("f64", 11, 52)
FLOATS = {t.name: t for t in (F8E4M3, F8E5M2, F16, BF16, F32, F64)}


def _checked_width(width: object, what: str) -> int:
    if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= MAX_WIDTH:
        raise TypeCheckError(
            f"{what} needs a width from 1 to {MAX_WIDTH} bits, not {width!r}",
            code="T06",
            mend="give the width as an int",
        )
    return width


def Int(width: int) -> IntType:
    """The signed integer type of `width` bits (1 to MAX_WIDTH).

    Raises TypeCheckError for another width.
    """
    return IntType(_checked_width(width, "Int"), True)


def UInt(width: int) -> IntType:
    """The unsigned integer type of `width` bits (1 to MAX_WIDTH).

    Raises TypeCheckError for another width.
    """
    return IntType(_checked_width(width, "UInt"), False)


def Fixed(width: int, frac: int, rounding: str = "floor", overflow: str = "wrap") -> FixedType:
    """The signed fixed-point type of `width` bits, `frac` of them behind the point.

    `rounding` is one of floor, ceil, zero, away, half_up, half_even, half_away; `overflow` one of wrap, saturate.
    Raises TypeCheckError for anything else.
    """
    return _fixed(width, frac, True, rounding, overflow)


def UFixed(width: int, frac: int, rounding: str = "floor", overflow: str = "wrap") -> FixedType:
    """The unsigned fixed-point type; arguments as for `Fixed`."""
    return _fixed(width, frac, False, rounding, overflow)


def _fixed(width: int, frac: int, signed: bool, rounding: str, overflow: str) -> FixedType:
    _checked_width(width, "Fixed")
    if isinstance(frac, bool) or not isinstance(frac, int) or abs(frac) > MAX_WIDTH:
        raise TypeCheckError(
            f"Fixed needs an int number of fraction bits, not {frac!r}", code="T06", mend="gm.Fixed(16, 8)"
        )
    try:
        return FixedType(width, frac, signed, Rounding(rounding), Overflow(overflow))
    except ValueError:
        modes = ", ".join(m.value for m in (*Rounding, *Overflow))
        known = [m.value for m in (*Rounding, *Overflow)]
        wrong = next(m for m in (rounding, overflow) if m not in known)
        raise TypeCheckError(f"unknown fixed-point mode {wrong!r}", code="T01", mend=f"use one of {modes}") from None


def is_integer(dtype: DType) -> bool:
    """Whether values are plain integers (bool excluded)."""
    return isinstance(dtype, IntType | IndexType)


def as_int(dtype: DType) -> IntType | None:
    """The integer type that holds a bool, int or index; None for fixed and float."""
    match dtype:
        case BoolType():
            return IntType(1, False)
        case IntType():
            return dtype
        case IndexType():
            return IntType(64, True)
        case FixedType() | FloatType():
            return None


def width_of(dtype: DType) -> int:
    """Bits that a value takes."""
    return 1 if isinstance(dtype, BoolType) else dtype.width


def int_holding(lo: int, hi: int) -> IntType:
    """The narrowest integer type that holds lo..hi; unsigned where lo >= 0."""
    if lo >= 0:
        return IntType(max(1, hi.bit_length()), False)
    return IntType(1 + max((~lo).bit_length(), hi.bit_length() if hi > 0 else 0), True)


def storage_bits(dtype: DType) -> int:
    """Bits of the NumPy element that holds a value at the boundary: 8, 16, 32, 64, or a multiple of 64 beyond."""
    width = width_of(dtype)
    return next((n for n in (8, 16, 32, 64) if width <= n), -(-width // 64) * 64)
