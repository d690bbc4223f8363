"""Whether a scheduled kernel computes what the original does.

At small sizes both are run on symbols: loops, indices and conditions are concrete, elements of the arguments are
symbols, and `normal` says when two values are the same. Otherwise `proof` reads what is left in an element, for all
elements and sizes at once. Floats keep their order of operations, unless a step was taken that says otherwise. Refuted
is only what drawn arguments confirm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import numpy as np

from gemel.semantics import ops
from gemel.semantics.arguments import shape_of, value_of
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
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
from gemel.semantics.passes.inline import inline
from gemel.semantics.passes.specialize import specialize
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.schedule.contracts import with_contract
from gemel.semantics.schedule.lockstep import in_lockstep
from gemel.semantics.schedule.normal import Normal, Symbolic
from gemel.semantics.schedule.schedule import Scheduled
from gemel.semantics.storage import same_bits, to_values
from gemel.semantics.traverse import Body, blocks_of, statements, stored

REORDERING = ("spread", "sums", "terms", "scan", "contract", "dot")
"""Steps that permit another rounding."""

MOST = 150_000
"""Operations beyond which nothing is proved."""


SECONDS = 20
"""Time after which no further proof is begun."""

DRAWN = 4
"""Arguments that are tried where the two aren't shown to be the same."""

SMALL = ((1, 2, 3, 4), (5, 3, 7, 2), (17, 33, 9, 20), (12, 7, 30, 13))
"""Sizes at which kernels whose sizes are open are tried."""

TOO_MANY = f"more than {MOST:,} operations"

Run = Callable[[Kernel, list[Any]], Any]
"""How a kernel is run on arguments."""


@dataclass(frozen=True)
class Validation:
    """`status` is "proved", "refuted" or "unknown"; `why` says where the two differ, or why that isn't known."""

    status: str
    why: str = ""
    elements: int = 0
    roundings: bool = True
    sizes: bool = False

    @property
    def ok(self) -> bool:
        """Whether the two are proved to be the same function."""
        return self.status == "proved"

    def __str__(self) -> str:
        if not self.ok:
            return f"{self.status}: {self.why}"
        what = "all elements, for all sizes" if self.sizes else f"{self.elements} elements"
        return f"{self.status}: {what}" + ("" if self.roundings else ", floats up to the order of sums and contraction")


class Unknown(Exception):
    """Something that can't be run on symbols."""


def validate(schedule: Scheduled, run: Run | None = None) -> Validation:
    """Proves a schedule's kernel equal to its source; `run` is for kernels that the interpreter takes long for."""
    exact = not any(s.name in REORDERING for s in schedule.steps)
    first, second = inline(schedule.source), inline(schedule.kernel)
    if not in_lockstep(first, second):
        return _everything(first, second, True)
    first, second = map(_without_checks, (first, second))
    if not first.dims and max(map(_operations, (first.body, second.body))) <= MOST:
        found = _by_running(first, second, exact, run)
        if found.status != "unknown" or not found.why:
            return found
    return _by_proof(first, second, exact, run)


def _without_checks(k: Kernel) -> Kernel:
    """The kernel without the checks that are proved never to fail."""
    if all(s.check is Check.REQUIRES for s in statements(k.body) if isinstance(s, Assert)):
        return k
    from gemel.semantics.verify import verify

    return verify(k).kernel


def _by_running(first: Kernel, second: Kernel, exact: bool, run: Run | None) -> Validation:
    try:
        normal = Normal(exact)
        (values, names), (others, _) = (_Run(normal).outcome(k) for k in (first, second))
    except Unknown as error:
        return Validation("unknown", str(error))
    for at, value in values.items():
        if others.get(at) != value:
            where = f"{names[at[0]]}[{', '.join(map(str, at[1]))}]"
            status, why = _decided(first, second, exact, run, f"{where} has another normal form")
            return Validation(status, why, len(values), exact)
    return Validation("proved", "", len(values), exact)


