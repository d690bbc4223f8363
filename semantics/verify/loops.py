"""Loops in a symbolic run: from a state that any iteration may start in, once through the body.

What holds in that state are the invariants: those the user states at the top of the body, and those of a list of common
forms (bounds, running indices, order among variables) that hold on entry and that an iteration keeps, found by dropping
the others until none is dropped (the Houdini algorithm of Flanagan and Leino, 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import z3

from gemel.semantics.dtypes import INDEX, BoolType, is_integer
from gemel.semantics.ir import Assert, Buffer, Check, Const, For, If, Let, Reduce, Stmt, Var, While
from gemel.semantics.traverse import blocks_of, statements, stored
from gemel.semantics.verify import conflicts, regions
from gemel.semantics.verify.state import ForAll, Region, State, newer
from gemel.semantics.verify.terms import Bool, Num, range_of
from gemel.semantics.verify.unknowns import fresh_bool, fresh_int, mark

if TYPE_CHECKING:
    from gemel.semantics.verify.walk import Walk

Body = tuple[Stmt, ...]
Invariant = Callable[[State, Any], Bool]
MOST_SCALARS = 8


@dataclass
class Loop:
    """A loop that is being run: `var` is its variable's term in the iteration looked at, None for a `while`.

    `step` is 0 where it isn't a known number; `stride` is its value in any case.
    """

    node: For | While
    changed: list[Buffer]
    stated: Body
    start: int
    var: Any = None
    lo: Num | None = None
    hi: Num | None = None
    step: int = 0
    sign: int = 0
    stride: Num | None = None

    def after(self) -> Any:
        """What the variable is for the next iteration."""
        return None if self.var is None or self.stride is None else self.var + self.stride.term

    def reach(self) -> Num:
        """The variable with an interval that it doesn't leave, on entry and exit included."""
        if self.lo is None or self.hi is None or self.stride is None:
            return Num(self.var, *range_of(INDEX))
        most = max(abs(self.stride.lo), abs(self.stride.hi))
        return Num(self.var, min(self.lo.lo, self.hi.lo) - most, max(self.lo.hi, self.hi.hi) + most)

    def ran(self, at: Any) -> Bool:
        """Whether `at` is a value that the variable takes."""
        if self.lo is None or self.hi is None or not self.sign:
            return z3.BoolVal(True)
        stride = abs(self.step)
        if self.sign > 0:
            inside, offset = z3.And(at >= self.lo.term, at < self.hi.term), at - self.lo.term
        else:
            inside, offset = z3.And(at <= self.lo.term, at > self.hi.term), self.lo.term - at
        return inside if stride <= 1 else z3.And(inside, offset % stride == 0)

    def before(self, at: Any) -> Callable[[Any], Bool]:
        """Whether an iteration ran earlier than the one at `at`."""
        return lambda other: z3.And(self.ran(other), other < at if self.sign > 0 else other > at)


def run_for(walk: Walk, s: For, state: State) -> None:
    """A counted loop."""
    lo, hi, step = (walk.integer(e, state) for e in (s.lo, s.hi, s.step))
    known = step.lo if step.lo == step.hi else 0
    sign = walk.proves(state, step.term > 0) - walk.proves(state, step.term < 0)
    loop = Loop(s, _changed(s, state), _stated(s.body), mark(), fresh_int(s.var.hint), lo, hi, known, sign, step)
    interval = (lo.lo, max(hi.hi - 1, lo.lo)) if sign > 0 else (min(hi.lo + 1, lo.hi), lo.hi)
    if not sign:
        interval = (min(lo.lo, hi.lo), max(lo.hi, hi.hi))
    bound = Num(loop.var, *interval)

    def enter(head: State) -> None:
        head.vars[s.var] = bound
        head.facts.append(loop.ran(loop.var))
        head.facts.append(z3.And(loop.var >= interval[0], loop.var <= interval[1]))
        if s.until is not None:
            head.facts.append(z3.Not(walk.truth(s.until, head)))

    _invariants_on_entry(walk, loop, state, {s.var: lo})
    invariants, head, end = _settled(walk, loop, state, enter, lo.term)
    added = _initialised(head, end).items() if known else ()
    made = {b: regions.generalised(r, loop.var, loop.ran, loop.start) for b, r in added}
    if walk.deciding:
        start = head.copy()
        for b, r in added:
            start.regions[b] = start.regions[b] + regions.generalised(r, loop.var, loop.before(loop.var), loop.start)
        conflicts.examine(walk, s, loop, start)
        end = start.copy()
        walk.block(s.body, end)
        _invariants_kept(walk, loop, end, {s.var: replace(loop.reach(), term=loop.after())})
    _leave(walk, loop, state, invariants, head, end, made)


