"""Where accesses go, as far as it is known: indices as sums of multiples of loop positions, and their banks.

A loop variable is `lo + step * position`; sums are over positions, so that a variable that steps over all banks doesn't
change the bank. An access's bank along an axis is a `Slot`: a number, or a number away from something that the slots of
other accesses may share. Two accesses with one `base` are in different banks where their numbers differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gemel.hwsynth.banking import Digit
from gemel.semantics.arguments import value_of
from gemel.semantics.intervals import Interval
from gemel.semantics.ir import Banking, Expr, For, Kernel, Stmt, Var, While
from gemel.semantics.linear import Sum, sum_of
from gemel.semantics.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD = 1 << 63


@dataclass(frozen=True)
class Axis:
    """An index: its sum over loop positions, None where it is none, and the range of its values."""

    sum: Sum | None
    range: Interval


@dataclass(frozen=True)
class Slot:
    """A bank along an axis: `number` away from the unknown `base`; with `base` empty it is that bank."""

    base: object
    number: int

    @property
    def known(self) -> bool:
        """Whether the bank is known."""
        return self.base == ()


def slot(d: Digit, place: Sequence[Axis]) -> Slot:
    """The bank along a partitioned axis of an access; some bank for what is never reached, beyond the last one."""
    found = _slot(d, place)
    return Slot((), min(max(found.number, 0), d.count - 1)) if found.known else found


def _slot(d: Digit, place: Sequence[Axis]) -> Slot:
    axis = place[d.axis]
    if d.kind is Banking.BLOCK:
        return _block(d, axis)
    total = _skewed(d, place) if d.kind is Banking.SKEWED else axis.sum
    if total is None or _wraps(axis):
        return Slot(object(), 0)
    if d.kind is Banking.COMPLETE:
        return Slot(_key(total.terms), total.constant)
    return Slot(_key({v: c % d.count for v, c in total.terms.items()}), total.constant % d.count)


def _block(d: Digit, axis: Axis) -> Slot:
    first, last = (end // d.rows for end in axis.range)
    if first == last:
        return Slot((), first)
    if axis.sum is None or _wraps(axis):
        return Slot(object(), 0)
    return Slot((_key(axis.sum.terms), axis.sum.constant % d.rows), axis.sum.constant // d.rows)


def _key(terms: dict[Var, int]) -> object:
    return tuple(sorted(((id(v), c) for v, c in terms.items() if c)))


def _wraps(axis: Axis) -> bool:
    """Whether index arithmetic may have wrapped: remainders are then other ones."""
    return axis.range[0] <= -WORD or axis.range[1] >= WORD - 1


def _skewed(d: Digit, place: Sequence[Axis]) -> Sum | None:
    total = Sum(0, {})
    for c, axis in zip(d.skew, place, strict=True):
        if axis.sum is None or _wraps(axis):
            return None
        total = total.plus(axis.sum, c)
    return total


def apart(a: Sequence[Slot], b: Sequence[Slot]) -> bool:
    """Whether two accesses are certainly in different banks."""
    return any(x.base == y.base and x.number != y.number for x, y in zip(a, b, strict=True))


@dataclass
class Places:
    """The places at which a walk of a kernel's statements stands; it tells of each that it passes or enters."""

    ranges: Ranges
    loops: dict[Var, tuple[int, int]] = field(default_factory=dict)

    @staticmethod
    def of(kernel: Kernel) -> Places:
        """At the kernel's start."""
        return Places(Ranges(kernel))

    def place(self, indices: Sequence[Expr]) -> tuple[Axis, ...]:
        """The indices of an access."""
        return tuple(Axis(self._sum(i), self.ranges.of(i)) for i in indices)

    def _sum(self, e: Expr) -> Sum | None:
        found = sum_of(e)
        if found is None:
            return None
        total = Sum(found.constant, {})
        for v, c in found.terms.items():
            low, step = self.loops.get(v, (0, 1))
            total = total.plus(Sum(low, {v: step}), c)
        return total

    def pass_by(self, s: Stmt) -> None:
        """Takes in a statement that the walk has passed."""
        self.ranges.pass_by(s)

    @contextmanager
    def inside(self, s: For | While) -> Iterator[None]:
        """The body of a loop."""
        if isinstance(s, For):
            low, step = value_of(s.lo, {}), value_of(s.step, {})
            if low is not None and step is not None:
                self.loops[s.var] = (low, step)
        with self.ranges.inside(s):
            yield
