"""Fills that nothing reads are left out, and others are not."""

from __future__ import annotations

import numpy as np
import pytest

import gemel as gm
from gemel.parser import parse
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Kernel, Store
from gemel.semantics.passes.overwritten import overwritten
from gemel.semantics.traverse import statements

FILL = "for i in 0 .. 8 { out[i] = 0:i32 }"
CHECK = 'assert assert (y > 0:i32) "positive"'
ZERO_T = "alloc t: i32[8] for i in 0 .. 8 { t[i] = 0:i32 }"
COPY = "for j in 0 .. 8 { out[j] = x[j] }"
ADD = "for k in 0 .. 8 { out[k] = narrow(out[k] + x[k]):i32 }"
GONE = {
    "every element": f"{FILL} {COPY}",
    "backwards": f"{FILL} for j in 0 .. 8 {{ out[7 - j] = x[j] }}",
    "tiles": f"{FILL} for a in 0 .. 4 {{ for b in 0 .. 2 {{ out[(a * 2) + b] = x[b] }} }}",
    "more after it": f"{FILL} {COPY} {ADD}",
    "nobody loads it": f"alloc t: i32[8] for i in 0 .. 8 {{ t[i] = x[i] }} {COPY}",
    "a copy of a fill": f"{ZERO_T} for i.1 in 0 .. 8 {{ out[i.1] = t[i.1] }} {COPY}",
    "in a loop": f"for a in 0 .. 2 {{ {FILL} {COPY} {ADD} }}",
}
KEPT = {
    "not every element": f"{FILL} for j in 0 .. 7 {{ out[j] = x[j] }}",
    "every second": f"{FILL} for j in 0 .. 4 {{ out[j * 2] = x[j] }}",
    "a sum": f"{FILL} {ADD}",
    "loaded between": f"{FILL} for j in 0 .. 8 {{ x[j] = out[7 - j] }} {COPY}",
    "a condition": f"{FILL} for j in 0 .. 8 {{ if x[j] > 0:i32 {{ out[j] = x[j] }} }}",
    "of the data": f"{FILL} for j in 0 .. 8 {{ out[cast(x[j] & 7:i32):index] = 1:i32 }}",
    "no iteration": f"{FILL} for a in 0 .. 0 {{ {COPY} }}",
    "an argument and a check": f"for i in 0 .. 8 {{ x[i] = 0:i32 }} {CHECK} for j in 0 .. 8 {{ x[j] = y out[j] = y }}",
}


def made(body: str) -> Kernel:
    return parse(f"kernel k(x: i32[8], y: i32) -> (out: i32[8]) {{ {body} }}")


def stores(k: Kernel) -> int:
    return sum(isinstance(s, Store) for s in statements(k.body))


def results(k: Kernel, y: int) -> list[list[int]]:
    x = np.arange(-3, 5, dtype=np.int32)
    out = interpret(k, [x, y])
    return [x.tolist(), np.asarray(out).tolist()]


@pytest.mark.parametrize("name", GONE)
def test_a_fill_that_is_overwritten_goes(name: str) -> None:
    before = made(GONE[name])
    after = overwritten(before)
    assert stores(after) < stores(before)
    assert results(after, 2) == results(before, 2)


@pytest.mark.parametrize("name", KEPT)
def test_others_stay(name: str) -> None:
    before = made(KEPT[name])
    assert overwritten(before) is before or stores(overwritten(before)) == stores(before)


def test_the_hardware_has_no_fill() -> None:
    copy = "for j in 0 .. 8 { out[7 - j] = x[j] }"
    filled, plain = (gm.parse(str(made(body))).synth() for body in (f"{FILL} {copy}", copy))
    assert filled.cycles == plain.cycles
