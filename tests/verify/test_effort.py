"""Effort: long kernels take time in proportion, facts are found by what they speak of, and what is found in one run."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import z3

import gemel as gm
from gemel import i8, i32, u8
from gemel.semantics import intervals, ops
from gemel.semantics.verify import Report
from gemel.semantics.verify.facts import MOST_FACTS, Facts, forget_keys
from gemel.semantics.verify.prover import BUDGET, CHEAP, Prover
from gemel.semantics.verify.unknowns import fresh_int


def chain(n: int) -> gm.Kernel:
    """A kernel of n stores in a row, each of a value that depends on the one before."""

    @gm.kernel
    def long(x: i32[8]) -> i32:
        v: i32 = 0
        for k in gm.unroll(range(n)):
            v = (v ^ x[k % 8]) + k
        return v

    return long


def sums(n: int) -> gm.Kernel:
    """A kernel that looks up an element at a sum of n values that may wrap."""

    @gm.kernel
    def far(x: i32[8], y: i32[16]) -> i32:
        v: i32 = 0
        for k in gm.unroll(range(n)):
            v = v + x[k % 8]
        return y[v]

    return far


def spent(k: gm.Kernel) -> tuple[float, Report]:
    """The seconds of the processor that verification takes, and the report."""
    k.ir  # noqa: B018
    start = time.process_time()
    report = k.verify()
    return time.process_time() - start, report


@pytest.mark.slow
def test_time_is_near_linear() -> None:
    short, _ = spent(chain(125))
    long, report = spent(chain(1000))
    assert long < 12 * short  # eight times the statements
    assert len([o for o in report.obligations if o.kind == "bounds" and o.status == "proved"]) == 1000


@pytest.mark.slow
def test_an_index_that_is_a_long_sum() -> None:
    seconds, report = spent(sums(400))
    assert seconds < 12
    last = report.obligations[-1]
    assert (last.kind, last.status) in {("bounds", "refuted"), ("bounds", "unknown")}


@pytest.mark.slow
def test_what_follows_a_hash_is_still_proved() -> None:
    """Effort that is spent on values of which nothing can be proved is not missing elsewhere."""

    @gm.kernel
    def f(x: i32[8], n: u8, m: u8) -> i8:
        gm.requires(n <= m)
        gm.requires(m <= 2 * n)
        gm.requires(n < 50)
        v: i32 = 0
        for k in gm.unroll(range(90)):
            v = (v ^ x[k % 8]) + k
        less: i8 = m - n
        return less

    narrowed = [o for o in f.verify().obligations if o.kind == "narrowing"]
    assert (narrowed[-1].status, narrowed[-1].by) == ("proved", "z3")
    assert any(o.status != "proved" for o in narrowed)


def test_each_narrowing_of_a_run_has_its_counterexample() -> None:
    @gm.kernel
    def f(x: i32[2]) -> i8:
        a: i8 = x[0]
        b: i8 = x[1]
        return a ^ b

    refuted = [o for o in f.verify().obligations if o.status == "refuted"]
    assert [o.kind for o in refuted] == ["narrowing", "narrowing"]
    for o in refuted:
        assert o.counterexample is not None
        error = o.counterexample.replay()
        assert error is not None and error.span == o.span


# --------------------------------------------------------------------------------------------------------------- facts


@pytest.fixture(autouse=True)
def forgotten() -> None:
    forget_keys()


a, b, c = (fresh_int(name) for name in "abc")
x = z3.Function("x!1", z3.IntSort(), z3.IntSort())
xor = z3.Function("xor", z3.IntSort(), z3.IntSort(), z3.IntSort())


def shown(found: list[object]) -> set[str]:
    return {str(f) for f in found}


def test_facts_that_share_unknowns_are_relevant() -> None:
    facts = Facts([a < b, b < c, z3.Int("other!9") > 0])
    assert shown(facts.relevant(a > 0)) == shown([a < b, b < c])
    assert shown(facts.relevant(c > 0, [c == a])) == shown([c == a, a < b, b < c])


def test_a_definition_is_relevant_where_its_application_occurs() -> None:
    facts = Facts()
    facts.define(xor(a, b) >= 0, (xor(a, b),))
    facts.define(x(a) >= 5, (x(a),))
    assert facts.relevant(a > 0) == []
    assert shown(facts.relevant(xor(a, b) > 7)) == shown([xor(a, b) >= 0])
    assert shown(facts.relevant(xor(a + 0, b) > 7)) == shown([xor(a, b) >= 0])
    assert shown(facts.relevant(a == x(a))) == shown([x(a) >= 5])


def test_elements_at_numbers_are_kept_apart_but_not_from_unknown_places() -> None:
    facts = Facts([x(0) > 1, x(1) > 2, x(a) > 3])
    assert shown(facts.relevant(x(0) > 0)) == shown([x(0) > 1, x(a) > 3, x(1) > 2])
    apart = Facts([x(0) > 1, x(1) > 2])
    assert shown(apart.relevant(x(0) > 0)) == shown([x(0) > 1])
    assert shown(apart.relevant(x(b) > 0)) == shown([x(0) > 1, x(1) > 2])


def test_copies_go_their_own_ways() -> None:
    facts = Facts([a > 0])
    assert shown(facts.relevant(a > 1)) == shown([a > 0])
    other = facts.copy()
    other.append(a > 5)
    facts.append(a < 9)
    assert shown(facts.relevant(a > 1)) == shown([a > 0, a < 9])
    assert shown(other.relevant(a > 1)) == shown([a > 0, a > 5])
    assert (a < 9) in facts and (a < 9) not in other


def test_the_nearest_of_many_facts_are_taken() -> None:
    many = [z3.Int(f"m!{n}") for n in range(2 * MOST_FACTS)]
    facts = Facts(low < high for low, high in itertools.pairwise(many))
    found = facts.relevant(many[0] > 0)
    assert MOST_FACTS <= len(found) < MOST_FACTS + 10
    assert str(found[0]) == str(many[0] < many[1])


def test_effort_is_scant_once_the_budget_is_spent() -> None:
    hard = a * a * a + b * b * b != c * c * c
    prover, fresh = Prover(), Prover()
    positive = Facts([a > 1, b > 1, c > 1])
    assert not fresh.proves(positive, hard, CHEAP)
    assert not fresh.proves(positive, hard != (a > 50), CHEAP)
    usual = fresh.wasted
    prover.wasted = BUDGET
    assert not prover.proves(positive, hard, CHEAP)
    assert not prover.proves(positive, hard != (a > 50), CHEAP)
    assert 0 < prover.wasted - BUDGET < usual / 4
    assert prover.proves(positive, a + b > 2)


@pytest.mark.parametrize("op", [ops.AND, ops.OR, ops.XOR])
def test_bounds_of_bit_operations(op: ops.Op) -> None:
    """They hold for all operands, and are of no more bits than the operands."""
    ends = [-9, -8, -4, -1, 0, 3, 7, 8]
    ranges = [(lo, hi) for lo in ends for hi in ends if lo <= hi]
    rule = intervals.RULES[op]
    exact = {ops.AND: np.bitwise_and, ops.OR: np.bitwise_or, ops.XOR: np.bitwise_xor}[op]
    for p, q in itertools.product(ranges, ranges):
        values = exact.outer(np.arange(p[0], p[1] + 1), np.arange(q[0], q[1] + 1))
        lo, hi = rule(p, q)
        assert lo <= values.min() and values.max() <= hi, (p, q)
    assert rule((-8, 7), (-8, 7)) == (-8, 7)
