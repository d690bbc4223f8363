"""Words of a netlist as bits: operators with carries and products as measured, gates for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gemel.hwsynth.dag import shape
from gemel.hwsynth.estimate.network import FALSE, TRUE, Network
from gemel.hwsynth.targets import Target
from gemel.semantics import ops
from gemel.semantics.convert import to_bits
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref, Var
from gemel.semantics.ops import Op

Bits = tuple[int, ...]
"""A word's bits, the lowest first."""


@dataclass(frozen=True)
class Hard:
    """Something that is no gate: what it takes up, and the bits that it gives and needs."""

    kind: str
    area: Mapping[str, float]
    outputs: Bits
    inputs: Bits
    setup: float = 0.0


@dataclass
class Words:
    """The words met so far, and what is made outside of the gates."""

    target: Target
    net: Network
    of: dict[Var, Bits] = field(default_factory=dict)
    made: dict[Expr, Bits] = field(default_factory=dict)
    hard: list[Hard] = field(default_factory=list)
    zeros: dict[Expr, int] = field(default_factory=dict)
    """The bits of sums that are seen to be one operand's: what later turns out to be constant stays in the sum."""

    def bits(self, e: Expr) -> Bits:
        """The bits of an expression; what it reads is known."""
        match e:
            case Const():
                value = to_bits(int(e.value), e.dtype)
                return tuple(value >> n & 1 for n in range(shape(e).width))
            case Ref():
                return self.of[e.var]
            case Apply():
                if e not in self.made:
                    self.made[e] = RULES[e.op](self, e)
                return self.made[e]
            case Load():
                raise TypeError("a load in a netlist")

    def args(self, e: Apply) -> list[Bits]:
        """The operands' bits."""
        return [self.bits(a) for a in e.args]

    def even(self, *args: Expr) -> list[Bits]:
        """The operands' bits, all as many as the widest has."""
        width = max(shape(a).width for a in args)
        return [extended(self.bits(a), width, shape(a).signed) for a in args]

    def operator(self, kind: str, row: str, size: int, inputs: Sequence[Bits], width: int) -> Bits:
        """The result of an operator of a row of the target's data, from inputs that tables must make."""
        table = self.target.rows[row]
        return self.block(kind, table.area(size), table.delay(size), inputs, width)

    def block(self, kind: str, area: Mapping[str, float], delay: float, inputs: Sequence[Bits], width: int) -> Bits:
        """New bits that something hard gives some time after its inputs."""
        read = tuple(b for word in inputs for b in word if b > TRUE)
        at = max(map(self.net.time, read), default=0.0) + delay
        outputs = tuple(self.net.leaf(at) for _ in range(width))
        self.hard.append(Hard(kind, area, outputs, read))
        return outputs


def extended(word: Bits, width: int, signed: bool) -> Bits:
    """The word cut, or grown by its sign or zeros."""
    return word[:width] + (word[-1] if signed else FALSE,) * (width - len(word))


def significant(word: Bits) -> Bits:
    """The word without the bits at its top that repeat the one below."""
    n = len(word)
    while n > 1 and word[n - 1] == word[n - 2]:
        n -= 1
    return word[:n]


def _constant(word: Bits) -> bool:
    return all(b <= TRUE for b in word)


# ---------------------------------------------------------------------------------------------------------------- wires


def _cast(w: Words, e: Apply) -> Bits:
    source = shape(e.args[0])
    return extended(w.bits(e.args[0]), shape(e).width, source.signed)


def _slice(w: Words, e: Apply) -> Bits:
    _, hi, lo = e.args
    if not (isinstance(hi, Const) and isinstance(lo, Const)):
        raise TypeError("bits with bounds that are no literals")
    return extended(w.bits(e.args[0])[int(lo.value) : int(hi.value) + 1], shape(e).width, False)


def _concat(w: Words, e: Apply) -> Bits:
    return tuple(b for word in reversed(w.args(e)) for b in word)


# ---------------------------------------------------------------------------------------------------------------- gates


def _bitwise(gate: Callable[[Network, int, int], int]) -> Callable[[Words, Apply], Bits]:
    def rule(w: Words, e: Apply) -> Bits:
        a, b = w.even(*e.args)
        return tuple(gate(w.net, x, y) for x, y in zip(a, b, strict=True))

    return rule


def _invert(w: Words, e: Apply) -> Bits:
    return tuple(b ^ 1 for b in w.bits(e.args[0]))


def _select(w: Words, e: Apply) -> Bits:
    (c,), (a, b) = w.bits(e.args[0]), w.even(*e.args[1:])
    return tuple(w.net.choose(c, x, y) for x, y in zip(a, b, strict=True))


