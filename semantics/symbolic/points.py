"""A kernel's run on symbols, parted at the heads of loops whose number of turns depends on data.

A *point* is the start of a run, or the head of such a loop. From a point, whose state is all symbols, a run goes on to
the next point or the end; where it may go several ways it is run anew for each. So a kernel becomes a finite list of
segments, each with the conditions under which it is taken and the state in which it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, INDEX, DType, width_of
from gemel.semantics.interp import Env, Run
from gemel.semantics.ir import (
    Apply,
    Assert,
    Buffer,
    Check,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.passes.inline import inline
from gemel.semantics.span import Span
from gemel.semantics.symbolic import meaning
from gemel.semantics.symbolic.execute import Cell, Cells, Failing, Symbolic, run_kernel
from gemel.semantics.symbolic.meaning import Unsupported
from gemel.semantics.symbolic.terms import Term, Value, Words
from gemel.semantics.traverse import blocks_of, exprs_of, statements, subexprs

Name = tuple[Any, int]
"""A scalar, as (variable, 0); or an element of an array, as (buffer, position)."""

Point = While | For | None
"""The head of a loop; None is the start, and as a target the end."""

MOST = 200
"""Runs of a kernel, after which its ways are too many."""


@dataclass
class State:
    """What a kernel's names hold, as words; None for an element that was never set."""

    words: dict[Name, Value | None]
    types: dict[Name, DType]


@dataclass(frozen=True)
class Segment:
    """A way from a point to the next: the conditions of the ways taken, checks in order, and the state at its end."""

    source: Point
    target: Point
    taken: tuple[Value, ...]
    checks: tuple[Failing, ...]
    state: State


class _Arrived(Exception):
    """Ends a run at a point from which another one goes on."""


@dataclass
class Visit:
    """A point that numbers have come to."""

    point: Point
    state: State