def run_while(walk: Walk, s: While, state: State) -> None:
    """A loop with a condition."""
    loop = Loop(s, _changed(s, state), _stated(s.body), mark())

    def enter(head: State) -> None:
        head.facts.append(walk.truth(s.cond, head))

    walk.truth(s.cond, state)
    _invariants_on_entry(walk, loop, state, {})
    invariants, head, end = _settled(walk, loop, state, enter, None)
    if walk.deciding:
        end = head.copy()
        walk.block(s.body, end)
        walk.truth(s.cond, end)
        _invariants_kept(walk, loop, end, {})
    _leave(walk, loop, state, invariants, head, end, {})
    state.facts.append(z3.Not(walk.truth(s.cond, state)))


def _changed(s: For | While, state: State) -> list[Buffer]:
    inside = stored(s.body)
    return [b for b in state.arrays if b in inside]


def _stated(body: Body) -> Body:
    """The statements at the top of a body that state its invariants."""
    last = 0
    for n, s in enumerate(body, 1):
        inner = [x for x in statements((s,)) if isinstance(x, Assert)]
        if inner and all(a.check is Check.INVARIANT for a in inner):
            last = n
        elif not isinstance(s, Let | For | If) or (isinstance(s, For | If) and not _only_asserts(s)):
            break
    return body[:last]


def _only_asserts(s: Stmt) -> bool:
    return all(isinstance(x, Assert | Let | For | If) for b in blocks_of(s) for x in statements(b))


def _silently(walk: Walk, run: Callable[[], None]) -> None:
    before, walk.deciding = walk.deciding, False
    run()
    walk.deciding = before


def _invariants_on_entry(walk: Walk, loop: Loop, state: State, at: dict[Var, Num]) -> None:
    if loop.stated:
        entry = state.copy()
        entry.vars.update(at)
        walk.block(loop.stated, entry)


def _invariants_kept(walk: Walk, loop: Loop, end: State, at: dict[Var, Num]) -> None:
    if loop.stated:
        after = end.copy()  # what isn't proved here is checked in the next iteration, if there is one
        after.vars.update(at)
        walk.block(loop.stated, after)


# ------------------------------------------------------------------------------------------------------- invariants


def _settled(
    walk: Walk, loop: Loop, state: State, enter: Callable[[State], None], first: Any
) -> tuple[list[Invariant], State, State]:
    """The invariants that hold, the state at the head of an iteration with them, and that after the iteration."""
    known = walk.survivors.get(loop.node)
    possible = {n: c for n, c in _candidates(walk, loop, state, first) if known is None or n in known}
    candidates = _holding(walk, possible, state, first)
    while True:
        head = state.copy()
        _forget(walk, loop, head)
        head.facts.extend(holds(head, loop.var) for holds in candidates.values())
        if loop.stated:
            if loop.var is not None and isinstance(loop.node, For):
                head.vars[loop.node.var] = loop.reach()
            _silently(walk, lambda head=head: walk.block(loop.stated, head))  # type: ignore[misc]
        enter(head)
        end = head.copy()
        _silently(walk, lambda end=end: walk.block(loop.node.body, end))  # type: ignore[misc]
        kept = _holding(walk, candidates, end, loop.after())
        if len(kept) == len(candidates):
            walk.survivors[loop.node] = list(candidates)
            return list(candidates.values()), head, end
        candidates = kept


def _holding(walk: Walk, candidates: dict[Any, Invariant], state: State, at: Any) -> dict[Any, Invariant]:
    goals = {name: holds(state, at) for name, holds in candidates.items()}
    proved = walk.prover.which(state.facts, goals)
    return {name: holds for name, holds in candidates.items() if name in proved}


def _forget(walk: Walk, loop: Loop, state: State) -> None:
    """Makes what the loop changes unknown."""
    for b in loop.changed:
        if b.rank:
            state.arrays[b] = walk.memory.unknown(b)
        elif b in state.scalars:
            state.scalars[b] = walk.terms(state).anything(b.dtype)
        if not b.rank and b in walk.tracked and b not in state.known:
            state.regions[b] = [*state.regions.get(b, ()), Region((), fresh_bool(f"{b.hint} is set"), ())]


