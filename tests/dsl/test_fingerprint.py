"""What is found on disk before a kernel is traced: all that the trace reads is in the key, or there is none."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32

N = gm.dims("N")


def fingerprint(k: gm.Kernel) -> str | None:
    """Of the kernel as it is now."""
    return k._origin._read() if k.fn is not None else None  # type: ignore[union-attr]


def made(value: Any) -> gm.Kernel:
    """A kernel that reads a value from around it."""

    @gm.kernel
    def reads(x: f32[N]) -> f32[N]:
        return x * value

    return reads


def with_default(value: Any) -> gm.Kernel:
    def scale(x: Any, by: Any = value) -> Any:
        return x * by

    @gm.kernel
    def reads(x: f32[N]) -> f32[N]:
        return scale(x)

    return reads


def through_helper(value: Any) -> gm.Kernel:
    def inner(x: Any) -> Any:
        return x * value

    def outer(x: Any) -> Any:
        return inner(x)

    @gm.kernel
    def reads(x: f32[N]) -> f32[N]:
        return outer(x)

    return reads


def through_module(value: Any) -> gm.Kernel:
    settings = types.ModuleType("settings")
    settings.value = value  # type: ignore[attr-defined]

    @gm.kernel
    def reads(x: f32[N]) -> f32[N]:
        return x * settings.value

    return reads


def through_kernel(value: Any) -> gm.Kernel:
    callee = made(value)

    @gm.kernel
    def reads(x: f32[N]) -> f32[N]:
        return callee(x)

    return reads


WAYS = [made, with_default, through_helper, through_module, through_kernel]
PAIRS = [
    (2, 3),
    (2.0, 2),
    (0.0, -0.0),
    (True, 1),
    (np.float32(2), np.float64(2)),
    (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
    (np.array([1.0, 2.0]), np.array([1.0, 2.0], np.float32)),
    (np.zeros((2, 3)), np.zeros((3, 2))),
    ((1, 2), [1, 2]),
    ((1, (2, 3)), ((1, 2), 3)),
    ({"a": 1}, {"a": 2}),
    ("ab", b"ab"),
    (gm.i8, gm.u8),
    (gm.f32[3], gm.f32[4]),
    (np.exp, np.sin),
    (math.sin, math.cos),
    (max, min),
    (np.int8, np.int16),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_another_value_is_another_kernel(way: Callable[[Any], gm.Kernel], pair: tuple[Any, Any]) -> None:
    a, again, b = (fingerprint(way(value)) for value in (pair[0], pair[0], pair[1]))
    assert a is not None and a == again
    assert b is not None and b != a


class Settings:
    value = 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "value",
    [
        Settings(),
        Settings,
        np.random,
        np.random.default_rng(0),
        np.random.rand,
        open,
        print,
        os.environ,
        os.getpid,
        {1, 2},
        iter([1]),
        Settings().__init__,
        np.array([1, object()], object),
        np.zeros(1 << 20),
        gm.static[int],
        types.SimpleNamespace(a=1),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_not_understood_has_no_fingerprint(way: Callable[[Any], gm.Kernel], value: Any) -> None:
    assert fingerprint(way(value)) is None


def test_names_of_its_own_do_not_matter() -> None:
    def around(i: object, y: object) -> gm.Kernel:
        @gm.kernel
        def f(x: f32[N]) -> f32[N]:
            y = gm.zeros((N,), f32)
            for n in range(N):
                y[n] = x[n]
            return y

        return f

    assert fingerprint(around(1, 2)) == fingerprint(around(3, 4))


def test_a_name_that_is_read_before_it_is_set_matters() -> None:
    def around(y: object) -> gm.Kernel:
        @gm.kernel
        def f(x: f32[N]) -> f32[N]:
            y = y * 2 + x  # noqa: F823  what Python refuses a kernel might read
            return y

        return f

    outer: dict[str, Any] = {"gm": gm, "f32": f32, "N": N}
    kernels = [gm.kernel(types.FunctionType(around(0).fn.__code__, {**outer, "y": y})) for y in (1, 2)]  # type: ignore[union-attr]
    assert fingerprint(kernels[0]) != fingerprint(kernels[1])


def test_two_sizes_of_one_name_are_two() -> None:
    def of(a: Any, b: Any) -> gm.Kernel:
        @gm.kernel
        def f(x: f32[a], y: f32[b]) -> f32[a]:  # type: ignore[valid-type]
            return x + y[0]

        return f

    one, two = gm.dims("K"), gm.dims("K")
    assert fingerprint(of(one, two)) == fingerprint(of(two, one)) != fingerprint(of(one, one))


def test_strict_is_another() -> None:
    def total(x: f32[N]) -> f32:
        return x.sum()

    assert fingerprint(gm.kernel(total)) != fingerprint(gm.kernel(fp="strict")(total))


def test_a_static_parameter_or_a_name_in_a_string_has_none() -> None:
    @gm.kernel
    def static(x: f32[N], k: gm.static[int]) -> f32[N]:
        return x * k

    @gm.kernel
    def quoted(x: "f32[N]") -> f32[N]:  # noqa: UP037
        return x

    assert (fingerprint(static), fingerprint(quoted)) == (None, None)


def test_replaced_functions_of_ours_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    @gm.kernel
    def f(x: f32[N]) -> f32[N]:
        return gm.tanh(x)

    before = fingerprint(f)
    monkeypatch.setattr(gm, "tanh", gm.exp)
    assert before is not None and fingerprint(f) != before


# ---------------------------------------------------------------------------------------------- in fresh processes

SCRIPT = """
import sys
import numpy as np
import gemel as gm
from gemel import f32
import settings

