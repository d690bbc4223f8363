"""Drawn kernels through every engine: the same values, or the same error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs
from strategies import Options, arguments_for, kernels

from gemel.codegen import compile_kernel
from gemel.codegen.pipeline import CPU
from gemel.hwsynth import synthesize
from gemel.hwsynth.pipeline import HARDWARE, SCHEDULE
from gemel.parser import parse
from gemel.semantics.check import check
from gemel.semantics.equal import same
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Kernel
from gemel.semantics.text import print_kernel

QUICK = settings(max_examples=60)
LONG = settings(max_examples=150)


def run(engine: Any, arguments: list[Any]) -> tuple[str, list[bytes]]:
    """The error's code, or "" and the bytes of all arrays and results; NaNs are one value."""
    own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = engine(*own)
    except GemelError as error:
        return error.code, []
    found = [*(a for a in own if isinstance(a, np.ndarray)), result]
    return "", [_canonical(np.asarray(x)) for x in found]


def _canonical(x: Any) -> bytes:
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), np.nan, x)
    return bytes(x.tobytes())


def interpreted(kernel: Kernel) -> Any:
    return lambda *a: interpret(kernel, a, fuel=100_000)


def assert_agree(kernel: Kernel, arguments: list[Any], engines: dict[str, Any]) -> None:
    want = run(interpreted(kernel), arguments)
    for name, engine in engines.items():
        got = run(engine, arguments)
        assert got == want, f"{name} gives {got}, the interpreter {want}\n{print_kernel(kernel)}\n{arguments}"


def after(kernel: Kernel, passes: tuple[Any, ...]) -> Kernel:
    for one in passes:
        kernel = one(kernel)
        check(kernel)
    return kernel


def cpu_case(data: Any, options: Options) -> None:
    kernel = data.draw(kernels(options))
    arguments = data.draw(arguments_for(kernel))
    check(kernel)
    assert_agree(kernel, arguments, {"passes": interpreted(after(kernel, CPU)), "cpu": compile_kernel(kernel)})


def rtl_case(data: Any, options: Options, engine: str = "native") -> None:
    kernel = data.draw(kernels(options))
    arguments = data.draw(arguments_for(kernel))
    design = synthesize(kernel)
    scheduled = after(kernel, SCHEDULE)
    engines = {
        "scheduled": interpreted(scheduled),
        "lowered": interpreted(after(scheduled, HARDWARE)),
        engine: lambda *a: design.simulate(*a, engine=engine, max_cycles=1_000_000).outputs,
    }
    assert_agree(kernel, arguments, engines)


@QUICK
@given(st.data())
def test_cpu(data: Any) -> None:
    cpu_case(data, Options())


@QUICK
@given(st.data())
def test_cpu_floats_and_fixed_point(data: Any) -> None:
    cpu_case(data, Options(floats=True, fixed=True))


@QUICK
@given(st.data())
def test_rtl(data: Any) -> None:
    rtl_case(data, Options())


@QUICK
@given(st.data())
def test_rtl_fixed_point(data: Any) -> None:
    rtl_case(data, Options(fixed=True, total=True))


@pytest.mark.slow
@LONG
@given(st.data())
def test_cpu_long(data: Any) -> None:
    cpu_case(data, Options(floats=True, fixed=True))


@pytest.mark.slow
@LONG
@given(st.data())
def test_rtl_long(data: Any) -> None:
    rtl_case(data, Options(fixed=True))


@pytest.mark.slow
@settings(max_examples=12)
@given(st.data())
def test_verilator(data: Any) -> None:
    needs("verilator", "c++")
    rtl_case(data, Options(total=True), "verilator")


@pytest.mark.slow
@settings(max_examples=20)
@given(st.data())
def test_icarus(data: Any) -> None:
    needs("icarus")
    rtl_case(data, Options(total=True), "icarus")


@QUICK
@given(kernels(Options(floats=True, fixed=True)))
def test_text_round_trip(kernel: Kernel) -> None:
    text = print_kernel(kernel)
    again = parse(text)
    assert same(kernel, again), text
    assert print_kernel(again) == text
