"""Whether two kernels take the same steps in the same order, up to names and the places where values are named.

Both are walked side by side. Expressions get value numbers: a read is numbered by its array, the place, and how often
the array was changed before, so that it doesn't matter where a value was given a name. A loop's body is walked once,
from arrays that hold anything: by induction all its iterations are the same. So loops whose iterations hand values on,
that end early or run while something holds, and checks, are no obstacle.

Where the two take different steps, what remains of the two blocks is a pair of kernels of its own, whose parameters are
the values and arrays that are in reach there: `proof` may show that these leave the same in all arrays.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gemel.semantics.convert import to_bits
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.schedule.remaining import remaining
from gemel.semantics.traverse import Body, loaded, stored

OTHER = "the two take other steps"

SHORT = ((1, 1), (1, 2), (2, 1))
"""Steps of the two kernels that are compared where these differ and what remains isn't shown to be the same."""

UNORDERED = (LoopKind.PARALLEL, LoopKind.VECTOR)


Prove = Callable[[Kernel, Kernel], str]
"""Shows that two kernels are the same function: "", or why that isn't known."""


def in_lockstep(first: Kernel, second: Kernel, prove: Prove | None = None) -> str:
    """Whether two kernels without calls, and with the same parameters, do the same step by step: "", or why not.

    `prove` is asked where they take different steps.
    """
    try:
        _Lockstep(first, second, prove).walk()
    except Differs as error:
        return str(error)
    return ""


class Differs(Exception):
    """The two take different steps."""


@dataclass
class Side:
    """What is known of one kernel at a place.

    Value numbers of variables, numbers of arrays, values that were named, the loops around, the arrays that were made,
    those of them that hold something which the other kernel hasn't got; `found` has the numbers of expressions until an
    array changes.
    """

    values: dict[Var, int] = field(default_factory=dict)
    arrays: dict[Buffer, int] = field(default_factory=dict)
    named: dict[Var, Expr] = field(default_factory=dict)
    loops: tuple[For, ...] = ()
    made: list[Buffer] = field(default_factory=list)
    own: set[Buffer] = field(default_factory=set)
    found: dict[Expr, int] = field(default_factory=dict)

    def copy(self) -> Side:
        """What is known now, for when it's to be known again."""
        more = dict(self.named), self.loops, list(self.made), set(self.own)
        return Side(dict(self.values), dict(self.arrays), *more)

    def name(self, s: Let, number: int) -> None:
        """A value has a name from here on."""
        self.values[s.var] = number
        self.named[s.var] = s.value


@dataclass(frozen=True)
class Place:
    """Positions in two blocks, and what is known there."""

    at: tuple[int, int]
    sides: tuple[Side, Side]


