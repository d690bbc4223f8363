"""The drawn kernels cover the language: every kind of statement, every op at every kind of type, every type."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from gemel.fuzzing import options
from gemel.fuzzing.draws import kernels
from gemel.fuzzing.expressions import LEGAL
from gemel.fuzzing.scripts import programs
from gemel.semantics import ir, ops
from gemel.semantics.check import check
from gemel.semantics.dtypes import FLOATS, FloatType
from gemel.semantics.traverse import all_exprs, statements

DRAWS = [(o, 50, n) for n in range(4) for o in (options.CPU, options.FLOATING)]


def collected(strategy: Any, examples: int, number: int = 1) -> list[Any]:
    """Distinct draws, the same each time."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(strategy)
    def draw(drawn: Any) -> None:
        found.append(drawn)

    draw()
    return found


@cache
def drawn() -> tuple[list[ir.Stmt], list[ir.Expr], list[ir.Kernel]]:
    made = [k for o, examples, n in DRAWS for k in collected(kernels(o), examples, n)]
    stmts = [s for k in made for s in statements(k.body)]
    exprs = [e for k in made for e in all_exprs(k.body)]
    return stmts, exprs, made


def test_drawn_kernels_are_valid() -> None:
    for k in drawn()[2]:
        check(k)


def test_statements() -> None:
    stmts = drawn()[0]
    assert {type(s) for s in stmts} == set(typing.get_args(ir.Stmt))
    loops = [s for s in stmts if isinstance(s, ir.For)]
    assert {s.kind for s in loops} == set(ir.LoopKind)
    assert any(s.until is not None for s in loops)
    assert any(isinstance(s.step, ir.Const) and s.step.value < 0 for s in loops)
    assert any(any(isinstance(e, ir.Load) for e in all_exprs((ir.Let(s.var, s.hi, s.span),))) for s in loops)
    assert {s.check for s in stmts if isinstance(s, ir.Assert)} >= {
        ir.Check.ASSERT,
        ir.Check.REQUIRES,
        ir.Check.ENSURES,
        ir.Check.INVARIANT,
    }


def test_ops() -> None:
    used = {(e.op, type(value_of(e).dtype)) for e in drawn()[1] if isinstance(e, ir.Apply)}
    wanted = {(op, kind) for kind, legal in LEGAL.items() for op in legal}
    wanted |= {(op, FloatType) for op in ops.ELEMENTARY}
    assert {op for op, _ in wanted} == set(ops.TABLE.values())
    missing = set(ops.TABLE.values()) - {op for op, _ in wanted & used}
    assert len(missing) <= 1, missing  # what a seed gives depends on the version of Hypothesis
    assert len(used & wanted) > 0.85 * len(wanted), wanted - used


def value_of(e: ir.Apply) -> ir.Expr:
    """The operand that says of what kind an op is."""
    return e.args[1] if e.op is ops.SELECT else e.args[0]


def test_types_and_shapes() -> None:
    _, exprs, made = drawn()
    buffers = [p for k in made for p in (*k.params, *k.results) if isinstance(p, ir.Buffer)]
    buffers += [s.buffer for s in drawn()[0] if isinstance(s, ir.Alloc)]
    assert {e.dtype for e in exprs} >= set(FLOATS.values())
    assert {b.rank for b in buffers} == {0, 1, 2, 3, 4}
    assert {type(b.dtype) for b in buffers} == set(LEGAL)
    assert {len(k.results) for k in made} == {1, 2, 3}
    assert {int(d.hint[1:]) for k in made for d in k.dims} >= {0, 1, 2, 3}
    assert any(b.data is not None for b in buffers) and any(k.strict for k in made)


def test_programs() -> None:
    text = "\n".join(str(p) for p in collected(programs(), 200))
    parts = (
        *("while ", "break", "continue", "elif ", "else:", "gm.grid", "gm.unroll", "range(", "-1, -1)", "h0("),
        *("gm.where", "gm.maximum", "[::-1]", "gm.sum", ".max()", " // ", " % ", " << ", " >> ", "not (", " if "),
        *("[:, None]", "gm.full", "abs(", "+= ", "i8", "u16", "~", "^", "len("),
    )
    missing = [part for part in parts if part not in text]
    assert len(missing) <= 1, missing
