"""What passes between a kernel and one of its arrays, in order, where that doesn't depend on data.

A local array with some of the elements, `axes` of the indices telling the place, gets an element where one of `sites`
loads or stores it. `covered` says of which loads it then certainly has the element.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

from gemel.hwsynth.evaluate import evaluated
from gemel.hwsynth.split import eager
from gemel.semantics import build
from gemel.semantics.ir import Buffer, Expr, For, If, Let, Load, Reduce, Ref, Stmt, Store, Var, While
from gemel.semantics.linear import Sum, sum_of
from gemel.semantics.traverse import Body, accesses, blocks_of, exprs_of, subexprs

MOST = 1 << 17
"""Events that are looked at."""

ELSEWHERE = -1
"""The element of an access that nothing is known of."""

LOAD, FILL, STORE, BRANCH, OTHERWISE, JOIN = range(6)

Event = tuple[int, int, int]
"""What happens, at which site, to which element in row-major order."""


class _TooMany(Exception):
    """More events than are looked at."""


@dataclass(frozen=True)
class _Note:
    """An access of a statement: what it does, at which site, to which element of the array, as far as that is a sum."""

    what: int
    site: int
    element: Sum | None


@dataclass
class Passing:
    """The events of a kernel's body at a buffer; `sites` are its accesses that may fill a local array."""

    buffer: Buffer
    sizes: tuple[int, ...]
    events: list[Event] = field(default_factory=list)
    sites: dict[int, Load | Store | Reduce] = field(default_factory=dict)
    env: dict[Var, int] = field(default_factory=dict)
    notes: dict[int, tuple[_Note, ...]] = field(default_factory=dict)
    """What statements do to the array, by identity, as soon as each was met."""
    sums: dict[int, Sum | None] = field(default_factory=dict)
    """The sums that expressions are, by identity."""
    unknown: int = 0

    @staticmethod
    def of(b: Buffer, sizes: tuple[int, ...], body: Body) -> Passing | None:
        """All events; None where there are too many."""
        found = Passing(b, sizes)
        found.concerned = _concerned(b, body)
        try:
            found._body(body)
        except _TooMany:
            return None
        return found

    def __post_init__(self) -> None:
        self.words = prod(self.sizes)
        self.concerned: set[int] = set()

    # --------------------------------------------------------------------------------------------------------- walking

    def _body(self, body: Body) -> None:
        for s in body:
            if id(s) in self.concerned:
                self._stmt(s)

    def _stmt(self, s: Stmt) -> None:
        if id(s) not in self.notes:
            self.notes[id(s)] = tuple(self._noted(s))
        for note in self.notes[id(s)]:
            self._happens(note)
        match s:
            case Let():
                value = self._value(s.value)
                self.env.pop(s.var, None)
                if value is not None:
                    self.env[s.var] = value
            case For():
                self._for(s)
            case While():
                self._unknown(s.body)
            case If():
                self._if(s)
            case _:
                pass

    def _happens(self, note: _Note) -> None:
        if len(self.events) >= MOST:
            raise _TooMany
        element = None if self.unknown else self._at(note.element)
        known = element is not None and 0 <= element < self.words
        self.events.append((note.what, note.site, element if known and element is not None else ELSEWHERE))

    def _noted(self, s: Stmt) -> Iterator[_Note]:
        """What a statement itself does to the array, in order."""
        loads = [x for x in _own(s) if isinstance(x, Load) and x.buffer is self.buffer]
        again = isinstance(s, While) or (isinstance(s, For) and bool(s.carry))
        yield from (_Note(LOAD, id(x), None if again else self._sum(x.indices)) for x in loads)
        if not isinstance(s, Let | Store | Reduce):
            return
        changes = not isinstance(s, Let) and s.buffer is self.buffer
        if changes and isinstance(s, Reduce):
            yield _Note(LOAD, id(s), self._sum(s.indices))
        if loads:
            yield from self._fills(s)
        if changes and not isinstance(s, Let):
            self.sites[id(s)] = s
            yield _Note(STORE, id(s), self._sum(s.indices))

    def _fills(self, s: Let | Store | Reduce) -> Iterator[_Note]:
        for x in (x for e in exprs_of(s) for x in eager(e)):
            if isinstance(x, Load) and x.buffer is self.buffer and not any(map(build.reads_memory, x.indices)):
                self.sites[id(x)] = x
                yield _Note(FILL, id(x), self._sum(x.indices))

    def _at(self, s: Sum | None) -> int | None:
        """The value of a sum; None where it isn't known."""
        if s is None:
            return None
        total = s.constant
        for v, c in s.terms.items():
            value = self.env.get(v)
            if value is None:
                return None
            total += c * value
        return total

    def _value(self, e: Expr) -> int | None:
        if self.unknown:
            return None
        if id(e) not in self.sums:
            self.sums[id(e)] = sum_of(e)
        found = self._at(self.sums[id(e)])
        if found is None:
            value = evaluated(e, self.env)
            found = None if value is None else int(value)
        return found

    def _sum(self, indices: Sequence[Expr]) -> Sum | None:
        total = Sum(0, {})
        for i, size in zip(indices, self.sizes, strict=True):
            own = sum_of(i)
            if own is None:
                return None
            total = Sum(0, {}).plus(total, size).plus(own)
        return total

    def _for(self, s: For) -> None:
        lo, hi, step = map(self._value, (s.lo, s.hi, s.step))
        if lo is None or hi is None or not step or s.until is not None or s.carry:
            self._unknown(s.body)
            return
        for n in range(lo, hi, step):
            self.env[s.var] = n
            self._body(s.body)

    def _unknown(self, body: Body) -> None:
        """A block that may run any number of times, or in part."""
        self.unknown += 1
        self._body(body)
        self.unknown -= 1

    def _if(self, s: If) -> None:
        known = self._value(s.cond)
        if known is not None:
            self._body(s.then if known else s.orelse)
            return
        self.events.append((BRANCH, 0, 0))
        self._body(s.then)
        self.events.append((OTHERWISE, 0, 0))
        self._body(s.orelse)
        self.events.append((JOIN, 0, 0))

    # -------------------------------------------------------------------------------------------------------- replaying

    def covered(self, axes: Sequence[int], sites: set[int]) -> set[int]:
        """The sites whose loads all find their element in a local array along `axes` that `sites` fill."""
        slots = self._slots(axes)
        has = [ELSEWHERE] * (max(slots, default=0) + 1)
        stack: list[list[int]] = []
        found, missed = set(), set()
        for what, site, element in self.events:
            if what == LOAD:
                found.add(site)
                if element == ELSEWHERE or has[slots[element]] != element:
                    missed.add(site)
            elif what in (FILL, STORE):
                _filled(has, slots, element, site in sites, what == STORE)
            elif what == BRANCH:
                stack.append(list(has))
            elif what == OTHERWISE:
                has, stack[-1] = stack[-1], has
            else:
                other = stack.pop()
                has = [a if a == b else ELSEWHERE for a, b in zip(has, other, strict=True)]
        return found - missed

    def _slots(self, axes: Sequence[int]) -> list[int]:
        """For each element its place in the local array."""
        found = [0]
        for n, size in enumerate(self.sizes):
            found = [k * size + i if n in axes else k for k in found for i in range(size)]
        return found


