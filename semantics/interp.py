"""The reference interpreter: exact, on Python numbers, for every level of the IR; it defines what a kernel means.

Each expression and statement becomes a Python closure once per run; closures find variables and buffers in one
dictionary, keyed by the IR's own name objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

import numpy as np

from gemel.semantics import failures, ops
from gemel.semantics.arguments import Bound, bind, new_results, outputs, shape_of, unpack
from gemel.semantics.convert import Value
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import CheckError, GemelError
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
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    View,
    While,
)
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.semantics.storage import filled, from_values, to_values
from gemel.semantics.traverse import map_body
from gemel.semantics.watch import Watch

Env = dict[Any, Any]
Run = Callable[[Env], Any]
Place = tuple[int, ...]


class Memory:
    """A buffer's elements in row-major order; None marks one that was never stored to."""

    __slots__ = ("cells", "name", "shape", "watches")

    def __init__(
        self, name: str, shape: tuple[int, ...], cells: list[Value | None], watches: Sequence[Watch] = ()
    ) -> None:
        self.name, self.shape, self.cells, self.watches = name, shape, cells, watches

    def offset(self, place: Place, span: Span) -> int:
        """The position of an element; raises BoundsError outside of the shape."""
        position = 0
        for axis, (i, size) in enumerate(zip(place, self.shape, strict=True)):
            if not 0 <= i < size:
                message = failures.out_of_range(self.name, axis).replace("{0}", str(i)).replace("{1}", str(size))
                raise failures.raised(Check.BOUNDS, message, span)
            position = position * size + i
        return position

    def load(self, place: Place, span: Span, op: Op | None = None) -> Value:
        """An element; raises BoundsError where it is out of range or unset."""
        at = self.offset(place, span)
        value = self.cells[at]
        if self.watches:
            self._watched(at, False, op)
        if value is None:
            message = failures.UNSET.replace("{0}", str(list(place))).replace("{name}", self.name)
            raise failures.raised(Check.INITIALISED, message, span)
        return value

    def store(self, place: Place, value: Value, span: Span, op: Op | None = None) -> None:
        """Sets an element."""
        at = self.offset(place, span)
        if self.watches:
            self._watched(at, True, op)
        self.cells[at] = value

    def _watched(self, at: int, writes: bool, op: Op | None) -> None:
        for watch in self.watches:
            error = watch.note((self, at), self.name, writes, op)
            if error is not None:
                raise error


class Window:
    """A view of a memory or of another window, as a call passes it."""

    __slots__ = ("base", "name", "place", "shape")

    def __init__(self, name: str, shape: Place, base: Memory | Window, place: Callable[[Place], Place]) -> None:
        self.name, self.shape, self.base, self.place = name, shape, base, place

    def load(self, place: Place, span: Span, op: Op | None = None) -> Value:
        """An element of the base."""
        return self.base.load(self._map(place, span), span, op)

    def store(self, place: Place, value: Value, span: Span, op: Op | None = None) -> None:
        """Sets an element of the base."""
        self.base.store(self._map(place, span), value, span, op)

    def _map(self, place: Place, span: Span) -> Place:
        Memory(self.name, self.shape, []).offset(place, span)
        return self.place(place)


