"""Deep and long programs: every stage answers, none runs out of Python's stack."""

from __future__ import annotations

import functools
import linecache
import operator
import time
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32
from gemel.semantics.ir import Apply, Expr, Load
from gemel.semantics.traverse import exprs_of, statements

N = 2000


def made(text: str, name: str) -> gm.Kernel:
    """The kernel that a source text defines."""
    file = f"<deep {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"gm": gm, "i32": i32, "f32": f32}
    exec(compile(text, file, "exec"), names)
    found = names[name]
    assert isinstance(found, gm.Kernel)
    return found


def agrees(k: gm.Kernel, a: np.ndarray, want: Any, rtl: bool = False) -> None:
    """The kernel through text, parser, interpreter, CPU and hardware."""
    text = str(k.ir)
    assert str(gm.parse(text).ir) == text
    np.testing.assert_array_equal(k.interpret(a), want)
    np.testing.assert_array_equal(k(a), want)
    if rtl:
        assert k.synth().verilog


def height(e: Expr) -> int:
    """The levels of an expression."""
    parts = e.args if isinstance(e, Apply) else e.indices if isinstance(e, Load) else ()
    return 1 + max(map(height, parts), default=0)


@gm.kernel
def summed(a: f32[8]) -> f32:
    return sum([a[i % 8] for i in gm.unroll(range(N))])


@gm.kernel
def reduced(a: i32[8]) -> i32:
    return i32(functools.reduce(operator.xor, [a[i % 8] + i for i in gm.unroll(range(N))]))


@gm.kernel
def fused(a: f32[4]) -> f32[4]:
    b = a
    for _ in gm.unroll(range(300)):
        b = b + a
    return b


def doubled(x: Any, n: int) -> Any:
    """A value whose tree has 2**n leaves, shared."""
    return functools.reduce(lambda y, _: operator.mul(y, y), range(n), x)


@gm.kernel
def squares(a: f32[1]) -> f32:
    return doubled(a[0], 40)