N = gm.dims("N")
SCALE = 2

def helper(x):
    return x + 1

@gm.kernel
def f(x: f32[N], at: gm.i32) -> f32[N]:
    y = helper(x) * SCALE
    return y + settings.OFFSET + x[at]

x = np.arange(4, dtype=np.float32)
print(f(x, 0).tolist(), f(x, 1, out=np.empty(4, np.float32)).tolist())
print("gemel.tracing" in sys.modules, "llvmlite" in sys.modules, "gemel.semantics.ir" in sys.modules)
if len(sys.argv) > 1:
    exec(sys.argv[1])
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """Runs the script, with parts of it replaced, in a fresh process; gives what it prints."""

    def ran(then: str = "", offset: str = "OFFSET = 0", threads: str = "1", **parts: str) -> list[str]:
        text = SCRIPT
        for old, new in parts.values():  # type: ignore[misc]
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "script.py").write_text(text)
        (tmp_path / "settings.py").write_text(offset)
        env = {**os.environ, "GEMEL_CACHE": str(tmp_path / "kept"), "GEMEL_THREADS": threads}
        env |= {"GEMEL_CACHE_MB": "256", "GEMEL_TUNED": ""}
        env |= {"PYTHONDONTWRITEBYTECODE": "1"}  # a module that changes twice in a second would be as Python kept it
        command = [sys.executable, str(tmp_path / "script.py"), *filter(None, [textwrap.dedent(then)])]
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return ran


FOUND, TRACED = "False False False", "True True True"


@pytest.mark.slow
def test_a_second_process_neither_traces_nor_loads_llvm(run: Callable[..., list[str]]) -> None:
    first, again = run(), run()
    assert first == ["[2.0, 4.0, 6.0, 8.0] [3.0, 5.0, 7.0, 9.0]", TRACED]
    assert again == [first[0], FOUND]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"a": ("SCALE = 2", "SCALE = 3")}, "[3.0, 6.0, 9.0, 12.0]"),
        ({"a": ("return x + 1", "return x + 2")}, "[4.0, 6.0, 8.0, 10.0]"),
        ({"offset": "OFFSET = 1"}, "[3.0, 5.0, 7.0, 9.0]"),
        ({"a": ("x[at]", "x[at] * 2.0")}, "[2.0, 4.0, 6.0, 8.0]"),
        ({"a": ("np.float32", "np.float64"), "b": ("f32", "f64")}, "[2.0, 4.0, 6.0, 8.0]"),
        ({"threads": "2"}, "[2.0, 4.0, 6.0, 8.0]"),
    ],
)
def test_a_change_is_seen(run: Callable[..., list[str]], change: dict[str, Any], want: str) -> None:
    run()
    shown = run(**change)
    assert shown[0].startswith(want) and shown[1] == TRACED
    assert run(**change) == [shown[0], FOUND]
    assert run()[1] == FOUND


@pytest.mark.slow
def test_what_tuning_finds_is_seen(run: Callable[..., list[str]], tmp_path: Path) -> None:
    run()
    (tmp_path / "kept" / "tuned").mkdir()
    (tmp_path / "kept" / "tuned" / "some.tuned").write_text("of another kernel")
    assert run()[1] == TRACED
    assert run()[1] == FOUND


@pytest.mark.slow
def test_what_an_entry_cannot_take_is_said_as_ever(run: Callable[..., list[str]]) -> None:
    """A failed run, wrong arguments, other sizes, other kinds of arguments: all as without the entry."""
    then = """
        for args in ((x, 9), (x[::2], 0), (x.astype(int), 0), (x,), (memoryview(x), 0), (x[:2], 1), (x, 1.5)):
            try:
                print(f(*args).tolist())
            except gm.errors.GemelError as error:
                print(error)
        print(f.verify().counts["refuted"], type(f).__call__ is gm.Kernel.__call__)
    """
    first, again = run(then), run(then)
    assert again[0] == first[0] and (first[1], again[1]) == (TRACED, FOUND)
    assert again[2:] == first[2:] and "out of range" in "".join(again)


@pytest.mark.slow
def test_names_that_change_while_a_process_runs(run: Callable[..., list[str]]) -> None:
    """What a kernel was when it was first used, it stays; and no other process is told anything else."""
    then = "SCALE = 5\nprint(f(x[:3], 0).tolist())"
    run(), run(then)
    assert run(then)[2] in ("[2.0, 4.0, 6.0]", "[5.0, 10.0, 15.0]")
    assert run("print(f(x[:3], 0).tolist())")[2] == "[2.0, 4.0, 6.0]"
