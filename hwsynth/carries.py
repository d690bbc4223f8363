"""Sums with a choice before them: on a target whose carry chains have look-up tables, these make the choice as well.

A bit of the cell `carry` is one of a few functions of three bits and a condition or two (`Bit`), to which a carry is
added: a rounding, say, before which the last step of a shift and special values are chosen, or a sum one of whose
operands is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import TYPE_CHECKING

from gemel.hwsynth import logic as lg
from gemel.hwsynth.netlist import Cell, Input, Module, Output
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.units import Operation, Port, Unit
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, BoolType, DType, IntType, width_of
from gemel.semantics.ir import Expr, Ref, Var
from gemel.semantics.span import BUILTIN, Span

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph

CARRY = "carry"
"""The cell for sums in a target's file."""

LEAST = 4
"""The fewest bits of choices for which a sum becomes a cell."""


class Bit(Enum):
    """What a bit of the cell is, with what a table has to hold for it; of a, b, c and d, the lowest input first.

    The carry that a bit gives is that which it gets where the table's bit is set, else the table's with c = d = 0.
    """

    CHOOSE = 0xAC00  # d ? (c ? a : b) : 0
    PICK = 0x665A  # a + (d ? b : c)
    EITHER = 0x66FA  # d ? a + b : a | c


@dataclass(frozen=True)
class Lane:
    """Bits side by side that are the same function; what is None is 0, and a condition that always holds.

    `first` is c of CHOOSE and d of the others, `keep` is d of CHOOSE.
    """

    kind: Bit
    width: int
    a: Node | None = None
    b: Node | None = None
    c: Node | None = None
    first: Node | None = None
    keep: Node | None = None


@dataclass(frozen=True)
class Form:
    """What a lane looks like to the cell."""

    kind: Bit
    width: int
    third: bool
    first: bool
    keep: bool

    def __str__(self) -> str:
        has = zip("cfk", (self.third, self.first, self.keep), strict=True)
        return f"{self.width}{self.kind.name.lower()}" + "".join(letter for letter, there in has if there)

    def conditions(self, n: int) -> tuple[tuple[str, bool], tuple[str, bool]]:
        """The names of a lane's conditions, and whether there are any."""
        return (f"first_{n}", self.first), (f"keep_{n}", self.keep)


def summed(g: Graph, lanes: Sequence[Lane], carry: Node | None, span: Span) -> Node:
    """The word of some lanes, the lowest first, by the cell."""
    forms = tuple(Form(n.kind, n.width, *(x is not None for x in (n.c, n.first, n.keep))) for n in lanes)
    third = any(f.third for f in forms)
    words = [_joined(g, [(n.width, of(n)) for n in lanes], span) for of in _WORDS[: 2 + third]]
    conditions = [n for lane in lanes for n in (lane.first, lane.keep) if n is not None]
    return g.unit(chain(forms), (*words, carry or g.const(0, BOOL, span), *conditions), span)[0]


_WORDS: tuple[Callable[[Lane], Node | None], ...] = (lambda x: x.a, lambda x: x.b, lambda x: x.c)


def _joined(g: Graph, parts: Sequence[tuple[int, Node | None]], span: Span) -> Node:
    whole: Node | None = None
    for width, n in parts:
        word = g.const(0, IntType(width, False), span) if n is None else g.cast(n, IntType(width, False), span)
        whole = word if whole is None else g.apply(ops.CONCAT, (word, whole), None, span)
    if whole is None:
        raise TypeError("a sum has bits")
    return whole


# ------------------------------------------------------------------------------------------------ choices before sums


@dataclass(frozen=True)
class Piece:
    """Some bits of a node from `low` on; zeros where there is none."""

    node: Node | None
    low: int
    width: int

    def after(self, bits: int) -> Piece:
        """What is behind so many low bits."""
        return Piece(self.node, self.low + bits, self.width - bits)