@pytest.mark.slow
def test_lists_of_values() -> None:
    a = np.arange(8, dtype=np.float32)
    agrees(summed, a, np.float32(N // 8 * 28))
    assert max(height(e) for s in statements(summed.ir.body) for e in exprs_of(s)) < 60


@pytest.mark.slow
def test_integers_that_grow() -> None:
    a = np.arange(8, dtype=np.int32)
    agrees(reduced, a, functools.reduce(operator.xor, [i % 8 + i for i in range(N)]), rtl=True)


@gm.kernel
def grown(a: i32[8]) -> i32:
    return i32(functools.reduce(operator.add, [a[i % 8] for i in gm.unroll(range(5000))]))


@pytest.mark.slow
def test_sums_of_which_each_is_a_bit_wider() -> None:
    a = np.arange(8, dtype=np.int32)
    assert grown.interpret(a) == grown(a) == 5000 // 8 * 28
    assert grown.verify().ok and grown.synth().cycles is not None


def test_ranges_are_found_once_for_each_part() -> None:
    start = time.process_time()
    assert summed_up.synth().cycles is not None
    assert time.process_time() - start < 5  # minutes, where each part looks at all that is below it


@gm.kernel
def summed_up(a: i32[8]) -> i32:
    return i32(functools.reduce(operator.add, [a[i % 8] for i in gm.unroll(range(400))]))


def test_tensors() -> None:
    agrees(fused, np.ones(4, np.float32), np.full(4, 301, np.float32))


def test_shared_parts_are_not_copied() -> None:
    assert squares(np.ones(1, np.float32)) == 1.0


@pytest.mark.slow
def test_operators_in_a_row() -> None:
    text = " + ".join(f"a[{n % 8}]" for n in range(N))
    k = made(f"@gm.kernel\ndef flat(a: f32[8]) -> f32:\n    return {text}\n", "flat")
    agrees(k, np.arange(8, dtype=np.float32), np.float32(N // 8 * 28))


def test_parentheses_as_deep_as_python_permits() -> None:
    text = "(" * 190 + "a[0]" + " + 1)" * 190
    agrees(
        made(f"@gm.kernel\ndef paren(a: i32[8]) -> i32:\n    return i32({text})\n", "paren"), np.zeros(8, np.int32), 190
    )


def test_signs_in_a_row() -> None:
    k = made(f"@gm.kernel\ndef signs(a: i32[8]) -> i32:\n    return i32({'~-' * 200}a[0])\n", "signs")
    agrees(k, np.full(8, 7, np.int32), 7 - 200, rtl=True)


def test_long_conjunction() -> None:
    text = " and ".join(f"a[{n % 8}] != {n + 10}" for n in range(500))
    k = made(f"@gm.kernel\ndef ands(a: i32[8]) -> i32:\n    return 1 if {text} else 0\n", "ands")
    agrees(k, np.zeros(8, np.int32), 1)
    assert k(np.array([0, 0, 0, 13, 0, 0, 0, 0], np.int32)) == 0


CHAIN = 500


def chain(tail: str) -> str:
    """A function with a long if/elif chain."""
    first = "    if a[0] == 0:\n        x = 1000\n"
    arms = "".join(f"    elif a[{n % 8}] == {n}:\n        x = {n + 1000}\n" for n in range(1, CHAIN))
    return f"@gm.kernel\ndef elifs(a: i32[8]) -> i32:\n{first}{arms}{tail}    return i32(x)\n"


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1, 23, 24, 25, 250, 499, -7])
def test_long_elif(n: int) -> None:
    k = made(chain("    else:\n        x = a[1] - 1\n"), "elifs")
    a = np.full(8, n, np.int32)
    want = n + 1000 if n >= 0 else n - 1
    assert k.interpret(a) == want
    assert k(a) == want


def test_long_elif_with_known_arms() -> None:
    arms = "".join(f"    elif {n % 3 == 0} and a[0] == {n}:\n        x = {n}\n" for n in range(1, 100))
    first = "    x = 5\n    if False:\n        x = None.nothing\n"
    k = made(f"@gm.kernel\ndef known(a: i32[8]) -> i32:\n{first}{arms}    return i32(x)\n", "known")
    assert [k(np.full(8, n, np.int32)) for n in (3, 4, 99)] == [3, 5, 99]


def test_long_elif_that_returns() -> None:
    arms = "".join(f"    elif a[0] == {n}:\n        return {n * n}\n" for n in range(1, 60))
    k = made(
        f"@gm.kernel\ndef out(a: i32[8]) -> i32:\n    if a[0] == 0:\n        return 7\n{arms}    return -1\n", "out"
    )
    for n, want in ((0, 7), (1, 1), (59, 59 * 59), (60, -1)):
        assert k(np.full(8, n, np.int32)) == k.interpret(np.full(8, n, np.int32)) == want


def test_an_arm_is_tested_only_after_those_before_it() -> None:
    arms = "".join(f"    elif a[7 + a[0]] == {n}:\n        x = {n}\n" for n in range(1, 60))
    first = "    x = 0\n    if a[0] > 0:\n        x = -1\n"
    k = made(f"@gm.kernel\ndef late(a: i32[8]) -> i32:\n{first}{arms}    return i32(x)\n", "late")
    assert k(np.full(8, 3, np.int32)) == -1
    assert k(np.array([0, 0, 0, 0, 0, 0, 0, 44], np.int32)) == 44


@pytest.mark.slow
def test_long_ternary() -> None:
    text = "".join(f"{n} if a[{n % 8}] == {n + 9} else " for n in range(CHAIN))
    k = made(f"@gm.kernel\ndef tern(a: i32[8]) -> i32:\n    return {text}7777\n", "tern")
    for n in (9, 10, 200, 508, 0):
        a = np.full(8, n, np.int32)
        assert k(a) == k.interpret(a) == (n - 9 if n >= 9 else 7777)


def test_deep_branches() -> None:
    tests = "".join(f"{' ' * (d + 1)}if a[{d % 8}] > {d % 3}:\n" for d in range(97))
    k = made(f"@gm.kernel\ndef ifs(a: i32[8]) -> i32:\n x: i32 = 0\n{tests}{' ' * 98}x = 7\n return x\n", "ifs")
    agrees(k, np.full(8, 5, np.int32), 7, rtl=True)


@pytest.mark.slow
def test_chain_of_kernels() -> None:
    text = "@gm.kernel\ndef k0(y: i32[8]):\n    y[0] = 100\n"
    text += "".join(
        f"@gm.kernel\ndef k{n}(y: i32[8]):\n    k{n - 1}(y)\n    y[{n % 8}] += {n}\n" for n in range(1, 200)
    )
    text += "@gm.kernel\ndef calls(a: i32[8]) -> i32[8]:\n    y = gm.zeros(8, i32)\n    k199(y)\n    return y\n"
    want = np.zeros(8, np.int32)
    want[0] = 100
    for n in range(1, 200):
        want[n % 8] += n
    agrees(made(text, "calls"), np.zeros(8, np.int32), want, rtl=True)


def test_a_kernel_that_calls_itself() -> None:
    k = made("@gm.kernel\ndef own(a: i32[8]):\n    own(a)\n", "own")
    with pytest.raises(gm.errors.TraceError, match="P05"):
        _ = k.ir


def test_text_that_is_too_deep() -> None:
    text = f"kernel k(x: i32[8]) -> (r: i32) {{\n  r[] = {'(' * 5000}1{')' * 5000}\n}}\n"
    with pytest.raises(gm.errors.ParseError, match="I01"):
        gm.parse(text)
