"""Verification: what is proved holds in runs, what is refuted fails in the interpreter, and no proof is vacuous."""

from __future__ import annotations

import numpy as np
import pytest
import subjects
from kinds import KINDS, Kind

import gemel as gm
from gemel import i8, i32
from gemel.errors import BoundsError, CheckError
from gemel.semantics.verify import Report

N = gm.dims("N")
SUBJECTS = [k for k in vars(subjects).values() if isinstance(k, gm.Kernel)]


def of_kind(report: Report, kind: str) -> list[str]:
    return [o.status for o in report.obligations if o.kind == kind]


def failing(report: Report, kind: str) -> None:
    """At least one obligation of the kind is refuted, and its inputs stop the interpreter there."""
    refuted = [o for o in report.obligations if o.kind == kind and o.status == "refuted"]
    assert refuted, str(report)
    for o in refuted:
        assert o.counterexample is not None
        error = o.counterexample.replay()
        assert error is not None
        assert (error.code, error.span) == (o.check.value, o.span)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_proved(kind: Kind) -> None:
    report = kind.proved.verify()
    assert set(of_kind(report, kind.name)) == {"proved"}, str(report)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_change_of_the_proved_kernel_is_refuted(kind: Kind) -> None:
    text = str(kind.proved.ir)
    assert kind.old in text
    failing(gm.parse(text.replace(kind.old, kind.new)).verify(), kind.name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_refuted(kind: Kind) -> None:
    failing(kind.refuted.verify(), kind.name)


LONG = (subjects.cholesky,)


@pytest.mark.parametrize(
    "k", [pytest.param(k, id=k.__name__, marks=[pytest.mark.slow] * (k in LONG)) for k in SUBJECTS]
)
def test_subjects_are_proved_for_all_sizes(k: gm.Kernel) -> None:
    report = k.verify()
    assert report.ok, str(report)
    assert not report.assumed


@pytest.mark.parametrize("k", [subjects.spmv, subjects.partition], ids=lambda k: k.__name__)
def test_subjects_without_their_contracts_are_not(k: gm.Kernel) -> None:
    """What a proof needs, it uses: without `requires` it fails."""
    kept = [line for line in str(k.ir).splitlines() if "assert requires" not in line]
    assert not gm.parse("\n".join(kept)).verify().ok


@gm.kernel
def gather(a: i32[N], at: i32[N]) -> i32[N]:
    out = gm.empty((N,), i32)
    for i in range(N):
        out[i] = a[at[i]]
    return out


@gm.kernel
def safe_gather(a: i32[N], at: i32[N]) -> i32[N]:
    gm.requires(all(0 <= at[i] < N for i in range(N)))
    out = gm.empty((N,), i32)
    for i in range(N):
        out[i] = a[at[i]]
    return out


def test_what_is_proved_is_no_longer_checked() -> None:
    a = np.arange(4, dtype=np.int32)
    before = safe_gather.compile(N=4).llvm
    assert safe_gather.verify().ok
    after = safe_gather.compile(N=4).llvm
    assert len(after) < len(before)
    assert list(safe_gather(a, a[::-1].copy())) == [3, 2, 1, 0]


def test_what_is_not_proved_is_still_checked() -> None:
    assert not gather.verify().ok
    a = np.arange(4, dtype=np.int32)
    with pytest.raises(BoundsError):
        gather(a, a + 1)
    with pytest.raises(CheckError):
        safe_gather(a, a + 1)  # what it requires is checked on entry


@gm.kernel
def caller(a: i32[N], at: i32[N]) -> i32[N]:
    return safe_gather(a, at)


def test_a_caller_owes_what_the_callee_requires() -> None:
    report = caller.verify()
    (owed,) = [o for o in report.obligations if o.kind == "assert"]
    assert owed.status == "refuted"
    assert "caller" in str(report)


def test_reports_in_a_notebook_and_as_text() -> None:
    report = gather.verify()
    assert "refuted" in str(report)
    assert "<table>" in report._repr_html_()
    assert not report.ok
    assert report.counts["refuted"] == 1


def test_a_result_that_may_not_fit_is_told_at_its_return() -> None:
    @gm.kernel
    def product(a: i8, b: i8) -> i8:
        return a * b

    (narrowing,) = product.verify().obligations
    assert (narrowing.status, narrowing.span.source_line().strip()) == ("refuted", "return a * b")


def test_a_report_says_of_a_proved_contract_nothing_but_its_line() -> None:
    @gm.kernel
    def least(a: i8, b: i8) -> i8:
        c = min(a, b)
        gm.ensures(c <= a)
        assert c <= b, "not the least"
        return c

    assert [(row[0], row[4]) for row in least.verify().rows()] == [("proved", "")] * 2
