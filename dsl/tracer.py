"""The state of a trace: the blocks that statements go to, the place in the source, what must be decided anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from gemel.semantics import ir
from gemel.semantics.build import is_atom
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import TraceError
from gemel.semantics.span import BUILTIN, Span

if TYPE_CHECKING:
    from gemel.tensors import Tensor

MAX_STATEMENTS = 500_000
MAX_STATIC_STEPS = 100_000


class Retrace(Exception):
    """The trace took a decision that turned out wrong; it starts again with `decision` added."""

    def __init__(self, decision: object) -> None:
        super().__init__(decision)
        self.decision = decision


@dataclass
class Tracer:
    """One pass over a kernel's source."""

    decisions: frozenset[object]
    blocks: list[list[ir.Stmt]] = field(default_factory=lambda: [[]])
    span: Span = BUILTIN
    hint: str = "tensor"
    statements: int = 0
    steps: int = 0
    settled: int = 0
    depth: int = 0
    returned: Span | None = None  # the statement that ends the kernel, where it is one
    calling: str = ""
    lazies: WeakValueDictionary[int, Tensor] = field(default_factory=WeakValueDictionary)
    made: dict[int, tuple[object, list[ir.Stmt], Span]] = field(default_factory=dict)
    tables: dict[int, tuple[object, Tensor]] = field(default_factory=dict)
    preamble: list[ir.Stmt] = field(default_factory=list)

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

    def let(self, e: ir.Expr, hint: str = "t") -> ir.Expr:
        """Names a value, so that later stores don't change it; atoms stay as they are."""
        if is_atom(e):
            return e
        var = ir.Var(hint, e.dtype, e.span)
        self.emit(ir.Let(var, e, e.span))
        return ir.Ref(var, e.span)

    def scalar(self, hint: str, dtype: DType, span: Span) -> ir.Buffer:
        """A new variable: a buffer of rank 0."""
        buffer = ir.Buffer(hint, dtype, (), span)
        self.emit(ir.Alloc(buffer, span))
        return buffer


_current: ContextVar[Tracer | None] = ContextVar("gemel_tracer", default=None)


def tracing() -> Tracer | None:
    """The trace that is under way, if any."""
    return _current.get()


def tracer() -> Tracer:
    """The trace that is under way.

    Raises TraceError outside of a kernel.
    """
    current = _current.get()
    if current is None:
        raise TraceError(
            "this needs a kernel around it", code="P10", mend="call it in a function with @gm.kernel above it"
        )
    return current


def here() -> Span:
    """The place in the source that is being traced."""
    current = _current.get()
    return BUILTIN if current is None else current.span


def calling() -> str:
    """The name of the Python function that the trace is in, if it is in one."""
    current = _current.get()
    return "" if current is None else current.calling


@contextmanager
def activate(t: Tracer) -> Iterator[None]:
    """Makes `t` the trace under way."""
    token = _current.set(t)
    try:
        yield
    finally:
        _current.reset(token)
