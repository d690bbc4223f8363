"""The reference interpreter on symbols: what is known stays a number, the rest is terms.

A branch on a symbol runs both ways and chooses for each element that one of them changed. A loop's bounds must be
known; where its `break` hangs on a symbol, iterations run to the end and change what they would have. What a kernel
asks of its callers, and its checks, are noted with the path to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gemel.semantics import failures, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import BOOL, DType, width_of
from gemel.semantics.interp import Env, Interpreter, Memory, Place, Run
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Buffer,
    Check,
    For,
    If,
    Kernel,
    Reduce,
    Var,
    While,
)
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.semantics.storage import to_values
from gemel.semantics.symbolic import meaning
from gemel.semantics.symbolic.meaning import Unsupported
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words

Cell = Any
"""A number as `dtypes` holds it, a Term, or None for what was never set."""


Failing = tuple[tuple[str, Span], Value]
"""A check, by its code and place, and where it fails."""


class Cells(Memory):
    """A buffer's elements; a place may be a symbol. `log` has what elements held before changes, if these are noted."""

    __slots__ = ("dtype", "log", "run")

    def __init__(self, name: str, shape: tuple[int, ...], cells: list[Cell], dtype: DType, run: Symbolic) -> None:
        super().__init__(name, shape, cells)
        self.dtype, self.run = dtype, run
        self.log: dict[int, Cell] | None = None

    def load(self, place: Place, span: Span, op: Op | None = None) -> Any:
        """An element, or a choice among all."""
        if Term not in map(type, place):
            return super().load(place, span, op)
        self.run.beyond(self, place, span)
        words = self.run.words
        cells = tuple(self.run.word(self.known(n), self.dtype) for n in range(len(self.cells)))
        return self.run.held(words.pick(width_of(self.dtype), self.run.place_word(self, place), cells), self.dtype)

    def known(self, at: int) -> Cell:
        """An element; one that was never set is any word from now on."""
        if self.cells[at] is None:
            cells: list[Cell] = self.cells
            cells[at] = self.run.words.fresh(f"{self.name}[{at}]", width_of(self.dtype))
        return self.cells[at]

    def store(self, place: Place, value: Cell, span: Span, op: Op | None = None) -> None:
        """Sets an element, or the one of all that a symbol says."""
        if Term not in map(type, place):
            self.put(self.offset(place, span), value)
            return
        self.run.beyond(self, place, span)
        run, w = self.run, width_of(self.dtype)
        index, new = run.place_word(self, place), run.word(value, self.dtype)
        if type(index) is int:
            self.put(index, value)
            return
        for n in range(len(self.cells)):
            chosen = run.words.ite(w, run.words.eq(index.w, index, n), new, run.word(self.known(n), self.dtype))
            self.put(n, run.held(chosen, self.dtype))

    def put(self, at: int, value: Cell) -> None:
        """Sets an element by its position."""
        if self.log is not None and at not in self.log:
            self.log[at] = self.cells[at]
        self.cells[at] = value


