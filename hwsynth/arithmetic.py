"""Multiplication and division in operators that hardware has: narrow multipliers, additions, choices.

Division by a constant is a multiplication by its scaled reciprocal (Granlund and Montgomery); other divisions are
done by a unit. Both floor, and give 0 for a divisor of 0, as the op table says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from gemel.hwsynth import carries, cells, halves
from gemel.hwsynth.dividers import divider
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.targets import factors, one_multiplier
from gemel.hwsynth.units import Operation
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, DType, IntType, as_int, width_of
from gemel.semantics.span import Span
from gemel.semantics.typerules import join

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph

Special = Callable[["Graph", "tuple[Node, ...]", DType, Span], "Node | None"]


def _int(n: Node) -> IntType:
    return _whole(n.dtype)


def _is_const(n: Node) -> bool:
    return n.kind is Kind.CONST


def multiply(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """A product by a constant as sums, one too wide for a multiplier by a unit; None where one multiplier is enough."""
    a, b = args
    for constant, other in ((a, b), (b, a)):
        if _is_const(constant):
            made = _by_constant(g, other, constant.value, dtype, span)
            return _with_registers(g, a, b, dtype, span) if made is None else made
    if one_multiplier(g.clock.target, a.dtype, b.dtype) and "mul" not in g.shared.limits:
        return _with_registers(g, a, b, dtype, span)
    operation = multiplier(_int(a), _int(b), _whole(dtype))
    return g.cast(g.unit(g.shared.serving(operation), args, span)[0], dtype, span)


def _with_registers(g: Graph, a: Node, b: Node, dtype: DType, span: Span) -> Node | None:
    """By a multiplier with registers of its own, where one without takes longer than the clock has."""
    t = g.clock.target
    plain = t.rows["multiply"].delay(factors(t, a.dtype, b.dtype))
    if plain <= g.clock.room or cells.way_of(g.clock, cells.MULTIPLY) is None:
        return None
    return g.cast(g.unit(cells.product(_int(a), _int(b)), (a, b), span)[0], dtype, span)


def add(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """A sum by a unit where these are limited, or by a cell that makes choices as well."""
    if g.uncounted or "add" not in g.shared.limits:
        return carries.absorbed(g, args, dtype, span)
    return _summed(g, args, False, dtype, span)


def subtract(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """A difference by a unit where these are limited: the sum of the inverted operand and 1."""
    return None if g.uncounted or "add" not in g.shared.limits else _summed(g, args, True, dtype, span)


def _summed(g: Graph, args: tuple[Node, ...], minus: bool, dtype: DType, span: Span) -> Node:
    whole = _whole(dtype)
    operation = g.shared.serving(adder(whole.width))
    wide = operation.inputs[0][1]
    a, b = (g.cast(n, wide, span) for n in args)
    b = g.apply(ops.INVERT, (b,), wide, span) if minus else b
    return g.cast(g.unit(operation, (a, b, g.const(int(minus), IntType(1, False), span)), span)[0], dtype, span)


@cache
def adder(width: int) -> Operation:
    """The sum of two words and a bit."""
    word, name = IntType(width, False), f"add_{width}"
    inputs = (("a", word), ("b", word), ("carry", IntType(1, False)))
    return Operation(name, name, "add", inputs, (("sum", word),), _with_carry, wider=_wider_adder)


def _wider_adder(one: Operation, other: Operation) -> Operation:
    return max(one, other, key=lambda op: width_of(op.inputs[0][1]))


def _with_carry(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
    a, b, carry = args
    x, y = (g.apply(ops.CONCAT, (n, carry), None, span) for n in (a, b))
    total = g.apply(ops.ADD, (x, y), IntType(_int(a).width + 1, False), span)
    return (g.apply(ops.SHR, (total, g.const(1, None, span)), None, span),)


def _whole(dtype: DType) -> IntType:
    found = as_int(dtype)
    if found is None:
        raise TypeError(f"no integer: {dtype}")
    return found


@cache
def multiplier(a: IntType, b: IntType, product: IntType) -> Operation:
    """The low bits of a product."""
    name = f"multiply_{a}_{b}" + (f"_low_{product.width}" if product.width < a.width + b.width else "")
    build = partial(_in_parts, product.width)
    return Operation(name, name, "mul", (("a", a), ("b", b)), (("product", product),), build, wider=wider)


def wider(one: Operation, other: Operation) -> Operation:
    """A multiplication that does for two."""
    (a, b), (c, d) = ([t for _, t in op.inputs] for op in (one, other))
    width = max(width_of(op.outputs[0][1]) for op in (one, other))
    return multiplier(_whole(join(a, c)), _whole(join(b, d)), IntType(width, False))


def _in_parts(width: int, g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
    a, b = args
    return (_product(g, a, b, width, span),)


def _product(g: Graph, a: Node, b: Node, width: int, span: Span) -> Node:
    """a * b, of which only the low `width` bits matter."""
    a, b = (g.cast(n, IntType(width, _int(n).signed), span) if _int(n).width > width else n for n in (a, b))
    full = _int(a).width + _int(b).width
    dtype = IntType(min(full, width), _int(a).signed or _int(b).signed)
    if one_multiplier(g.clock.target, a.dtype, b.dtype):
        return g.apply(ops.MUL, (a, b), dtype, span)
    wide, other, cut = _cut(g, a, b)
    if cut < width and _fits_crossed(g, a, b, cut):
        return _crossed(g, _at(g, a, cut + 1, span), _at(g, b, cut, span), dtype, cut, span)
    low, high = _at(g, wide, cut, span)
    low_part = _product(g, low, other, width, span)
    if cut >= width:
        return g.cast(low_part, dtype, span)
    high_part = _product(g, high, other, width - cut, span)
    return g.apply(ops.ADD, (_moved(g, high_part, cut, None, span), low_part), dtype, span)


def _fits_crossed(g: Graph, a: Node, b: Node, cut: int) -> bool:
    """Whether both factors have to be cut, and a multiplier does for each product of their parts."""
    target, cuts = g.clock.target, ((a, cut + 1), (b, cut))
    if any(one_multiplier(target, IntType(cut, False), n.dtype) or at >= _int(n).width for n, at in cuts):
        return False
    parts = [(IntType(at, False), IntType(_int(n).width - at, _int(n).signed)) for n, at in cuts]
    return all(one_multiplier(target, x, y) for x in parts[0] for y in parts[1])


def _crossed(g: Graph, a: tuple[Node, Node], b: tuple[Node, Node], dtype: IntType, cut: int, span: Span) -> Node:
    """The product of factors in two parts each: the two products in the middle are added to each other, then to the
    other two side by side. So the first sum is short, and both can be done by what a multiplier has behind it.

    `a` is cut a bit further up than `b`: of a square the two in the middle would be one and the same otherwise, and
    yosys (0.70) puts x + x into a DSP with nothing for one of the two.
    """
    middle, width = dtype.width - cut, dtype.width
    high_low = _called("high_low_product", _product(g, a[1], b[0], middle - 1, span))
    low_high = _called("low_high_product", _product(g, a[0], b[1], middle, span))
    ends = _called("low_product", _product(g, a[0], b[0], width, span))
    if width > 2 * cut + 1:
        top = _called("high_product", _product(g, a[1], b[1], width - 2 * cut - 1, span))
        ends = g.cast(g.apply(ops.CONCAT, (top, ends), None, span), dtype, span)
    twice = _moved(g, high_low, 1, None, span)
    exact = _whole(join(low_high.dtype, twice.dtype))
    short = IntType(min(exact.width + 1, middle), exact.signed)
    total = _called("middle", g.apply(ops.ADD, (low_high, twice), short, span))
    return g.apply(ops.ADD, (_moved(g, total, cut, dtype, span), ends), dtype, span)


def _called(name: str, n: Node) -> Node:
    if n.kind is Kind.OP:
        n.hint = n.hint or name
    return n


def _at(g: Graph, n: Node, cut: int, span: Span) -> tuple[Node, Node]:
    """The low `cut` bits of a word, and what is above them."""
    return g.cast(n, IntType(cut, False), span), g.apply(ops.SHR, (n, g.const(cut, None, span)), None, span)


def _moved(g: Graph, n: Node, cut: int, dtype: DType | None, span: Span) -> Node:
    return g.apply(ops.SHL, (n, g.const(cut, None, span)), dtype, span)


def _cut(g: Graph, a: Node, b: Node) -> tuple[Node, Node, int]:
    """The factor to take apart, the other one, and the bits of the low part: first the narrower one is brought to a
    multiplier's narrow side, then the wider one to its wide side. Parts are equal: tools make logic of small products.
    """
    wide, narrow = (a, b) if _int(a).width >= _int(b).width else (b, a)
    most, least = g.clock.target.multiplier
    fits = _int(narrow).width + (not _int(narrow).signed) <= least
    parted, other, side = (wide, narrow, most) if fits else (narrow, wide, least)
    width = _int(parted).width
    return parted, other, -(-width // -(-width // (side - 1)))


def _by_constant(g: Graph, x: Node, value: int, dtype: DType, span: Span) -> Node | None:
    """Shifted operands added up, where these are few; a product in parts where one multiplier isn't enough."""
    digits, factor = signed_digits(value), g.const(value, None, span)
    fits = one_multiplier(g.clock.target, x.dtype, factor.dtype)
    if len(digits) - 1 <= SUMS * (1 if fits else _multipliers(g, x, factor)):
        return _shifted_sum(g, x, digits, dtype, span)
    return None if fits else g.cast(_product(g, x, factor, _whole(dtype).width, span), dtype, span)


