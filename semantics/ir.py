"""The intermediate representation: kernels as typed trees. This file is all of it.

Expressions are pure. Their operands are evaluated left to right, but `land`, `lor` and `select` evaluate only the
operands that their first one asks for. Integer operators are exact: the type rule of an op gives a result type that
holds every result (`index` alone keeps its 64 bits and wraps). Values narrow only in `cast`, `saturate` and `bits`;
a store takes a value of exactly the buffer's element type.

Whatever is mutable is a buffer; a scalar variable is a buffer of rank 0. Statements run in order. A `Let` names a
value for the statements after it in its block. `Reduce` is a store of `op(old, value)` that runs where it stands,
in program order; it also permits a rewrite to reorder the accumulation. `For` evaluates `lo`, `hi` and `step` once,
on entry; `until`, where there is one, is tested before each iteration and ends the loop when true; the loop
variable takes lo, lo+step, ... while below `hi` (above it for a negative step). `While` tests `cond` before each
iteration. An `Assert` that fails ends the run with an error.

Two levels share the nodes. In the *source* level loops and branches carry nothing. In the *promoted* level no
buffer of rank 0 is left: `carry` holds a loop's carried values (`var` in the body and in `until`/`cond`, `init` at
entry, `next` at the end of the body, `result` after the loop), `merges` the values that a branch chooses.

Nodes are frozen and compared by identity, so derived facts live in side tables keyed by the node. A statement or
binder occurs in one place only; expressions may be shared. Names are the objects `Var` and `Buffer`; `hint` is for
people. Every span is that of the user's source text.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gemel.semantics.dtypes import DType
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gemel.semantics.ops import Op

# --------------------------------------------------------------------------------------------------------------- names


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """An immutable scalar: a dimension, a scalar parameter, a loop variable, a let, or a carried value."""

    hint: str
    dtype: DType
    span: Span


class Banking(enum.Enum):
    """Which elements along an axis share a memory: every n-th, neighbours, none, or every n-th of a diagonal."""

    CYCLIC = "cyclic"
    BLOCK = "block"
    COMPLETE = "complete"
    SKEWED = "skewed"


@dataclass(frozen=True, slots=True)
class Banks:
    """How hardware lays an axis out over `count` memories.

    Skewed: where cyclic has `index[axis]` modulo `count`, it has the sum of `skew[n] * index[n]`, with skew[axis] = 1.
    """

    axis: int
    count: int
    kind: Banking
    skew: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """A mutable array, row-major; rank 0 is a scalar variable. With `data` it is a constant table.

    `banks` says over which memories hardware spreads it; that changes no value.
    """

    hint: str
    dtype: DType
    shape: tuple[Expr, ...]
    span: Span
    data: NDArray | None = None  # type: ignore[type-arg]
    banks: tuple[Banks, ...] = ()

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


# --------------------------------------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A literal; `value` is held as `dtypes` says."""

    value: bool | int | float
    dtype: DType
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Ref:
    """The value of a variable."""

    var: Var
    span: Span

    @property
    def dtype(self) -> DType:
        """The variable's type."""
        return self.var.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """An element of a buffer; indices are of type index."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    span: Span

    @property
    def dtype(self) -> DType:
        """The buffer's element type."""
        return self.buffer.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """An op of the op table on operands; `dtype` is the result's type."""

    op: Op
    args: tuple[Expr, ...]
    dtype: DType
    span: Span


Expr = Const | Ref | Load | Apply

# ---------------------------------------------------------------------------------------------------------- statements