def _candidates(walk: Walk, loop: Loop, state: State, first: Any) -> Iterator[tuple[Any, Invariant]]:
    """Invariants that may hold, each with a name that is the same whenever the loop is run."""
    yield from _flagged(walk, loop, state)
    scalars = [b for b in loop.changed if not b.rank and is_integer(b.dtype) and isinstance(state.scalars.get(b), Num)]
    if not scalars or len(scalars) > MOST_SCALARS:
        return
    anchors = _anchors(walk, loop, state)
    for b in scalars:
        begin = _of(state, b)
        yield (b, "from"), lambda st, v, b=b, x=begin: _of(st, b) >= x  # type: ignore[misc]
        yield (b, "to"), lambda st, v, b=b, x=begin: _of(st, b) <= x  # type: ignore[misc]
        for least in (0, -1):
            yield (b, "least", least), lambda st, v, b=b, x=least: _of(st, b) >= x  # type: ignore[misc]
        for name, anchor in anchors:
            for less in (0, 1):
                x = anchor - less
                yield (b, "most", name, less), lambda st, v, b=b, x=x: _of(st, b) <= x  # type: ignore[misc]
                yield (b, "above", name, less), lambda st, v, b=b, x=x: _of(st, b) >= x  # type: ignore[misc]
        yield from _with_variable(loop, b, begin, first)
    yield from _among(loop, scalars, state, first)


def _flagged(walk: Walk, loop: Loop, state: State) -> Iterator[tuple[Any, Invariant]]:
    """A variable has a value where a flag is set: what `return` in a loop leaves."""
    flags = [b for b in loop.changed if not b.rank and isinstance(b.dtype, BoolType) and b in state.scalars]
    open_ = [b for b in loop.changed if not b.rank and b in walk.tracked and b not in state.known]
    for flag in flags:
        for b in open_:
            yield (flag, b, "set"), partial(_set_where, flag, b)


def _set_where(flag: Buffer, b: Buffer, state: State, at: Any) -> Bool:
    value = state.scalars.get(flag)
    is_set = z3.BoolVal(b in state.known)
    known = z3.Or(is_set, regions.covered(state.regions.get(b, ()), ()))
    return known if value is None or isinstance(value, Num) else z3.Implies(value, known)


def _with_variable(loop: Loop, b: Buffer, begin: Any, first: Any) -> Iterator[tuple[Any, Invariant]]:
    if loop.var is None or not loop.step:
        return
    for k in sorted({1, *_increments(loop.node.body, b)}):
        run = partial(_pace, loop, begin, first, k)
        yield (b, "runs", k), lambda st, v, b=b, run=run: _of(st, b) == run(v)  # type: ignore[misc]
        yield (b, "behind", k), lambda st, v, b=b, run=run: _of(st, b) <= run(v)  # type: ignore[misc]
    for n in (0, 1):
        yield (b, "low", n), lambda st, v, b=b, n=n: _of(st, b) + n <= v  # type: ignore[misc]
    yield (b, "high"), lambda st, v, b=b: _of(st, b) >= v  # type: ignore[misc]


def _pace(loop: Loop, begin: Any, first: Any, k: int, at: Any) -> Any:
    """What a variable is that grows by `k` in each iteration."""
    turns = (at - first) * loop.step if abs(loop.step) == 1 else (at - first) / loop.step
    return begin + k * turns


def _among(loop: Loop, scalars: list[Buffer], state: State, first: Any) -> Iterator[tuple[Any, Invariant]]:
    """Order and constant sums among variables."""
    for a in scalars:
        for b in scalars:
            if a is not b:
                for less in (0, 1):
                    yield (a, b, less), lambda st, v, a=a, b=b, n=less: _of(st, a) + n <= _of(st, b)  # type: ignore[misc]
                if first is not None:
                    yield (a, b, "gap"), _gap(a, b, _of(state, a) - _of(state, b) - first)
    pairs = [(a, b) for n, a in enumerate(scalars) for b in scalars[n + 1 :]]
    for a, b in pairs:
        total = _of(state, a) + _of(state, b)
        yield (a, b, "sum"), lambda st, v, a=a, b=b, x=total: _of(st, a) + _of(st, b) == x  # type: ignore[misc]
        if first is not None:
            x = total - first
            yield (a, b, "pace"), lambda st, v, a=a, b=b, x=x: _of(st, a) + _of(st, b) - v == x  # type: ignore[misc]
        for c in scalars if len(scalars) <= 4 else ():
            if c is not a and c is not b:
                yield (a, b, c), _balance(a, b, c, total - _of(state, c))