@dataclass
class _Lockstep:
    first: Kernel
    second: Kernel
    prove: Prove | None
    numbers: dict[Any, int] = field(default_factory=lambda: defaultdict(count().__next__))
    changes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    latest: dict[Any, int] = field(default_factory=dict)
    sides: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))

    def walk(self) -> None:
        """Raises Differs unless the two do the same."""
        for a, b in self.zipped(self.first.dims, self.second.dims):
            self.same_var(a, b)
        for a, b in self.zipped(self.first.params, self.second.params):
            self.same_var(a, b) if isinstance(a, Var) else self.same_array(a, b)
        for a, b in self.zipped(self.first.results, self.second.results):
            self.same_array(a, b)
        self.block(self.first.body, self.second.body)

    def zipped(self, first: Any, second: Any) -> Iterator[tuple[Any, Any]]:
        if len(first) != len(second):
            raise Differs(OTHER)
        return zip(first, second, strict=True)

    def same_var(self, a: Any, b: Any) -> None:
        """One more value that is the same on both sides."""
        if not isinstance(b, Var) or a.dtype != b.dtype:
            raise Differs(OTHER)
        self.sides[0].values[a] = self.sides[1].values[b] = self.numbers[object()]

    def same_array(self, a: Any, b: Any) -> None:
        """One more array that the two have in common; each has its partner."""
        if not isinstance(b, Buffer) or a.dtype != b.dtype or a.data is not None or b.data is not None:
            raise Differs(OTHER)
        first, second = self.sides
        if a in first.own or b in second.own:
            raise Differs(OTHER)
        if a in first.arrays or b in second.arrays:
            if first.arrays.get(a, a) != second.arrays.get(b, b):
                raise Differs(OTHER)
            return
        for m, n in self.zipped(a.shape, b.shape):
            self.same(m, n)
        first.arrays[a] = second.arrays[b] = len(first.arrays)

    # ------------------------------------------------------------------------------------------------------- values

    def same(self, a: Expr, b: Expr) -> None:
        """Raises Differs unless two expressions have one value."""
        if self.number(a, self.sides[0]) != self.number(b, self.sides[1]):
            raise Differs(OTHER)

    def number(self, e: Expr, side: Side) -> int:
        """The value number of an expression at the present place."""
        if e not in side.found:
            side.found[e] = self.made(e, side)
        return side.found[e]

    def made(self, e: Expr, side: Side) -> int:
        match e:
            case Const():
                return self.numbers["const", e.dtype, to_bits(e.value, e.dtype)]
            case Ref():
                return side.values[e.var]
            case Load():
                at = (*self.array(e.buffer, side), *(self.number(i, side) for i in e.indices))
                return self.latest[at] if at in self.latest else self.numbers["read", at]
            case Apply():
                return self.numbers[e.op, e.dtype, tuple(self.number(a, side) for a in e.args)]

    def array(self, b: Buffer, side: Side) -> tuple[Any, ...]:
        """An array and what it holds now."""
        if b.data is not None:
            return b.dtype, b.data.shape, b.data.tobytes()
        if b not in side.arrays:
            raise Differs(OTHER)  # it is read before it is stored to
        return side.arrays[b], self.changes[side.arrays[b]]

    def forget(self, first: Body, second: Body) -> None:
        """Arrays that blocks may change hold anything from here on, the same on both sides."""
        for body, side in zip((first, second), self.sides, strict=True):
            side.found.clear()
            for n in {side.arrays[b] for b in stored(body) if b in side.arrays}:
                self.changes[n] += 1

    # ------------------------------------------------------------------------------------------------------- blocks

    def block(self, first: Body, second: Body) -> None:
        """Raises Differs unless two blocks do the same."""
        at, start = self.reached(first, second, (0, 0)), None
        while at != (len(first), len(second)):
            here = Place(at, self.kept())
            if start is None and not (at[0] < len(first) and isinstance(first[at[0]], Assert)):
                start = Place(at, self.kept())
            try:
                if len(first) == at[0] or len(second) == at[1]:
                    raise Differs("one of the two goes on")
                self.step(first[at[0]], second[at[1]])
                at = at[0] + 1, at[1] + 1
            except Differs as error:
                at = self.beyond(first, second, [here] if start is None else [here, start], error)
            at = self.reached(first, second, at)

    def kept(self) -> tuple[Side, Side]:
        return self.sides[0].copy(), self.sides[1].copy()

    def reached(self, first: Body, second: Body, at: tuple[int, int]) -> tuple[int, int]:
        """The positions of the next statements that do something; values are named on the way."""
        return self.next(first, at[0], self.sides[0]), self.next(second, at[1], self.sides[1])

    def next(self, body: Body, at: int, side: Side) -> int:
        while at < len(body):
            s = body[at]
            if isinstance(s, Let):
                side.name(s, self.number(s.value, side))
            elif isinstance(s, Alloc):
                side.made.append(s.buffer)
            else:
                break
            at += 1
        return at

    # ------------------------------------------------------------------------------------------------------- proofs

    def beyond(self, first: Body, second: Body, places: list[Place], error: Differs) -> tuple[int, int]:
        """The positions after parts of two blocks that are proved to leave the same in all arrays.

        Raises Differs where there are none.
        """
        if self.prove is None:
            raise error
        why = None
        for place, ends in self.parts(first, second, places):
            self.sides = place.sides[0].copy(), place.sides[1].copy()
            bodies = [body[i:end] for body, i, end in zip((first, second), place.at, ends, strict=True)]
            try:
                self.part(bodies[0], bodies[1], ends == (len(first), len(second)))
            except Differs as found:
                why = found
                continue
            return ends
        raise why or error

    def parts(self, first: Body, second: Body, places: list[Place]) -> Iterator[tuple[Place, tuple[int, int]]]:
        """What remains of two blocks where they first differ, short parts there, what remains from their start on."""
        here, (m, n), whole = places[0], places[0].at, (len(first), len(second))
        yield here, whole
        for steps in SHORT:
            ends = after(first, m, steps[0]), after(second, n, steps[1])
            if ends != whole:
                yield here, ends
        yield from ((place, whole) for place in places if place.at != here.at)

    def part(self, first: Body, second: Body, last: bool) -> None:
        """Two parts of blocks leave the same in all arrays, or Differs is raised."""
        if not last:
            self.pair(first, second)
        assert self.prove is not None
        why = self.prove(*remaining((first, second), self.sides, self.first, self.second))
        if why:
            raise Differs(why)
        self.forget(first, second)
        for body, side in zip((first, second), self.sides, strict=True):
            for s in body:
                if isinstance(s, Let):
                    side.name(s, self.numbers[object()])
            side.own |= {b for b in (*stored(body), *loaded(body)) if b not in side.arrays}

    def pair(self, first: Body, second: Body) -> None:
        """Arrays of a name that nothing has been stored to yet become partners."""
        found = []
        for body, side in zip((first, second), self.sides, strict=True):
            used = stored(body)
            found.append([b for b in side.made if b in used and b not in side.arrays and b not in side.own])
        for b in found[1]:
            for a in found[0]:
                if a not in self.sides[0].arrays and plain_name(a) == plain_name(b):
                    with suppress(Differs):
                        self.same_array(a, b)
                        break

    # --------------------------------------------------------------------------------------------------- statements

    def step(self, a: Stmt, b: Stmt) -> None:
        """Raises Differs unless two statements do the same."""
        if type(a) is not type(b):
            raise Differs(OTHER)
        other: Any = b
        self.same_step(a, other)

    def same_step(self, a: Stmt, b: Any) -> None:
        match a:
            case Store() | Reduce():
                self.store(a, b)
            case For():
                self.loop(a, b)
            case While() if not a.carry and not b.carry:
                self.forget(a.body, b.body)
                self.same(a.cond, b.cond)
                self.block(a.body, b.body)
                self.forget(a.body, b.body)
            case If() if not a.merges and not b.merges:
                self.same(a.cond, b.cond)
                self.block(a.then, b.then)
                self.forget(a.then, b.then)
                self.block(a.orelse, b.orelse)
                self.forget((a,), (b,))
            case Assert() if (a.check, a.message) == (b.check, b.message):
                for x, y in self.zipped((a.cond, *a.values), (b.cond, *b.values)):
                    self.same(x, y)
            case Assume():
                self.same(a.cond, b.cond)
            case _:
                raise Differs(OTHER)

    def store(self, a: Store | Reduce, b: Any) -> None:
        self.same(a.value, b.value)
        self.same_array(a.buffer, b.buffer)
        for i, j in self.zipped(a.indices, b.indices):
            self.same(i, j)
        if isinstance(a, Reduce) and a.op is not b.op:
            raise Differs(OTHER)
        side = self.sides[0]
        value, at = self.number(a.value, side), [self.number(i, side) for i in a.indices]
        self.forget((a,), (b,))
        if isinstance(a, Store):
            self.latest[*self.array(a.buffer, side), *at] = value

    def loop(self, a: For, b: For) -> None:
        if a.carry or b.carry or (b.kind in UNORDERED and b.kind is not a.kind):
            raise Differs(OTHER)
        for x, y in zip((a.lo, a.hi, a.step), (b.lo, b.hi, b.step), strict=True):
            self.same(x, y)
        self.forget(a.body, b.body)
        self.same_var(a.var, b.var)
        ends = [e for e in (a.until, b.until) if e is not None]
        if len(ends) == 1:
            raise Differs(OTHER)
        if ends:
            self.same(*ends)
        for side, s in zip(self.sides, (a, b), strict=True):
            side.loops = (*side.loops, s)
        self.block(a.body, b.body)
        for side in self.sides:
            side.loops = side.loops[:-1]
        self.forget(a.body, b.body)


def after(body: Body, at: int, steps: int) -> int:
    """The position after some statements that do something."""
    while at < len(body) and steps:
        steps -= not isinstance(body[at], Let | Alloc)
        at += 1
    return at


def plain_name(b: Buffer) -> str:
    """A name without the number that tells it from others."""
    return re.sub(r"[_.]\d+$", "", b.hint)
