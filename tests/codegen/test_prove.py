"""LLVM IR on symbols: what is generated is proved, what was changed in it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import gemel as gm
from gemel import f32, i16, i32, u8
from gemel.codegen.prove.proof import prove
from gemel.codegen.prove.reading import Type, float_word, read

M, N, K = gm.dims("M N K")


@gm.kernel
def product(a: i32[M, K], b: i32[K, N]) -> i32[M, N]:
    c = gm.zeros((M, N), i32)
    for i in range(M):
        for j in range(N):
            for k in range(K):
                c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def real(a: f32[M, K], b: f32[K, N]) -> f32[M, N]:
    c = gm.zeros((M, N), f32)
    for i in range(M):
        for j in range(N):
            for k in range(K):
                c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def shares(x: f32[N]) -> f32[N]:
    y = gm.empty((N,), f32)
    s: f32 = 0.0
    for i in range(N):
        y[i] = gm.exp(x[i])
        s += y[i]
    for i in range(N):
        y[i] = y[i] / s
    return y


@gm.kernel
def average(x: gm.Int(12)[N], n: u8) -> i32:
    s: i32 = 0
    for i in range(N):
        if x[i] > 3:
            s += x[i]
        else:
            s -= 1
    return s // n


@gm.kernel
def lookup(table: u8[16], at: gm.Int(6)[N]) -> u8[N]:
    y = gm.empty((N,), u8)
    for i in range(N):
        y[i] = table[at[i]]
    return y


@gm.kernel
def counted(values: gm.UInt(3)[N]) -> i16[8]:
    out = gm.zeros((8,), i16)
    for i in range(N):
        out[values[i]] += 1
    return out


@gm.kernel
def clipped(x: i32[N], low: i32, flag: gm.bool_) -> i32[N]:
    y = gm.empty((N,), i32)
    for i in range(N):
        y[i] = max(x[i], low) if flag else min(x[i], low) >> 2
    return y


@gm.kernel
def smoothed(x: f32[N], steps: i32) -> f32[N]:
    t = gm.zeros((N,), f32)
    for _ in range(steps):
        for i in range(1, N - 1):
            t[i] = (x[i - 1] + x[i] + x[i + 1]) * 0.25
        for i in range(1, N - 1):
            x[i] = t[i]
    return t


PROVED: dict[str, tuple[Any, dict[str, int], dict[str, int]]] = {
    "small": (product, {"M": 3, "N": 4, "K": 2}, {}),
    "tiles and packed operands": (product, {"M": 17, "N": 19, "K": 9}, {}),
    "floats in lanes": (real, {"M": 5, "N": 17, "K": 3}, {}),
    "elementary functions": (shares, {"N": 21}, {}),
    "branches, odd widths and a division": (average, {"N": 5}, {}),
    "places that are data": (lookup, {"N": 3}, {}),
    "a histogram": (counted, {"N": 4}, {}),
    "scalars": (clipped, {"N": 9}, {}),
    "a known scalar": (smoothed, {"N": 8}, {"steps": 2}),
}


@pytest.mark.parametrize("name", PROVED)
def test_generated_code_is_proved(name: str) -> None:
    kernel, sizes, scalars = PROVED[name]
    found = kernel.compile(**sizes).prove(**scalars)
    assert found.ok and found.elements, str(found)


def test_a_bound_that_is_data_is_unknown() -> None:
    found = smoothed.compile(N=4).prove()
    assert found.status == "unknown" and "depends on the data" in found.why, str(found)


# ----------------------------------------------------------------------------------------------------- changed texts

CHANGES = (
    (r" add i32 ", " sub i32 "),
    (r" mul i32 ", " add i32 "),
    (r" fadd ", " fsub "),
    (r" fmul ", " fadd "),
    (r"icmp slt ", "icmp sle "),
    (r"icmp sgt ", "icmp sge "),
    (r"i64 (\d+)\n", lambda m: f"i64 {int(m[1]) + 1}\n"),
    (r"(add(?: nsw)? i64 %\w+), 1\b", r"\1, 2"),
    (r"store i32 0,", "store i32 1,"),
    (r"store (<\d+ x \w+>|i\d+|float) (%\w+), ptr (%\w+)", r"store \1 undef, ptr \3"),
    (r"\[ (\w[\w.]*), (%\w+) \], \[ (%\w+), (%\w+) \]", r"[ \1, \2 ], [ \1, \4 ]"),
    (r"select i1 (%\w+), (\w+) (\S+), (\w+) (\S+)\n", r"select i1 \1, \2 \5, \4 \3\n"),
)


SAME = {"  % = icmp sle i32 %, 0"}
"""Changes that change nothing: where a rest and its divisor are equal both are 0, and that is asked too."""


def changed(text: str) -> Iterator[str]:
    """The text with one place changed, for each place that a change fits, at most two of each."""
    for pattern, new in CHANGES:
        for found in list(re.finditer(pattern, text))[:2]:
            yield text[: found.start()] + re.sub(pattern, new, found[0], count=1) + text[found.end() :]


@pytest.mark.parametrize("name", ["small", "floats in lanes", "branches, odd widths and a division", "scalars"])
def test_changed_code_is_not_proved(name: str) -> None:
    kernel, sizes, _ = PROVED[name]
    code = kernel.compile(**sizes)
    texts = list(changed(code.llvm))
    assert len(texts) > 5
    for text in texts:
        found = prove(code.scheduled, text, 1.0, {})
        line = "\n".join(x for x in text.splitlines() if x not in code.llvm.splitlines())
        assert not found.ok or re.sub(r"%\w+", "%", line) in SAME, line


def test_a_wrong_flag_is_undefined_behaviour() -> None:
    code = product.compile(M=1, N=1, K=2)
    found = prove(code.scheduled, code.llvm.replace(" mul i32", " mul nsw i32"), 5.0, {})
    assert found.status == "refuted" and "undefined behaviour: mul nsw" in found.why and found.values


def test_a_dropped_check_is_found() -> None:
    code = lookup.compile(N=2)
    text = re.sub(r"br i1 %\w+, label (%fine\w+), label (%fail\w+)", r"br i1 true, label \1, label \2", code.llvm)
    found = prove(code.scheduled, text, 5.0, {})
    assert found.status == "refuted" and "whether a check fails" in found.why, str(found)


def test_reading() -> None:
    program = read(
        """
@t = private unnamed_addr constant [3 x i8] c"\\00a\\5C"
define <2 x i1> @f(<2 x float> %"a b", i1 %c) {
entry:
  %x = fcmp olt <2 x float> %"a b", <float 1.0, float 0x7FF0000000000000>
  %y = select i1 %c, <2 x i1> %x, <2 x i1> <i1 true, i1 false>
  ret <2 x i1> %y
}
"""
    )
    assert program.data == {"t": b"\0a\\"}
    first, second, _ = program.functions["f"].blocks["entry"]
    assert first.words == ("olt",) and first.operands[1][1] == (0x3F800000, 0x7F800000)
    assert second.type == Type("vector", 0, 2, (Type("int", 1),)) and second.operands[2][1] == (1, 0)
    assert float_word("-2.5", 32) == 0xC0200000 and float_word("0x7FF8000000000000", 32) == 0x7FC00000