def _gap(a: Buffer, b: Buffer, total: Any) -> Invariant:
    return lambda st, v: _of(st, a) - _of(st, b) - v == total


def _balance(a: Buffer, b: Buffer, c: Buffer, total: Any) -> Invariant:
    return lambda st, v: _of(st, a) + _of(st, b) - _of(st, c) == total


def _anchors(walk: Walk, loop: Loop, state: State) -> list[tuple[Any, Any]]:
    """Values that a loop doesn't change and that bounds speak of."""
    found: list[tuple[Any, Any]] = [(d, state.vars[d]) for d in walk.kernel.dims]
    found += [(p, state.vars[p]) for p in walk.kernel.params if isinstance(p, Var)]
    found += [("lo", loop.lo), ("hi", loop.hi)]
    found += [(b, v) for b, v in state.scalars.items() if b not in loop.changed and is_integer(b.dtype)]
    terms = [(name, value.term) for name, value in found if isinstance(value, Num)]
    unique: dict[int, tuple[Any, Any]] = {}
    for name, term in terms:
        unique.setdefault(term.get_id(), (name, term))
    return list(unique.values())[:8]


def _increments(body: Body, b: Buffer) -> set[int]:
    return {
        int(s.value.value)
        for s in statements(body)
        if isinstance(s, Reduce) and s.buffer is b and isinstance(s.value, Const)
    }


def _of(state: State, b: Buffer) -> Any:
    value = state.scalars[b]
    return value.term if isinstance(value, Num) else fresh_int(b.hint)


# -------------------------------------------------------------------------------------------------------------- leaving


def _initialised(head: State, end: State) -> dict[Buffer, list[Any]]:
    """The regions that an iteration adds."""
    return {b: end.regions[b][len(known) :] for b, known in head.regions.items() if b not in head.known}


def _leave(
    walk: Walk, loop: Loop, state: State, invariants: list[Invariant], head: State, end: State, made: dict[Buffer, Any]
) -> None:
    """Makes `state` what it is after the loop."""
    _forget(walk, loop, state)
    exit_ = None
    if loop.var is not None:
        exit_ = _exit(loop, state)
    state.facts.extend(holds(state, exit_) for holds in invariants)
    if loop.stated:
        if isinstance(loop.node, For) and exit_ is not None:
            state.vars[loop.node.var] = replace(loop.reach(), term=exit_)
        walk.trust(loop.stated, state)
    complete = isinstance(loop.node, For) and loop.node.until is None
    for b, r in made.items():
        if complete and b in state.regions:
            state.regions[b] = state.regions[b] + r
    if complete and loop.step and not any(b in state.arrays for b in loop.changed):
        _generalise(walk, loop, state, head, end)


def _exit(loop: Loop, state: State) -> Any:
    """The value at which the variable leaves the range."""
    if loop.lo is None or loop.hi is None:
        return None
    lo, hi = loop.lo.term, loop.hi.term
    if abs(loop.step) == 1 and isinstance(loop.node, For) and loop.node.until is None:
        return z3.If(hi > lo, hi, lo) if loop.step > 0 else z3.If(hi < lo, hi, lo)
    at = fresh_int("exit")
    if loop.step > 0:
        state.facts.append(z3.And(at >= lo, z3.Or(at == lo, at < hi + loop.step)))
    elif loop.step < 0:
        state.facts.append(z3.And(at <= lo, z3.Or(at == lo, at > hi + loop.step)))
    return at


def _generalise(walk: Walk, loop: Loop, state: State, head: State, end: State) -> None:
    """What a loop that changes nothing states of each iteration holds for all of them."""
    for told in end.stated[len(head.stated) :]:
        inner = told if isinstance(told, ForAll) else ForAll((), z3.BoolVal(True), told)
        allowed = (loop.var, *inner.variables)
        if any(newer(t, loop.start, allowed) for t in (inner.cond, inner.body)):
            continue
        cond = z3.simplify(z3.And(loop.ran(loop.var), inner.cond))
        walk.memory.state_all(state, ForAll(allowed, cond, inner.body))