def _filled(has: list[int], slots: Sequence[int], element: int, kept: bool, stored: bool) -> None:
    """Notes what an access does to a local array: one that isn't kept there leaves another word than its element's."""
    if element != ELSEWHERE:
        slot = slots[element]
        if kept:
            has[slot] = element
        elif stored and has[slot] == element:
            has[slot] = ELSEWHERE
    elif stored or kept:
        has[:] = [ELSEWHERE] * len(has)


def _own(s: Stmt) -> Iterator[Expr]:
    """All expressions that a statement itself evaluates."""
    return (x for e in exprs_of(s) for x in subexprs(e))


def _concerned(b: Buffer, body: Body) -> set[int]:
    """The statements that access a buffer or hold some that do, and the names that say where and whether."""
    found: set[int] = set()
    wanted: set[Var] = set()

    def block(body: Body) -> None:
        for s in reversed(body):  # names stand before what they are used in
            for inner in blocks_of(s):
                block(inner)
            inside = any(id(x) in found for inner in blocks_of(s) for x in inner)
            if inside or any(buffer is b for buffer, _ in accesses(s)) or (isinstance(s, Let) and s.var in wanted):
                found.add(id(s))
                wanted.update(x.var for x in _own(s) if isinstance(x, Ref))

    block(body)
    return found
