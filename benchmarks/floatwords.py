"""Float operators as functions of words against the CPU's own: `python benchmarks/floatwords.py [operator ...]`.

All operands where there are at most 2**24 of them (all pairs of 8-bit formats, all triples, all 16-bit numbers), else
corners and random words: each exponent next to an end or the bias, each mantissa next to an end, and words next to each
other. Both sides are compiled; any NaN is one value. The count and the differences go to the results.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from harness import Row, report

from gemel.kernel import of_ir
from gemel.semantics import build, floats, ops
from gemel.semantics.dtypes import (
    BF16,
    BOOL,
    F8E4M3,
    F8E5M2,
    F16,
    F32,
    F64,
    INDEX,
    BoolType,
    DType,
    FloatType,
    IntType,
    storage_bits,
    width_of,
)
from gemel.semantics.ir import Buffer, Expr, For, Kernel, Let, Load, LoopKind, Ref, Store, Var
from gemel.semantics.ops import Op
from gemel.semantics.span import BUILTIN

FORMATS = (F8E4M3, F8E5M2, F16, BF16, F32, F64)
OPERATORS = tuple(op for op in ops.TABLE.values() if floats.is_defined(op) and op not in (ops.SATURATE, ops.BITCAST))
INTEGERS = tuple(IntType(w, signed) for w in (8, 32, 64) for signed in (False, True))
CHUNK = 1 << 20
MOST = 1 << 24

Words = Any


def word_of(dtype: DType) -> DType:
    """How a value lies in an array of words."""
    return IntType(dtype.width, False) if isinstance(dtype, FloatType) else dtype


@cache
def mapped(op: Op, source: DType, target: DType, by_words: bool) -> Any:
    """The operator on arrays of words, compiled: its definition, or what the CPU does for floats."""
    n = Var("N", INDEX, BUILTIN)
    i = Var("i", INDEX, BUILTIN)
    shape, at = (Ref(n, BUILTIN),), (Ref(i, BUILTIN),)
    arrays = [Buffer(hint, word_of(source), shape, BUILTIN) for hint in "abc"[: op.arity]]
    out = Buffer("out", word_of(target), shape, BUILTIN)
    loads: list[Expr] = [Load(a, at, BUILTIN) for a in arrays]
    lets, result = _by_words(op, source, target, loads) if by_words else ((), _direct(op, source, target, loads))
    body = (*lets, Store(out, at, canonical(result, target), BUILTIN))
    bounds = (build.index(0), Ref(n, BUILTIN), build.index(1))
    loop = For(i, *bounds, LoopKind.SERIAL, body, BUILTIN)
    return of_ir(Kernel("mapped", (n,), tuple(arrays), (out,), (loop,), BUILTIN, scheduled=True))


def _by_words(op: Op, source: DType, target: DType, loads: list[Expr]) -> tuple[tuple[Let, ...], Expr]:
    made = floats.definition(op, source, target)
    given = tuple(Let(p, e, BUILTIN) for p, e in zip(made.params, loads, strict=True))
    return (*given, *made.lets), made.result


def _direct(op: Op, source: DType, target: DType, loads: list[Expr]) -> Expr:
    args = [build.bitcast(e, source, BUILTIN) if e.dtype != source else e for e in loads]
    return build.apply(op, *args, span=BUILTIN, dtype=target)


def canonical(e: Expr, target: DType) -> Expr:
    """The value as a word, with one NaN."""
    if not isinstance(target, FloatType):
        return e
    value = e if e.dtype == target else build.bitcast(e, target, BUILTIN)
    return build.bitcast(value, word_of(target), BUILTIN)


# ------------------------------------------------------------------------------------------------------------- operands


def corner_words(t: FloatType) -> Words:
    """Words of each sign with exponents and mantissas next to where something changes."""
    top, bias, m = (1 << t.exponent) - 1, t.bias, t.mantissa
    wanted = (0, 1, 2, bias - m - 1, bias - 1, bias, bias + 1, bias + m, bias + m + 1, top - 2, top - 1, top)
    exponents = {e for e in wanted if 0 <= e <= top}
    ones = (1 << m) - 1
    mantissas = {f & ones for f in (0, 1, 2, ones >> 1, (ones >> 1) + 1, (ones >> 1) + 2, ones - 1, ones)}
    made = [s << t.width - 1 | e << m | f for s in (0, 1) for e in sorted(exponents) for f in sorted(mantissas)]
    return np.array(made, _numpy(t))


def _numpy(t: DType) -> str:
    if isinstance(t, BoolType):
        return "?"
    signed = isinstance(t, IntType) and t.signed
    return f"{'i' if signed else 'u'}{storage_bits(t) // 8}"


def random_words(t: DType, count: int, rng: np.random.Generator) -> Words:
    """Words of which a third are corners, and of integers some are small."""
    if isinstance(t, BoolType):
        return rng.integers(0, 2, count).astype(bool)
    low, high = (t.lo, t.hi) if isinstance(t, IntType) else (0, (1 << width_of(t)) - 1)
    words = rng.integers(low, high, count, _numpy(t), endpoint=True)
    if isinstance(t, FloatType):
        corners = corner_words(t)
        return np.where(rng.random(count) < 1 / 3, corners[rng.integers(0, len(corners), count)], words)
    return words >> rng.integers(0, width_of(t), count).astype(words.dtype)


def near(words: Words, t: DType, rng: np.random.Generator) -> Words:
    """Words of which some are next to the given ones, with either sign: sums of such cancel."""
    if not isinstance(t, FloatType):
        return words
    steps = np.array([0, 1, 2, 1 << t.mantissa, (1 << t.mantissa) + 1, 1 << t.width - 1], words.dtype)
    return words ^ steps[rng.integers(0, len(steps), len(words))] ^ steps[rng.choice([0, 5], len(words))]


def operands(op: Op, source: DType, count: int, seed: int = 0) -> Iterator[tuple[Words, ...]]:
    """Arrays of operands: all there are, or the pairs of corners and then `count` random ones."""
    bits = width_of(source) * op.arity
    if 1 << bits <= max(count, 1 << 16):
        yield from _all_words(op, source, bits)
        return
    if isinstance(source, FloatType) and op.arity == 2:
        corners = corner_words(source)
        yield np.repeat(corners, len(corners)), np.tile(corners, len(corners))
    rng = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        drawn = [random_words(source, size, rng) for _ in range(op.arity)]
        if op.arity > 1:
            drawn[1] = np.where(rng.random(size) < 0.5, near(drawn[0], source, rng), drawn[1])
        if op.arity > 2:
            product = mapped(ops.MUL, source, source, False)(*drawn[:2])
            drawn[2] = np.where(rng.random(size) < 0.5, near(product, source, rng), drawn[2])
        yield tuple(drawn)


def _all_words(op: Op, source: DType, bits: int) -> Iterator[tuple[Words, ...]]:
    width = bits // op.arity
    for start in range(0, 1 << bits, CHUNK):
        flat = np.arange(start, min(start + CHUNK, 1 << bits), dtype=np.uint64)
        parts = (flat >> np.uint64(width * k) & np.uint64((1 << width) - 1) for k in range(op.arity))
        yield tuple(p.astype(_numpy(source).replace("i", "u")).view(_numpy(source)) for p in parts)


# ----------------------------------------------------------------------------------------------------------- comparison


def differences(op: Op, source: DType, target: DType, count: int) -> tuple[int, list[tuple[int, ...]]]:
    """How many operands were compared, and the first of those on which the two differ."""
    done, found = 0, []
    for words in operands(op, source, count):
        got = mapped(op, source, target, True)(*words)
        want = mapped(op, source, target, False)(*words)
        done += len(got)
        for k in np.flatnonzero(got != want)[:3]:
            found.append((*(int(w[k]) for w in words), int(got[k]), int(want[k])))
    return done, found[:3]


def cases(op: Op) -> Iterator[tuple[DType, DType]]:
    """The operand and result types of an operator."""
    if op is not ops.CAST:
        yield from ((t, BOOL if op in ops.RELATIONS else t) for t in FORMATS)
        return
    yield from itertools.permutations(FORMATS, 2)
    for t, whole in itertools.product(FORMATS, (*INTEGERS, BOOL)):
        yield from ((t, whole), (whole, t))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", nargs="*", help="all where none is named")
    parser.add_argument("--most", type=int, default=MOST, help="operands of one operator at one type")
    options = parser.parse_args()
    chosen = [op for op in OPERATORS if not options.operators or op.name in options.operators]
    rows: list[Row] = []
    for op in chosen:
        for source, target in cases(op):
            begun = time.perf_counter()
            count, found = differences(op, source, target, options.most)
            name = f"{op.name} {source}" + (f" to {target}" if op is ops.CAST else "")
            seconds = time.perf_counter() - begun
            print(f"{name}: {count:,} operands, {len(found)} differences {found or ''} ({seconds:.1f} s)", flush=True)
            rows.append({"operator": name, "operands": count, "differences": len(found)})
    report("floatwords", rows)


if __name__ == "__main__":
    main()
