"""A word shifted left until its first bit is in front; by how much is found on the way, a step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gemel.semantics.floats.words import (
    bit,
    both,
    cut,
    either,
    joined,
    known,
    padded,
    resized,
    some,
    step_left,
    trimmed,
    truth,
    width,
)
from gemel.semantics.tower.formula import X

GROUPED = 3
"""The first steps, which move groups of bits and look at these: whether a bit is set is found but once then."""


def to_front(x: X, limit: X, keep: int, room: int = 0, most: int = 0) -> tuple[X, X, X]:
    """The first `keep` bits of the word with `room` zeros before it, shifted left until its first bit is in front, but
    by no more than `limit`; whether one of those behind them is set; by how much it was shifted.

    `room` is a power of two and `most` below twice that, as far as it has to be shifted, where there is room at all.

    A step is done where what it shifts out is empty and the limit allows it. That is `free` when a step that it allowed
    was not done, or else has to have the step's bit.
    """
    shift = _Shift(x, keep, room, most or width(x) - 1)
    limit = resized(limit, max(width(limit), shift.steps))
    beyond = width(limit) > shift.steps
    free = some(cut(limit, width(limit) - 1, shift.steps)) if beyond else truth(x, False)
    for n in reversed(range(shift.steps)):
        may, used = bit(limit, n), shift.used(n)
        moves = either(free, may)
        if known(used) != 0:
            moves, free = both(moves, ~used), either(free, both(may, used))
        shift.step(n, moves)
    kept, rest = trimmed(shift.word, keep, shift.rest)
    return kept, rest, joined(*shift.moves)


@dataclass
class _Shift:
    """`plain` is the word with its room, `word` that after the steps so far, whether which were done is in `moves`.

    `groups` says of each group of bits whether one is set, `front` of those in front of `word`; `rest` whether one of
    the bits behind `word` is.
    """

    x: X
    keep: int
    room: int
    most: int
    moves: list[X] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = self.most.bit_length()
        self.fine = max(0, self.steps - GROUPED)
        self.size = 1 << self.fine
        self.groups = self.front = self._groups()
        self.plain = self.word = resized(self.x, width(self.x) + self.room)
        self.rest = truth(self.x, False)

    def _groups(self) -> list[X]:
        empty = [truth(self.x, False)] * (self.room // self.size)
        ends = range(width(self.x) - 1 + self.room % self.size, -1, -self.size)
        spans = [(min(width(self.x) - 1, high), max(0, high - self.size + 1)) for high in ends]
        return empty + [some(cut(self.x, *span)) for span in spans]

    def used(self, n: int) -> X:
        """Whether a bit is set where a step shifts out; none is so far from the front that this is after the room."""
        if self.near(n):
            return self.moves[0]
        if n >= self.fine:
            return either(*self.front[: 1 << n - self.fine])
        return some(cut(self.word, width(self.word) - 1, width(self.word) - (1 << n)))

    def near(self, n: int) -> bool:
        """Whether a step is only done where the room stays."""
        return bool(self.room and self.moves) and 1 << n > self.most - self.room

    def step(self, n: int, moves: X) -> None:
        """A step that is done or not."""
        before = self.plain if self.near(n) and len(self.moves) == 1 else self.word
        self.moves.append(moves)
        if n < self.fine:
            self.word, self.rest = step_left(self.word, moves, 1 << n, self.keep, self.rest)
            return
        behind = -(-(self.keep + self.size - 1) // self.size)
        self.word = _either(before, self.word, moves, 1 << n, behind * self.size + (1 << n) - self.size)
        by = 1 << n - self.fine
        self.front = [_chosen(moves, *pair) for pair in _pairs(self.front, by)][:by]
        if n == self.fine:
            self.rest = self._dropped(behind)

    def _dropped(self, keep: int) -> X:
        """Whether there is a bit in a group behind `keep` of them, by the steps that were done."""
        behind = [truth(self.x, False)]
        for g in reversed(self.groups):
            behind.append(either(g, behind[-1]))
        behind.reverse()
        found = [behind[min(keep + n, len(self.groups))] for n in range(1 << len(self.moves))]
        for moves in reversed(self.moves):
            found = [_chosen(moves, b, a) for a, b in zip(found[::2], found[1::2], strict=True)]
        return found[0]


def _either(moved: X, stays: X, moves: X, by: int, keep: int) -> X:
    """The first bits of a word that is shifted, or of one that isn't."""
    moved, stays = (padded(x, max(0, keep + by - width(x))) for x in (moved, stays))
    first = cut(moved, width(moved) - by - 1, width(moved) - keep - by)
    return stays.f.where(moves, first, cut(stays, width(stays) - 1, width(stays) - keep))


def _pairs(groups: Sequence[X], by: int) -> list[tuple[X, X]]:
    """What is in each group after a shift by some groups, and what is now."""
    spare = [truth(groups[0], False)] * by
    return list(zip([*groups[by:], *spare][: len(groups)], groups, strict=True))


def _chosen(cond: X, a: X, b: X) -> X:
    """One of two conditions."""
    same = a.expr is b.expr or (known(a) is not None and known(a) == known(b))
    return a if same else cond.f.where(cond, a, b)
