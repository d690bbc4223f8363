"""The control structure of a promoted kernel: straight-line blocks, pipelined loops, loops and branches around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from gemel.hwsynth.evaluate import is_simple
from gemel.hwsynth.schedule import too_often
from gemel.hwsynth.staging import stages
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL
from gemel.semantics.ir import Alloc, Buffer, Carry, Const, Expr, For, If, Let, Merge, Ref, Stmt, Var, While
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, Copier, exprs_of, statements, subexprs

INNER = "ask it of the innermost loop"


@dataclass(eq=False)
class Block:
    """Statements without loops; they run once, in as many cycles as they need."""

    body: list[Stmt]
    span: Span


@dataclass(frozen=True)
class Level:
    """A loop of a pipelined nest, and what its body has before and after the loop inside it.

    The innermost loop's body is `before`.
    """

    loop: For
    before: Body
    after: Body


@dataclass(eq=False)
class Pipe:
    """A nest run as one pipelined loop; a single loop may have bounds that depend on data."""

    levels: tuple[Level, ...]
    span: Span
    plain: bool = False
    """Whether it is a single loop, or perfect with constant bounds."""
    ahead: bool = False
    """Whether the innermost loop has a turn ahead of its first, for what stands before it (`ahead`)."""

    @property
    def loops(self) -> tuple[For, ...]:
        """The loops, the outermost first."""
        return tuple(level.loop for level in self.levels)


@dataclass(eq=False)
class Choice:
    """Regions that do the same; the one that takes the fewest cycles is made."""

    options: tuple[Region, ...]
    span: Span


@dataclass(eq=False)
class Repeat:
    """A `while` whose body has no loop: condition and body are one block, repeated."""

    cond: Expr
    body: Body
    carry: tuple[Carry, ...]
    span: Span


@dataclass(eq=False)
class Loop:
    """A loop around regions: counted (`counter`) or by a condition, which the regions `test` compute.

    The values of the counter are `known` where only those of loops around decide on them.
    """

    counter: For | None
    test: list[Region]
    cond: Expr | None
    body: list[Region]
    carry: tuple[Carry, ...]
    span: Span
    known: bool = False


@dataclass(eq=False)
class Branch:
    """A branch around regions."""

    cond: Expr
    then: list[Region]
    orelse: list[Region]
    merges: tuple[Merge, ...]
    span: Span


@dataclass(eq=False)
class Stage:
    """A part of an iteration, with counters of its own, and the copy of arrays `bank` that its iteration has."""

    counters: tuple[Var, ...]
    bank: Var
    body: list[Region]


@dataclass(eq=False)
class Staged:
    """A counted nest around regions, each of whose stages is an iteration ahead of the next one.

    `twins` are the arrays that pass from a stage to the next one: there are two copies of each.
    """

    loops: tuple[For, ...]
    stages: tuple[Stage, ...]
    twins: frozenset[Buffer]
    span: Span


Region = Block | Pipe | Choice | Repeat | Loop | Staged | Branch


@dataclass
class _Builder:
    counters: frozenset[Var] = frozenset()
    """The counters around whose values are known without running the kernel."""
    out: list[Region] = field(default_factory=list)
    open: list[Stmt] = field(default_factory=list)

    def close(self) -> None:
        if self.open:
            self.out.append(Block(self.open, self.open[0].span))
            self.open = []

    def atom(self, e: Expr, hint: str) -> Expr:
        """The expression as a literal or a name; a name for it is made in the open block."""
        if build.is_atom(e):
            return e
        var = Var(hint, e.dtype, e.span)
        self.open.append(Let(var, e, e.span))
        return Ref(var, e.span)

    def add(self, s: Stmt) -> None:
        if not _has_loop(s):
            self.open.append(s)
            return
        match s:
            case For():
                self._for(s)
            case While():
                self._while(s)
            case If():
                self._if(s)
            case _:
                raise TypeError(f"a loop in {type(s).__name__}")

    def _carry(self, carry: tuple[Carry, ...]) -> tuple[Carry, ...]:
        return tuple(Carry(c.var, self.atom(c.init, c.var.hint), c.next, c.result) for c in carry)

    def _for(self, s: For) -> None:
        if s.until is not None:
            self._while(_as_while(s))
            return
        if constant_bounds(s) == range(0):  # promoted bounds may turn out so; its results are then what it began with
            self.open += [Let(c.result, c.init, s.span) for c in s.carry]
            return
        lo, hi = self._bound(s.lo, "lo"), self._bound(s.hi, "hi")
        s = replace(s, lo=lo, hi=hi, step=self.atom(s.step, "step"), carry=self._carry(s.carry))
        self.close()
        nest = pipelined_nest(s, self.counters)
        if nest is None and s.every:
            raise too_often(s.every, f"{s.var.hint} holds loops that aren't one nest with it", s.span, INNER)
        if nest is None:
            loop, staged = self._loop(s), _staged(s, self.counters)
            self.out.append(loop if staged is None else Choice((loop, staged), s.span))
        elif nest.plain or any(x.every for x in nest.loops):
            self.out.append(nest)
        else:
            self.out.append(Choice((nest, self._loop(s)), s.span))

    def _bound(self, e: Expr, hint: str) -> Expr:
        """A loop's bound: as it is where control can compute it, else by name."""
        return e if is_simple(e, self.counters) else self.atom(e, hint)

    def _loop(self, s: For) -> Loop:
        known = _known_counter(s, self.counters)
        body, nexts = _inside(s.body, s.carry, self.counters | known)
        return Loop(s, [], None, body, nexts, s.span, bool(known))

    def _while(self, s: While) -> None:
        carry = self._carry(s.carry)
        self.close()
        if not any(map(_has_loop, s.body)):
            self.out.append(Repeat(s.cond, s.body, carry, s.span))
            return
        test = _Builder(self.counters)
        cond = test.atom(s.cond, "go")
        test.close()
        body, nexts = _inside(s.body, carry, self.counters)
        self.out.append(Loop(None, test.out, cond, body, nexts, s.span))

    def _if(self, s: If) -> None:
        cond = self.atom(s.cond, "cond")
        self.close()
        sides = []
        merges = []
        for block, pick in ((s.then, "then"), (s.orelse, "orelse")):
            inner = _Builder(self.counters)
            for x in block:
                inner.add(x)
            values = [inner.atom(getattr(m, pick), m.var.hint) for m in s.merges]
            inner.close()
            sides.append(inner.out)
            merges.append(values)
        merged = tuple(Merge(m.var, a, b) for m, a, b in zip(s.merges, *merges, strict=True))
        self.out.append(Branch(cond, sides[0], sides[1], merged, s.span))