class Points(Symbolic):
    """One run of a kernel. `script` says which way it goes, and gets what it chose beyond.

    `arrived` is told of each point and gives the state from which the run goes on, or None to end it there.
    """

    bounded = True

    def __init__(
        self,
        words: Words,
        cuts: set[int],
        arrived: Callable[[Point, State], Mapping[Name, Value | None] | None],
        script: list[int] | None = None,
    ) -> None:
        super().__init__(words)
        self.cuts, self.arrived, self.script = cuts, arrived, [] if script is None else script
        self.at = 0
        self.taken: list[Value] = []
        self.failing: list[Failing] = []

    # ------------------------------------------------------------------------------------------------------------ ways

    def chosen(self, cond: Cell, span: Span) -> bool:
        """Which way a run goes."""
        if type(cond) is not Term:
            return bool(cond)
        if self.path != 1:
            raise Unsupported(f"line {span.line}: a loop by data within a choice")
        if self.at == len(self.script):
            self.script.append(1)
        way = self.script[self.at]
        self.at += 1
        self.taken.append(cond if way else self.words.xor(1, cond, 1))
        return bool(way)

    def come(self, s: Point, env: Env, names: dict[int, list[Any]]) -> None:
        """At the head of a loop: what isn't of its state is no more."""
        if self.path != 1:
            raise Unsupported(f"line {s.span.line if s else 0}: a loop by data within a choice")
        scope = names.setdefault(id(s), [k for k in env if isinstance(k, Var | Buffer | _Hidden)])
        state = self.state({k: env[k] for k in scope if k in env})
        fresh = self.arrived(s, state)
        if fresh is None:
            raise _Arrived
        self.taken, self.failing = [], []
        for (k, n), v in fresh.items():
            dtype = state.types[k, n]
            value = None if v is None else self.held(v, dtype)
            if isinstance(env[k], Cells):
                env[k].cells[n] = value
            else:
                env[k] = value

    def state(self, env: Env) -> State:
        """The words of names."""
        made = State({}, {})
        for k, v in env.items():
            if isinstance(v, Cells):
                if isinstance(k, Buffer) and k.data is None:
                    for n, cell in enumerate(v.cells):
                        made.types[k, n] = v.dtype
                        made.words[k, n] = None if cell is None else self.word(cell, v.dtype)
            else:
                made.types[k, 0] = k.dtype
                made.words[k, 0] = self.word(v, k.dtype)
        return made

    # ------------------------------------------------------------------------------------------------------ statements

    def _for(self, s: For) -> Run:
        if id(s) not in self.cuts:
            return super()._for(s)
        bounds = [self.expr(e) for e in (s.lo, s.hi, s.step)]
        body = self.body(s.body)
        until = None if s.until is None else self.expr(s.until)
        start, turn, finish = self._carried(s.carry)
        names: dict[int, list[Any]] = {}
        end = _Hidden(s)

        def run(env: Env) -> None:
            lo, env[end], step = (b(env) for b in bounds)
            if type(step) is Term or step == 0:
                raise Unsupported(f"line {s.span.line}: a loop's step depends on the data")
            env[s.var] = lo
            start(env)
            going = until is not None or self.chosen(self._within(env[s.var], env[end], step), s.span)
            while going:
                self.come(s, env, names)
                if until is not None and not self.chosen(self._within(env[s.var], env[end], step), s.span):
                    break
                if until is not None and self.chosen(until(env), s.span):
                    break
                self.burn(s.span)
                body(env)
                turn(env)
                env[s.var] = self._sum(env[s.var], step)
                going = until is not None or self.chosen(self._within(env[s.var], env[end], step), s.span)
            env.pop(end)
            finish(env)

        return run

    def _within(self, i: Cell, end: Cell, step: int) -> Cell:
        op = ops.LT if step > 0 else ops.GT
        if Term not in (type(i), type(end)):
            return i < end if step > 0 else i > end
        return meaning.apply(self.words, op, BOOL, [(self.word(x, INDEX), INDEX) for x in (i, end)])

    def _sum(self, i: Cell, step: int) -> Cell:
        if type(i) is not Term:
            return i + step
        w = width_of(INDEX)
        return self.words.add(w, i, step & ((1 << w) - 1))

    def _if(self, s: If) -> Run:
        if not any(id(x) in self.cuts for x in statements((*s.then, *s.orelse))):
            return super()._if(s)
        cond, then, orelse = self.expr(s.cond), self.body(s.then), self.body(s.orelse)
        merges = [(m.var, self.expr(m.then), self.expr(m.orelse)) for m in s.merges]

        def run(env: Env) -> None:
            way = self.chosen(cond(env), s.span)
            (then if way else orelse)(env)
            for var, a, b in merges:
                env[var] = (a if way else b)(env)

        return run

    # ---------------------------------------------------------------------------------------------------------- checks

    def _note(self, key: tuple[str, Span], fails: Value) -> None:
        fails = self.words.and_(1, self.path, fails)
        if fails != 0:
            self.failing.append((key, fails))

    def _assert(self, s: Assert) -> Run:
        cond = self.expr(s.cond)
        return lambda env: self._note((s.check.value, s.span), self.words.xor(1, self.word(cond(env), BOOL), 1))


class _Hidden:
    """A loop's end, which is worked out once."""

    hint = "end"
    dtype = INDEX

    def __init__(self, s: For) -> None:
        self.s = s

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hidden) and other.s is self.s

    def __hash__(self) -> int:
        return id(self.s)


def cut_loops(body: Sequence[Stmt], known: set[Var] | None = None) -> set[int]:
    """The loops, by identity, whose number of turns depends on data, and those around them."""
    known = set() if known is None else known
    found: set[int] = set()
    for s in body:
        if isinstance(s, Let) and _known(s.value, known):
            known.add(s.var)
        inner: set[int] = set()
        is_known = isinstance(s, For) and all(_known(e, known) for e in (s.lo, s.hi, s.step))
        for block in blocks_of(s):
            inner |= cut_loops(block, known | ({s.var} if isinstance(s, For) and is_known else set()))
        if isinstance(s, While) or (isinstance(s, For) and (inner or not is_known or s.until is not None)):
            inner |= {id(s)}
            for block in blocks_of(s):
                inner |= cut_loops(block, set(known))
        found |= inner
    return found