class Interpreter:
    """Turns IR into closures; `fuel` bounds the number of loop iterations (None: no bound).

    With `lost`, a narrowing that loses its value is noted there, the first time, and the run goes on.
    """

    def __init__(self, fuel: int | None, lost: dict[Assert, GemelError] | None = None) -> None:
        self.fuel = fuel
        self.lost = lost

    def burn(self, span: Span) -> None:
        """Counts a loop iteration; raises CheckError when the fuel is used up."""
        if self.fuel is not None:
            self.fuel -= 1
            if self.fuel < 0:
                raise CheckError("the run takes more steps than allowed", code="R07", span=span)

    # ------------------------------------------------------------------------------------------------- expressions

    def expr(self, e: Expr) -> Run:
        """A closure that gives the expression's value."""
        match e:
            case Const():
                value = e.value
                return lambda env: value
            case Ref():
                var = e.var
                return lambda env: env[var]
            case Load():
                return self._load(e)
            case Apply():
                return self._apply(e)
            case _:
                assert_never(e)

    def _load(self, e: Load) -> Run:
        buffer, span, place = e.buffer, e.span, self.place(e.indices)
        return lambda env: env[buffer].load(place(env), span)

    def place(self, indices: Sequence[Expr]) -> Callable[[Env], Place]:
        """A closure that gives a tuple of indices."""
        runs = [self.expr(i) for i in indices]
        if len(runs) == 1:
            (only,) = runs
            return lambda env: (only(env),)
        if len(runs) == 2:
            first, second = runs
            return lambda env: (first(env), second(env))
        return lambda env: tuple([run(env) for run in runs])

    def _apply(self, e: Apply) -> Run:
        args = [self.expr(a) for a in e.args]
        if e.op.lazy:
            return self._lazy(e, args)
        meaning, dtype, types = e.op.meaning, e.dtype, tuple(a.dtype for a in e.args)
        check = _TRAPS.get(e.op)
        if check is not None:
            return self._trapping(e, args, check)
        if len(args) == 2:
            a, b = args
            return lambda env: meaning(dtype, types, (a(env), b(env)))
        return lambda env: meaning(dtype, types, tuple([a(env) for a in args]))

    def _trapping(self, e: Apply, args: list[Run], check: Check) -> Run:
        meaning, dtype, types, span = e.op.meaning, e.dtype, tuple(a.dtype for a in e.args), e.span
        left, right = args

        def run(env: Env) -> Value:
            a, b = left(env), right(env)
            if check is Check.DIVISION and b == 0:
                raise failures.raised(check, failures.DIVIDED_BY_ZERO, span)
            if check is Check.SHIFT and b < 0:
                raise failures.raised(check, failures.NEGATIVE_SHIFT.replace("{0}", str(b)), span)
            return meaning(dtype, types, (a, b))

        return run

    def _lazy(self, e: Apply, args: list[Run]) -> Run:
        if e.op is ops.LAND:
            a, b = args
            return lambda env: a(env) and b(env)
        if e.op is ops.LOR:
            a, b = args
            return lambda env: a(env) or b(env)
        cond, then, orelse = args
        dtype, types, meaning = e.dtype, tuple(a.dtype for a in e.args), e.op.meaning
        if types[1] == types[2] == dtype:
            return lambda env: then(env) if cond(env) else orelse(env)
        yes, no = (types[0], types[1], types[1]), (types[0], types[2], types[2])

        def run(env: Env) -> Value:
            if cond(env):
                value = then(env)
                return meaning(dtype, yes, (True, value, value))
            value = orelse(env)
            return meaning(dtype, no, (False, value, value))

        return run

    # -------------------------------------------------------------------------------------------------- statements

    def body(self, body: Sequence[Stmt]) -> Run:
        """A closure that runs statements in order."""
        runs = [self.stmt(s) for s in body]
        if len(runs) == 1:
            return runs[0]

        def run(env: Env) -> None:
            for one in runs:
                one(env)

        return run

    def stmt(self, s: Stmt) -> Run:
        """A closure that runs one statement."""
        match s:
            case Let():
                return self._let(s)
            case Alloc():
                return lambda env: _allocate(s.buffer, env, self)
            case Store():
                return self._store(s)
            case Reduce():
                return self._reduce(s)
            case For():
                return self._for(s)
            case While():
                return self._while(s)
            case If():
                return self._if(s)
            case Call():
                return self._call(s)
            case Assert():
                return self._assert(s)
            case Assume():
                return lambda env: None
            case _:
                assert_never(s)

    def _let(self, s: Let) -> Run:
        var, value = s.var, self.expr(s.value)

        def run(env: Env) -> None:
            env[var] = value(env)

        return run

    def _store(self, s: Store) -> Run:
        buffer, span, place, value = s.buffer, s.span, self.place(s.indices), self.expr(s.value)

        def run(env: Env) -> None:
            where = place(env)
            env[buffer].store(where, value(env), span)

        return run

    def _reduce(self, s: Reduce) -> Run:
        buffer, span, place, value = s.buffer, s.span, self.place(s.indices), self.expr(s.value)
        op, dtype = s.op, s.buffer.dtype

        def run(env: Env) -> None:
            where = place(env)
            new = value(env)
            memory = env[buffer]
            memory.store(where, ops.accumulate(op, dtype, memory.load(where, span, op), new), span, op)

        return run

    def _range(self, s: For) -> Callable[[Env], range]:
        """A closure that gives the values of a loop's variable; raises CheckError for a step of 0."""
        lo, hi, step, span = self.expr(s.lo), self.expr(s.hi), self.expr(s.step), s.span

        def run(env: Env) -> range:
            first, end, by = lo(env), hi(env), step(env)
            if by == 0:
                raise failures.raised(Check.STEP, failures.ZERO_STEP, span)
            return range(first, end, by)

        return run

    def _for(self, s: For) -> Run:
        until = None if s.until is None else self.expr(s.until)
        var, span, body = s.var, s.span, self.body(s.body)
        start, turn, finish = self._carried(s.carry)
        counted = self._range(s)
        if s.kind in (LoopKind.PARALLEL, LoopKind.VECTOR):
            return self._unordered(s, body)

        def run(env: Env) -> None:
            values = counted(env)
            start(env)
            for value in values:
                self.burn(span)
                env[var] = value
                if until is not None and until(env):
                    break
                body(env)
                turn(env)
            finish(env)

        return run

    def _unordered(self, s: For, body: Run) -> Run:
        """A loop whose iterations may run in any order: it stops where two of them conflict."""
        counted = self._range(s)
        var, span = s.var, s.span

        def run(env: Env) -> None:
            values = counted(env)
            watch = Watch(span)
            memories = [m for m in map(_memory, env.values()) if m is not None]
            before = [m.watches for m in memories]
            for m in memories:
                m.watches = (*m.watches, watch)
            try:
                for value in values:
                    self.burn(span)
                    env[var] = watch.iteration = value
                    body(env)
            finally:
                for m, watches in zip(memories, before, strict=True):
                    m.watches = watches

        return run

    def _while(self, s: While) -> Run:
        cond, span, body = self.expr(s.cond), s.span, self.body(s.body)
        start, turn, finish = self._carried(s.carry)

        def run(env: Env) -> None:
            start(env)
            while cond(env):
                self.burn(span)
                body(env)
                turn(env)
            finish(env)

        return run

    def _carried(self, carry: Sequence[Any]) -> tuple[Run, Run, Run]:
        """Closures that set a loop's carried values on entry, after an iteration, and on exit."""
        inits = [(c.var, self.expr(c.init)) for c in carry]
        nexts = [(c.var, self.expr(c.next)) for c in carry]
        results = [(c.result, c.var) for c in carry]

        def assign(pairs: list[tuple[Var, Run]], env: Env) -> None:
            values = [run(env) for _, run in pairs]
            for (var, _), value in zip(pairs, values, strict=True):
                env[var] = value

        def finish(env: Env) -> None:
            for result, var in results:
                env[result] = env[var]

        return (lambda env: assign(inits, env)), (lambda env: assign(nexts, env)), finish

    def _if(self, s: If) -> Run:
        cond, then, orelse = self.expr(s.cond), self.body(s.then), self.body(s.orelse)
        taken = [(m.var, self.expr(m.then)) for m in s.merges]
        missed = [(m.var, self.expr(m.orelse)) for m in s.merges]

        def run(env: Env) -> None:
            chosen = bool(cond(env))
            (then if chosen else orelse)(env)
            for var, value in taken if chosen else missed:
                env[var] = value(env)

        return run

    def _assert(self, s: Assert) -> Run:
        cond, values = self.expr(s.cond), [self.expr(v) for v in s.values]
        noted = self.lost if s.check is Check.NARROWS else None

        def run(env: Env) -> None:
            if not cond(env) and (noted is None or s not in noted):
                error = failures.failure(s, [v(env) for v in values])
                if noted is None:
                    raise error
                noted[s] = error

        return run

    def _call(self, s: Call) -> Run:
        callee = s.kernel
        dims = [(var, self.expr(e)) for var, e in zip(callee.dims, s.dims, strict=True)]
        args = [(p, self._argument(p, a)) for p, a in zip(callee.params, s.args, strict=True)]
        results = list(zip(callee.results, s.results, strict=True))
        body = self.body(map_body(callee.body, stmt=lambda inner: failures.owed(inner, s)))

        def run(env: Env) -> None:
            inner: Env = {var: value(env) for var, value in dims}
            inner.update((p, value(env)) for p, value in args)
            inner.update((own, env[outer]) for own, outer in results)
            body(inner)

        return run

    def _argument(self, param: Buffer | Var, arg: Expr | View) -> Run:
        if not isinstance(arg, View):
            return self.expr(arg)
        view, place, shape = arg, self.place(arg.indices), self.place(arg.shape)

        def run(env: Env) -> Window:
            def inner(where: Place) -> Place:
                return place({**env, **dict(zip(view.vars, where, strict=True))})

            return Window(param.hint, shape(env), env[view.buffer], inner)

        return run


