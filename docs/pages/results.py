"""The types of results: formulas that are checked against the type rules, and examples that are made by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gemel as gm
from gemel.semantics import ops
from gemel.semantics.dtypes import DType, IntType
from gemel.semantics.ops import Op
from gemel.semantics.typerules import Operand, RuleError
from pages import markdown
from pages.markdown import code, table

WIDTHS = (1, 2, 3, 7, 8, 12, 13, 31, 32, 64)
SYMBOLS = {"i": True, "u": False}
SIGNS = {"i": "signed", "u": "unsigned"}


@dataclass(frozen=True)
class Formula:
    """The result of an op at integers of widths a and b: its sign and, as an expression of a and b, its width."""

    op: Op
    written: str
    operands: str
    sign: str
    width: str


def _same(op: Op, written: str, signs: str, width: str) -> list[Formula]:
    """Formulas with one width: `ii:i uu:u` is signed of signed operands, unsigned of unsigned ones."""
    pairs = [part.split(":") for part in signs.split()]
    return [Formula(op, written, operands, sign, width) for operands, sign in pairs]


BINARY_FORMULAS = (
    *_same(ops.ADD, "x + y", "ii:i uu:u", "max(a, b) + 1"),
    *_same(ops.ADD, "x + y", "iu:i", "max(a, b + 1) + 1"),
    *_same(ops.ADD, "x + y", "ui:i", "max(a + 1, b) + 1"),
    *_same(ops.SUB, "x - y", "ii:i uu:i", "max(a, b) + 1"),
    *_same(ops.SUB, "x - y", "iu:i", "max(a, b + 1) + 1"),
    *_same(ops.SUB, "x - y", "ui:i", "max(a + 1, b) + 1"),
    *_same(ops.MUL, "x * y", "ii:i iu:i ui:i uu:u", "a + b"),
    *_same(ops.FLOORDIV, "x // y", "iu:i uu:u", "a"),
    *_same(ops.FLOORDIV, "x // y", "ii:i ui:i", "a + 1"),
    *_same(ops.MOD, "x % y", "ii:i ui:i iu:u uu:u", "b"),
    *_same(ops.AND, "x & y", "ii:i", "max(a, b)"),
    *_same(ops.AND, "x & y", "iu:u", "b"),
    *_same(ops.AND, "x & y", "ui:u", "a"),
    *_same(ops.AND, "x & y", "uu:u", "min(a, b)"),
    *_same(ops.OR, "x | y, x ^ y", "ii:i uu:u", "max(a, b)"),
    *_same(ops.OR, "x | y, x ^ y", "iu:i", "max(a, b + 1)"),
    *_same(ops.OR, "x | y, x ^ y", "ui:i", "max(a + 1, b)"),
    *_same(ops.SHR, "x >> y", "ii:i iu:i ui:u uu:u", "a"),
    *_same(ops.MIN, "min(x, y), max(x, y)", "ii:i uu:u", "max(a, b)"),
    *_same(ops.MIN, "min(x, y), max(x, y)", "iu:i", "max(a, b + 1)"),
    *_same(ops.MIN, "min(x, y), max(x, y)", "ui:i", "max(a + 1, b)"),
    *_same(ops.CONCAT, "gm.concat(x, y)", "ii:u iu:u ui:u uu:u", "a + b"),
)
SHIFTS = _same(ops.SHL, "x << y", "iu:i uu:u", "a + 2**b - 1")
"""Of y up to 12 bits."""
UNARY_FORMULAS = (
    *_same(ops.NEG, "-x", "i:i u:i", "a + 1"),
    *_same(ops.ABS, "abs(x)", "i:u u:u", "a"),
    *_same(ops.INVERT, "~x", "i:i", "a"),
    *_same(ops.INVERT, "~x", "u:i", "a + 1"),
)


def wrong(formula: Formula, widths: tuple[int, ...] = WIDTHS) -> Iterator[str]:
    """Where a formula says something else than the type rule."""
    for a in widths:
        for b in widths if len(formula.operands) == 2 else (0,):
            types = [IntType(w, SYMBOLS[s]) for w, s in zip((a, b), formula.operands, strict=False)]
            said = IntType(eval(formula.width, {"a": a, "b": b, "max": max, "min": min}), SYMBOLS[formula.sign])
            if formula.op.rule is None or formula.op.rule(tuple(map(Operand, types))) != said:
                yield f"{formula.written} of {types}: {said}"


BINARY = (
    *(ops.ADD, ops.SUB, ops.MUL, ops.DIV, ops.FLOORDIV, ops.MOD, ops.MIN),
    *(ops.AND, ops.OR, ops.SHL, ops.SHR, ops.EQ, ops.LAND),
)
HEADS = ("+", "-", "*", "/", "//", "%", "min max", "&", "| ^", "<<", ">>", "== <", "and or")
Q8, Q16 = gm.Fixed(8, 4), gm.Fixed(16, 12)
PAIRS: tuple[tuple[DType, DType], ...] = (
    (gm.bool_, gm.bool_), (gm.bool_, gm.i8), (gm.i8, gm.i8), (gm.u8, gm.u8), (gm.i8, gm.u8), (gm.u8, gm.i8),
    (gm.i8, gm.i32), (gm.u32, gm.UInt(3)), (gm.i64, gm.i64), (gm.index, gm.index), (gm.index, gm.i32),
    (Q8, Q8), (Q8, Q16), (Q8, gm.i8), (Q8, gm.f32), (gm.f32, gm.f32), (gm.f32, gm.f64), (gm.bf16, gm.f16), (gm.f32, gm.i32),
)  # fmt: skip
LITERALS = ((ops.FLOORDIV, 3), (ops.MOD, 10), (ops.AND, 15), (ops.SHL, 4), (ops.SHR, 3))


def result(op: Op, operands: tuple[Operand, ...]) -> str:
    """The result type, or the code of the error."""
    if op.rule is None:
        raise TypeError(f"{op} has no rule")
    try:
        return code(op.rule(operands))
    except RuleError as error:
        return error.code


def _examples() -> str:
    rows = [[code(f"{a}, {b}"), *(result(op, (Operand(a), Operand(b))) for op in BINARY)] for a, b in PAIRS]
    return table(["types", *map(code, HEADS)], rows)


def _literals() -> str:
    types = (gm.i8, gm.u8, gm.i32, gm.index)
    rows = [
        [code(f"x {op.symbol} {value}"), *(result(op, (Operand(t), Operand(t, value))) for t in types)]
        for op, value in LITERALS
    ]
    return table(["with a literal", *map(code, types)], rows)


UNARY = (ops.NEG, ops.ABS, ops.INVERT, ops.LNOT, ops.SQRT, ops.FLOOR, ops.EXP)
UNARY_HEADS = ("-x", "abs(x)", "~x", "not x", "gm.sqrt(x)", "gm.floor(x)", "gm.exp(x)")


def _unary() -> str:
    types = (gm.bool_, gm.i8, gm.u8, gm.index, Q8, gm.UFixed(8, 4), gm.f16, gm.f32)
    rows = [[code(t), *(result(op, (Operand(t),)) for op in UNARY)] for t in types]
    return table(["type", *map(code, UNARY_HEADS)], rows)


def mistakes() -> list[str]:
    """What the formulas say that the type rules don't."""
    whole = [w for f in (*BINARY_FORMULAS, *UNARY_FORMULAS) for w in wrong(f)]
    return whole + [w for f in SHIFTS for w in wrong(f, (1, 3, 8, 11))]