def _has_loop(s: Stmt) -> bool:
    return any(isinstance(x, For | While) for x in statements((s,)))


def _inside(body: Body, carry: tuple[Carry, ...], counters: frozenset[Var]) -> tuple[list[Region], tuple[Carry, ...]]:
    inner = _Builder(counters)
    for s in body:
        inner.add(s)
    nexts = tuple(Carry(c.var, c.init, inner.atom(c.next, c.var.hint), c.result) for c in carry)
    inner.close()
    return inner.out, nexts


def _staged(s: For, counters: frozenset[Var]) -> Staged | None:
    """The nest that `s` begins in stages; None where its body has only one, or as many as there are iterations."""
    loops = [s]
    while len(inner := [x for x in loops[-1].body if not isinstance(x, Alloc)]) == 1 and isinstance(inner[0], For):
        loops.append(inner[0])
    ranges = [constant_bounds(x) for x in loops]
    if any(not r or x.carry or x.until is not None or x.every for x, r in zip(loops, ranges, strict=True)):
        return None
    found = stages(loops, loops[-1].body)
    if found is None or prod(len(r or ()) for r in ranges) < len(found.bodies):
        return None
    return Staged(tuple(loops), tuple(_stage(loops, b, counters) for b in found.bodies), found.twins, s.span)


class _Names(Copier):
    """Copies with fresh names and the arrays as they are."""

    def fresh_buffer(self, b: Buffer) -> Buffer:
        return b


def _stage(loops: Sequence[For], body: Body, counters: frozenset[Var]) -> Stage:
    copier = _Names()
    own = tuple(copier.fresh(x.var) for x in loops)
    regions_, _ = _inside(copier.body(body), (), counters | frozenset(own))
    return Stage(own, Var("bank", BOOL, loops[0].span), regions_)


def _as_while(s: For) -> While:
    """A counted loop that may end early, with its counter as a carried value."""
    at = Ref(s.var, s.span)
    zero = build.index(0, s.span)
    up = build.apply(ops.LT, at, s.hi, span=s.span)
    if isinstance(s.step, Const):
        more = up if int(s.step.value) > 0 else build.apply(ops.GT, at, s.hi, span=s.span)
    else:
        rising = build.apply(ops.GT, s.step, zero, span=s.span)
        more = build.apply(ops.SELECT, rising, up, build.apply(ops.GT, at, s.hi, span=s.span), span=s.span)
    done = s.until if s.until is not None else build.boolean(False, s.span)
    cond = build.apply(ops.LAND, more, build.negate(done, s.span), span=s.span)
    following = build.apply(ops.ADD, at, s.step, span=s.span)
    counter = Carry(s.var, s.lo, following, Var(s.var.hint, s.var.dtype, s.span))
    return While(cond, s.body, s.span, (counter, *s.carry))


