"""The op table's ops on words: one table, keyed by op.

A function gets the terms' maker, the result type, and the operands with their types; it gives the word of the result.
Floats are the words of their patterns. What a circuit has a unit for (a float's sum, an exponential) is a function that
nothing is known of, by the name of its definition; what it makes of gates is written out here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from gemel.semantics import floats, ops, tower
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import BOOL, FLOATS, BoolType, DType, FixedType, FloatType, width_of
from gemel.semantics.ir import Apply, Const, Expr, Let, Load, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.storage import to_values
from gemel.semantics.symbolic import floors
from gemel.semantics.symbolic.terms import Value, Words

if TYPE_CHECKING:
    from gemel.semantics.tower import Definition

Typed = tuple[Value, DType]
Meaning = Callable[[Words, DType, Sequence[Typed]], Value]

WRITTEN_OUT = (*floats.IN_PLACE, ops.NEG, ops.BITCAST)
"""The ops on floats that are made of gates in place."""


class Unsupported(Exception):
    """Something that has no meaning on symbols; the text says what."""


def is_signed(dtype: DType) -> bool:
    """Whether words of a type stand for numbers below 0."""
    return bool(getattr(dtype, "signed", False))


def extended(words: Words, x: Typed, w: int) -> Value:
    """An integer's word at another width: cut, or extended as its type says."""
    v, dtype = x
    return words.resized(v, width_of(dtype), w, is_signed(dtype))


def apply(words: Words, op: Op, dtype: DType, args: Sequence[Typed]) -> Value:
    """The word of an op's result.

    Raises Unsupported where the op has no meaning on symbols.
    """
    if isinstance(dtype, FixedType) or any(isinstance(t, FixedType) for _, t in args):
        raise Unsupported(f"{op.name} of fixed-point numbers")
    if op is not ops.SELECT and (isinstance(dtype, FloatType) or any(isinstance(t, FloatType) for _, t in args)):
        return _on_floats(words, op, dtype, args)
    found = MEANINGS.get(op)
    if found is None:
        raise Unsupported(f"{op.name} of {args[0][1]}")
    return found(words, dtype, args)


# ------------------------------------------------------------------------------------------------------------- integers