def absorbed(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """A sum by the cell, where that takes in choices; None elsewhere."""
    if not g.packs or CARRY not in g.clock.target.cells or not isinstance(dtype, IntType):
        return None
    first, second = (list(pieces(n, 0, dtype.width) or ()) for n in args)
    if not first or not second:
        return None
    maker = _Lanes(g, span)
    carry = maker.carry(first, second) or maker.carry(second, first)
    lanes = tuple(maker.lanes(first, second))
    if sum(n.width for n in lanes if n.kind is Bit.CHOOSE and n.first is not None) < LEAST:
        return None
    return g.cast(summed(g, lanes, carry, span), dtype, span)


def pieces(n: Node, low: int, width: int) -> Sequence[Piece] | None:
    """The bits of a word, of which there may be fewer, from the lowest on; None for what isn't an unsigned word."""
    if isinstance(n.dtype, IntType) and n.dtype.signed:
        return None
    there = max(0, min(width, n.width - low))
    if there < width:
        inner = pieces(n, low, there) if there else ()
        return None if inner is None else (*inner, Piece(None, 0, width - there))
    if n.kind is Kind.CONST and not n.value:
        return (Piece(None, 0, width),)
    return _inside(n, low, width) or (Piece(n, low, width),)


def _inside(n: Node, low: int, width: int) -> Sequence[Piece] | None:
    """The same bits as those of what wires make the word of."""
    if n.op is ops.CAST:
        return pieces(n.args[0], low, width) if not isinstance(n.dtype, BoolType) else None
    if n.op is ops.BITS:
        return pieces(n.args[0], low + n.args[2].value, width)
    if n.op is not ops.CONCAT:
        return None
    high, rest = n.args[0], n.args[1].width
    ours = max(0, min(width, rest - low))
    behind = pieces(n.args[1], low, ours) if ours else ()
    before = pieces(high, max(0, low - rest), width - ours) if ours < width else ()
    return None if behind is None or before is None else (*behind, *before)


@dataclass(frozen=True)
class _Lanes:
    g: Graph
    span: Span

    def carry(self, word: list[Piece], other: list[Piece]) -> Node | None:
        """A single bit that is added to the lowest one of a word, taken out of the other operand."""
        bit = other[0]
        if bit.node is None or bit.width != 1 or word[0].node is None or word[0].width == 1:
            return None
        zeros = 1 + (other[1].width if len(other) > 1 and other[1].node is None else 0)
        other[: 1 + (zeros > 1)] = [Piece(None, 0, zeros)]
        return self.g.cast(self.bits(bit), BOOL, self.span)

    def lanes(self, first: list[Piece], second: list[Piece]) -> Iterator[Lane]:
        """Bits side by side as long as both operands are of the same pieces."""
        while first:
            width = min(first[0].width, second[0].width)
            yield self.lane(*(Piece(s[0].node, s[0].low, width) for s in (first, second)))
            for side in (first, second):
                side[:1] = [side[0].after(width)] if side[0].width > width else []

    def lane(self, x: Piece, y: Piece) -> Lane:
        if x.node is None or y.node is None:
            return self.chosen(x if y.node is None else y)
        return Lane(Bit.PICK, x.width, self.bits(x), self.bits(y))

    def chosen(self, x: Piece) -> Lane:
        """One of two words, as far as it isn't 0."""
        keep, within = self.unmasked(x)
        n = within.node
        if n is None or n.op is not ops.SELECT:
            return Lane(Bit.CHOOSE, x.width, None if n is None else self.bits(within))
        sides = (self.g.cast(side, IntType(n.width, False), self.span) for side in n.args[1:])
        a, b = (self.bits(Piece(side, within.low, x.width)) for side in sides)
        return Lane(Bit.CHOOSE, x.width, a, b, first=n.args[0], keep=keep)

    def unmasked(self, x: Piece) -> tuple[Node | None, Piece]:
        """A choice between a choice and 0, as the condition for the former and what that is."""
        n = x.node
        if n is None or n.op is not ops.SELECT:
            return None, x
        for k in (1, 2):
            zero, inner = n.args[3 - k], pieces(n.args[k], x.low, x.width)
            if zero.kind is Kind.CONST and not zero.value and inner is not None and _is_choice(inner):
                return (n.args[0] if k == 1 else self.g.apply(ops.LNOT, (n.args[0],), BOOL, self.span)), inner[0]
        return None, x

    def bits(self, x: Piece) -> Node:
        if x.node is None:
            return self.g.const(0, IntType(x.width, False), self.span)
        word = self.g.cast(x.node, IntType(x.node.width, False), self.span)
        if x.low == 0 and x.width == word.width:
            return word
        ends = (self.g.const(n, None, self.span) for n in (x.low + x.width - 1, x.low))
        return self.g.apply(ops.BITS, (word, *ends), None, self.span)


def _is_choice(found: Sequence[Piece]) -> bool:
    return len(found) == 1 and found[0].node is not None and found[0].node.op is ops.SELECT


# ------------------------------------------------------------------------------------------------------------ the cell


@cache
def chain(forms: tuple[Form, ...]) -> Operation:
    """The sum of words by lanes and of a carry."""
    name = "_".join(("carry", *map(str, forms)))
    word = IntType(sum(f.width for f in forms), False)
    words = "abc" if any(f.third for f in forms) else "ab"
    conditions = [name for n, f in enumerate(forms) for name, there in f.conditions(n) if there]
    inputs: tuple[Port, ...] = (*((p, word) for p in words), *((name, BOOL) for name in ("carry", *conditions)))
    return Operation((name, forms), name, "sum", inputs, (("sum", word),), _no_graph, make=partial(_made, forms))


def _no_graph(*args: object) -> tuple[()]:
    raise TypeError("a cell isn't made of operators")


def _made(forms: tuple[Form, ...], operation: Operation, clock: Clock) -> Unit:
    """The unit, without registers; its module has no contract, as it is nothing but the text's sum."""
    ports = {name: Var(name, dtype, BUILTIN) for name, dtype in operation.inputs}
    time = clock.target.rows["add"].delay(sum(f.width for f in forms) + 1)
    head = f"{operation.name}: made by Gemel for {clock.target.name}"
    where = f"with {clock.target.macro} defined it is the device's own cells, else the same function as text"
    module = Module(
        operation.name,
        tuple(map(Input, ports.values())),
        (Output("sum", _Function(forms, ports).total()),),
        (),
        (),
        (),
        (),
        BUILTIN,
        (head, where),
        cell=_stated(forms, clock, time),
    )
    return Unit(operation, module, 0, 0.0, time)


def _stated(forms: tuple[Form, ...], clock: Clock, time: float) -> Cell:
    """The cell with its tables, and the words on its tables' last two inputs."""
    hard, width = clock.target.cells[CARRY], sum(f.width for f in forms)
    lanes = [_pins(n, f, sum(x.width for x in forms[:n])) for n, f in enumerate(forms)]
    text = hard.text.replace("@WIDTH@", str(width))
    for mark, parts in zip(("@TABLES@", "@C@", "@D@"), zip(*reversed(lanes), strict=True), strict=True):
        text = text.replace(mark, ", ".join(parts))
    return Cell(clock.target.macro, text, {r: width * n for r, n in hard.area.items()}, time, time)


ALWAYS = "1'b1"


def _pins(n: int, f: Form, low: int) -> tuple[str, str, str]:
    """A lane's table, once for each bit, and what is on c and d."""
    first, keep = (f"{{{f.width}{{{name if there else ALWAYS}}}}}" for name, there in f.conditions(n))
    table = f"{{{f.width}{{16'h{f.kind.value:04X}}}}}"
    if f.kind is Bit.CHOOSE:
        return table, first, keep
    return table, f"c[{low + f.width - 1}:{low}]" if f.third else f"{f.width}'d0", first


@dataclass(frozen=True)
class _Function:
    """The cell's function in a netlist."""

    forms: tuple[Form, ...]
    ports: dict[str, Var]

    def total(self) -> Expr:
        width = sum(f.width for f in self.forms)
        first, second = (self.joined(k) for k in (0, 1))
        dtype = IntType(width, False)
        carry = _apply(ops.CAST, Ref(self.ports["carry"], BUILTIN), dtype=IntType(1, False))
        return _apply(ops.ADD, _apply(ops.ADD, first, second, dtype=dtype), carry, dtype=dtype)

    def joined(self, operand: int) -> Expr:
        """One of the two words that are added."""
        low, whole = 0, None
        for n, f in enumerate(self.forms):
            part = self.addends(n, f, low)[operand]
            whole = part if whole is None else _apply(ops.CONCAT, part, whole)
            low += f.width
        if whole is None:
            raise TypeError("a sum has bits")
        return whole

    def addends(self, n: int, f: Form, low: int) -> tuple[Expr, Expr]:
        """What is added in a lane."""
        zero = lg.number(0, IntType(f.width, False))
        a, b = (self.bits(p, low, f.width) for p in "ab")
        c = self.bits("c", low, f.width) if f.third else zero
        first, keep = (Ref(self.ports[name], BUILTIN) if there else lg.TRUE for name, there in f.conditions(n))
        if f.kind is Bit.CHOOSE:
            return lg.select(keep, lg.select(first, a, b), zero), zero
        if f.kind is Bit.PICK:
            return a, lg.select(first, b, c)
        return lg.select(first, a, _apply(ops.OR, a, c)), lg.select(first, b, zero)

    def bits(self, port: str, low: int, width: int) -> Expr:
        """Some bits of a port."""
        word = Ref(self.ports[port], BUILTIN)
        if width == width_of(word.dtype):
            return word
        return _apply(ops.BITS, word, lg.number(low + width - 1), lg.number(low))


_apply: Callable[..., Expr] = partial(build.apply, span=BUILTIN)