def _equal(negated: bool) -> Callable[[Words, Apply], Bits]:
    def rule(w: Words, e: Apply) -> Bits:
        a, b = w.even(*e.args)
        return (reduced(w.net.both, [w.net.differ(x, y) ^ 1 for x, y in zip(a, b, strict=True)]) ^ negated,)

    return rule


def reduced(gate: Callable[[int, int], int], bits: list[int]) -> int:
    """A balanced tree of gates."""
    while len(bits) > 1:
        bits = [gate(*bits[n : n + 2]) if n + 1 < len(bits) else bits[n] for n in range(0, len(bits), 2)]
    return bits[0]


def _shift(left: bool) -> Callable[[Words, Apply], Bits]:
    def rule(w: Words, e: Apply) -> Bits:
        word, amount = w.args(e)
        if left:  # what leaves the operand's width stays in the result's
            word = extended(word, max(len(word), shape(e).width), shape(e.args[0]).signed)
        fill = word[-1] if not left and shape(e.args[0]).signed else FALSE
        for k, choice in enumerate(amount):
            moved = _moved(word, min(1 << k, len(word)), left, fill)
            word = tuple(w.net.choose(choice, x, y) for x, y in zip(moved, word, strict=True))
        return extended(word, shape(e).width, shape(e.args[0]).signed)

    return rule


def _moved(word: Bits, by: int, left: bool, fill: int) -> Bits:
    return (FALSE,) * by + word[: len(word) - by] if left else word[by:] + (fill,) * by


# -------------------------------------------------------------------------------------------------------------- carries


def _add(w: Words, e: Apply) -> Bits:
    a, b = w.even(*e.args)
    return _added(w, e, a, b, FALSE)


def _sub(w: Words, e: Apply) -> Bits:
    a, b = w.even(*e.args)
    return _added(w, e, a, tuple(x ^ 1 for x in b), TRUE)


def _neg(w: Words, e: Apply) -> Bits:
    (a,) = w.args(e)
    return _added(w, e, (FALSE,) * len(a), tuple(x ^ 1 for x in a), TRUE)


def _added(w: Words, e: Expr, a: Bits, b: Bits, carry: int) -> Bits:
    """a + b + carry, as wide as they are; where zeros at the bottom are in sight, a sum of what is above them."""
    low = w.zeros.setdefault(e, _zeros_below(a, b) if carry == FALSE else 0)
    below = tuple(max(pair) for pair in zip(a[:low], b[:low], strict=True))
    if low == len(a):
        return below
    x, y = significant(a[low:]), significant(b[low:])
    if FALSE in (*x[:1], *y[:1]) and 1 in (len(x), len(y)) and carry == FALSE:
        return below + (b if len(x) == 1 else a)[low:]
    width = min(max(len(x), len(y)) + 1, len(a) - low)
    x, y = extended(x, width, True), extended(y, width, True)
    total = _rippled(w, x, y, carry) if width < w.target.fabric.carry_from else _carried(w, x, y)
    return below + extended(total, len(a) - low, True)


def _zeros_below(a: Bits, b: Bits) -> int:
    """The bits at the bottom of a sum in which one operand is zero."""
    return next((n for n, pair in enumerate(zip(a, b, strict=True)) if FALSE not in pair), len(a))


def _rippled(w: Words, a: Bits, b: Bits, carry: int) -> Bits:
    """A sum too short for a chain of carries: in gates."""
    total = []
    for x, y in zip(a, b, strict=True):
        half = w.net.differ(x, y)
        total.append(w.net.differ(half, carry))
        carry = w.net.choose(half, carry, x)
    return tuple(total)


def _carried(w: Words, a: Bits, b: Bits) -> Bits:
    row = "increment" if _constant(a) or _constant(b) else "add"
    if not w.target.fabric.carry_gates:
        return w.operator("adders", row, len(a), (a, b), len(a))
    halves = tuple(w.net.differ(x, y) for x, y in zip(a, b, strict=True))
    one = b if _constant(a) or all(not w.net.fanins[x >> 1] for x in b) else a
    return w.block("adders", {}, w.target.rows[row].delay(len(a)) - w.net.tables.level, (halves, one), len(a))


def _less(swapped: bool, negated: bool) -> Callable[[Words, Apply], Bits]:
    def rule(w: Words, e: Apply) -> Bits:
        a, b = w.even(*(e.args[::-1] if swapped else e.args))
        signed = shape(e.args[0]).signed
        return (_is_less(w, a, b, signed) ^ negated,)

    return rule


