"""Drawn kernels through every engine: the same values, or the same error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs

from gemel.fuzzing.draws import EVERYTHING, HARDWARE, Options, arguments_for, kernels
from gemel.fuzzing.engines import compare, in_hardware, on_cpu, round_trip, verified
from gemel.semantics.check import check

QUICK = settings(max_examples=60)
LONG = settings(max_examples=150)


def drawn(data: Any, options: Options) -> tuple[Any, list[Any]]:
    kernel = data.draw(kernels(options))
    check(kernel)
    return kernel, data.draw(arguments_for(kernel))


def cpu_case(data: Any, options: Options) -> None:
    kernel, arguments = drawn(data, options)
    compare(kernel, arguments, on_cpu(kernel, arguments))


def rtl_case(data: Any, options: Options, engine: str = "native") -> None:
    kernel, arguments = drawn(data, options)
    compare(kernel, arguments, in_hardware(kernel, arguments, engine))


@QUICK
@given(st.data())
def test_cpu(data: Any) -> None:
    cpu_case(data, Options())


@QUICK
@given(st.data())
def test_cpu_whole_language(data: Any) -> None:
    cpu_case(data, EVERYTHING)


@QUICK
@given(st.data())
def test_verified(data: Any) -> None:
    kernel, arguments = drawn(data, EVERYTHING)
    compare(kernel, arguments, verified(kernel, arguments))


@QUICK
@given(st.data())
def test_rtl(data: Any) -> None:
    rtl_case(data, Options())


@QUICK
@given(st.data())
def test_rtl_whole_language(data: Any) -> None:
    rtl_case(data, HARDWARE)


@pytest.mark.slow
@LONG
@given(st.data())
def test_cpu_long(data: Any) -> None:
    cpu_case(data, EVERYTHING)


@pytest.mark.slow
@LONG
@given(st.data())
def test_rtl_long(data: Any) -> None:
    rtl_case(data, HARDWARE)


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
@given(kernels(EVERYTHING))
def test_text_round_trip(kernel: Any) -> None:
    round_trip(kernel)
