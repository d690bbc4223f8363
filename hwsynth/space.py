"""The iterations of a pipelined nest, one by one: which of them touch the same element of a memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gemel.hwsynth.evaluate import MEANINGS, ONCE, Iterations, Numbers, fitted
from gemel.hwsynth.forms import address
from gemel.hwsynth.nodes import Kind, Node
from gemel.semantics import ops
from gemel.semantics.ir import For, Ref, Var
from gemel.semantics.traverse import subexprs

MOST = 1 << 18
"""Iterations that are looked at one by one."""


@dataclass(eq=False)
class Space:
    """The iterations of all runs of a nest, in order.

    `run` says to which run an iteration belongs, `turn[l]` to which turn of loop l; both only grow.
    `nets` has the values of the nets that hold counters or say where in its loop an iteration stands.
    """

    all: Iterations
    run: Numbers
    turn: Sequence[Numbers]
    nets: dict[Var, Numbers] = field(default_factory=dict)
    known: dict[Node, Numbers | None] = field(default_factory=dict)

    # --------------------------------------------------------------------------------------------------------- values

    def value(self, n: Node) -> Numbers | None:
        """A node's value in each iteration; None where it depends on anything but counters."""
        if n not in self.known:
            self.known[n] = self._value(n)
        return self.known[n]

    def _value(self, n: Node) -> Numbers | None:
        if n.kind is Kind.CONST:
            return n.value
        if n.kind in (Kind.COUNTER, Kind.INPUT) and n.var is not None:
            return self.nets.get(n.var)
        if n.op is None or n.op not in MEANINGS:
            return None
        args = [self.value(a) for a in n.args]
        return None if any(a is None for a in args) else fitted(MEANINGS[n.op](*args), n.dtype)

    def place(self, access: Node) -> tuple[Numbers, frozenset[tuple[Node, int]]] | None:
        """An access's address: a number for each iteration plus multiples of unknown values that stay in a run."""
        form = address(access)
        total: Numbers = form.constant
        rest = []
        for n, coefficient in form.terms.items():
            value = self.value(n)
            if value is not None:
                total = total + coefficient * np.asarray(value, np.int64)
            elif n.kind is Kind.INPUT:
                rest.append((n, coefficient))
            else:
                return None
        return np.broadcast_to(total, (self.all.length,)), frozenset(rest)

    def happens(self, pred: Node | None) -> Numbers:
        """In which iterations something under a predicate may happen."""
        if pred is not None and pred.op is ops.LAND:
            return self.happens(pred.args[0]) & self.happens(pred.args[1])
        value = None if pred is None else self.value(pred)
        return np.broadcast_to(True if value is None else value, (self.all.length,))

    def follows(self, a: Node | None, b: Node | None) -> bool:
        """Whether something under predicate `b` may happen in the iteration after one under `a`, in the same run."""
        first, then = self.happens(a), self.happens(b)
        return bool(np.any(first[:-1] & then[1:] & (self.run[:-1] == self.run[1:])))

    def stands(self, level: int) -> tuple[Numbers, Numbers]:
        """Whether loop `level` is in its first and in its last turn."""
        around = self.turn[level - 1] if level else self.run
        own = self.turn[level]
        begin = np.searchsorted(around, around, "left")
        end = np.searchsorted(around, around, "right") - 1
        return own == own[begin], own == own[end]

    # -------------------------------------------------------------------------------------------------------- meetings

    def together(self, a: Node, b: Node) -> bool:
        """Whether two accesses may touch one element in the same iteration."""
        both = self.happens(a.pred) & self.happens(b.pred)
        places = self.place(a), self.place(b)
        if places[0] is None or places[1] is None or places[0][1] != places[1][1]:
            return bool(both.any())
        return bool((both & (places[0][0] == places[1][0])).any())

    def distances(self, a: Node, b: Node) -> dict[int, int]:
        """The least number of iterations from `a` to a later `b` that may touch the same element.

        For each level l, between iterations of different turns of loop l, but one turn of the loop around it; levels at
        which they never meet are left out.
        """
        places = self.place(a), self.place(b)
        if places[0] is None or places[1] is None or places[0][1] != places[1][1]:
            at = (np.zeros(self.all.length, np.int64),) * 2
        else:
            at = places[0][0], places[1][0]
        return self._nearest(at[0], self.happens(a.pred), at[1], self.happens(b.pred))

    def after(self, pred: Node | None) -> dict[int, int]:
        """The same for a value that is set under a predicate and may be read in any later iteration."""
        same = np.zeros(self.all.length, np.int64)
        return self._nearest(same, self.happens(pred), same, self.happens(None))

    def _nearest(self, at: Numbers, where: Numbers, other: Numbers, there: Numbers) -> dict[int, int]:
        low = int(min(at.min(initial=0), other.min(initial=0)))
        size = int(max(at.max(initial=0), other.max(initial=0))) - low + 1
        length = self.all.length
        first, second = np.flatnonzero(where), np.flatnonzero(there)
        keys = np.sort(self._key(other[second] - low, self.run[second], size) * length + second)
        found: dict[int, int] = {}
        if not len(keys):
            return found
        mine = self._key(at[first] - low, self.run[first], size)
        end = np.searchsorted(self.run, self.run[first], "right")
        for level, turn in enumerate(self.turn):
            begin = np.searchsorted(turn, turn[first], "right")
            n = np.searchsorted(keys, mine * length + begin)
            hit = keys[np.minimum(n, len(keys) - 1)]
            meets = (n < len(keys)) & (hit // length == mine) & (hit % length < end)
            if meets.any():
                found[level] = int((hit % length - first)[meets].min())
            end = begin
        return found

    def _key(self, at: Numbers, run: Numbers, size: int) -> Numbers:
        return run * size + at


def space(around: Sequence[For], loops: Sequence[For], nets: Mapping[Var, Var], ahead: bool) -> Space | None:
    """The iterations of a nest in all states of the loops around it; None where they aren't known or too many.

    `nets` holds the nets of the counters; the innermost loop may have a turn `ahead`.
    """
    every = _enumerated(around, loops, ahead) or _enumerated(_relevant(around, loops), loops, ahead)
    if every is None:
        return None
    run, *turn = every.marks
    return Space(every, run, turn, {nets[v]: x for v, x in every.values.items() if v in nets})


def _enumerated(around: Sequence[For], loops: Sequence[For], ahead: bool) -> Iterations | None:
    """The iterations, marked with their runs and turns."""
    found: Iterations | None = ONCE
    for s in around:
        found = found and found.inside(s, MOST, False)
    found = found and found.marked()
    for level, s in enumerate(loops):
        found = found and found.inside(s, MOST, level > 0, ahead and level + 1 == len(loops))
        found = found and found.marked()
    return found


def _relevant(around: Sequence[For], loops: Sequence[For]) -> list[For]:
    """The loops around on whose counters bounds depend, directly or not."""
    needed = _mentioned(loops)
    found: list[For] = []
    for s in reversed(around):
        if s.var in needed:
            found.insert(0, s)
            needed |= _mentioned([s])
    return found


def _mentioned(loops: Iterable[For]) -> set[Var]:
    return {x.var for s in loops for e in (s.lo, s.hi) for x in subexprs(e) if isinstance(x, Ref)}
