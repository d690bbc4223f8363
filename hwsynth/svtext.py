"""The SystemVerilog text of types, literals and expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gemel.hwsynth.dag import choices_of, net_type, shape
from gemel.hwsynth.netlist import Module, NetType, Reset
from gemel.semantics import ops
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import BoolType, width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op

# ------------------------------------------------------------------------------------------------------------ literals


def type_text(dtype: NetType) -> str:
    """`logic signed [7:0]`; one bit is `logic`."""
    if isinstance(dtype, BoolType) or (dtype.width == 1 and not dtype.signed):
        return "logic"
    return f"logic {'signed ' if dtype.signed else ''}[{dtype.width - 1}:0]"


def literal(value: int, dtype: NetType) -> str:
    """`8'd200`, `-9'sd5`, `1'b1`; in hexadecimal from 2**32 and for the least value, which has no positive twin."""
    if isinstance(dtype, BoolType) or (dtype.width == 1 and not dtype.signed):
        return f"1'b{int(value)}"
    sign, width = "s" if dtype.signed else "", dtype.width
    if abs(value) >> 32 or (dtype.signed and value == dtype.lo):
        return f"{width}'{sign}h{to_bits(value, dtype):x}"
    return f"{'-' if value < 0 else ''}{width}'{sign}d{abs(value)}"


def needs_clock(m: Module) -> bool:
    """Whether the module has state, so that it has a port `clk`."""
    return bool(m.registers or m.memories) or any(needs_clock(i.module) for i in m.instances)


def needs_reset(m: Module) -> bool:
    """Whether a register is reset by `rst`, so that the module has this port."""
    if m.reset is Reset.NONE:
        return False
    return any(r.reset is not None for r in m.registers) or any(needs_reset(i.module) for i in m.instances)


# --------------------------------------------------------------------------------------------------------- expressions

_INFIX: dict[Op, str] = {
    **{ops.ADD: "+", ops.SUB: "-", ops.MUL: "*", ops.FLOORDIV: "/", ops.MOD: "%"},
    **{ops.AND: "&", ops.OR: "|", ops.XOR: "^", ops.LAND: "&&", ops.LOR: "||", ops.SHL: "<<"},
    **{ops.EQ: "==", ops.NE: "!=", ops.LT: "<", ops.LE: "<=", ops.GT: ">", ops.GE: ">="},
}
_PREFIX: dict[Op, str] = {ops.NEG: "-", ops.INVERT: "~", ops.LNOT: "!"}
_ASSOCIATIVE = (ops.AND, ops.OR, ops.XOR, ops.LAND, ops.LOR)
_CHAINS = (ops.ADD, *_ASSOCIATIVE)

ATOM, UNARY, BINARY, CHOICE = range(4)
"""How tightly a text holds together: a name or call; a sign before one; an infix operator; `?:`."""


def _same_op(e: Apply, operand: Expr, among: tuple[Op, ...]) -> bool:
    return e.op in among and isinstance(operand, Apply) and operand.op is e.op


@dataclass
class Expressions:
    """Texts of expressions; notes in `used` which bits of each net they read."""

    names: Mapping[Var, str]
    used: dict[Var, int] = field(default_factory=dict)

    def text(self, e: Expr) -> str:
        """The text of a whole expression."""
        return self.parts(e)[0]

    def operand(self, e: Expr, most: int = ATOM) -> str:
        """The text, in parentheses where it holds less tightly than `most`."""
        text, level = self.parts(e)
        flat = " ".join(text.split())
        return text if level <= most or (level == UNARY and text[0] in "!~") else f"({flat})"

    def parts(self, e: Expr) -> tuple[str, int]:
        match e:
            case Const():
                text = literal(int(e.value), net_type(e))
                return text, UNARY if text[0] == "-" else ATOM
            case Ref():
                return self.net(e.var, (1 << width_of(e.dtype)) - 1), ATOM
            case Apply():
                return self.apply(e)
            case _:
                raise TypeError(f"{type(e).__name__} in a netlist")

    def net(self, v: Var, bits: int) -> str:
        self.used[v] = self.used.get(v, 0) | bits
        return self.names[v]

    def apply(self, e: Apply) -> tuple[str, int]:
        if e.op in _INFIX:
            return self.infix(e), BINARY
        if e.op in _PREFIX:
            return _PREFIX[e.op] + self.prefixed(e.args[0]), UNARY
        if e.op is ops.SELECT:
            return self.choice(e), CHOICE
        if e.op is ops.SHR:
            sign = ">>>" if shape(e).signed else ">>"
            return f"{self.operand(e.args[0])} {sign} {self.amount(e.args[1])}", BINARY
        return self.call(e), ATOM

    def call(self, e: Apply) -> str:
        if e.op is ops.BITS:
            return self.slice(e)
        if e.op is ops.CONCAT:
            return "{" + ", ".join(self.parts_of(e)) + "}"
        return self.cast(e)

    def parts_of(self, e: Expr) -> Iterator[str]:
        """The parts of nested concatenations."""
        if isinstance(e, Apply) and e.op is ops.CONCAT:
            for a in e.args:
                yield from self.parts_of(a)
        else:
            yield self.text(e)

    def infix(self, e: Apply) -> str:
        if e.op is ops.OR and (rows := choices_of(e)):
            return self.at_once(rows)
        a, b = e.args
        left = self.text(a) if _same_op(e, a, _CHAINS) else self.operand(a, UNARY)
        right = self.text(b) if _same_op(e, b, _ASSOCIATIVE) else self.amount(b) if e.op is ops.SHL else self.operand(b)
        return f"{left} {_INFIX[e.op]} {right}"

    def at_once(self, rows: Sequence[Apply]) -> str:
        """Values behind conditions, a line each."""
        parts = [[self.operand(e.args[0]), self.operand(e.args[1]), self.operand(e.args[2])] for e in rows]
        conds, values = (max(len(p[n]) for p in parts) for n in range(2))
        lines = [f"({cond.ljust(conds)} ? {value.ljust(values)} : {zero})" for cond, value, zero in parts]
        return "\n      " + "\n    | ".join(lines)

    def amount(self, e: Expr) -> str:
        """A shift amount: a literal as a plain number."""
        return str(e.value) if isinstance(e, Const) else self.operand(e)

    def prefixed(self, a: Expr) -> str:
        """An operand of a sign: a cast is put in parentheses, as `-8'(x)` is read as a cast by -8 somewhere."""
        text = self.operand(a)
        plain = isinstance(a, Ref) or (isinstance(a, Apply) and a.op is ops.BITS)
        return text if plain or text[0] == "(" else f"({text})"

    def choice(self, e: Apply) -> str:
        """`a ? b : c`; a chain of choices has a line each."""
        rows: list[tuple[str, str]] = []
        last: Expr = e
        while isinstance(last, Apply) and last.op is ops.SELECT:
            rows.append((self.operand(last.args[0]), self.operand(last.args[1], BINARY)))
            last = last.args[2]
        end = self.operand(last, BINARY)
        if len(rows) == 1:
            return f"{rows[0][0]} ? {rows[0][1]} : {end}"
        width = max(len(cond) for cond, _ in rows)
        return "\n      " + "\n    : ".join([*(f"{cond.ljust(width)} ? {value}" for cond, value in rows), end])

    def slice(self, e: Apply) -> str:
        net, hi, lo = e.args
        if not (isinstance(net, Ref) and isinstance(hi, Const) and isinstance(lo, Const)):
            raise TypeError("a slice of something without a name")
        top, bottom = int(hi.value), int(lo.value)
        name = self.net(net.var, (1 << (top + 1)) - (1 << bottom))
        return f"{name}[{top}]" if top == bottom else f"{name}[{top}:{bottom}]"

    def cast(self, e: Apply) -> str:
        """A conversion to more bits, then to another sign."""
        a, target = e.args[0], shape(e)
        source = shape(a)
        if source.width > target.width:
            raise TypeError("a conversion to fewer bits, which yosys reads at its operand's width")
        text = self.text(a)
        if source.width != target.width:
            text = f"{target.width}'({text})"
        if source.signed != target.signed:
            return f"{'$signed' if target.signed else '$unsigned'}({text})"
        return text if source.width != target.width else self.operand(a)