class Symbolic(Interpreter):
    """Turns IR into closures on symbols. `checks` has where each check fails."""

    bounded = False
    """Whether a place that is a symbol is checked; else it is taken to be in range."""

    def __init__(self, words: Words, fuel: int | None = None) -> None:
        super().__init__(fuel)
        self.words = words
        self.normal = Normal(words)
        self.path: Value = 1
        self.checks: list[Failing] = []
        self.memories: dict[Buffer, Cells] = {}
        """The arrays that there are; one that is allocated anew takes the place of what it was in the turn before."""

    # ----------------------------------------------------------------------------------------------------- values

    def word(self, v: Cell, dtype: DType) -> Value:
        """A value as a word."""
        return v if type(v) is Term else int(to_bits(v, dtype))

    def held(self, v: Value, dtype: DType) -> Cell:
        """A word as a value."""
        return v if type(v) is Term else from_bits(v, dtype)

    def place_word(self, memory: Memory, place: Place) -> Value:
        """The position of an element that a symbol says: as many bits as count the elements."""
        words = self.words
        total: Value = 0
        for i, size in zip(place, memory.shape, strict=True):
            total = words.add(64, words.mul(64, total, size), self._index(i))
        bits = max(1, (len(memory.cells) - 1).bit_length())
        return self.normal(words.ext(total, 0, bits)) if type(total) is Term else total

    def _index(self, i: Value) -> Value:
        return self.words.sext(i, i.w, 64) if type(i) is Term else i & ((1 << 64) - 1)

    # -------------------------------------------------------------------------------------------------- expressions

    def _apply(self, e: Apply) -> Run:
        if e.op.lazy:
            return super()._apply(e)
        args = [self.expr(a) for a in e.args]
        types = tuple(a.dtype for a in e.args)

        def run(env: Env) -> Any:
            values = tuple([a(env) for a in args])
            return self._on(e, types, values) if Term in map(type, values) else exact(values)

        def exact(values: tuple[Any, ...]) -> Any:
            return e.op.meaning(e.dtype, types, values)

        return run

    def _on(self, e: Apply, types: Sequence[DType], values: Sequence[Any]) -> Any:
        if e.op in (ops.FLOORDIV, ops.MOD):
            self._note_zero(e, values[1])
        pairs = [(self.word(v, t), t) for v, t in zip(values, types, strict=True)]
        return self.held(meaning.apply(self.words, e.op, e.dtype, pairs), e.dtype)

    def _lazy(self, e: Apply, args: list[Run]) -> Run:
        plain = super()._lazy(e, args)
        first, rest = args[0], args[1:]
        types = tuple(a.dtype for a in e.args)

        def run(env: Env) -> Any:
            cond = first(env)
            if type(cond) is not Term:
                return plain(env)
            values = [cond]
            for n, arm in enumerate(rest):
                wanted = cond if (e.op is ops.LAND or (e.op is ops.SELECT and n == 0)) else self.words.xor(1, cond, 1)
                with _Path(self, wanted):
                    values.append(arm(env))
            return self._on(e, types, values)

        return run

    # --------------------------------------------------------------------------------------------------- statements

    def _if(self, s: If) -> Run:
        cond, then, orelse = self.expr(s.cond), self.body(s.then), self.body(s.orelse)
        merges = [(m.var, self.expr(m.then), self.expr(m.orelse)) for m in s.merges]

        def run(env: Env) -> None:
            chosen = cond(env)
            if type(chosen) is not Term:
                (then if chosen else orelse)(env)
                for var, a, b in merges:
                    env[var] = (a if chosen else b)(env)
                return
            first, second = dict(env), dict(env)
            before = self._logged(chosen, lambda: then(first))
            yes = {(m, n): m.cells[n] for m, n in before}
            for (m, n), old in before.items():
                m.cells[n] = old
            other = self._logged(self.words.xor(1, chosen, 1), lambda: orelse(second))
            for m, n in {**before, **other}:
                taken = yes.get((m, n), other.get((m, n)))
                m.put(n, self._one_of(chosen, taken, m.cells[n], m.dtype))
            for var, a, b in merges:
                env[var] = self._one_of(chosen, a(first), b(second), var.dtype)

        return run

    def _logged(self, cond: Value, work: Callable[[], None]) -> dict[tuple[Cells, int], Cell]:
        """Runs with changes noted; gives what the changed elements held."""
        before = [(m, m.log) for m in self.memories.values()]
        for m, _ in before:
            m.log = {}
        with _Path(self, cond):
            work()
        found: dict[tuple[Cells, int], Cell] = {}
        for m, log in before:
            for n, old in (m.log or {}).items():
                found[m, n] = old
                if log is not None:
                    log.setdefault(n, old)
            m.log = log
        return found

    def _one_of(self, cond: Value, a: Cell, b: Cell, dtype: DType) -> Cell:
        if a is None or b is None:
            return a if b is None else b
        w = width_of(dtype)
        return self.held(self.words.ite(w, cond, self.word(a, dtype), self.word(b, dtype)), dtype)

    def _for(self, s: For) -> Run:
        until = None if s.until is None else self.expr(s.until)
        body, counted = self.body(s.body), self._known_range(s)
        start, turn, finish = self._carried(s.carry)
        if until is not None and s.carry:
            raise Unsupported("a loop that ends early and carries values")

        def run(env: Env) -> None:
            going: Value = 1
            values = counted(env)
            start(env)
            for value in values:
                self.burn(s.span)
                env[s.var] = value
                if until is not None:
                    ends = self.word(until(env), BOOL)
                    going = self.words.and_(1, going, self.words.xor(1, ends, 1))
                    if going == 0:
                        break
                self._guarded(going, body, env)
                turn(env)
            finish(env)

        return run

    def _guarded(self, going: Value, body: Run, env: Env) -> None:
        if type(going) is not Term:
            body(env)
            return
        for (m, n), old in self._logged(going, lambda: body(env)).items():
            m.put(n, self._one_of(going, m.cells[n], old, m.dtype))

    def _known_range(self, s: For) -> Any:
        parts = [self.expr(e) for e in (s.lo, s.hi, s.step)]

        def run(env: Env) -> range:
            lo, hi, step = (p(env) for p in parts)
            if Term in map(type, (lo, hi, step)):
                raise Unsupported(f"line {s.span.line}: a loop's bound depends on the data")
            if step == 0:
                raise failures.raised(Check.STEP, failures.ZERO_STEP, s.span)
            return range(lo, hi, step)

        return run

    def _while(self, s: While) -> Run:
        cond, body = self.expr(s.cond), self.body(s.body)
        start, turn, finish = self._carried(s.carry)
        names: dict[int, list[Any]] = {}

        def run(env: Env) -> None:
            start(env)
            while True:
                self.come(s, env, names)
                if not self.chosen(cond(env), s.span):
                    break
                self.burn(s.span)
                body(env)
                turn(env)
            finish(env)

        return run

    def come(self, s: For | While | None, env: Env, names: dict[int, list[Any]]) -> None:
        """What is done at the head of a loop whose end may depend on data: nothing."""

    def chosen(self, cond: Cell, span: Span) -> bool:
        """Whether such a loop goes on."""
        if type(cond) is Term:
            raise Unsupported(f"line {span.line}: a while loop's end depends on the data")
        return bool(cond)

    def _assert(self, s: Assert) -> Run:
        cond = self.expr(s.cond)
        plain = super()._assert(s)

        def run(env: Env) -> None:
            value = cond(env)
            if type(value) is not Term and self.path == 1:
                plain(env)
            else:
                self._note((s.check.value, s.span), self.words.xor(1, self.word(value, BOOL), 1))

        return run

    def _note(self, key: tuple[str, Span], fails: Value) -> None:
        """Notes where a check fails, if this place is come to."""
        fails = self.words.and_(1, self.path, fails)
        if fails != 0:
            self.checks.append((key, fails))

    def beyond(self, memory: Cells, place: tuple[Any, ...], span: Span) -> None:
        """Notes where an index that is a symbol is out of range."""
        for i, size in zip(place, memory.shape, strict=True):
            if self.bounded and type(i) is Term:
                word, words = self._index(i), self.words
                inside = words.and_(1, words.xor(1, words.slt(64, word, 0), 1), words.slt(64, word, size))
                self._note((Check.BOUNDS.value, span), words.xor(1, inside, 1))

    def _note_zero(self, e: Apply, divisor: Cell) -> None:
        dtype = e.args[1].dtype
        zero = self.words.eq(width_of(dtype), self.word(divisor, dtype), 0)
        self._note((Check.DIVISION.value, e.span), zero)

    def stmt(self, s: Any) -> Run:
        """A closure that runs one statement."""
        if isinstance(s, Alloc):
            return lambda env: self.allocate(s.buffer, env)
        if isinstance(s, Reduce):
            return self._accumulate(s)
        return super().stmt(s)

    def _accumulate(self, s: Reduce) -> Run:
        place, value, dtype = self.place(s.indices), self.expr(s.value), s.buffer.dtype

        def run(env: Env) -> None:
            where, new, memory = place(env), value(env), env[s.buffer]
            old = memory.load(where, s.span)
            if type(old) is Term or type(new) is Term:
                pairs = [(self.word(v, dtype), dtype) for v in (old, new)]
                made = self.held(meaning.apply(self.words, s.op, dtype, pairs), dtype)
            else:
                made = ops.accumulate(s.op, dtype, old, new)
            memory.store(where, made, s.span)

        return run

    # ------------------------------------------------------------------------------------------------------ buffers

    def allocate(self, b: Buffer, env: Env) -> None:
        """A new buffer, unset or a table."""
        shape = self.place(b.shape)(env)
        size = 1
        for n in shape:
            size *= max(n, 0)
        cells: list[Cell] = [None] * size if b.data is None else list(to_values(b.data, b.dtype))
        env[b] = self.memory(b, shape, cells)

    def memory(self, b: Buffer, shape: tuple[int, ...], cells: list[Cell]) -> Cells:
        """A memory that branches keep an eye on."""
        made = Cells(b.hint, shape, cells, b.dtype, self)
        self.memories[b] = made
        return made