class LoopKind(enum.Enum):
    """How the iterations of a loop run."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    VECTOR = "vector"
    UNROLL = "unroll"
    PIPELINE = "pipeline"


def in_order(kind: LoopKind) -> LoopKind:
    """The kind of a loop whose iterations now depend on each other."""
    return LoopKind.SERIAL if kind in (LoopKind.PARALLEL, LoopKind.VECTOR) else kind


class Check(enum.Enum):
    """What an `Assert` or `Assume` states; the value is the code of the error that is raised."""

    BOUNDS = "R01"
    DIVISION = "R02"
    SHIFT = "R03"
    ASSERT = "R04"
    INITIALISED = "R05"
    STEP = "R06"
    REQUIRES = "R09"
    ENSURES = "R10"
    INVARIANT = "R11"
    NARROWS = "R12"
    CONFLICT = "R13"
    SHAPE = "S03"


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """A value that a loop carries from one iteration to the next."""

    var: Var
    init: Expr
    next: Expr
    result: Var


@dataclass(frozen=True, slots=True, eq=False)
class Merge:
    """A value that a branch chooses; `var` is visible after the `If`."""

    var: Var
    then: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A window of a buffer as a call's argument: element `vars` of the view is `buffer[indices]`."""

    buffer: Buffer
    vars: tuple[Var, ...]
    indices: tuple[Expr, ...]
    shape: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Let:
    """Names a value."""

    var: Var
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Alloc:
    """Makes a buffer that lives to the end of its block; its elements are not initialised.

    `filled` says that each element that is read has been stored to before: a schedule's step has seen to it.
    """

    buffer: Buffer
    span: Span
    filled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """Sets an element of a buffer; with `streams` it isn't worth a place in a cache, as a schedule's step has said."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr
    span: Span
    streams: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Reduce:
    """Order-free accumulation: the element becomes `op(element, value)` at the buffer's type (integers wrap)."""

    op: Op
    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """A counted loop.

    Each iteration begins with asking for the elements of `ahead`, which needn't exist: no effect. `every` asks hardware
    for a new iteration each so many cycles; 0: as many as it takes.
    """

    var: Var
    lo: Expr
    hi: Expr
    step: Expr
    kind: LoopKind
    body: tuple[Stmt, ...]
    span: Span
    until: Expr | None = None
    carry: tuple[Carry, ...] = ()
    ahead: tuple[Load, ...] = ()
    every: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """A loop that runs as long as its condition holds."""

    cond: Expr
    body: tuple[Stmt, ...]
    span: Span
    carry: tuple[Carry, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """A branch."""

    cond: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]
    span: Span
    merges: tuple[Merge, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Runs another kernel: `dims` bind its dims, `args` its parameters, `results` receive its results."""

    kernel: Kernel
    dims: tuple[Expr, ...]
    args: tuple[Expr | View, ...]
    results: tuple[Buffer, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Assert:
    """Ends the run with an error unless `cond` holds; `values` are shown in its message (`{0}`, `{1}`, ...)."""

    check: Check
    cond: Expr
    message: str
    values: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Assume:
    """States what may be taken as true; every report lists it."""

    cond: Expr
    span: Span


Stmt = Let | Alloc | Store | Reduce | For | While | If | Call | Assert | Assume


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Kernel:
    """A function on tensors and scalars.

    `params` are buffers (mutated in place where the body stores to them) and scalar variables; `results` are new
    buffers, visible in the body without an `Alloc`. What callers must ensure is an `Assert` with `Check.REQUIRES`, or a
    loop of such, at the top of the body; the verifier takes it as given. With `strict` no rewrite may change a float's
    rounding. In a `guarded` kernel each access, division and shift that may fail stands
    behind an `Assert`: the rest needs no check. In a `scheduled` kernel loops and order of computation are decided; a
    target adds nothing of its own. Text doesn't carry these flags, nor those of `Alloc` and `Store`: what is parsed is
    guarded anew.
    """

    name: str
    dims: tuple[Var, ...]
    params: tuple[Buffer | Var, ...]
    results: tuple[Buffer, ...]
    body: tuple[Stmt, ...]
    span: Span
    strict: bool = False
    guarded: bool = False
    scheduled: bool = False

    def __str__(self) -> str:
        from gemel.semantics.text import print_kernel

        return print_kernel(self)

    __repr__ = __str__
