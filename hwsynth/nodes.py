"""The nodes of a dataflow graph."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gemel.hwsynth.units import Operation, Unit
from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, DType, FloatType, IndexType, IntType, width_of
from gemel.semantics.ir import Buffer, Const, Expr, Ref, Var
from gemel.semantics.span import Span


@dataclass(frozen=True)
class Access:
    """An access to a memory: the ns of logic before its edge, and of a read the whole cycles to its word, and when in
    the cycle after them that is there."""

    setup: float
    cycles: int = 1
    delay: float = 0.0


class Kind(enum.Enum):
    """What a node is."""

    CONST = "constant"
    INPUT = "input"  # a register that doesn't change while the region runs
    COUNTER = "counter"  # a loop variable
    ARGUMENT = "argument"  # an operand of a unit's module, there in its first cycle
    PHI = "carried value"
    OP = "operator"
    UNIT = "unit"  # begins an operation of a functional unit
    RESULT = "unit's result"
    LOAD = "load"
    STORE = "store"
    CHECK = "check"
    WRITE = "carried value's update"


@dataclass(eq=False)
class Node:
    """A node; `cycle` and `at` (ns into the cycle at which its value is there) are set by the scheduler.

    `port` is the number of a memory port or of a unit's instance, `number` that of a result among its unit's. `kept` is
    the last cycle in which a counter or carried value still has this iteration's value; `kept_in` is the net in which
    other regions find the value. An access `beside` another uses its port, an iteration later.
    """

    kind: Kind
    dtype: DType
    args: tuple[Node, ...]
    span: Span
    op: ops.Op | None = None
    value: int = 0
    var: Var | None = None
    buffer: Buffer | None = None
    pred: Node | None = None
    site: int = 0
    operation: Operation | None = None
    unit: Unit | None = None
    number: int = 0
    port: int = 0
    hint: str = ""
    cycle: int = 0
    at: float = 0.0
    kept: int = 0
    kept_in: Var | None = None
    beside: Node | None = None
    inside: Node | None = None
    """Of an access to one of several copies of an array the address in the copy."""
    access: Access | None = None
    """Of a load or store how its memory takes it; None where a graph isn't scheduled."""

    @property
    def ready(self) -> int:
        """The first cycle in which the value can be used."""
        if self.unit is not None:
            return self.cycle + self.unit.latency
        return self.cycle + self.reads_in

    @property
    def reads_in(self) -> int:
        """The cycles that a load takes; 0 for all else."""
        if self.kind is not Kind.LOAD:
            return 0
        return 1 if self.access is None else self.access.cycles

    @property
    def width(self) -> int:
        """Bits of the value."""
        return width_of(self.dtype)

    def reads(self) -> tuple[Node, ...]:
        """All nodes that this one needs."""
        return self.args if self.pred is None or self.kind is Kind.LOAD else (*self.args, self.pred)


def net_dtype(dtype: DType, span: Span) -> BoolType | IntType:
    """The type of a net: of a float's pattern, an unsigned integer."""
    if isinstance(dtype, FloatType):
        return IntType(dtype.width, False)
    if isinstance(dtype, IndexType):
        return IntType(64, True)
    if isinstance(dtype, BoolType | IntType):
        return dtype
    raise TypeError(f"{dtype} in hardware")


def stand_in(n: Node) -> Expr:
    """An expression with a node's type, and its value where it is a literal: what type rules look at."""
    if n.kind is Kind.CONST:
        return Const(bool(n.value) if isinstance(n.dtype, BoolType) else n.value, n.dtype, n.span)
    return Ref(Var("n", n.dtype, n.span), n.span)