def _arithmetic(name: str) -> Meaning:
    def meaning(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
        w = width_of(dtype)
        a, b = (extended(words, x, w) for x in args)
        return getattr(words, name)(w, a, b)

    return meaning


def _common(args: Sequence[Typed]) -> tuple[int, bool]:
    """A width that holds all operands as numbers of one kind, and whether that is signed."""
    mixed = any(is_signed(t) for _, t in args)
    return max(width_of(t) + (mixed and not is_signed(t)) for _, t in args), mixed


def _compare(name: str, turned: bool = False, inverted: bool = False) -> Meaning:
    def meaning(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
        w, mixed = _common(args)
        a, b = (extended(words, x, w) for x in (reversed(args) if turned else args))
        kind = "eq" if name == "eq" else "slt" if mixed else "ult"
        found = getattr(words, kind)(w, a, b)
        return words.xor(1, found, 1) if inverted else found

    return meaning


def _choose(least: bool) -> Meaning:
    def meaning(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
        w = width_of(dtype)
        first = MEANINGS[ops.LT](words, BOOL, args)
        a, b = (extended(words, x, w) for x in args)
        return words.ite(w, first, a, b) if least else words.ite(w, first, b, a)

    return meaning


def _floor(rest: bool) -> Meaning:
    """Division that floors; by 0 it gives 0."""

    def meaning(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
        out = width_of(dtype)
        w, mixed = _common(args)
        w = max(w + mixed, out)
        a, b = (extended(words, x, w) for x in args)
        return words.ext((floors.signed if mixed else floors.unsigned)(words, w, a, b)[rest], 0, out)

    return meaning


def _shift(left: bool) -> Meaning:
    def meaning(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
        (a, at), (by, bt) = args
        out, m = width_of(dtype), width_of(bt)
        if is_signed(bt):
            by = words.ite(m, words.ext(by, m - 1, 1), 0, by)
        if left:
            return words.shl(out, extended(words, (a, at), out), by, m)
        w = max(width_of(at), out)
        wide = extended(words, (a, at), w)
        return words.ext(words.ashr(w, wide, by, m) if is_signed(at) else words.lshr(w, wide, by, m), 0, out)

    return meaning


def _neg(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    w = width_of(dtype)
    return words.neg(w, extended(words, args[0], w))


def _abs(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    w, (v, t) = width_of(dtype), args[0]
    wide = extended(words, args[0], w)
    return words.ite(w, words.ext(v, width_of(t) - 1, 1), words.neg(w, wide), wide) if is_signed(t) else wide


def _invert(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    w = width_of(dtype)
    return words.inv(w, extended(words, args[0], w))


def _bits(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    (v, t), (hi, _), (lo, _) = args
    if type(hi) is not int or type(lo) is not int:
        raise Unsupported("bits at places that aren't known")
    return words.ext(words.zext(v, width_of(t), max(hi + 1, width_of(t))), lo, hi - lo + 1)


def _concat(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    return words.cat(*[x for v, t in args for x in (width_of(t), v)])


def _select(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    w = width_of(dtype)
    arms = [v if t == dtype else extended(words, (v, t), w) for v, t in args[1:]]
    return words.ite(w, args[0][0], *arms)


def _cast(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    v, t = args[0]
    if isinstance(dtype, BoolType) and not isinstance(t, BoolType):
        return words.xor(1, words.eq(width_of(t), v, 0), 1)
    return extended(words, args[0], width_of(dtype))


def _saturate(words: Words, dtype: DType, args: Sequence[Typed]) -> Value:
    v, t = args[0]
    w, own = width_of(dtype), width_of(t)
    wide = max(w, own) + 2
    x = extended(words, (v, t), wide)
    top = (1 << (w - is_signed(dtype))) - 1
    least = -(1 << (w - 1)) if is_signed(dtype) else 0
    mask = (1 << wide) - 1
    low = words.slt(wide, x, least & mask)
    high = words.slt(wide, top, x)
    return words.ite(w, low, least & ((1 << w) - 1), words.ite(w, high, top, words.ext(x, 0, w)))


MEANINGS: dict[Op, Meaning] = {
    ops.ADD: _arithmetic("add"),
    ops.SUB: _arithmetic("sub"),
    ops.MUL: _arithmetic("mul"),
    ops.FLOORDIV: _floor(rest=False),
    ops.MOD: _floor(rest=True),
    ops.NEG: _neg,
    ops.ABS: _abs,
    ops.MIN: _choose(least=True),
    ops.MAX: _choose(least=False),
    ops.AND: _arithmetic("and_"),
    ops.OR: _arithmetic("or_"),
    ops.XOR: _arithmetic("xor"),
    ops.INVERT: _invert,
    ops.SHL: _shift(left=True),
    ops.SHR: _shift(left=False),
    ops.BITS: _bits,
    ops.CONCAT: _concat,
    ops.EQ: _compare("eq"),
    ops.NE: _compare("eq", inverted=True),
    ops.LT: _compare("lt"),
    ops.LE: _compare("lt", turned=True, inverted=True),
    ops.GT: _compare("lt", turned=True),
    ops.GE: _compare("lt", inverted=True),
    ops.LAND: _arithmetic("and_"),
    ops.LOR: _arithmetic("or_"),
    ops.LNOT: lambda words, dtype, args: words.xor(1, args[0][0], 1),
    ops.SELECT: _select,
    ops.CAST: _cast,
    ops.NARROW: _cast,
    ops.SATURATE: _saturate,
    ops.BITCAST: lambda words, dtype, args: args[0][0],
}
"""By op: the word of its result on integers and bools."""


# --------------------------------------------------------------------------------------------------------------- floats

KNOWN: dict[str, tuple[Op, DType, DType]] = {}
"""By name: the op, operand and result type of a function that terms leave alone."""


@cache
def function_name(op: Op, source: DType, target: DType) -> str:
    """The name of the function that an op on floats is, where it is left alone."""
    name = f"{target}_{op.name}" if op in ops.ELEMENTARY else floats.definition(op, source, target).name
    KNOWN[name] = op, source, target
    return name


def known_function(name: str, words: tuple[int, ...]) -> int:
    """The result of a function on known words."""
    if name not in KNOWN:
        _register()
    if name not in KNOWN:
        made = definition_named(name)
        if made is None:
            raise Unsupported(f"the function {name}")
        return int(written_out(Words(), made, words))
    op, source, target = KNOWN[name]
    values = tuple(from_bits(v, source) for v in words)
    return int(to_bits(op.meaning(target, (source,) * len(values), values), target))


def _on_floats(words: Words, op: Op, dtype: DType, args: Sequence[Typed]) -> Value:
    source = args[0][1]
    if op is ops.BITCAST and not (isinstance(source, FloatType) and source != dtype):
        return args[0][0]
    target = source if op is ops.BITCAST else dtype
    if op in WRITTEN_OUT or dtype == BOOL:
        return written_out(words, floats.definition(op, source, target), [v for v, _ in args])
    name = function_name(op, source, dtype)
    given = tuple(v for v, _ in args)
    if all(type(v) is int for v in given):
        return known_function(name, given)
    return words.app(name, width_of(dtype), *given)


def written_out(words: Words, made: Definition, args: Sequence[Value], scales: bool = False) -> Value:
    """The result of a definition by its own ops; with `scales`, what is x * 2**k comes of the function that scales."""
    env: dict[Var, Value] = dict(zip(made.params, args, strict=True))
    for let in made.lets:
        env[let.var] = (_scaled(words, made, let, env) if scales else None) or _value(words, let.value, env)
    result = _value(words, made.result, env)
    if made.rare is None or made.otherwise is None:
        return result
    rare = _value(words, made.rare, env)
    return words.ite(width_of(made.result.dtype), rare, written_out(words, made.otherwise, args, scales), result)


def _scaled(words: Words, made: Definition, let: Let, env: Mapping[Var, Value]) -> Value | None:
    """A number times a power of two as one function; None where a value is nothing of that kind."""
    if let.var not in made.scaled or not isinstance(let.var.dtype, FloatType):
        return None
    args = tuple(_value(words, e, env) for e in made.scaled[let.var])
    return words.app(floats.scaling(let.var.dtype).name, width_of(let.var.dtype), *args)


def _value(words: Words, e: Expr, env: Mapping[Var, Value]) -> Value:
    """The word of an expression of a definition; what it loads from are tables."""
    match e:
        case Const():
            return int(to_bits(e.value, e.dtype))
        case Ref():
            return env[e.var]
        case Apply():
            return apply(words, e.op, e.dtype, [(_value(words, a, env), a.dtype) for a in e.args])
        case Load():
            if e.buffer.data is None:
                raise Unsupported(f"a definition that loads from {e.buffer.hint}")
            cells = tuple(int(to_bits(v, e.dtype)) for v in to_values(e.buffer.data, e.dtype))
            index = _value(words, e.indices[0], env)
            return words.pick(width_of(e.dtype), words.ext(index, 0, max(1, (len(cells) - 1).bit_length())), cells)


@cache
def definition_named(name: str) -> Definition | None:
    """The definition in integers of the function of a name; None where there is none of that name."""
    if not KNOWN.get(name):
        _register()
    if name in KNOWN:
        op, source, target = KNOWN[name]
        return tower.definition(op, target) if op in ops.ELEMENTARY else floats.definition(op, source, target)
    scaled = [t for t in FLOATS.values() if floats.scaling(t).name == name]
    return floats.scaling(scaled[0]) if scaled else None


def _register() -> None:
    """Notes the names of all functions of one format."""
    for t in FLOATS.values():
        for op in ops.TABLE.values():
            if op in ops.ELEMENTARY or (floats.is_defined(op) and op not in (ops.CAST, ops.SATURATE, ops.BITCAST)):
                function_name(op, t, t)
        for other in FLOATS.values():
            if other != t:
                function_name(ops.CAST, t, other)
