"""Arrays in banks become arrays for each bank; an access goes to the one that it is known to be in.

Where a bank isn't known, a store is done in each bank under the condition that it is that one, and a load takes the
word of the right bank. Loads of one block that are certainly in different banks share this: each bank is then read
once, at the place of the load that is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gemel.hwsynth.banking import Digit, Layout, Number, is_banked
from gemel.hwsynth.places import Places, Slot, apart, slot
from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Banking,
    Buffer,
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
from gemel.semantics.linear import sum_of
from gemel.semantics.schedule.names import unused
from gemel.semantics.traverse import (
    Body,
    exprs_of,
    map_body,
    map_expr,
    map_own_exprs,
    statements,
    stored,
    subexprs,
)

Key = TypeVar("Key")


def split(kernel: Kernel) -> Kernel:
    """The kernel with each bank of an array as an array; parameters and results in banks become several."""
    layouts = layouts_of(kernel)
    if not layouts:
        return kernel
    kernel = replace(kernel, body=map_body(kernel.body, stmt=_by_ones))
    body = _Splitting(layouts, Places.of(kernel)).body(kernel.body)
    params = tuple(x for p in kernel.params for x in parts(p, layouts))
    results = tuple(x for b in kernel.results for x in parts(b, layouts) if isinstance(x, Buffer))
    return replace(kernel, params=params, results=results, body=body)


def _by_ones(s: Stmt) -> Stmt:
    """A loop with constant bounds that steps by 1: rows of known banks are then sums of names."""
    if not isinstance(s, For) or s.carry or s.until is not None:
        return s
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    if lo is None or hi is None or not step or step == 1:
        return s
    v = Var(s.var.hint, s.var.dtype, s.var.span)
    place = build.mul(Ref(v, s.span), build.index(step, s.span), s.span)
    body = Folding(vars={s.var: build.add(place, build.index(lo, s.span), s.span)}).body(s.body)
    trips = build.index(len(range(lo, hi, step)), s.span)
    return replace(s, var=v, lo=build.index(0, s.span), hi=trips, step=build.index(1, s.span), body=body)


def layouts_of(kernel: Kernel) -> dict[Buffer, Layout]:
    """The arrays of a kernel that are in banks."""
    given = [p for p in (*kernel.params, *kernel.results) if isinstance(p, Buffer)]
    local = list(dict.fromkeys(s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)))
    names = _names(kernel, [b for b in local if is_banked(b)])
    return {b: Layout(b, b in given, names.get(b, b.hint)) for b in (*given, *local) if is_banked(b)}


def _names(kernel: Kernel, arrays: list[Buffer]) -> dict[Buffer, str]:
    """Names that tell arrays, and so their banks, from each other."""
    taken = {x.hint for x in (*kernel.params, *kernel.results)}
    found = {}
    for b in arrays:
        found[b] = unused(b.hint, taken)
        taken.add(found[b])
    return found


def parts(x: Buffer | Var, layouts: dict[Buffer, Layout]) -> tuple[Buffer | Var, ...]:
    """What a parameter or result becomes."""
    return tuple(layouts[x].banks.values()) if isinstance(x, Buffer) and x in layouts else (x,)


@dataclass(frozen=True)
class _Spot:
    """An access: its slots along the partitioned axes, and the indices."""

    layout: Layout
    slots: tuple[Slot, ...]
    indices: tuple[Expr, ...]

    @property
    def candidates(self) -> list[tuple[Number, Buffer]]:
        """The banks that it may be in."""
        return [(n, b) for n, b in self.layout.banks.items() if self.may_be(n)]

    def may_be(self, number: Number) -> bool:
        return all(not s.known or s.number == x for s, x in zip(self.slots, number, strict=True))

    @property
    def row(self) -> tuple[Expr, ...]:
        """The indices in the bank; sums of names stay such where the bank is known."""
        found = list(self.layout.row(self.indices))
        for d, s in zip(self.layout.digits, self.slots, strict=True):
            plain = _plain_row(d, s, self.indices[d.axis]) if s.known else None
            if plain is not None and d.axis in self.layout.kept:
                found[self.layout.kept.index(d.axis)] = plain
        return tuple(found)

    def is_in(self, number: Number) -> Expr:
        """Whether it is in a bank."""
        digits = zip(self.layout.digits, self.slots, number, strict=True)
        span = self.layout.buffer.span
        return build.all_of(
            [
                build.apply(ops.EQ, d.number_expr(self.indices), build.index(n, span), span=span)
                for d, s, n in digits
                if not s.known
            ],
            span,
        )


def _plain_row(d: Digit, s: Slot, index: Expr) -> Expr | None:
    """The row in a known bank, without a division."""
    if d.kind is Banking.BLOCK:
        return build.sub(index, build.index(s.number * d.rows, index.span), index.span)
    total = sum_of(index) if d.kind is Banking.CYCLIC else None
    if total is None or any(c % d.count for c in total.terms.values()):
        return None
    row: Expr = build.index((total.constant - s.number) // d.count, index.span)
    for v, c in total.terms.items():
        row = build.add(
            row, build.mul(Ref(v, index.span), build.index(c // d.count, index.span), index.span), index.span
        )
    return row


@dataclass
class _Splitting:
    layouts: dict[Buffer, Layout]
    places: Places
    shared: dict[Load, Expr] = field(default_factory=dict)
    plain: set[Load] = field(default_factory=set)

    def body(self, body: Body) -> Body:
        out: list[Stmt] = []
        for n, s in enumerate(body):
            out += self.gather(body, n)
            out += self.stmt(s)
            self.places.pass_by(s)
        return tuple(out)

    def stmt(self, s: Stmt) -> Body:
        match s:
            case For() | While():
                own = map_own_exprs(s, self.expr)
                with self.places.inside(s):
                    body = self.body(s.body)
                return (replace(own, body=body),) if isinstance(own, For | While) else ()
            case If():
                return (self.branch(s),)
            case Alloc() if s.buffer in self.layouts:
                return tuple(Alloc(b, s.span, s.filled) for b in self.layouts[s.buffer].banks.values())
            case Store() | Reduce() if s.buffer in self.layouts:
                return tuple(self.store(s))
            case _:
                return (map_own_exprs(s, self.expr),)

    def branch(self, s: If) -> Stmt:
        cond = self.expr(s.cond)
        sides = []
        for block, truth in ((s.then, True), (s.orelse, False)):
            with self.places.ranges.assuming(s.cond, truth):
                sides.append(self.body(block))
        return replace(s, cond=cond, then=sides[0], orelse=sides[1])

    # ------------------------------------------------------------------------------------------------------ accesses

    def spot(self, b: Buffer, indices: Sequence[Expr]) -> _Spot:
        """The place of an access as it was; the indices it has now."""
        layout, place = self.layouts[b], self.places.place(indices)
        return _Spot(layout, tuple(slot(d, place) for d in layout.digits), tuple(map(self.expr, indices)))

    def expr(self, e: Expr) -> Expr:
        return map_expr(self.node, e) if self.concerns(e) else e

    def concerns(self, e: Expr) -> bool:
        return any(isinstance(x, Load) and x.buffer in self.layouts for x in subexprs(e))

    def node(self, e: Expr) -> Expr:
        """A load, whose indices are done already, from its bank or from the right one of several."""
        if not isinstance(e, Load) or e.buffer not in self.layouts:
            return e
        if e in self.shared:
            return self.shared[e]
        at = self.spot(e.buffer, e.indices)
        loads = [(at.is_in(n), Load(b, at.row, e.span)) for n, b in at.candidates]
        return _chosen(loads)

    def store(self, s: Store | Reduce) -> Iterator[Stmt]:
        at = self.spot(s.buffer, s.indices)
        value = self.expr(s.value)
        found = at.candidates
        if len(found) == 1:
            yield replace(s, buffer=found[0][1], indices=at.row, value=value)
            return
        name = Var(s.buffer.hint, value.dtype, s.span)
        yield Let(name, value, s.span)
        for number, b in found:
            inner = replace(s, buffer=b, indices=at.row, value=Ref(name, s.span))
            yield If(at.is_in(number), (inner,), (), s.span)

    # --------------------------------------------------------------------------------------------- loads side by side

    def gather(self, body: Body, start: int) -> Iterator[Stmt]:
        """Names for words of banks that loads in the statements from `start` on share; they are read here."""
        for b in {x.buffer for x in self.loads((body[start],)) if x not in self.shared and x not in self.plain}:
            found = [x for x in self.loads(_steady(body[start:], b)) if x.buffer is b and x not in self.shared]
            spots = {x: self.spot(b, x.indices) for x in found}
            unknown = {x: at for x, at in spots.items() if len(at.candidates) > 1}
            self.plain.update(x for x in spots if x not in unknown)
            group = _apart(unknown)
            if len(group) > 1:
                yield from self.crossbar(group)

    def loads(self, body: Body) -> list[Load]:
        """The loads from arrays in banks that statements do themselves, whose indices are arithmetic on names."""
        found = []
        named: set[Var] = set()
        for s in body:
            if not isinstance(s, For | While | If):
                loads = [x for e in exprs_of(s) for x in eager(e) if isinstance(x, Load) and x.buffer in self.layouts]
                found += [x for x in loads if not any(build.reads_memory(i) or _mentions(i, named) for i in x.indices)]
            if isinstance(s, Let):
                named.add(s.var)
        return found

    def crossbar(self, group: dict[Load, _Spot]) -> Iterator[Stmt]:
        """A read of each bank, at the place of the load that is in it; the loads are then choices among these."""
        flags: dict[tuple[Load, Number], Expr] = {}
        for x, at in group.items():
            for number, _ in at.candidates:
                yield from _named("in_bank", at.is_in(number), flags, (x, number))
        words: dict[Number, Expr] = {}
        layout = next(iter(group.values())).layout
        for number, b in layout.banks.items():
            here = [(flags[x, number], at.row) for x, at in group.items() if at.may_be(number)]
            if here:
                row = tuple(_chosen([(cond, r[n]) for cond, r in here]) for n in range(len(here[0][1])))
                yield from _named(b.hint, Load(b, row, b.span), words, number)
        for x, at in group.items():
            self.shared[x] = _chosen([(flags[x, n], words[n]) for n, _ in at.candidates])


def eager(e: Expr) -> Iterator[Expr]:
    """The subexpressions that are certainly evaluated."""
    match e:
        case Load():
            inner: tuple[Expr, ...] = e.indices
        case Apply():
            inner = e.args[:1] if e.op.lazy else e.args
        case _:
            inner = ()
    for x in inner:
        yield from eager(x)
    yield e


def _mentions(e: Expr, names: set[Var]) -> bool:
    return any(isinstance(x, Ref) and x.var in names for x in subexprs(e))


def _named(hint: str, e: Expr, names: dict[Key, Expr], key: Key) -> Iterator[Stmt]:
    v = Var(hint, e.dtype, e.span)
    names[key] = Ref(v, e.span)
    yield Let(v, e, e.span)


def _steady(body: Body, b: Buffer) -> Body:
    """The first statements of a block, up to one after which an element of `b` may be another."""
    for n, s in enumerate(body):
        if isinstance(s, For | While | If) or b in stored((s,)):
            return body[: n + isinstance(s, Store | Reduce)]
    return body


def _apart(spots: dict[Load, _Spot]) -> dict[Load, _Spot]:
    """Loads that are certainly in different banks, each with the first of the others."""
    kept: dict[Load, _Spot] = {}
    for x, at in spots.items():
        if all(apart(at.slots, other.slots) for other in kept.values()):
            kept[x] = at
    return kept


def _chosen(choices: Sequence[tuple[Expr, Expr]]) -> Expr:
    """The value whose condition holds; one does."""
    result = choices[-1][1]
    for cond, value in reversed(choices[:-1]):
        result = build.apply(ops.SELECT, cond, value, result, span=value.span)
    return result