def _known(e: Expr, known: set[Var]) -> bool:
    return all(isinstance(x, Const | Apply) or (isinstance(x, Ref) and x.var in known) for x in subexprs(e))


# ------------------------------------------------------------------------------------------------------------ all ways


def segments(
    words: Words,
    kernel: Kernel,
    given: dict[Buffer | Var, Any],
    state: Callable[[Point, State], Mapping[Name, Value | None]],
) -> list[Segment]:
    """All ways from point to point; `state` gives the symbols that a point's names hold.

    Raises Unsupported where there are too many.
    """
    found: dict[tuple[Any, ...], Segment] = {}
    owners: dict[int, tuple[int, ...]] = {}
    waiting: list[list[int]] = [[]]
    runs = 0
    while waiting:
        script = waiting.pop()
        given_ways = len(script)
        runs += 1
        if runs > MOST:
            raise Unsupported("too many ways through the kernel")
        _one_way(words, kernel, given, state, script, owners, found)
        waiting += [[*script[:n], 0] for n in range(given_ways, len(script))]
    return list(found.values())


def _one_way(
    words: Words,
    kernel: Kernel,
    given: dict[Buffer | Var, Any],
    state: Callable[[Point, State], Mapping[Name, Value | None]],
    script: list[int],
    owners: dict[int, tuple[int, ...]],
    found: dict[tuple[Any, ...], Segment],
) -> None:
    source: Point = None
    begun = 0

    def ended(target: Point, at: State) -> None:
        key = (id(source), tuple(script[: run.at])[begun:], id(target), owners.get(id(source)))
        found.setdefault(key, Segment(source, target, tuple(run.taken), tuple(run.failing), at))

    def arrived(point: Point, at: State) -> Mapping[Name, Value | None] | None:
        nonlocal source, begun
        ended(point, at)
        here = tuple(script[: run.at])
        if source is point or owners.setdefault(id(point), here) != here or (point, here) in visited:
            return None
        visited.append((point, here))
        source, begun = point, run.at
        return state(point, at)

    visited: list[Any] = []
    run = Points(words, cut_loops(kernel.body), arrived, script)
    try:
        end = run_kernel(run, kernel, given)
    except _Arrived:
        return
    final = State({}, {})
    for b, cells in end.items():
        for n, c in enumerate(cells):
            final.types[b, n] = b.dtype
            final.words[b, n] = None if c is None else run.word(c, b.dtype)
    ended(None, final)


FUEL = 20_000
"""Turns of loops of any kind in a run on numbers."""


class TooLong(Exception):
    """A run on numbers that comes to more points than are asked for."""


def visits(words: Words, kernel: Kernel, given: dict[Buffer | Var, Any], most: int) -> tuple[list[Visit], bool]:
    """The points that a run on numbers comes to, with their states; and whether a check failed before its end.

    Raises TooLong where there are more than `most`, and CheckError where it takes more than `FUEL` turns of loops.
    """
    found: list[Visit] = []

    def arrived(point: Point, at: State) -> Mapping[Name, Value | None]:
        if len(found) == most:
            raise TooLong
        found.append(Visit(point, at))
        return {}

    run = Points(words, cut_loops(kernel.body), arrived)
    run.fuel = FUEL
    run_kernel(run, kernel, given)
    return found, any(fails == 1 for _, fails in run.failing)


def checks(kernel: Kernel) -> list[tuple[str, Span]]:
    """What a kernel's statements may be checked for, by code and place, in the order of its text."""
    found: list[tuple[str, Span]] = []
    for s in statements(inline(kernel).body):
        found += _checks(s)
        for x in (x for e in exprs_of(s) for x in subexprs(e)):
            found += _checks(x)
    return found


def _checks(x: Any) -> Iterator[tuple[str, Span]]:
    if isinstance(x, Assert):
        yield x.check.value, x.span
    elif isinstance(x, Load | Store | Reduce):
        yield Check.BOUNDS.value, x.span
    elif isinstance(x, Apply) and x.op in (ops.FLOORDIV, ops.MOD):
        yield Check.DIVISION.value, x.span
