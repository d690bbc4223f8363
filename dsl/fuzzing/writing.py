"""Drawn Python source of kernels. Each integer's range is known, so that nothing wraps and no index is out of range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st

MOST = 1 << 56
"""No number drawn gets larger, so 64 bits hold each step in NumPy."""

TYPES = {"i8": (-128, 127), "i16": (-32768, 32767), "i32": (-(1 << 31), (1 << 31) - 1), "i64": (-(1 << 50), 1 << 50),
         "u8": (0, 255), "u16": (0, 65535)}  # fmt: skip


class Number(NamedTuple):
    """An expression and the range of its values."""

    text: str
    lo: int
    hi: int

    @property
    def size(self) -> int:
        """The largest magnitude."""
        return max(abs(self.lo), abs(self.hi))


class Array(NamedTuple):
    """A tensor by name, with its element type."""

    name: str
    shape: tuple[int, ...]
    kind: str


@dataclass
class Writer:
    """Draws statements line by line."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    lines: list[str] = field(default_factory=list)
    level: int = 1
    names: list[Number] = field(default_factory=list)
    variables: list[tuple[str, str]] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    loops: int = 0
    breakable: bool = False
    count: int = 0
    size: int = 0
    helpers: dict[str, tuple[int, Number]] = field(default_factory=dict)

    def pick(self, *choices: Any) -> Any:
        """One of the choices."""
        return self.draw(st.sampled_from(choices))

    def fresh(self, hint: str) -> str:
        """A new name."""
        self.count += 1
        return f"{hint}{self.count}"

    def line(self, text: str) -> None:
        """A line of the body."""
        self.lines.append("    " * self.level + text)

    # ------------------------------------------------------------------------------------------------------ numbers

    def number(self, depth: int = 2) -> Number:
        """An integer expression."""
        choices = ["literal", "name", "element", "variable"] if depth <= 0 else [*_OPERATIONS, "name", "element"]
        made: Number = getattr(self, "number_" + self.draw(st.sampled_from(choices)))(depth)
        return made if made.size <= MOST else Number(f"({made.text} % 1009)", 0, 1008)

    def number_literal(self, depth: int) -> Number:
        """A literal."""
        value = self.draw(st.integers(-9, 300))
        return Number(str(value) if value >= 0 else f"({value})", value, value)

    def number_name(self, depth: int) -> Number:
        """A parameter, a loop's variable or a name for a value."""
        return self.draw(st.sampled_from(self.names)) if self.names else self.number_literal(depth)

    def number_variable(self, depth: int) -> Number:
        """A variable."""
        if not self.variables:
            return self.number_name(depth)
        name, kind = self.draw(st.sampled_from(self.variables))
        return Number(name, *TYPES[kind])

    def number_element(self, depth: int) -> Number:
        """An element of a tensor."""
        if not self.arrays:
            return self.number_name(depth)
        a = self.draw(st.sampled_from(self.arrays))
        return Number(self.element(a), *TYPES[a.kind])

    def element(self, a: Array) -> str:
        """A place in a tensor, in range."""
        return f"{a.name}[{', '.join(self.index(n) for n in a.shape)}]"

    def index(self, size: int) -> str:
        """An index: a literal, counted from the end at times, a loop's variable, or anything brought into range."""
        fitting = [n.text for n in self.names if n.lo >= 0 and n.hi < size and n.lo < n.hi]
        kind = self.pick("literal", "loop", "any")
        if kind == "loop" and fitting:
            return str(self.draw(st.sampled_from(fitting)))
        if kind == "any":
            return f"{self.number(1).text} % {size}"
        return str(self.draw(st.integers(-size, size - 1)))

    def number_sum(self, depth: int) -> Number:
        """+ or -."""
        a, b = self.number(depth - 1), self.number(depth - 1)
        if self.draw(st.booleans()):
            return Number(f"({a.text} + {b.text})", a.lo + b.lo, a.hi + b.hi)
        return Number(f"({a.text} - {b.text})", a.lo - b.hi, a.hi - b.lo)

    def number_product(self, depth: int) -> Number:
        """*, of numbers small enough."""
        a, b = self._small(self.number(depth - 1)), self._small(self.number(depth - 1))
        ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Number(f"({a.text} * {b.text})", min(ends), max(ends))

    def _small(self, a: Number) -> Number:
        return a if a.size < 1 << 27 else Number(f"({a.text} % 30011)", 0, 30010)

    def number_division(self, depth: int) -> Number:
        """// or %, by a literal of either sign or by anything that isn't 0."""
        a = self.number(depth - 1)
        if self.draw(st.booleans()):
            by = self.pick(1, 2, 3, 7, 10, -1, -2, -5)
            b = Number(str(by) if by > 0 else f"({by})", by, by)
        else:
            any_ = self.number(depth - 1)
            b = Number(f"(abs({any_.text}) + 1)", 1, any_.size + 1)
        if self.draw(st.booleans()):
            return Number(f"({a.text} // {b.text})", -a.size - 1, a.size + 1)
        return Number(f"({a.text} % {b.text})", min(0, b.lo + 1), max(0, b.hi - 1))

    def number_bits(self, depth: int) -> Number:
        """&, |, ^, ~."""
        a, b = self.number(depth - 1), self.number(depth - 1)
        top = 1 << max(a.size, b.size).bit_length()
        op = self.pick("&", "|", "^", "~")
        if op == "~":
            return Number(f"(~{a.text})", -a.hi - 1, -a.lo - 1)
        return Number(f"({a.text} {op} {b.text})", -top if min(a.lo, b.lo) < 0 else 0, top - 1)

    def number_shift(self, depth: int) -> Number:
        """<< or >> by a few bits."""
        a, n = self.number(depth - 1), self.number(depth - 1)
        amount = self.pick(f"({n.text} & 7)", "1", "5")
        if self.draw(st.booleans()):
            return Number(f"({a.text} >> {amount})", min(a.lo, 0), max(a.hi, 0))
        a = self._small(a)
        return Number(f"({a.text} << {amount})", min(a.lo << 7, 0), max(a.hi << 7, 0))

    def number_unary(self, depth: int) -> Number:
        """- or abs."""
        a = self.number(depth - 1)
        return Number(f"(-{a.text})", -a.hi, -a.lo) if self.draw(st.booleans()) else Number(f"abs({a.text})", 0, a.size)

    def number_choice(self, depth: int) -> Number:
        """min, max, a conditional expression, gm.where."""
        a, b = self.number(depth - 1), self.number(depth - 1)
        lo, hi = min(a.lo, b.lo), max(a.hi, b.hi)
        form = self.pick("min({a}, {b})", "max({a}, {b})", "({a} if {c} else {b})", "gm.where({c}, {a}, {b})")
        if "where" in form and not self.names:
            form = "min({a}, {b})"
        return Number(form.format(a=a.text, b=b.text, c=self.condition(depth - 1)), lo, hi)

    def number_reduction(self, depth: int) -> Number:
        """A reduction of a tensor, or its length."""
        if not self.arrays:
            return self.number_name(depth)
        a = self.draw(st.sampled_from(self.arrays))
        lo, hi = TYPES[a.kind]
        total = 1
        for n in a.shape:
            total *= n
        kind = self.pick("sum", "min", "max", "len")
        if kind == "len":
            return Number(f"len({a.name})", a.shape[0], a.shape[0])
        if kind == "sum":
            return Number(f"gm.sum({a.name})", total * lo, total * hi)
        return Number(f"{a.name}.{kind}()", lo, hi)

    def number_call(self, depth: int) -> Number:
        """A call of a helper function."""
        if not self.helpers:
            return self.number_name(depth)
        name = self.draw(st.sampled_from(sorted(self.helpers)))
        arity, result = self.helpers[name]
        args = ", ".join(self._byte(self.number(depth - 1)).text for _ in range(arity))
        return Number(f"{name}({args})", result.lo, result.hi)

    def _byte(self, a: Number) -> Number:
        return a if a.lo >= -128 and a.hi <= 255 else Number(f"({a.text} % 256)", 0, 255)

    # --------------------------------------------------------------------------------------------------- conditions

    def condition(self, depth: int = 1) -> str:
        """A condition."""
        kind = self.pick("compare", "compare", "chain", "not", "and", "or") if depth > 0 else "compare"
        if kind == "compare":
            op = self.pick("<", "<=", "==", "!=", ">", ">=")
            return f"{self.number(depth).text} {op} {self.number(0).text}"
        if kind == "chain":
            return f"{self.number(0).text} <= {self.number(depth - 1).text} < {self.number(0).text}"
        if kind == "not":
            return f"not ({self.condition(depth - 1)})"
        return f"({self.condition(depth - 1)}) {kind} ({self.condition(depth - 1)})"

    def fit(self, a: Number, kind: str) -> str:
        """The expression in the range of a type."""
        lo, hi = TYPES[kind]
        if lo <= a.lo and a.hi <= hi:
            return a.text
        return f"({a.text}) % 201 - 100" if lo < -100 else f"({a.text}) % 251"


_OPERATIONS = ("sum", "product", "division", "bits", "shift", "unary", "choice", "reduction", "call")