class _Path:
    """A place that is reached where a condition holds too."""

    def __init__(self, run: Symbolic, cond: Value) -> None:
        self.run, self.before = run, run.path
        self.cond = cond

    def __enter__(self) -> None:
        self.run.path = self.run.words.and_(1, self.before, self.cond)

    def __exit__(self, *error: object) -> None:
        self.run.path = self.before


def shape_of(b: Buffer) -> tuple[int, ...]:
    """The shape of a buffer of known sizes; raises Unsupported where one isn't known."""
    sizes = [value_of(n, {}) for n in b.shape]
    if None in sizes:
        raise Unsupported(f"the size of {b.hint} isn't known")
    return tuple(n or 0 for n in sizes)


def run_kernel(run: Symbolic, kernel: Kernel, given: dict[Buffer | Var, Any]) -> dict[Buffer, list[Cell]]:
    """Runs a kernel of known sizes on cells of arrays and values of scalars; gives what all arrays hold in the end.

    Raises Unsupported where something of the control depends on a symbol.
    """
    env: Env = {}
    arrays: dict[Buffer, Cells] = {}
    for p in (*kernel.params, *kernel.results):
        if isinstance(p, Var):
            env[p] = given[p]
        else:
            arrays[p] = env[p] = run.memory(p, shape_of(p), list(given[p]))
    run.body(kernel.body)(env)
    return {b: m.cells for b, m in arrays.items()}