def _memory(x: object) -> Memory | None:
    while isinstance(x, Window):
        x = x.base
    return x if isinstance(x, Memory) else None


_TRAPS = {
    ops.FLOORDIV: Check.DIVISION,
    ops.MOD: Check.DIVISION,
    ops.SHL: Check.SHIFT,
    ops.SHR: Check.SHIFT,
}


def _allocate(b: Buffer, env: Env, interpreter: Interpreter) -> None:
    shape = interpreter.place(b.shape)(env)
    size = int(np.prod([max(n, 0) for n in shape], dtype=object)) if shape else 1
    cells: list[Value | None] = [None] * size if b.data is None else list(to_values(b.data, b.dtype))
    env[b] = Memory(b.hint, shape, cells)


def interpret(kernel: Kernel, args: Sequence[object], *, fuel: int | None = None, out: object = None) -> Any:
    """Runs a kernel on NumPy arrays and numbers; arrays that it stores to change in place, `out` gets the results.

    Gives results as `arguments.unpack` does. Raises what `arguments.bind` and `outputs` raise, BoundsError,
    DivisionError or CheckError where the run fails, and CheckError R07 after `fuel` loop iterations.
    """
    bound = bind(kernel, args)
    given = outputs(kernel, bound, out)
    env = environment(kernel, bound)
    try:
        run = Interpreter(fuel)
        run.body(kernel.body)(env)
    finally:
        for b, array in bound.arrays.items():
            if array.flags.writeable:
                from_values(env[b].cells, b.dtype, array)
    results = [_result(env[b], b.dtype) for b in kernel.results]
    for place, result in zip(given, results, strict=True):
        if place is not None:
            place.array[...] = result
    return unpack(kernel, results, given)


def environment(kernel: Kernel, bound: Bound) -> Env:
    """The names of a kernel with the values of a call, results unset."""
    env: Env = {**bound.dims, **bound.scalars}
    for b, array in bound.arrays.items():
        env[b] = Memory(b.hint, array.shape, list(to_values(array, b.dtype)))
    for b, empty in zip(kernel.results, new_results(kernel, bound.dims), strict=True):
        env[b] = Memory(b.hint, shape_of(b, bound.dims), [None] * empty.size)
    return env


def _result(memory: Memory, dtype: DType) -> Any:
    return filled([0 if v is None else v for v in memory.cells], dtype, memory.shape)
