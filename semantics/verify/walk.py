"""The symbolic run of a guarded kernel: each `Assert` on the way is proved or not from what is known there.

Loops run once, from a state in which all that they change is unknown but for the invariants that `loops` finds. An
assert that isn't proved is checked when the kernel runs, so it is known to hold after its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import z3

from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, FloatType
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Call,
    Check,
    Const,
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
from gemel.semantics.ops import Op
from gemel.semantics.ranges import MAX_SIZE
from gemel.semantics.traverse import statements
from gemel.semantics.verify import loops, regions
from gemel.semantics.verify.conflicts import Access
from gemel.semantics.verify.memory import Memory
from gemel.semantics.verify.prover import CHEAP, EFFORT, Prover
from gemel.semantics.verify.relevant import Relevance
from gemel.semantics.verify.report import PROVED, UNKNOWN
from gemel.semantics.verify.state import (
    LONGEST_CHAIN,
    Chosen,
    Place,
    Region,
    State,
    Stored,
    Version,
)
from gemel.semantics.verify.terms import Bool, Num, Term, Terms, choose, number, range_of
from gemel.semantics.verify.unknowns import fresh_bool, fresh_int

if TYPE_CHECKING:
    from gemel.semantics.span import Span

Key = Assert | Load | Reduce | For
"""What an obligation is found by."""


NEVER = z3.BoolVal(False)
GENERATED = (Check.BOUNDS, Check.DIVISION, Check.SHIFT, Check.STEP, Check.NARROWS)
"""Checks of which nothing is learned where they are proved: they follow from what is known, and would slow z3 down."""


class Walk:
    """A symbolic run; `status` has what was decided for each obligation, `open_states` where it was left open."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.prover = Prover()
        self.memory = Memory()
        self.status: dict[Key, str] = {}
        self.open_states: dict[Key, tuple[list[Bool], Bool]] = {}
        self.assumed: list[tuple[str, Span]] = []
        self.inputs: dict[Buffer | Var, Any] = {}
        self.survivors: dict[Stmt, list[Any]] = {}
        self.accesses: list[Access] | None = None
        self.deciding = False
        self.leaving = False
        self.exact = False
        self.dropped = False
        self.distrusted: set[Assert | Buffer] = set()
        self.contradictions: list[Span] = []
        self.relevance = Relevance(kernel)
        self.relevant = self.relevance.names
        self.tracked = self.relevance.tracked

    def run(self) -> None:
        """Runs until nothing that proofs lean on is left that isn't proved itself."""
        while True:
            self.status, self.open_states, self.assumed, self.contradictions = {}, {}, [], []
            self._settle()
            self.deciding = True
            self._decide()
            self.deciding = False
            if not self._distrust():
                break

    def _settle(self) -> None:
        """Runs until no assumed property of elements is dropped."""
        found = regions.element_candidates(self.kernel, self._entry())
        trusted = self.relevant - self.distrusted
        self.memory.elements = {b: rules if b in trusted else [] for b, rules in found.items()}
        self.dropped, self.survivors = any(self.memory.elements.values()), {}
        while self.dropped:
            self.dropped, self.survivors = False, {}
            self.block(self.kernel.body, self._entry())

    def _decide(self) -> None:
        state = self._entry()
        for s in self.kernel.body:
            if not any(isinstance(x, Assert) and x.check is Check.REQUIRES for x in statements((s,))):
                self.statement(s, state)
                continue
            before = state.copy()
            self.statement(s, state)
            self._consistent(s.span, self._with_elements(before), self._with_elements(state))

    def _with_elements(self, state: State) -> list[Bool]:
        """The facts, and what they say of an element of each array, if it has any."""
        state = state.copy()
        for b in self.kernel.params:
            if isinstance(b, Buffer) and b.rank and not isinstance(b.dtype, FloatType):
                sizes = [self.integer(size, state).term for size in b.shape]
                place = tuple(fresh_int("any") for _ in sizes)
                inside = z3.And(*(z3.And(at >= 0, at < size) for at, size in zip(place, sizes, strict=True)))
                there = state.copy()
                self.memory.load(there, state.arrays[b], place)
                exists = not self.prover.implied(list(state.facts), z3.Not(inside))
                state.facts.under(inside, there.facts.since(len(state.facts)))
                state.facts.extend([inside] if exists else [])
        return list(state.facts)

    def _consistent(self, span: Span, before: list[Bool], facts: list[Bool]) -> None:
        """Notes where what is taken as given can't be: everything would follow from it."""
        if self.deciding and self.prover.implied(facts, NEVER) and not self.prover.implied(before, NEVER):
            self.contradictions.append(span)

    def _distrust(self) -> bool:
        """Whether proofs leaned on something open: an invariant after its loop, or what elements have in common.

        After a loop nothing checks its invariants, and memory that wasn't stored to holds anything.
        """
        open_ = [key for key, status in self.status.items() if status == UNKNOWN]
        leant: set[Assert | Buffer] = {k for k in open_ if isinstance(k, Assert) and k.check is Check.INVARIANT}
        leant |= {k.buffer for k in open_ if isinstance(k, Load | Reduce)}
        before = len(self.distrusted)
        self.distrusted |= leant
        return len(self.distrusted) > before

    def trust(self, stated: tuple[Stmt, ...], state: State) -> None:
        """Takes in what is stated of a loop where it has ended, as far as that isn't known to be open."""
        before = self.deciding, self.leaving
        self.deciding, self.leaving = False, True
        self.block(stated, state)
        self.deciding, self.leaving = before

    def _entry(self) -> State:
        state = State()
        for d in self.kernel.dims:
            self._unknown_var(state, d, 0, MAX_SIZE)
        for p in self.kernel.params:
            if isinstance(p, Var):
                self._unknown_var(state, p, *range_of(p.dtype))
            else:
                self._parameter(state, p)
        for b in self.kernel.results:
            self._sized(state, b)
            self.allocate(state, b)
        return state

    def _unknown_var(self, state: State, v: Var, lo: int, hi: int) -> None:
        if v not in self.inputs:
            self.inputs[v] = fresh_bool(v.hint) if isinstance(v.dtype, BoolType) else fresh_int(v.hint)
        if isinstance(v.dtype, FloatType):
            state.vars[v] = None
        elif isinstance(v.dtype, BoolType):
            state.vars[v] = self.inputs[v]
        else:
            state.vars[v] = Num(self.inputs[v], lo, hi)
            state.facts.append(z3.And(self.inputs[v] >= lo, self.inputs[v] <= hi))

    def _parameter(self, state: State, b: Buffer) -> None:
        if b not in self.inputs:
            self.inputs[b] = self.memory.unknown(b)
        self._sized(state, b)
        state.arrays[b] = self.inputs[b]
        state.known.add(b)
        if not b.rank:
            state.scalars[b] = self.memory.load(state, self.inputs[b], ())

    def _sized(self, state: State, b: Buffer) -> None:
        self.exact = True
        for size in b.shape:
            term = self.integer(size, state)
            state.facts.append(z3.And(term.term >= 0, term.term <= MAX_SIZE))
        self.exact = False

    def allocate(self, state: State, b: Buffer) -> None:
        """A buffer without values, or a table."""
        state.known.discard(b)
        state.regions[b] = []
        state.scalars.pop(b, None)
        state.arrays[b] = self.memory.unknown(b)
        if b.data is not None:
            state.known.add(b)
            self.memory.elements.setdefault(b, regions.table_rules(b))

    # --------------------------------------------------------------------------------------------------- questions

    def proves(self, state: State, goal: Bool, effort: int = CHEAP) -> bool:
        """Whether the goal holds in the state."""
        return self.prover.proves(state.facts, goal, effort, state.path)

    def decide(self, key: Key, state: State, goal: Bool) -> None:
        """Notes whether an obligation is proved; one that is reached in several ways must be so in each."""
        if not self.deciding:
            return
        if self.status.get(key) == UNKNOWN:
            return
        narrows = isinstance(key, Assert) and key.check is Check.NARROWS
        ask = self.prover.fits if narrows else self.prover.proves
        if ask(state.facts, goal, EFFORT, state.path):
            self.status[key] = PROVED
        else:
            self.status[key] = UNKNOWN
            self.open_states[key] = state.facts.around(goal, state.path), goal

    def terms(self, state: State) -> Terms:
        """A maker of terms that learns into the state."""
        return Terms(state.learn, lambda goal: self._fits(state, goal), self.exact)

    def _fits(self, state: State, goal: Bool) -> bool:
        """Whether a value fits its type."""
        return self.prover.fits(state.facts, goal, CHEAP, state.path)

    # ------------------------------------------------------------------------------------------------- expressions

    def value(self, e: Expr, state: State) -> Term:
        """The value of an expression."""
        match e:
            case Const():
                return _literal(e)
            case Ref():
                return state.vars.get(e.var)
            case Load():
                return self.load(e, e.buffer, e.indices, state)
            case Apply() if e.op.lazy:
                return self._lazy(e, state)
            case Apply():
                args = tuple(self.value(a, state) for a in e.args)
                return self.terms(state).apply(e.op, e.dtype, tuple(a.dtype for a in e.args), args)

    def integer(self, e: Expr, state: State) -> Num:
        """The value of an integer expression."""
        return self.terms(state).as_number(self.value(e, state), e.dtype)

    def truth(self, e: Expr, state: State) -> Bool:
        """The value of a condition."""
        value = self.value(e, state)
        return fresh_bool("cond") if value is None or isinstance(value, Num) else value

    def _lazy(self, e: Apply, state: State) -> Term:
        first = self.truth(e.args[0], state)
        if e.op is ops.SELECT:
            with under(state, first):
                then = self.value(e.args[1], state)
            with under(state, z3.Not(first)):
                orelse = self.value(e.args[2], state)
            return choose(first, then, orelse) if not isinstance(e.dtype, FloatType) else None
        with under(state, first if e.op is ops.LAND else z3.Not(first)):
            second = self.truth(e.args[1], state)
        return z3.And(first, second) if e.op is ops.LAND else z3.Or(first, second)

    def load(self, key: Load | Reduce, b: Buffer, indices: tuple[Expr, ...], state: State) -> Term:
        """An element, or the value of a variable; it must be initialised."""
        place = tuple(self.integer(i, state).term for i in indices)
        self._access(b, place, False, key.op if isinstance(key, Reduce) else None, state)
        if b in self.tracked and b not in state.known:
            self.decide(key, state, regions.covered(state.regions.get(b, ()), place))
        if not b.rank:
            if b not in state.scalars:
                state.scalars[b] = self.terms(state).anything(b.dtype)
            return state.scalars[b]
        if isinstance(b.dtype, FloatType) or b not in self.relevant:
            return None
        return self.memory.load(state, state.arrays[b], place)

    def _needed(self, name: Var | Buffer, e: Expr, state: State) -> Term:
        """The value of an expression, None where it isn't relevant; what it loads is looked at in any case."""
        if name in self.relevant:
            return self.value(e, state)
        self._look(e, state)
        return None

    def _look(self, e: Expr, state: State) -> None:
        """Evaluates no more of an expression than what its loads ask for."""
        match e:
            case Load() if e.buffer in self.tracked or self.relevance.unordered:
                self.load(e, e.buffer, e.indices, state)
            case Load():
                for i in e.indices:
                    self._look(i, state)
            case Apply() if e.op.lazy and self.relevance.branches(e):
                self._lazy(e, state)
            case Apply():
                for a in e.args:
                    self._look(a, state)
            case _:
                pass

    def _access(self, b: Buffer, place: Place, writes: bool, op: Op | None, state: State) -> None:
        if self.accesses is not None:
            self.accesses.append(Access(b, place, writes, op, (*state.facts, *state.path)))

    # -------------------------------------------------------------------------------------------------- statements

    def block(self, body: tuple[Stmt, ...], state: State) -> None:
        """Runs statements."""
        for s in body:
            self.statement(s, state)

    def statement(self, s: Stmt, state: State) -> None:
        """Runs one statement."""
        match s:
            case Let():
                state.vars[s.var] = self._needed(s.var, s.value, state)
            case Alloc():
                self.allocate(state, s.buffer)
            case Store() | Reduce():
                self._change(s, state)
            case For():
                loops.run_for(self, s, state)
            case While():
                loops.run_while(self, s, state)
            case If():
                self._if(s, state)
            case Assert():
                self._assert(s, state)
            case Assume():
                if self.deciding:
                    self.assumed.append((s.span.source_line().strip(), s.span))
                before = list(state.facts)
                self.know(state, self.truth(s.cond, state))
                self._consistent(s.span, before, list(state.facts))
            case Call():
                raise TypeError("calls are inlined before verification")

    def _change(self, s: Store | Reduce, state: State) -> None:
        if not self.relevance.place_of(s.buffer):
            for e in (*s.indices, s.value):
                self._look(e, state)
        elif isinstance(s, Store):
            place = tuple(self.integer(i, state).term for i in s.indices)
            self.store(s.buffer, place, self._needed(s.buffer, s.value, state), state)
        else:
            self._reduce(s, state)

    def know(self, state: State, fact: Bool) -> None:
        """Takes in what the program states."""
        state.facts.append(fact)
        state.stated.append(fact)

    def _assert(self, s: Assert, state: State) -> None:
        recorded, self.accesses = self.accesses, None  # a check isn't part of what the iterations do
        cond = self.truth(s.cond, state)
        self.accesses = recorded
        if s.check is not Check.REQUIRES:
            self.decide(s, state, cond)
        told = s.check not in GENERATED or (s.check is not Check.NARROWS and self.status.get(s) == UNKNOWN)
        if told and not (self.leaving and s in self.distrusted):
            self.know(state, cond)

    def store(self, b: Buffer, place: Place, value: Term, state: State, op: Op | None = None) -> None:
        """Sets an element; `op` says that this is an accumulation."""
        self._access(b, place, True, op, state)
        self._keeps_rules(b, place, value, state)
        if b in self.tracked and b not in state.known:
            state.regions.setdefault(b, []).append(Region((), z3.BoolVal(True), place))
        if not b.rank:
            state.known.add(b)
            state.scalars[b] = value
            return
        if isinstance(b.dtype, FloatType) or b not in self.relevant:
            return
        older = state.arrays[b]
        if older.depth >= LONGEST_CHAIN:
            older = self.memory.unknown(b)
        if value is None:
            value = self.terms(state).anything(b.dtype)
        state.arrays[b] = Stored(older, place, value, older.depth + 1)

    def _keeps_rules(self, b: Buffer, place: Place, value: Term, state: State) -> None:
        """Drops what was supposed of all elements of a buffer where a stored value doesn't have it."""
        rules = self.memory.elements.get(b)
        if not rules or self.deciding or b.data is not None:
            return
        known = self.terms(state).as_number(value, b.dtype)
        kept = [rule for rule in rules if self.proves(state, rule(known, place))]
        if len(kept) < len(rules):
            self.memory.elements[b] = kept
            self.dropped = True

    def _reduce(self, s: Reduce, state: State) -> None:
        old = self.load(s, s.buffer, s.indices, state)
        place = tuple(self.integer(i, state).term for i in s.indices)
        dtype, value = s.buffer.dtype, self._needed(s.buffer, s.value, state)
        known = s.buffer in self.relevant
        new = self.terms(state).apply(s.op, dtype, (dtype, dtype), (old, value)) if known else None
        self.store(s.buffer, place, new, state, s.op)

    def _if(self, s: If, state: State) -> None:
        cond = self.truth(s.cond, state)
        then, orelse = state.copy(), state.copy()
        then.facts.append(cond)
        orelse.facts.append(z3.Not(cond))
        self.block(s.then, then)
        self.block(s.orelse, orelse)
        join(state, cond, then, orelse)