def _matrix(formulas: Sequence[Formula], columns: Sequence[str]) -> str:
    """A row for each op, a column for each pair of signs."""
    rows: dict[str, dict[str, str]] = {}
    for f in formulas:
        rows.setdefault(f.written, {})[f.operands] = code(f"{f.sign}({f.width})")
    heads = [", ".join(f"{name} {SIGNS[sign]}" for sign, name in zip(c, "xy", strict=False)) for c in columns]
    return table(["", *heads], [[code(name), *(row.get(c, "T05") for c in columns)] for name, row in rows.items()])


def page() -> str:
    """The page."""
    return markdown.page(
        "Types of results",
        "The result of an operation on integers holds every value that it can have. Nothing wraps before a store, a cast, or a variable with a type.",
        "## Integers\n\n`i(w)` is a signed integer of `w` bits, `u(w)` an unsigned one. The columns say whether `x`, of `a` bits, and `y`, of `b` bits, are signed. "
        "A `bool` counts as `u(1)`.",
        _matrix([*BINARY_FORMULAS, *SHIFTS], ["ii", "iu", "ui", "uu"]),
        _matrix(UNARY_FORMULAS, ["i", "u"]),
        "A left shift by an amount of a wider or signed type is an error (T05): mask it, `x << (n & 31)`. A result beyond 4096 bits is one too (T06).\n\n"
        "The type `index` (sizes, loop variables) is closed: `index` with `index` or a literal gives `index`, "
        "64 bits, and wraps; `verify` knows that. With another integer it counts as `i(64)`.",
        _literals(),
        "## Fixed point\n\n`Fixed(w, f)` is an integer of `w` bits times 2**-f. For `+`, `-`, `min` and `max` both sides are brought to the larger `f`, "
        "then the rule for integers applies. A product has `f` and `w` added up. An integer counts as `Fixed(w, 0)`.",
        "## Floats\n\nBoth sides have one format, the result too; anything else needs a cast.",
        "## Examples\n\nMade by the type rules themselves; a code such as T02 is the error of that operation.",
        _examples(),
        _unary(),
        "Comparisons give `bool` and compare exact values, whatever the widths. `and`, `or`, `not` take `bool`s; a number in a condition counts as `x != 0`. "
        "`gm.where(c, a, b)` and `a if c else b` give the type that `min` gives.",
    )
