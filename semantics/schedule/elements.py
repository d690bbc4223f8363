"""The value that a kernel leaves in an element, read backwards from its end: for all sizes and elements at once.

The last store to the element is looked for. A loop is entered at the one iteration that reaches the element, where z3
agrees that there is no other; a loop whose iterations all reach it becomes a fold of what each of them does to it.
Arithmetic of places is taken as exact: sizes are below 2**48.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import is_integer
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Buffer,
    Call,
    Const,
    Expr,
    For,
    If,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.schedule.chains import chain
from gemel.semantics.schedule.integers import Frame, Integers, Place, binding, binds, let_value
from gemel.semantics.schedule.terms import (
    Before,
    Either,
    Fold,
    Leaf,
    Made,
    Number,
    Part,
    Term,
    Unknown,
    Whole,
    holds_before,
)
from gemel.semantics.traverse import Body, statements, stored

Rest = Callable[[], Term]


@dataclass(frozen=True, eq=False)
class Write:
    """A store in a loop's body at any iteration: `vars` are those of the loop and of those within it."""

    stmt: Store | Reduce
    frame: Frame
    vars: tuple[Any, ...]
    conds: tuple[Any, ...]


DEEPEST = 8
"""Reads of an array at one place of the text that lead to each other."""


@dataclass
class Elements(Integers):
    """The elements of one kernel."""

    reads: Counter[Any] = field(default_factory=Counter)
    known: dict[Any, tuple[Term, list[Any]]] = field(default_factory=dict)
    targets: dict[Stmt, set[Buffer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for s in statements(self.kernel.body):
            if isinstance(s, While | Call) or (isinstance(s, For) and s.until is not None):
                raise Unknown(f"a loop that may end early, or a call (line {s.span.line})")
            if isinstance(s, Assert):
                raise Unknown(f"a check (line {s.span.line}): call verify() first, what is proved needs none")

    def last(self, b: Buffer, at: Place) -> Term:
        """The value of an element at the end of a run."""
        return self.read(b, at, Frame(self.kernel.body, len(self.kernel.body)))

    # ---------------------------------------------------------------------------------------------------- reading

    def read(self, b: Buffer, at: Place, frame: Frame) -> Term:
        """The value of an element where a place stands."""
        if b.data is not None:
            return Leaf(id(b.data), at)
        names, path = self._path(frame)
        for i in at:
            names |= self.facts.names(i)
        with self.facts.about(names):
            key = (b, frame.body, frame.pos, path, tuple(i.sexpr() for i in at), self.facts.ids())
            if key not in self.known:
                where = (b, id(frame.body), frame.pos)
                self.reads[where] += 1
                if self.reads[where] > DEEPEST:
                    raise Unknown(f"what {b.hint} holds is made of what it held, too many times over")
                try:
                    term = self._read(b, at, frame)
                finally:
                    self.reads[where] -= 1
                self.known[key] = term, list(self.facts.known)  # kept, so that no id is used again
        return self.known[key][0]

    def _path(self, frame: Frame) -> tuple[frozenset[str], tuple[Any, ...]]:
        """The symbols of a place, and what tells it from others of the same block: iterations of the loops around."""
        names, found = frozenset[str](), list[Any]()
        f: Frame | None = frame
        while f is not None:
            if f.loop is not None:
                names |= self.facts.names(f.at)
                found.append((f.at.sexpr(), None if f.reading is None else f.reading[0]))
            f = f.outer
        return names, tuple(found)

    def _stored(self, s: Stmt) -> set[Buffer]:
        if s not in self.targets:
            self.targets[s] = stored((s,))
        return self.targets[s]

    def _ids(self) -> tuple[int, ...]:
        return tuple(k.get_id() for k in self.facts.known)

    def _read(self, b: Buffer, at: Place, frame: Frame) -> Term:
        for n in range(frame.pos - 1, -1, -1):
            s = frame.body[n]
            if isinstance(s, Alloc) and s.buffer is b:
                raise Unknown(f"{b.hint} is read before it is stored to")
            if b in self._stored(s):
                return self._from(s, b, at, frame.before(n))
        return self._outside(b, at, frame)

    def _outside(self, b: Buffer, at: Place, frame: Frame) -> Term:
        """The value where a block begins."""
        if frame.outer is None:
            if b not in self.numbers or b in self.kernel.results:
                raise Unknown(f"{b.hint} is read before it is stored to")
            return Leaf(self.numbers[b], at)
        if frame.loop is not None and b in self._stored(frame.loop):
            if frame.reading is not None and frame.reading[1] is b and self._same(frame.reading[2], at):
                return Before(frame.reading[0])
            if self._earlier(b, at, frame, frame.loop):
                raise Unknown(f"iterations of {frame.loop.var.hint} hand {b.hint} on to later ones")
        return self.read(b, at, frame.outer)

    def _same(self, a: Place, b: Place) -> bool:
        return self.facts.sure(z3.And(*(x == y for x, y in zip(a, b, strict=True))))

    def _earlier(self, b: Buffer, at: Place, frame: Frame, loop: For) -> bool:
        """Whether an earlier iteration of a loop may store to an element."""
        outer = frame.outer or frame
        writes = self._writes(loop, b, outer)
        return any(self.facts.possible(*w.conds, *self._hits(w, at), w.vars[0] < frame.at) for w in writes)

    def _from(self, s: Stmt, b: Buffer, at: Place, frame: Frame) -> Term:
        """The value after a statement that stores to the buffer; `frame` stands before it."""

        def rest() -> Term:
            return self.read(b, at, frame)

        match s:
            case Store():
                return self._where(self._hit(s, at, frame), lambda: self.value(s.value, frame), rest)
            case Reduce():
                return self._where(self._hit(s, at, frame), lambda: self._accumulated(s, frame, rest()), rest)
            case If():
                return self._branch(s, b, at, frame)
            case For():
                return self._loop(s, b, at, frame)
            case _:
                raise Unknown(f"a statement that stores to {b.hint}")

    def _hit(self, s: Store | Reduce, at: Place, frame: Frame) -> Any:
        return z3.And(*(self.whole(i, frame) == x for i, x in zip(s.indices, at, strict=True)))

    def _accumulated(self, s: Reduce, frame: Frame, first: Term) -> Term:
        return Fold(s.op, s.buffer.dtype, first, Part((), z3.BoolVal(True), self.value(s.value, frame)))

    def _where(self, cond: Any, then: Rest, orelse: Rest) -> Term:
        """One of two values by a condition; both where it isn't known."""
        if not self.facts.possible(cond):
            return orelse()
        if self.facts.sure(cond):
            return then()
        with self.facts.given(cond):
            first = then()
        with self.facts.given(z3.Not(cond)):
            second = orelse()
        return Either(cond, first, second)

    def _branch(self, s: If, b: Buffer, at: Place, frame: Frame) -> Term:
        def inside(block: Body) -> Rest:
            return lambda: self.read(b, at, Frame(block, len(block), frame))

        cond = self.truth_or_none(s.cond, frame)
        if cond is not None:
            return self._where(cond, inside(s.then), inside(s.orelse))
        sides = inside(s.then)(), inside(s.orelse)()
        return Made(ops.SELECT, b.dtype, (self.value(s.cond, frame), *sides))

    # ------------------------------------------------------------------------------------------------------ loops

    def _loop(self, s: For, b: Buffer, at: Place, frame: Frame) -> Term:
        def rest() -> Term:
            return self.read(b, at, frame)

        writes = [w for w in self._writes(s, b, frame) if self.facts.possible(*w.conds, *self._hits(w, at))]
        if not writes:
            return rest()
        lo, hi = self.whole(s.lo, frame), self.whole(s.hi, frame)
        once = z3.is_true(z3.simplify(hi == lo + 1))
        found = [(z3.BoolVal(True), lo)] if once else self._iterations(s, writes, at)
        if found is None:
            return self._folded(s, b, at, frame, (lo, hi))

        def reached(cases: list[tuple[Any, Any]]) -> Term:
            if not cases:
                return rest()
            (cond, when), *others = cases
            inside = Frame(s.body, len(s.body), frame, s, when)
            here = z3.And(cond, lo <= when, when < hi)
            return self._where(here, lambda: self.read(b, at, inside), lambda: reached(others))

        return reached(found)

    def _writes(self, s: For, b: Buffer, frame: Frame) -> list[Write]:
        """The stores to a buffer in a loop, at any of its iterations."""
        return list(self._found((s,), b, frame, (), ()))

    def _found(
        self, body: Body, b: Buffer, frame: Frame, variables: tuple[Any, ...], conds: tuple[Any, ...]
    ) -> Iterator[Write]:
        for n, s in enumerate(body):
            here = frame if not variables else frame.before(n)
            match s:
                case Store() | Reduce() if s.buffer is b:
                    yield Write(s, here, variables, conds)
                case For() if b in self._stored(s):
                    v = self.facts.fresh(s.var.hint)
                    more = (*conds, self.whole(s.lo, here) <= v, v < self.whole(s.hi, here))
                    if value_of(s.step, {}) != 1:
                        raise Unknown(f"the loop {s.var.hint} has a step")
                    yield from self._found(s.body, b, Frame(s.body, 0, here, s, v), (*variables, v), more)
                case If():
                    cond = self.truth_or_none(s.cond, here)
                    for block, truth in ((s.then, True), (s.orelse, False)):
                        own = () if cond is None else (cond if truth else z3.Not(cond),)
                        yield from self._found(block, b, Frame(block, 0, here), variables, (*conds, *own))
                case _:
                    pass

    def _hits(self, w: Write, at: Place) -> list[Any]:
        return [self.whole(i, w.frame) == x for i, x in zip(w.stmt.indices, at, strict=True)]

    def _iterations(self, s: For, writes: Sequence[Write], at: Place) -> list[tuple[Any, Any]] | None:
        """The one iteration of a loop that stores to an element; None where its variable says nothing of the place.

        Which it is may depend on the place: there are conditions and iterations then, of which the first that holds.
        """
        if all(self._says_nothing(w) for w in writes):
            return None
        for when in self._guesses(writes[0], at):
            if self._only(writes, at, when):
                return [(z3.BoolVal(True), when)]
        cases = [case for w in writes if (case := self._case(w, at)) is not None]
        chosen = cases[-1][1] if cases else None
        for cond, when in reversed(cases[:-1]):
            chosen = z3.If(cond, when, chosen)
        if chosen is not None and self._only(writes, at, chosen):
            return cases
        raise Unknown(f"several iterations of {s.var.hint} may store to one element of {writes[0].stmt.buffer.hint}")

    def _only(self, writes: Sequence[Write], at: Place, when: Any) -> bool:
        """Whether no other iteration stores to an element."""
        return not any(self.facts.possible(*w.conds, *self._hits(w, at), w.vars[0] != when) for w in writes)

    def _case(self, w: Write, at: Place) -> tuple[Any, Any] | None:
        """On which condition a store reaches an element, and at which iteration; None where that isn't plain."""
        found: list[tuple[Any, Any]] = []
        pairs = [(self.whole(i, w.frame), x) for i, x in zip(w.stmt.indices, at, strict=True)]
        for _ in w.vars:
            left = [v for v in w.vars if not any(v is u for u, _ in found)]
            found += next((one for e, x in pairs if (one := self._one(z3.substitute(e, *found), x, left))), [])
        open_ = {str(v) for v in w.vars} - {str(v) for v, _ in found}
        first = next((value for v, value in found if v is w.vars[0]), None)
        conds = [c for c in (*w.conds, *self._hits(w, at)) if not self.facts.names(c) & open_]
        return None if first is None else (z3.simplify(z3.substitute(z3.And(*conds), *found)), first)

    def _one(self, e: Any, target: Any, variables: list[Any]) -> list[tuple[Any, Any]]:
        """The variable that alone stands in a place, if there is one, where the place is `target`."""
        form = self.facts.coefficients(e, variables)
        if form is None or sum(map(bool, form[1])) != 1:
            return []
        v = next(v for v, c in zip(variables, form[1], strict=True) if c)
        return [(v, self.facts.solved(target, e, v, variables))]

    def _says_nothing(self, w: Write) -> bool:
        found = [self.facts.coefficients(self.whole(i, w.frame), w.vars) for i in w.stmt.indices]
        return all(f is not None and f[1][0] == 0 for f in found)

    def _guesses(self, w: Write, at: Place) -> Iterator[Any]:
        for i, x in zip(w.stmt.indices, at, strict=True):
            guess = self.facts.solved(x, self.whole(i, w.frame), w.vars[0], w.vars)
            if guess is not None:
                yield guess

    def _folded(self, s: For, b: Buffer, at: Place, frame: Frame, bounds: tuple[Any, Any]) -> Term:
        """The value after a loop each of whose iterations may change the element."""
        (lo, hi), v, token = bounds, self.facts.fresh(s.var.hint), object()
        domain = z3.And(lo <= v, v < hi)
        with self.facts.given(domain):
            inside = Frame(s.body, len(s.body), frame, s, v, (token, b, at))
            turn = self.read(b, at, inside)
            found = chain(turn, token)
            first = self._first(found.first, v, lo, token)

        def rest() -> Term:
            return self.read(b, at, frame)

        if isinstance(turn, Before):
            return rest()
        if not holds_before(turn, token):
            return self._where(lo < hi, lambda: self.facts.moved(turn, [(v, z3.simplify(hi - 1))]), rest)
        if first is None:
            return found.over(v, domain, rest())
        return self._where(lo < hi, lambda: found.over(v, domain, first), rest)

    def _first(self, t: Term, v: Any, lo: Any, token: object) -> Term | None:
        """What the first iteration begins with where that isn't the value from before the loop: None where it is."""
        if isinstance(t, Before) and t.token is token:
            return None
        if isinstance(t, Either):
            sides = ((t.cond, t.then, t.orelse), (z3.Not(t.cond), t.orelse, t.then))
            for cond, start, going_on in sides:
                if isinstance(going_on, Before) and going_on.token is token and self.facts.sure(cond == (v == lo)):
                    return self.facts.moved(start, [(v, lo)])
        if not holds_before(t, token):
            return t
        raise Unknown("what an iteration begins with is no simple value")

    # ------------------------------------------------------------------------------------------------------ values

    def value(self, e: Expr, frame: Frame) -> Term:
        """What an expression is at a place."""
        match e:
            case Const():
                return Number(e.value, e.dtype)
            case Ref():
                return self._named(e.var, frame)
            case Load():
                return self.read(e.buffer, tuple(self.whole(i, frame) for i in e.indices), frame)
            case Apply() if e.op is ops.SELECT:
                return self._select(e, frame)
            case Apply():
                args = tuple(self.value(a, frame) for a in e.args)
                return self._of_places(e, args, frame) or Made(e.op, e.dtype, args)

    def _of_places(self, e: Apply, args: Sequence[Term], frame: Frame) -> Term | None:
        """An integer that is made of sizes and places alone."""
        if not is_integer(e.dtype) or not all(isinstance(a, Whole | Number) for a in args):
            return None
        try:
            return Whole(self.whole(e, frame), e.dtype)
        except Unknown:
            return None

    def _select(self, e: Apply, frame: Frame) -> Term:
        cond, *sides = e.args

        def side(n: int) -> Rest:
            own = sides[n]
            plain = own.dtype == e.dtype
            return lambda: self.value(own, frame) if plain else Made(ops.CAST, e.dtype, (self.value(own, frame),))

        known = self.truth_or_none(cond, frame)
        if known is not None:
            return self._where(known, side(0), side(1))
        return Made(ops.SELECT, e.dtype, (self.value(cond, frame), side(0)(), side(1)()))

    def _named(self, v: Var, frame: Frame) -> Term:
        found = binding(v, frame)
        if found is not None and binds(found, v):
            return Whole(found.at, v.dtype)
        if found is not None:
            return self.value(let_value(found), found)
        if v in self.numbers and not is_integer(v.dtype):
            return Leaf(self.numbers[v], ())
        return Whole(self.symbol(v), v.dtype)
