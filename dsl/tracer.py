"""The state of a trace: the blocks that statements go to, the place in the source, what must be decided anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from gemel.semantics import ir
from gemel.semantics.build import is_atom
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import TraceError
from gemel.semantics.span import BUILTIN, Span
from gemel.underway import tracing

if TYPE_CHECKING:
    from gemel.tensors import Tensor

MAX_STATEMENTS = 500_000
MAX_STATIC_STEPS = 100_000
MAX_HEIGHT, MAX_NODES = 48, 1000
"""How tall an expression may get, and how many nodes it may have (shared ones counted each time)."""


class Retrace(Exception):
    """The trace took a decision that turned out wrong; it starts again with `decision` added."""

    def __init__(self, decision: object) -> None:
        super().__init__(decision)
        self.decision = decision


class Untraced(Retrace):
    """A kernel that is called has to be traced first: `work` does it, outside of the traces under way."""

    def __init__(self, work: Callable[[], object], key: object, name: str) -> None:
        super().__init__(key)
        self.work, self.name = work, name


@dataclass
class Tracer:
    """One pass over a kernel's source."""

    decisions: frozenset[object]
    blocks: list[list[ir.Stmt]] = field(default_factory=lambda: [[]])
    span: Span = BUILTIN
    names: list[str] = field(default_factory=list)
    statements: int = 0
    steps: int = 0
    settled: int = 0
    depth: int = 0
    returned: Span | None = None  # the statement that ends the kernel, where it is one
    calling: str = ""
    level: int = 0
    lazies: WeakValueDictionary[int, Tensor] = field(default_factory=WeakValueDictionary)
    made: dict[int, tuple[object, list[ir.Stmt], Span]] = field(default_factory=dict)
    tables: dict[int, tuple[object, Tensor]] = field(default_factory=dict)
    preamble: list[ir.Stmt] = field(default_factory=list)
    measured: dict[ir.Expr, tuple[int, int]] = field(default_factory=dict)

    def emit(self, s: ir.Stmt) -> None:
        """Appends a statement to the open block."""
        self.statements += 1
        if self.statements > MAX_STATEMENTS:
            raise TraceError(
                f"the trace doesn't end: more than {MAX_STATEMENTS:,} statements so far",
                code="P05",
                span=self.span,
                mend="a Python loop is unrolled; use range() or gm.grid() for a loop of the kernel",
            )
        self.blocks[-1].append(s)

    def step(self, span: Span | None = None, mend: str = "let its condition depend on the kernel's values") -> None:
        """Counts an iteration of the loop at `span`, which runs while tracing."""
        self.steps += 1
        if self.steps > MAX_STATIC_STEPS:
            raise TraceError(
                f"the trace doesn't end: a loop that runs while tracing has made {MAX_STATIC_STEPS:,} steps",
                code="P05",
                span=span or self.span,
                mend=mend,
            )

    @contextmanager
    def block(self, reopened: list[ir.Stmt] | None = None) -> Iterator[list[ir.Stmt]]:
        """A nested block; statements go to it while it is open."""
        inner: list[ir.Stmt] = [] if reopened is None else reopened
        self.blocks.append(inner)
        try:
            yield inner
        finally:
            self.blocks.pop()

    @contextmanager
    def naming(self, names: list[str]) -> Iterator[None]:
        """Tensors that are made meanwhile are called so, one after the other; the last name serves all that follow."""
        before, self.names = self.names, names
        try:
            yield
        finally:
            self.names = before

    def name(self) -> str:
        """What a new tensor is called."""
        return (self.names.pop(0) if len(self.names) > 1 else self.names[0]) if self.names else "tensor"

    def let(self, e: ir.Expr, hint: str = "t") -> ir.Expr:
        """Names a value, so that later stores don't change it; atoms stay as they are."""
        if is_atom(e):
            return e
        var = ir.Var(hint, e.dtype, e.span)
        self.emit(ir.Let(var, e, e.span))
        return ir.Ref(var, e.span)

    def low(self, e: ir.Expr) -> ir.Expr:
        """The expression, or a name for it where it is too large to be part of another."""
        if not isinstance(e, ir.Apply):
            return e
        height, nodes = self._measure(e)
        return self.let(e) if height > MAX_HEIGHT or nodes > MAX_NODES else e

    def _measure(self, e: ir.Expr) -> tuple[int, int]:
        """Height and number of nodes; parts have been measured when they became values."""
        if is_atom(e):
            return 0, 1
        if e not in self.measured:
            parts = e.indices if isinstance(e, ir.Load) else e.args if isinstance(e, ir.Apply) else ()
            sizes = [self._measure(p) for p in parts]
            self.measured[e] = 1 + max((h for h, _ in sizes), default=0), 1 + sum(n for _, n in sizes)
        return self.measured[e]

    def scalar(self, hint: str, dtype: DType, span: Span) -> ir.Buffer:
        """A new variable: a buffer of rank 0."""
        buffer = ir.Buffer(hint, dtype, (), span)
        self.emit(ir.Alloc(buffer, span))
        return buffer


def tracer() -> Tracer:
    """The trace that is under way.

    Raises TraceError outside of a kernel.
    """
    current = tracing()
    if current is None:
        raise TraceError(
            "this needs a kernel around it",
            code="P10",
            mend="call it in a function with @gm.kernel above it; to run a kernel in Python, k.interpret(...)",
        )
    return current


def here() -> Span:
    """The place in the source that is being traced."""
    current = tracing()
    return BUILTIN if current is None else current.span


def calling() -> str:
    """The name of the Python function that the trace is in, if it is in one."""
    current = tracing()
    return "" if current is None else current.calling


MAX_LEVEL = 6


def in_turn(work: Callable[[], object], key: object, name: str) -> None:
    """Traces a kernel, called ones first: nested while the nest is small, else one after the other.

    Raises TraceError where a kernel calls itself.
    """
    current = tracing()
    if current is not None and current.level >= MAX_LEVEL:
        raise Untraced(work, key, name)
    waiting = [(work, key)]
    while waiting:
        try:
            waiting[-1][0]()
        except Untraced as other:
            if any(other.decision == k for _, k in waiting):
                raise TraceError(
                    f"{other.name} calls itself", code="P05", span=here(), mend="write it as a loop of the kernel"
                ) from None
            waiting.append((other.work, other.decision))
        else:
            waiting.pop()