def _by_proof(first: Kernel, second: Kernel, exact: bool, run: Run | None) -> Validation:
    from gemel.semantics.schedule.proof import proved

    end = time.process_time() + SECONDS

    def prove(a: Kernel, b: Kernel) -> str:
        return proved(a, b, exact) if time.process_time() < end else f"not decided in {SECONDS} seconds"

    why = in_lockstep(with_contract(first), with_contract(second), prove)
    if why:
        return Validation(*_decided(first, second, exact, run, why), 0, exact)
    return _everything(first, second, exact)


def _everything(first: Kernel, second: Kernel, exact: bool) -> Validation:
    """All elements that one of the two stores to are proved to be the same."""
    changed = {b.hint: b for k in (first, second) for b in stored(k.body) if b in (*k.params, *k.results)}
    sizes = [prod(value_of(n, {}) or 0 for n in b.shape) for b in changed.values()]
    return Validation("proved", "", sum(sizes), exact, bool(first.dims))


def _decided(first: Kernel, second: Kernel, exact: bool, run: Run | None, why: str) -> tuple[str, str]:
    """What it means that two aren't shown to be the same: refuted where drawn arguments give different results."""
    tried = 0
    for seed in range(DRAWN):
        at = dict(zip((d.hint for d in first.dims), SMALL[seed], strict=False))
        a, b = (_results(specialize(k, at) if at else k, seed, run) for k in (first, second))
        if a is None or b is None:
            continue
        tried += 1
        if len(a) != len(b) or not all(_agree(x, y, exact) for x, y in zip(a, b, strict=True)):
            sizes = "".join(f", {name}={n}" for name, n in at.items())
            return "refuted", f"{why}; drawn arguments (seed {seed}{sizes}) give another result"
    return "unknown", f"{why}; {tried} drawn arguments give the same results"


def _results(k: Kernel, seed: int, run: Run | None) -> list[Any] | None:
    """What a run leaves in all arguments and results, nothing where it ends with an error; None without a run."""
    rng = np.random.default_rng(seed)
    try:
        args = [random_values(p, shape_of(p, {}) if isinstance(p, Buffer) else (), rng, Spread.SMALL) for p in k.params]
    except GemelError:
        return None
    here = run is None or _operations(k.body) <= MOST or any(isinstance(s, While) for s in statements(k.body))
    if here and _operations(k.body) > MOST:
        return None
    try:
        result = interpret(k, args, fuel=MOST) if here or run is None else run(k, args)
    except GemelError as error:
        return None if error.code == "R07" else []  # R07: nobody knows whether it would end
    own = result if isinstance(result, tuple) else (result,)
    return [np.asarray(x) for x in (*args, *own) if x is not None]


def _agree(a: Any, b: Any, exact: bool) -> bool:
    if exact or a.dtype.kind != "f":
        return same_bits(a, b)
    return bool(np.allclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True))