SUMS = 2
"""Sums that are preferred to a multiplier."""


def signed_digits(value: int) -> list[tuple[int, int]]:
    """Exponents and signs of powers of two that add up to a value, as few as do; without minus where that is so few."""
    plain = [(n, 1) for n in range(value.bit_length()) if value >> n & 1] if value > 0 else []
    digits, place = [], 0
    while value:
        if value & 1:
            sign = 2 - value % 4
            digits.append((place, sign))
            value -= sign
        value, place = value >> 1, place + 1
    return plain if plain and len(plain) <= len(digits) else digits


def _multipliers(g: Graph, a: Node, b: Node) -> int:
    """The multipliers of the target that a product takes."""
    wide, narrow = (m - 1 for m in g.clock.target.multiplier)
    sizes = ((wide, narrow), (narrow, wide))
    return min(-(-_int(a).width // one) * -(-_int(b).width // other) for one, other in sizes)


def _shifted_sum(g: Graph, x: Node, digits: list[tuple[int, int]], dtype: DType, span: Span) -> Node:
    """The sum in pairs, at the exact width or, if that is less, at the result's."""
    exact = _int(x).width + sum(sign << place for place, sign in digits).bit_length()
    word = IntType(_whole(dtype).width, False) if exact > _whole(dtype).width else None
    terms = [(g.apply(ops.SHL, (x, g.const(place, None, span)), word, span), sign) for place, sign in digits[::-1]]
    while len(terms) > 1:
        pairs = [terms[k : k + 2] for k in range(0, len(terms), 2)]
        made = word or (_whole(dtype) if len(pairs) == 1 else None)  # no cast behind a difference hides its linear form
        terms = [_pair(g, p[0], p[1], made, span) if len(p) == 2 else p[0] for p in pairs]
    total, sign = terms[0] if terms else (g.const(0, None, span), 1)
    return g.cast(g.apply(ops.NEG, (total,), word, span) if sign < 0 else total, dtype, span)


def _pair(
    g: Graph, one: tuple[Node, int], other: tuple[Node, int], word: IntType | None, span: Span
) -> tuple[Node, int]:
    """Two terms with signs as one."""
    (a, s), (b, t) = one, other
    if s == t:
        return g.apply(ops.ADD, (a, b), word, span), s
    return g.apply(ops.SUB, (a, b) if s > 0 else (b, a), word, span), 1


# ------------------------------------------------------------------------------------------------------------ division


def floordiv(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """The floored quotient."""
    return g.cast(_divmod(g, args, span)[0], dtype, span)


def mod(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """The remainder with the divisor's sign."""
    return g.cast(_divmod(g, args, span)[1], dtype, span)


def _divmod(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, Node]:
    a, b = args
    key = ("divmod", a, b)
    if key not in g.known:
        pair = _by_known(g, a, b.value, span) if _is_const(b) else _by_variable(g, a, b, span)
        g.known[key] = pair  # type: ignore[assignment]
    return g.known[key]  # type: ignore[return-value]


def _by_known(g: Graph, a: Node, c: int, span: Span) -> tuple[Node, Node]:
    if c == 0:
        zero = g.const(0, None, span)
        return zero, zero
    if c < 0:
        quotient, rest = _by_known(g, g.apply(ops.NEG, (a,), None, span), -c, span)
        return quotient, g.apply(ops.NEG, (rest,), None, span)
    if c & (c - 1) == 0:
        shift = c.bit_length() - 1
        quotient = g.apply(ops.SHR, (a, g.const(shift, None, span)), None, span) if shift else a
        rest = g.apply(ops.AND, (a, g.const(c - 1, None, span)), None, span)
        return quotient, rest
    own = _int(a)
    sign = g.apply(ops.LT, (a, g.const(0, None, span)), BOOL, span) if own.signed else None
    size = a if sign is None else g.apply(ops.SELECT, (sign, g.apply(ops.INVERT, (a,), None, span), a), None, span)
    width = own.width - own.signed
    size = g.cast(size, IntType(max(width, 1), False), span)
    scale = width + (c - 1).bit_length()
    factor = g.const(-(-(1 << scale) // c), None, span)
    product = g.apply(ops.MUL, (size, factor), None, span)
    quotient = g.apply(ops.SHR, (product, g.const(scale, None, span)), None, span)
    if sign is not None:
        quotient = g.apply(ops.SELECT, (sign, g.apply(ops.INVERT, (quotient,), None, span), quotient), None, span)
    back = g.apply(ops.MUL, (quotient, g.const(c, None, span)), None, span)
    rest = g.apply(ops.SUB, (a, back), None, span)
    return quotient, g.cast(rest, IntType((c - 1).bit_length(), False), span)


def _by_variable(g: Graph, a: Node, b: Node, span: Span) -> tuple[Node, Node]:
    zero = g.const(0, None, span)
    minus_a, size_a = _sign_and_size(g, a, span)
    minus_b, size_b = _sign_and_size(g, b, span)
    made = g.unit(g.shared.serving(divider(size_a.width, size_b.width)), (size_a, size_b), span)
    quotient, rest = (g.cast(n, size.dtype, span) for n, size in zip(made, (size_a, size_b), strict=True))
    if minus_a is not None or minus_b is not None:
        quotient, rest = _floored(g, (minus_a, minus_b), quotient, rest, size_b, span)
    by_zero = g.apply(ops.EQ, (b, zero), BOOL, span)
    return (
        g.apply(ops.SELECT, (by_zero, zero, quotient), None, span),
        g.apply(ops.SELECT, (by_zero, zero, rest), None, span),
    )


def _sign_and_size(g: Graph, n: Node, span: Span) -> tuple[Node | None, Node]:
    own = _int(n)
    if not own.signed:
        return None, g.cast(n, own, span)
    sign = g.apply(ops.LT, (n, g.const(0, None, span)), BOOL, span)
    return sign, g.apply(ops.ABS, (n,), None, span)


def _floored(
    g: Graph, signs: tuple[Node | None, Node | None], quotient: Node, rest: Node, size_b: Node, span: Span
) -> tuple[Node, Node]:
    """From the quotient and remainder of sizes to those of the signed values, floored."""
    no = g.const(0, BOOL, span)
    minus_a, minus_b = (no if s is None else s for s in signs)
    differ = g.apply(ops.XOR, (minus_a, minus_b), BOOL, span)
    exact = g.apply(ops.EQ, (rest, g.const(0, None, span)), BOOL, span)
    negated = g.apply(ops.NEG, (quotient,), None, span)
    below = g.apply(ops.SUB, (negated, g.const(1, None, span)), None, span)
    crossed = g.apply(ops.SELECT, (exact, negated, below), None, span)
    complement = g.apply(ops.SUB, (size_b, rest), None, span)
    size = g.apply(ops.SELECT, (exact, g.const(0, None, span), complement), None, span)
    magnitude = g.apply(ops.SELECT, (differ, size, rest), None, span)
    signed = g.apply(ops.NEG, (magnitude,), None, span)
    return (
        g.apply(ops.SELECT, (differ, crossed, quotient), None, span),
        g.apply(ops.SELECT, (minus_b, signed, magnitude), None, span),
    )


SPECIAL: dict[ops.Op, Special] = {
    ops.MUL: multiply,
    ops.FLOORDIV: floordiv,
    ops.MOD: mod,
    ops.ADD: add,
    ops.SUB: subtract,
    ops.SELECT: halves.shifted,
}
