"""Loops and buffers by name: a schedule's handles, which stay what they are while other steps are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gemel.semantics import ops
from gemel.semantics.dtypes import IndexType
from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import Alloc, Apply, Buffer, Const, Expr, For, If, Kernel, Let, Ref, Stmt, Var, While
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, Copier, blocks_of, map_blocks, statements, subexprs

SHORT = 9
"""Parts of a sum of indices up to which it stands where its name was."""


class Renaming(Copier):
    """A copier that gives each loop variable and local buffer a name of its own."""

    def __init__(self, taken: Iterable[str]) -> None:
        super().__init__()
        self.taken = set(taken)

    def name(self, hint: str) -> str:
        """What takes the place of a name."""
        return unused(hint, self.taken)

    def fresh(self, v: Var) -> Var:
        new = Var(self.name(v.hint), v.dtype, v.span)
        self.taken.add(new.hint)
        self.vars[v] = Ref(new, v.span)
        return new

    def fresh_buffer(self, b: Buffer) -> Buffer:
        new = super().fresh_buffer(replace_hint(b, self.name(b.hint)))
        self.taken.add(new.hint)
        self.buffers[b] = new
        return new


def replace_hint(b: Buffer, hint: str) -> Buffer:
    """The buffer's description with another name."""
    return replace(b, hint=hint)


def unused(hint: str, taken: Iterable[str]) -> str:
    """A name like `hint` that isn't taken."""
    names, n, found = set(taken), 1, hint
    while found in names:
        found, n = f"{hint}_{n}", n + 1
    return found


class Spelling(Copier):
    """A copier that puts index arithmetic where its names were."""

    def body(self, body: Body) -> Body:
        out: list[Stmt] = []
        for s in body:
            if isinstance(s, Let) and isinstance(s.var.dtype, IndexType) and is_short(value := self.expr(s.value)):
                self.vars[s.var] = value
            else:
                out.append(self.stmt(s))
        return tuple(out)


def is_short(e: Expr) -> bool:
    """Whether an expression is a few sums and multiples of names."""
    parts = list(subexprs(e))
    sums = all(
        isinstance(x, Const | Ref) or (isinstance(x, Apply) and x.op in (ops.ADD, ops.SUB, ops.MUL)) for x in parts
    )
    return sums and len(parts) <= SHORT


def named(kernel: Kernel) -> Kernel:
    """The kernel with a name of its own for each loop, local buffer and result."""
    naming = Renaming([x.hint for x in (*kernel.dims, *kernel.params)])
    results = []
    for b in kernel.results:
        results.append(naming.fresh_buffer(b) if b.hint in naming.taken else b)
        naming.taken.add(b.hint)
    return replace(kernel, results=tuple(results), body=naming.body(kernel.body))


def spell(kernel: Kernel) -> Kernel:
    """Short index arithmetic stands where its names were: nests are perfect, and bounds show what they depend on."""
    made = replace(kernel, body=Spelling().body(kernel.body))
    if len(list(statements(made.body))) == len(list(statements(kernel.body))):
        raise refuse("no name stands for index arithmetic", kernel.span)
    return made


def names(kernel: Kernel) -> set[str]:
    """All names of a kernel."""
    found = {x.hint for x in (*kernel.dims, *kernel.params, *kernel.results)}
    for s in statements(kernel.body):
        if isinstance(s, For):
            found.add(s.var.hint)
        elif isinstance(s, Alloc):
            found.add(s.buffer.hint)
    return found


@dataclass(frozen=True)
class Found:
    """A loop and the loops around it, outermost first."""

    loop: For
    around: tuple[For, ...]


def loops(body: Body, around: tuple[For, ...] = ()) -> Iterator[Found]:
    """All loops of a block, each before those within it."""
    for s in body:
        if isinstance(s, For):
            yield Found(s, around)
            yield from loops(s.body, (*around, s))
        elif isinstance(s, If):
            yield from loops((*s.then, *s.orelse), around)
        elif isinstance(s, While):
            yield from loops(s.body, around)


def ending(body: Body) -> Stmt | None:
    """The last statement of a block that isn't empty."""
    return body[-1] if body else None


def find(kernel: Kernel, name: str) -> Found:
    """The loop of a name.

    Raises ScheduleError where there is none.
    """
    for found in loops(kernel.body):
        if found.loop.var.hint == name:
            return found
    known = ", ".join(found.loop.var.hint for found in loops(kernel.body)) or "none"
    raise ScheduleError(f"{kernel.name} has no loop {name}", code="K01", span=kernel.span, mend=f"its loops: {known}")


def find_buffer(kernel: Kernel, name: str) -> Buffer:
    """The buffer of a name.

    Raises ScheduleError where there is none.
    """
    buffers = [b for b in (*kernel.params, *kernel.results) if isinstance(b, Buffer)]
    buffers += [s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)]
    for b in buffers:
        if b.hint == name:
            return b
    known = ", ".join(b.hint for b in buffers) or "none"
    raise ScheduleError(
        f"{kernel.name} has no buffer {name}", code="K01", span=kernel.span, mend=f"its buffers: {known}"
    )


def in_block(kernel: Kernel, loop: For, change: Callable[[Body], Body]) -> Kernel:
    """The kernel with the block in which a loop stands replaced."""

    def block(body: Body) -> Body:
        if any(s is loop for s in body):
            return change(body)
        out = tuple(map_blocks(s, block) for s in body)
        return body if all(a is b for a, b in zip(out, body, strict=True)) else out

    return replace(kernel, body=block(kernel.body))


def rewritten(kernel: Kernel, loop: For, change: Callable[[For], Body]) -> Kernel:
    """The kernel with a loop replaced."""
    return in_block(kernel, loop, lambda body: tuple(x for s in body for x in (change(loop) if s is loop else (s,))))


def block_of(body: Body, wanted: Stmt) -> Body:
    """The statement list that a statement is in."""
    if any(s is wanted for s in body):
        return body
    inner = (block_of(block, wanted) for s in body for block in blocks_of(s))
    return next((found for found in inner if found), ())


MENDS = {
    "K01": "print the schedule: it shows the names",
    "K02": "leave this step out, or change the loops before it: print the schedule to see them",
    "K03": "print the schedule to see the loops and their bounds",
}
"""What to do where nothing more fitting is known."""


def refuse(what: str, span: Span, mend: str = "", code: str = "K03") -> ScheduleError:
    """A step that can't be taken."""
    return ScheduleError(what, code=code, span=span, mend=mend or MENDS[code])


def nest(outer: For) -> list[For]:
    """The perfect nest that a loop begins."""
    found = [outer]
    while len(found[-1].body) == 1 and isinstance(found[-1].body[0], For):
        found.append(found[-1].body[0])
    return found


def wrap(around: Iterable[For], body: Body) -> Body:
    """Loops, outermost first, around a block."""
    for loop in reversed(list(around)):
        body = (replace(loop, body=body),)
    return body