def _is_less(w: Words, a: Bits, b: Bits, signed: bool) -> int:
    if signed and all(x == FALSE for x in b):
        return a[-1]
    if signed:  # as unsigned ones, with the signs turned over
        a, b = (*a[:-1], a[-1] ^ 1), (*b[:-1], b[-1] ^ 1)
    else:
        width = max(len(a) - _zeros(a), len(b) - _zeros(b), 1)
        a, b = a[:width], b[:width]
    if len(a) < w.target.fabric.carry_from:
        return _borrows(w, a, b)
    row = "less_constant" if _constant(a) or _constant(b) else "less"
    (bit,) = w.operator("comparators", row, len(a), (a, b), 1)
    return bit


def _zeros(word: Bits) -> int:
    """The constant zeros at the top."""
    return next((n for n, b in enumerate(reversed(word)) if b != FALSE), len(word))


def _borrows(w: Words, a: Bits, b: Bits) -> int:
    borrow = FALSE
    for x, y in zip(a, b, strict=True):
        borrow = w.net.choose(w.net.differ(x, y), y, borrow)
    return borrow


# -------------------------------------------------------------------------------------------------------------- choices


def _abs(w: Words, e: Apply) -> Bits:
    (a,) = w.args(e)
    flipped = _added(w, e, (FALSE,) * len(a), tuple(x ^ 1 for x in a), TRUE)
    size = tuple(w.net.choose(a[-1], x, y) for x, y in zip(flipped, a, strict=True))
    return extended(size if shape(e.args[0]).signed else a, shape(e).width, False)


def _choose(least: bool) -> Callable[[Words, Apply], Bits]:
    def rule(w: Words, e: Apply) -> Bits:
        a, b = w.even(*e.args)
        first = _is_less(w, a, b, shape(e.args[0]).signed) ^ (not least)
        return tuple(w.net.choose(first, x, y) for x, y in zip(a, b, strict=True))

    return rule


def _saturate(w: Words, e: Apply) -> Bits:
    """The low bits, or the end of the range where those above them aren't all alike."""
    (a,), width = w.args(e), shape(e).width
    top = width - shape(e).signed
    if len(a) <= top:
        return extended(a, width, shape(e.args[0]).signed)
    sign = a[-1] if shape(e.args[0]).signed else FALSE
    fits = reduced(w.net.both, [w.net.differ(x, sign) ^ 1 for x in a[top:]])
    end = (sign ^ 1,) * top + (sign,) * shape(e).signed
    return tuple(w.net.choose(fits, x, y) for x, y in zip((*a[:top], *(sign,) * shape(e).signed), end, strict=True))


# ------------------------------------------------------------------------------------------------------------- products


def _multiply(w: Words, e: Apply) -> Bits:
    a, b = map(significant, w.args(e))
    width = shape(e).width
    if (_constant(a) or _constant(b)) and any(all(x == FALSE for x in n) for n in (a, b)):
        return (FALSE,) * width
    narrow, wide = sorted((len(a), len(b)))
    most, least = w.target.multiplier
    size = min(wide, least) if wide <= most and narrow <= least else wide  # rows are of squares
    return w.operator("multipliers", "multiply", size, (a, b), width)


def _divide(w: Words, e: Apply) -> Bits:
    """A quotient or remainder that synthesis is left with: a subtraction for each bit."""
    a, b = w.args(e)
    row = w.target.rows["add"]
    area = {r: n * len(a) for r, n in row.area(len(a)).items()}
    return w.block("dividers", area, row.delay(len(a)) * len(a), (a, b), shape(e).width)


RULES: dict[Op, Callable[[Words, Apply], Bits]] = {
    **dict.fromkeys((ops.CAST, ops.BITCAST), _cast),
    ops.BITS: _slice,
    ops.CONCAT: _concat,
    **dict.fromkeys((ops.AND, ops.LAND), _bitwise(Network.both)),
    **dict.fromkeys((ops.OR, ops.LOR), _bitwise(Network.either)),
    ops.XOR: _bitwise(Network.differ),
    **dict.fromkeys((ops.INVERT, ops.LNOT), _invert),
    ops.SELECT: _select,
    ops.EQ: _equal(False),
    ops.NE: _equal(True),
    ops.SHL: _shift(True),
    ops.SHR: _shift(False),
    ops.ADD: _add,
    ops.SUB: _sub,
    ops.NEG: _neg,
    ops.ABS: _abs,
    ops.MIN: _choose(True),
    ops.MAX: _choose(False),
    ops.SATURATE: _saturate,
    ops.MUL: _multiply,
    ops.LT: _less(False, False),
    ops.GE: _less(False, True),
    ops.GT: _less(True, False),
    ops.LE: _less(True, True),
    ops.FLOORDIV: _divide,
    ops.MOD: _divide,
}
"""What each op of a netlist becomes; registers are not lowered."""