@dataclass
class _Run:
    """A run of a kernel on symbols."""

    normal: Normal
    values: dict[Var, Any] = field(default_factory=dict)
    memory: dict[Buffer, dict[tuple[int, ...], Any]] = field(default_factory=dict)
    steps: int = 0

    def outcome(self, k: Kernel) -> tuple[dict[tuple[int, tuple[int, ...]], Any], list[str]]:
        """The normal form of each element of the parameters and results, by number, and their names."""
        if k.dims:
            raise Unknown("sizes are not known: specialize the kernel")
        if _operations(k.body) > MOST:
            raise Unknown(TOO_MANY)
        every = [*k.params, *k.results]
        for n, p in enumerate(every):
            if isinstance(p, Var):
                self.values[p] = self.normal.symbol(p.dtype, n)
            else:
                fresh = n >= len(k.params)
                self.memory[p] = {} if fresh else {at: self.normal.symbol(p.dtype, n, *at) for at in _places(p)}
        self.block(k.body)
        found = {}
        for n, p in enumerate(every):
            if isinstance(p, Buffer):
                for at, value in self.memory[p].items():
                    found[n, at] = value if isinstance(value, Symbolic) else self.normal.number(value, p.dtype)
        return found, [p.hint for p in every]

    # ------------------------------------------------------------------------------------------------- running

    def block(self, body: Body) -> None:
        for s in body:
            self.stmt(s)

    def stmt(self, s: Stmt) -> None:
        self.steps += 1
        if self.steps > MOST:
            raise Unknown(TOO_MANY)
        match s:
            case Let():
                self.values[s.var] = self.value(s.value)
            case Alloc():
                self.memory[s.buffer] = dict(_contents(s.buffer))
            case Store():
                self.memory[s.buffer][self.place(s.indices)] = self.value(s.value)
            case Reduce():
                at, dtype = self.place(s.indices), s.buffer.dtype
                self.memory[s.buffer][at] = self.accumulated(s.op, dtype, self.read(s.buffer, at), self.value(s.value))
            case For():
                self.loop(s)
            case If():
                self.block(s.then if self.known(s.cond, "a branch") else s.orelse)
            case Assert():
                if not self.known(s.cond, "a check"):
                    raise Unknown("a check fails")
            case Assume():
                pass
            case While() | Call():
                raise Unknown("a loop with a condition, or a call")

    def loop(self, s: For) -> None:
        lo, hi, step = (int(self.known(e, "a loop's bounds")) for e in (s.lo, s.hi, s.step))
        for i in range(lo, hi, step or 1):
            self.values[s.var] = i
            if s.until is not None and self.known(s.until, "an early end"):
                break
            self.block(s.body)

    def known(self, e: Expr, what: str) -> Any:
        value = self.value(e)
        if isinstance(value, Symbolic):
            raise Unknown(f"{what} depends on the arguments (line {e.span.line})")
        return value

    def place(self, indices: tuple[Expr, ...]) -> tuple[int, ...]:
        return tuple(int(self.known(i, "an index")) for i in indices)

    def read(self, b: Buffer, at: tuple[int, ...]) -> Any:
        if at not in self.memory[b]:
            raise Unknown(f"{b.hint}{list(at)} is read before it is stored to")
        return self.memory[b][at]

    def value(self, e: Expr) -> Any:
        match e:
            case Const():
                return e.value
            case Ref():
                return self.values[e.var]
            case Load():
                return self.read(e.buffer, self.place(e.indices))
            case Apply() if e.op.lazy:
                return self.lazy(e)
            case Apply():
                types = tuple(a.dtype for a in e.args)
                return self.on(e.op, e.dtype, types, tuple(map(self.value, e.args)))

    def lazy(self, e: Apply) -> Any:
        first = self.value(e.args[0])
        if isinstance(first, Symbolic):
            return self.on(e.op, e.dtype, tuple(a.dtype for a in e.args), (first, *map(self.value, e.args[1:])))
        if e.op is ops.SELECT:
            side = e.args[1 if first else 2]
            return self.on(ops.CAST, e.dtype, (side.dtype,), (self.value(side),))
        return self.value(e.args[1]) if bool(first) == (e.op is ops.LAND) else first

    def on(self, op: Op, dtype: DType, types: tuple[DType, ...], args: tuple[Any, ...]) -> Any:
        if not any(isinstance(a, Symbolic) for a in args):
            return op.meaning(dtype, types, args)
        return self.normal.apply(op, dtype, types, args)

    def accumulated(self, op: Op, dtype: DType, old: Any, value: Any) -> Any:
        """What an accumulation leaves in an element."""
        if not isinstance(old, Symbolic) and not isinstance(value, Symbolic):
            return ops.accumulate(op, dtype, old, value)
        return self.normal.apply(op, dtype, (dtype, dtype), (old, value))


def _operations(body: Body) -> int:
    """How many statements a run takes, as far as the bounds of loops tell."""
    total = 0
    for s in body:
        inner = max((_operations(b) for b in blocks_of(s)), default=0)
        trips = 1
        if isinstance(s, For):
            lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
            trips = len(range(lo, hi, step)) if lo is not None and hi is not None and step else 1
        total += 1 + trips * inner
    return total


def _places(b: Buffer) -> list[tuple[int, ...]]:
    sizes = [value_of(n, {}) or 0 for n in b.shape]
    if prod(sizes) > MOST:
        raise Unknown(f"{b.hint} has more than {MOST:,} elements: validate at smaller sizes")
    return list(product(*map(range, sizes)))


def _contents(b: Buffer) -> dict[tuple[int, ...], Any]:
    if b.data is None:
        return {}
    values = to_values(b.data, b.dtype)
    return dict(zip(_places(b), values, strict=True))
