"""No more is claimed than what is so: kernels that fail for some inputs, and proved kernels that were changed."""

from __future__ import annotations

from typing import Any

import claims
import numpy as np
import pytest
from campaign import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import KINDS
from mutants import mutants

import gemel as gm
from gemel import i8, i32
from gemel.errors import GemelError, ShapeError
from gemel.fuzzing.draws import Options, arguments_for, kernels
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Check, Kernel
from gemel.semantics.verify import Report, verify

N = gm.dims("N")
WITHOUT_WIDE = Options(floats=True, fixed=True, symbolic=True, calls=True, contracts=True)


@pytest.mark.parametrize("k", claims.FALSE, ids=lambda k: k.__name__)
def test_what_fails_for_some_inputs_is_not_proved(k: gm.Kernel) -> None:
    report = k.verify()
    marked = [o for o in report.obligations if o.span.source_line().rstrip().endswith("# no")]
    lines = {o.span.line for o in marked}
    assert lines, "no line is marked"
    for line in lines:
        assert any(o.status != "proved" for o in marked if o.span.line == line), str(report)


@pytest.mark.parametrize("k", claims.CONTRADICTORY, ids=lambda k: k.__name__)
def test_nothing_is_proved_from_a_contradiction(k: gm.Kernel) -> None:
    report = k.verify()
    assert report.contradictions
    assert not report.ok
    assert not report.counts["proved"]
    assert "contradict" in str(report)
    assert "contradict" in report._repr_html_()


@pytest.mark.parametrize("k", claims.FALSE, ids=lambda k: k.__name__)
def test_counterexamples_replay(k: gm.Kernel) -> None:
    for o in k.verify().obligations:
        assert (o.status == "refuted") == (o.counterexample is not None)
        if o.counterexample is not None:
            error = o.counterexample.replay()
            assert error is not None
            assert (error.code, error.span) == (o.check.value, o.span)


def test_sizes_beyond_all_memory_are_refused() -> None:
    """An empty array may have any size along another axis; proofs take it that none is beyond 2**48."""

    @gm.kernel
    def f(a: i8[N, 0]) -> i32:
        return 0

    for engine in (f.interpret, f):
        with pytest.raises(ShapeError):
            engine(np.empty((1 << 60, 0), np.int8))


@gm.kernel
def last(a: i32[N]) -> i32:
    gm.requires(N > 0)
    return a[N]


@gm.kernel
def of_a_window(a: i32[8]) -> i32:
    return last(a[0:4])


def test_a_window_ends_where_it_ends() -> None:
    a = np.arange(8, dtype=np.int32)
    assert of_a_window.verify().counts["refuted"] == 1
    for engine in (of_a_window.interpret, of_a_window):
        with pytest.raises(GemelError) as caught:
            engine(a)
        assert caught.value.code == Check.BOUNDS.value


def stops(kernel: Kernel, args: list[Any]) -> GemelError | None:
    """The error that a run stops with."""
    try:
        interpret(kernel, [a.copy() if isinstance(a, np.ndarray) else a for a in args], fuel=2_000)
    except GemelError as error:
        return error
    return None


def holds_up(kernel: Kernel, report: Report, args: list[Any]) -> None:
    """A run stops at no place where all obligations of the kind are proved."""
    error = stops(kernel, args)
    if error is None or error.code not in {c.value for c in Check}:
        return
    there = [o for o in report.obligations if (o.check.value, o.span) == (error.code, error.span)]
    assert not there or any(o.status != "proved" for o in there), f"{error}\n{report}\n{kernel}\n{args}"


def drawn_kernels_fail_nowhere_where_they_are_proved(data: Any) -> None:
    kernel = data.draw(kernels(WITHOUT_WIDE))
    report = verify(kernel)
    for _ in range(10):
        holds_up(kernel, report, data.draw(arguments_for(kernel)))


@settings(max_examples=3)
@given(st.data())
def test_some_drawn_kernels(data: Any) -> None:
    drawn_kernels_fail_nowhere_where_they_are_proved(data)


@pytest.mark.slow
@settings(max_examples=examples(7))
@given(st.data())
def test_drawn_kernels(data: Any) -> None:
    drawn_kernels_fail_nowhere_where_they_are_proved(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_changed_kernels_fail_nowhere_where_they_are_proved(kind: Any) -> None:
    """Each constant and comparison of a proved kernel is changed in turn; runs judge what is still proved."""
    rng = np.random.default_rng(1)
    for kernel, arguments in mutants(kind.proved.ir, rng, 12):
        report = verify(kernel)
        for args in arguments:
            holds_up(kernel, report, args)
