"""The netlist: synchronous hardware as typed data. What is printed, simulated and proved.

Combinational logic is expressions of `semantics.ir` over `Ref(net)`, where a net is a `Var` of a bool or integer
type; there are no loads, no index, fixed or float types, and only the ops of `NETLIST_OPS`. An op means what the op
table says at the node's `dtype`, so a netlist has no unknown values of its own; an op whose result is wider than
its `dtype` wraps.

There is one clock. State changes at its rising edge, all at once, from the values before the edge. A module's `clk`
and `rst` are implied: they are no nets, are printed where needed, and reach every instance. A register without
`reset` has an unspecified value until it first loads, and so has a memory word that neither `init` nor a write sets.

Nets and memories are objects; hints are for people. Only the names of modules, inputs, outputs and instances are kept
literally; a net's printed name is its hint made unique.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, IntType
from gemel.semantics.ir import Expr, Var
from gemel.semantics.span import Span

NetType = BoolType | IntType

NETLIST_OPS = frozenset(
    (
        *(ops.ADD, ops.SUB, ops.MUL, ops.FLOORDIV, ops.MOD, ops.NEG, ops.ABS, ops.MIN, ops.MAX),
        *(ops.AND, ops.OR, ops.XOR, ops.INVERT, ops.SHL, ops.SHR, ops.BITS, ops.CONCAT),
        *(ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE, ops.LAND, ops.LOR, ops.LNOT, ops.SELECT),
        *(ops.CAST, ops.SATURATE, ops.BITCAST),
    )
)
"""The ops that a netlist may have, all on bools and integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """A combinational net and what drives it."""

    var: Var
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Register:
    """A net that takes `next` at each edge where `enable` holds (None: always), and `reset` where `rst` is high.

    Reset wins over enable; `reset` None means that the register has no reset.
    """

    var: Var
    next: Expr
    enable: Expr | None = None
    reset: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReadPort:
    """A synchronous read: after an edge where `enable` holds (None: always), `data` is the word at `addr`.

    `data` keeps its value otherwise. A write to the same word at the same edge is not seen yet (read-first).
    """

    addr: Expr
    enable: Expr | None
    data: Var


@dataclass(frozen=True, slots=True, eq=False)
class WritePort:
    """A write of `data` at each edge where `enable` holds; where two ports write one word, the later port wins."""

    addr: Expr
    data: Expr
    enable: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """`depth` words of type `dtype`. A read beyond the depth gives an unspecified word, a write there is ignored.

    `init` has the words at power-up, as Python values of `dtype` (a ROM has no `writes`). `observed` says that
    something outside of the circuit looks at the words, so that the memory matters even if no port reads it. `calm`
    says that where a word is read and written at one edge, nothing depends on what the read gives: the technology's
    memory needs no logic for the case.
    """

    hint: str
    dtype: NetType
    depth: int
    init: tuple[int, ...] | None
    reads: tuple[ReadPort, ...]
    writes: tuple[WritePort, ...]
    span: Span
    observed: bool = False
    calm: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A module inside another; every input and output of it is connected, by port name."""

    module: Module
    name: str
    inputs: Mapping[str, Expr]
    outputs: Mapping[str, Var]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """An input port; its name is the net's hint."""

    var: Var


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """An output port and what drives it."""

    name: str
    value: Expr


class Reset(enum.Enum):
    """How registers come by their reset values: at a clock edge, at once, or at power-up (there is no `rst` then)."""

    SYNC = "sync"
    ASYNC = "async"
    NONE = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a module that is printed under a title of its own."""

    title: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Registers of one bit, each taking the value of the one before, that are printed as one vector from bit `low`."""

    hint: str
    low: int
    bits: tuple[Var, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What a module's text says beside its logic: nothing here means anything to a circuit.

    `notes` are a few words on a net; `ports` are groups of ports by name, each with a comment above it.
    """

    parts: Mapping[Var, Part] = field(default_factory=dict)
    notes: Mapping[Var, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    ports: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """What a functional unit promises: which operation it computes, and in how many cycles.

    With an `interval` above 1 it is started, and keeps its results until the next start.
    """

    operation: str
    latency: int
    interval: int


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A cell of a technology that does what a module says: `text` is in the module's place where `macro` is defined.

    `area` are the resources that it takes; `setup` ns lie before its first register, `delay` behind its last.
    """

    macro: str
    text: str
    area: Mapping[str, float]
    setup: float
    delay: float


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A circuit. The order of wires doesn't matter; `comments` are lines for the head of the printed text.

    A functional unit has a `contract`.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    wires: tuple[Wire, ...]
    registers: tuple[Register, ...]
    memories: tuple[Memory, ...]
    instances: tuple[Instance, ...]
    span: Span
    comments: tuple[str, ...] = field(default=())
    layout: Layout = field(default_factory=Layout)
    reset: Reset = Reset.SYNC
    contract: Contract | None = None
    cell: Cell | None = None