def constant_bounds(s: For) -> range | None:
    """The values of a loop variable, where they are constant."""
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)) or not s.step.value:
        return None
    return range(int(s.lo.value), int(s.hi.value), int(s.step.value))


def _known_counter(s: For, around: frozenset[Var]) -> frozenset[Var]:
    """The loop's variable, where its values are known from those of the counters around."""
    known = isinstance(s.step, Const) and bool(s.step.value) and all(is_simple(e, around) for e in (s.lo, s.hi))
    return frozenset((s.var,)) if known else frozenset()


def pipelined_nest(s: For, around: frozenset[Var]) -> Pipe | None:
    """The nest that `s` begins as one pipelined loop; None where it isn't one."""
    levels: list[Level] = []
    loop: For | None = s
    while loop is not None:
        known = _known_counter(loop, around)
        before, inner, after = _parts(loop.body)
        if not known and (levels or inner is not None):
            return None
        around |= known
        levels.append(Level(loop, before, after))
        loop = inner
    last = levels[-1]
    if not isinstance(last.loop.step, Const) or any(map(_has_loop, last.before)):
        return None
    return Pipe(tuple(levels), s.span, _is_plain(levels))


def _parts(body: Body) -> tuple[Body, For | None, Body]:
    """What stands before a body's one loop, the loop, and what stands after it; all before where it isn't one."""
    loops = [n for n, x in enumerate(body) if _has_loop(x)]
    inner = body[loops[0]] if len(loops) == 1 else None
    if not isinstance(inner, For) or inner.until is not None:
        return body, None, ()
    return body[: loops[0]], inner, body[loops[0] + 1 :]


def _is_plain(levels: list[Level]) -> bool:
    perfect = not any(x.after for x in levels) and not any(x.before for x in levels[:-1])
    return len(levels) == 1 or (perfect and all(constant_bounds(x.loop) for x in levels))


def regions(body: Body) -> list[Region]:
    """The regions of a promoted body, in order."""
    builder = _Builder()
    for s in body:
        builder.add(s)
    builder.close()
    return builder.out


def control_uses(region: Region) -> Iterator[Expr]:
    """The expressions (all atoms) that a region's control itself reads, at its start or end."""
    match region:
        case Block():
            pass
        case Choice():
            pass
        case Pipe():
            for s in region.loops:
                yield from (s.lo, s.hi)
            yield from (c.init for c in region.loops[0].carry)
        case Repeat():
            yield from (c.init for c in region.carry)
        case Staged():
            yield from (e for s in region.loops for e in (s.lo, s.hi, s.step))
        case Loop():
            if region.counter is not None:
                yield from (region.counter.lo, region.counter.hi, region.counter.step)
            if region.cond is not None:
                yield region.cond
            for c in region.carry:
                yield from (c.init, c.next)
        case Branch():
            yield region.cond
            for m in region.merges:
                yield from (m.then, m.orelse)


def data_uses(region: Region) -> Iterator[Expr]:
    """The expressions of a region's own statements."""
    match region:
        case Block():
            for s in statements(region.body):
                yield from exprs_of(s)
        case Pipe():
            for level in region.levels:
                for s in statements((*level.before, *level.after)):
                    yield from exprs_of(s)
                yield from (c.next for c in level.loop.carry)
            for level in region.levels[1:]:
                yield from (c.init for c in level.loop.carry)
        case Repeat():
            yield region.cond
            for s in statements(region.body):
                yield from exprs_of(s)
            yield from (c.next for c in region.carry)
        case Loop() | Staged() | Branch() | Choice():
            pass


def children(region: Region) -> tuple[list[Region], ...]:
    """The regions inside a region."""
    match region:
        case Choice():
            return (list(region.options),)
        case Loop():
            return (region.test, region.body)
        case Staged():
            return tuple(s.body for s in region.stages)
        case Branch():
            return (region.then, region.orelse)
        case _:
            return ()


def all_regions(top: list[Region]) -> Iterator[Region]:
    """All regions, outer ones first."""
    for r in top:
        yield r
        for inner in children(r):
            yield from all_regions(inner)


def variables(exprs: Iterator[Expr]) -> set[Var]:
    """The variables that expressions mention."""
    return {x.var for e in exprs for x in subexprs(e) if isinstance(x, Ref)}


def label(r: Region) -> str:
    """A word for a region, to make names with."""
    match r:
        case Block():
            return "block"
        case Pipe():
            return r.loops[0].var.hint
        case Choice():
            return label(r.options[0])
        case Repeat():
            return "while"
        case Loop():
            return r.counter.var.hint if r.counter else "while"
        case Staged():
            return r.loops[-1].var.hint
        case Branch():
            return "if"