@contextmanager
def under(state: State, cond: Bool) -> Iterator[None]:
    """What is evaluated only where `cond` holds."""
    state.path.append(cond)
    yield
    state.path.pop()


def join(state: State, cond: Bool, then: State, orelse: State) -> None:
    """Makes `state` what it is after a branch."""
    start, told = len(state.facts), len(state.stated)
    for side, holds in ((then, cond), (orelse, z3.Not(cond))):
        state.facts.under(holds, side.facts.since(start + 1))
        state.stated += [z3.Implies(holds, f) for f in side.stated[told:] if not hasattr(f, "variables")]
    for b in then.scalars.keys() | orelse.scalars.keys():
        if b in then.scalars and b in orelse.scalars:
            state.scalars[b] = choose(cond, then.scalars[b], orelse.scalars[b])
        else:
            state.scalars.pop(b, None)
    for b, version in state.arrays.items():
        state.arrays[b] = _merged(cond, version, then.arrays[b], orelse.arrays[b])
    state.known = then.known & orelse.known
    for b in state.regions:
        own = len(state.regions[b])
        for side, holds in ((then, cond), (orelse, z3.Not(cond))):
            more = side.regions.get(b, [])[own:]
            state.regions[b] += [Region(r.variables, z3.And(holds, r.cond), r.place) for r in more]


def _merged(cond: Bool, before: Version, a: Version, b: Version) -> Version:
    if a is b:
        return a
    return Chosen(cond, a, b, 1 + max(a.depth, b.depth, before.depth))


def _literal(e: Const) -> Term:
    if isinstance(e.dtype, FloatType):
        return None
    return z3.BoolVal(bool(e.value)) if isinstance(e.dtype, BoolType) else number(int(e.value))
