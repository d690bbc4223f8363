"""The step that computes once, under a name, what a block computes several times over.

Element functions are copied wherever they are used, so an expression may hold the same costly part many times. Equal
parts of the statements of a block (the same op on the same operands, no store to what is loaded in between) get one
`Let`, before the first statement that is sure to compute them. What only a choice may ask for gets none of its own.
An element that is stored and then loaded again counts as the value that it was given; local arrays that nothing loads
after that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gemel.semantics import ops
from gemel.semantics.dtypes import IndexType
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Buffer,
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
from gemel.semantics.schedule.names import refuse
from gemel.semantics.traverse import Body, loaded, map_blocks, map_body, map_own_exprs, statements, stored

WORTH = 10
"""How much a part costs at least that gets a name: as much as a division."""

Key = tuple[object, ...]


def common(kernel: Kernel) -> Kernel:
    """The kernel with costly common parts under names.

    Raises ScheduleError where there are none.
    """
    body = _block(kernel.body)
    if body is kernel.body:
        raise refuse("nothing costly is computed twice in one block", kernel.span)
    return replace(kernel, body=_without_idle_arrays(body))


def _without_idle_arrays(body: Body) -> Body:
    """The block without local arrays that are only stored to."""
    local = {s.buffer for s in statements(body) if isinstance(s, Alloc) and s.buffer.rank}
    idle = local - loaded(body)

    def kept(s: Stmt) -> Stmt | Body:
        return () if isinstance(s, Alloc | Store) and s.buffer in idle else s

    return map_body(body, stmt=kept) if idle else body


def _block(body: Body) -> Body:
    inner = tuple(map_blocks(s, _block) if isinstance(s, For | While | If) else s for s in body)
    body = body if all(a is b for a, b in zip(inner, body, strict=True)) else inner
    parts = _Parts()
    for n, s in enumerate(body):
        parts.take_in(n, s)
    return tuple(parts.named(body)) if any(p.worth for p in parts.parts) else body


@dataclass
class _Part:
    """A computation of a block: one of its expressions, how often it is used, and where it is first sure to be."""

    expr: Expr
    weight: int
    uses: int = 0
    first: int | None = None
    kept: bool = False
    var: Var | None = None

    @property
    def worth(self) -> bool:
        """Whether it gets a name."""
        again = self.uses > 1 and self.first is not None
        costly = self.weight >= WORTH and not isinstance(self.expr.dtype, IndexType)
        return again and (costly or self.kept) and isinstance(self.expr, Apply)


@dataclass
class _Parts:
    """The computations of a block, each once; `numbers` has each statement's expressions by identity."""

    by_key: dict[Key, int] = field(default_factory=dict)
    parts: list[_Part] = field(default_factory=list)
    versions: dict[Buffer, int] = field(default_factory=dict)
    numbers: list[dict[Expr, int]] = field(default_factory=list)

    # ---------------------------------------------------------------------------------------------------- gathering

    def take_in(self, n: int, s: Stmt) -> None:
        """Counts what a statement computes, then forgets what was loaded of the arrays that it changes."""
        self.numbers.append({})
        if isinstance(s, Let | Store | Reduce):
            self._count(s.value, n, True)
        for b in stored((s,)):
            self.versions[b] = self.versions.get(b, 0) + 1
        if isinstance(s, Store) and s.buffer.rank and s.value.dtype == s.buffer.dtype:
            place = tuple(self._number(i, n) for i in s.indices)
            self.by_key["load", s.buffer, self.versions[s.buffer], *place] = self.numbers[n][s.value]

    def _count(self, e: Expr, n: int, sure: bool) -> None:
        part = self.parts[self._number(e, n)]
        part.uses += 1
        part.kept |= isinstance(e, Load) and not isinstance(part.expr, Load)
        if sure and part.first is None:
            part.first = n
        if part.uses == 1:
            for m, a in enumerate(_operands(e)):
                self._count(a, n, sure and not (m and isinstance(e, Apply) and e.op.lazy))

    def _number(self, e: Expr, n: int) -> int:
        known = self.numbers[n]
        if e not in known:
            operands = tuple(self._number(a, n) for a in _operands(e))
            key = (*self._head(e), *operands)
            if key not in self.by_key:
                self.by_key[key] = len(self.parts)
                self.parts.append(_Part(e, _cost(e) + sum(self.parts[a].weight for a in operands)))
            known[e] = self.by_key[key]
        return known[e]

    def _head(self, e: Expr) -> Key:
        match e:
            case Const():
                return "const", repr(e.value), e.dtype
            case Ref():
                return "ref", e.var
            case Load():
                return "load", e.buffer, self.versions.get(e.buffer, 0)
            case Apply():
                return "apply", e.op, e.dtype

    # ------------------------------------------------------------------------------------------------------- naming

    def named(self, body: Body) -> Iterator[Stmt]:
        """The block's statements with the names before them."""
        for n, s in enumerate(body):
            if not isinstance(s, Let | Store | Reduce):
                yield s
                continue
            lets: list[Stmt] = []
            done: dict[int, Expr] = {}
            value = self._rebuilt(s.value, n, lets, done)
            yield from lets
            yield map_own_exprs(s, lambda e, old=s.value, new=value: new if e is old else e)  # type: ignore[misc]

    def _rebuilt(self, e: Expr, n: int, lets: list[Stmt], done: dict[int, Expr]) -> Expr:
        number = self.numbers[n][e]
        part = self.parts[number]
        if part.var is not None:
            return Ref(part.var, e.span)
        if number in done:
            return done[number]
        made = _with_operands(e, tuple(self._rebuilt(a, n, lets, done) for a in _operands(e)))
        if part.worth and part.first is not None and part.first <= n:
            part.var = Var("same", e.dtype, e.span)
            lets.append(Let(part.var, made, e.span))
            made = Ref(part.var, e.span)
        done[number] = made
        return made


def _operands(e: Expr) -> tuple[Expr, ...]:
    return e.args if isinstance(e, Apply) else e.indices if isinstance(e, Load) else ()


def _with_operands(e: Expr, operands: tuple[Expr, ...]) -> Expr:
    if all(a is b for a, b in zip(operands, _operands(e), strict=True)):
        return e
    match e:
        case Apply():
            return replace(e, args=operands)
        case Load():
            return replace(e, indices=operands)
        case _:
            return e


def _cost(e: Expr) -> int:
    return ops.COST.get(e.op, 1) if isinstance(e, Apply) else int(isinstance(e, Load))
