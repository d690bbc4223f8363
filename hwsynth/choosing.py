"""Banks for local arrays that are accessed more often in an iteration than they have ports.

Each innermost loop is to begin an iteration as often as its other memories allow; an array gets the fewest banks with
which its accesses keep it from that least. Ways to lay it out are tried from few banks to many.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gemel.hwsynth.banking import Layout, Number, with_banks
from gemel.hwsynth.places import Axis, Places, Slot, slot
from gemel.hwsynth.split import eager
from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import (
    Alloc,
    Banking,
    Banks,
    Buffer,
    Expr,
    For,
    If,
    Kernel,
    Load,
    Reduce,
    Stmt,
    Store,
    While,
)
from gemel.semantics.traverse import Body, Copier, exprs_of, statements, subexprs

MOST_BANKS = 128
MOST_ALONG = 32
"""Banks that are tried: in all, and along an axis."""

SOME = 8
"""Iterations that a loop with unknown bounds is taken to have."""


@dataclass(frozen=True)
class Use:
    """An access in a loop body; those of one `group` may share reads of banks that they are in."""

    buffer: Buffer
    writes: bool
    place: tuple[Axis, ...]
    group: object


@dataclass
class Part:
    """The accesses of a block that is pipelined or scheduled as one, how often it runs, and the II asked for."""

    times: int
    every: int = 0
    uses: list[Use] = field(default_factory=list)

    def of(self, b: Buffer, writes: bool) -> list[Use]:
        """The different accesses of an array."""
        found: dict[object, Use] = {}
        for u in self.uses:
            if u.buffer is b and u.writes is writes:
                sums = [a.sum for a in u.place]
                known = all(s is not None for s in sums)
                key = tuple((s.constant, frozenset(s.terms.items())) for s in sums if s) if known else object()
                found.setdefault(key, u)
        return list(found.values())


def choose(kernel: Kernel) -> Kernel:
    """The kernel with banks for local arrays where that lets loops run faster."""
    return banked(kernel, [s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)])


def banked(kernel: Kernel, arrays: Sequence[Buffer]) -> Kernel:
    """The kernel with banks for some of its arrays, where that lets loops run faster; those with banks keep theirs."""
    free = [b for b in arrays if b.rank and not b.banks]
    parts = _Reading(Places.of(kernel)).parts(kernel.body) if free else []
    least = {id(p): _least(p, set(free)) for p in parts}
    new = {}
    for b in free:
        mine = [(p, p.of(b, False), p.of(b, True)) for p in parts]
        found = _best(b, [(p, max(least[id(p)], p.every, 1), r, w) for p, r, w in mine if r or w])
        if found:
            new[b] = with_banks(b, found)
    return replaced(kernel, new) if new else kernel


def replaced(kernel: Kernel, new: dict[Buffer, Buffer]) -> Kernel:
    """The kernel with arrays in the place of others."""
    copier = _Replacing(new)
    params = tuple(new.get(p, p) if isinstance(p, Buffer) else p for p in kernel.params)
    results = tuple(new.get(b, b) for b in kernel.results)
    return replace(kernel, params=params, results=results, body=copier.body(kernel.body))


class _Replacing(Copier):
    """A copier that puts buffers in the place of others."""

    def __init__(self, new: dict[Buffer, Buffer]) -> None:
        super().__init__(buffers=dict(new))
        self.new = new

    def fresh_buffer(self, b: Buffer) -> Buffer:
        if b not in self.new:
            return super().fresh_buffer(b)
        return self.new[b]


# --------------------------------------------------------------------------------------------------------- what is used


@dataclass
class _Reading:
    """A walk that collects the accesses of each innermost block."""

    places: Places
    found: list[Part] = field(default_factory=list)

    def parts(self, body: Body) -> list[Part]:
        """The parts of a kernel."""
        self.block(body, Part(1))
        return [p for p in self.found if p.uses]

    def block(self, body: Body, part: Part) -> None:
        """A block: each loop in it is a part of its own, what stands between loops another one."""
        self.found.append(part)
        group: object = object()
        for s in body:
            if isinstance(s, For | While):
                self.loop(s, part)
                part = Part(part.times)
                self.found.append(part)
            elif isinstance(s, If):
                for block, truth in ((s.then, True), (s.orelse, False)):
                    with self.places.ranges.assuming(s.cond, truth):
                        self.block(block, part)
            self.own(s, part, group)
            if isinstance(s, Store | Reduce):
                group = object()
            self.places.pass_by(s)

    def loop(self, s: For | While, part: Part) -> None:
        times = part.times * (_trips(s) if isinstance(s, For) else SOME)
        with self.places.inside(s):
            self.block(s.body, Part(times, max(part.every, s.every if isinstance(s, For) else 0)))

    def own(self, s: Stmt, part: Part, group: object) -> None:
        sure = {x for e in exprs_of(s) for x in eager(e)}
        for e in exprs_of(s):
            for x in subexprs(e):
                if isinstance(x, Load):
                    plain = x in sure and not any(map(build.reads_memory, x.indices))
                    self.use(part, x.buffer, False, x.indices, group if plain else object())
        if isinstance(s, Store | Reduce):
            if isinstance(s, Reduce):
                self.use(part, s.buffer, False, s.indices, object())
            self.use(part, s.buffer, True, s.indices, object())

    def use(self, part: Part, b: Buffer, writes: bool, indices: Iterable[Expr], group: object) -> None:
        if b.rank:
            part.uses.append(Use(b, writes, self.places.place(tuple(indices)), group))


def _trips(s: For) -> int:
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return SOME if lo is None or hi is None or not step else len(range(lo, hi, step))


def _least(p: Part, free: set[Buffer]) -> int:
    """The cycles that memories take in which nothing is to be chosen."""
    most = 1
    for b in {u.buffer for u in p.uses} - free:
        layout = Layout(b, True)
        reads = 2 if b.data is not None else 1
        for writes, ports in ((False, reads), (True, 1)):
            most = max(most, -(-conflicts(layout, p.of(b, writes)) // ports))
    return most


# ------------------------------------------------------------------------------------------------------------- choosing


def conflicts(layout: Layout, uses: Sequence[Use]) -> int:
    """The most accesses that one bank may have to serve."""
    if not layout.digits:
        return len(uses)
    count: Counter[Number] = Counter()
    groups: dict[object, list[tuple[Slot, ...]]] = defaultdict(list)
    for u in uses:
        slots = tuple(slot(d, u.place) for d in layout.digits)
        bases = tuple(s.base for s in slots)
        if all(s.known for s in slots):
            count[tuple(s.number for s in slots)] += 1
        else:
            groups[bases, u.group].append(slots)
    for number in layout.numbers if groups else ():
        for members in groups.values():  # of loads that differ by numbers, one is in this bank
            here = Counter(slots for slots in members if _may_be(slots, number))
            count[number] += max(here.values(), default=0)
    return max(count.values(), default=0)


def _may_be(slots: tuple[Slot, ...], number: Number) -> bool:
    return all(not s.known or s.number == n for s, n in zip(slots, number, strict=True))


Weighed = tuple[Part, int, list[Use], list[Use]]
"""A part, the cycles that an iteration of it takes at least, and the reads and writes of an array in it."""


def _best(b: Buffer, parts: Sequence[Weighed]) -> tuple[Banks, ...]:
    """The banks with which an array delays its loops the least, of these the fewest and plainest; none if none help."""
    ports = 2 if b.data is not None else 1

    def delay(layout: Layout) -> int:
        return sum(
            p.times * max(0, -(-conflicts(layout, r) // ports) - least, conflicts(layout, w) - least)
            for p, least, r, w in parts
        )

    plain = Layout(b, True)
    best = delay(plain), 1, 0
    chosen: tuple[Banks, ...] = ()
    if not best[0]:
        return ()
    needed = max(max(-(-len(r) // (ports * least)), -(-len(w) // least)) for _, least, r, w in parts)
    for banks in sorted(_ways(plain.sizes), key=lambda banks: (math.prod(k.count for k in banks), len(banks))):
        count = math.prod(k.count for k in banks)
        if count < needed <= MOST_BANKS or ((count, 0) > best[1:] and not best[0]):
            continue
        layout = Layout(with_banks(b, banks), True)
        unknown = sum(not s.known for _, _, r, w in parts for u in (*r, *w) for s in _slots(layout, u))
        odd = sum(d.count & (d.count - 1) != 0 for d in layout.digits)
        score = delay(layout), count, unknown * (1 + odd)
        if score < best:
            best, chosen = score, banks
    return chosen


def _slots(layout: Layout, u: Use) -> Iterator[Slot]:
    return (slot(d, u.place) for d in layout.digits)


def _ways(sizes: Sequence[int]) -> Iterator[tuple[Banks, ...]]:
    """Ways to lay out an array, those with one partitioned axis first."""
    along = [list(_along(n, size)) for n, size in enumerate(sizes)]
    for options in along:
        yield from ((k,) for k in options)
    for a, b in ((a, b) for n, a in enumerate(along) for b in along[n + 1 :]):
        yield from ((x, y) for x in a for y in b if x.count * y.count <= MOST_BANKS)
    yield from _skewed(sizes)


def _along(axis: int, size: int) -> Iterator[Banks]:
    for count in range(2, min(size, MOST_ALONG) + 1):
        if count == size:
            yield Banks(axis, count, Banking.COMPLETE)
            continue
        yield Banks(axis, count, Banking.CYCLIC)
        if size % count == 0:
            yield Banks(axis, count, Banking.BLOCK)


def _skewed(sizes: Sequence[int]) -> Iterator[tuple[Banks, ...]]:
    if len(sizes) == 2:
        for count in range(2, min(sizes[1], MOST_ALONG) + 1):
            for c in range(1, count):
                yield (Banks(1, count, Banking.SKEWED, (c, 1)),)
