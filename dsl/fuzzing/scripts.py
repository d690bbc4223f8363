"""Drawn Python source: statements, helper functions and whole kernels."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gemel.fuzzing.programs import HEAD, Program
from gemel.fuzzing.writing import TYPES, Array, Number, Writer

SHAPES = ((4,), (3,), (5,), (1,), (2, 3), (3, 3), (2, 1, 2))


class Scripts(Writer):
    """Draws statements."""

    def block(self, budget: int) -> None:
        """An indented block."""
        saved = list(self.names), list(self.variables), list(self.arrays), set(self.locked)
        self.level += 1
        for _ in range(self.draw(st.integers(1, budget))):
            self.statement()
        self.level -= 1
        self.names, self.variables, self.arrays, self.locked = saved

    def statement(self) -> None:
        """A statement."""
        self.size += 1
        kinds = ["store", "store", "name", "assign", "tensor", "tensor", "whole"]
        if self.level < 4 and self.size < 12:
            kinds += ["for", "for", "if", "while", "variable"]
        if self.breakable:
            kinds.append("leave")
        getattr(self, "state_" + self.draw(st.sampled_from(kinds)))()

    def writable(self) -> list[Array]:
        """Tensors that may be stored to here."""
        return [a for a in self.arrays if a.name not in self.locked]

    def state_store(self) -> None:
        """A store to an element, or an accumulation."""
        known = self.writable()
        if not known:
            return self.state_name()
        a = self.draw(st.sampled_from(known))
        value = self.number()
        if a.kind == "i64" and value.size < 1 << 36 and self.draw(st.booleans()):
            return self.line(f"{self.element(a)} {self.pick('+=', '-=')} {value.text}")
        return self.line(f"{self.element(a)} = {self.fit(value, a.kind)}")

    def state_name(self) -> None:
        """A name for a value."""
        value, name = self.number(), self.fresh("t")
        self.line(f"{name} = {value.text}")
        self.names.append(Number(name, value.lo, value.hi))

    def state_variable(self) -> None:
        """A variable of a type."""
        kind, name = self.pick(*TYPES), self.fresh("v")
        self.line(f"{name}: {kind} = {self.fit(self.number(), kind)}")
        self.variables.append((name, kind))

    def state_assign(self) -> None:
        """A new value for a variable."""
        if not self.variables:
            return self.state_variable()
        name, kind = self.draw(st.sampled_from(self.variables))
        return self.line(f"{name} = {self.fit(self.number(), kind)}")

    # ------------------------------------------------------------------------------------------------------ tensors

    def tensor(self, shape: tuple[int, ...], depth: int = 2) -> Number:
        """A tensor expression of a shape, or a number, which broadcasts."""
        if depth <= 0 or self.pick(True, True, False):
            fitting = [v for a in self.arrays for v in self._views(a, shape)]
            return self.draw(st.sampled_from(fitting)) if fitting else self.number(0)
        a, b = self._small(self.tensor(shape, depth - 1)), self._small(self.tensor(shape, depth - 1))
        lo, hi = min(a.lo, b.lo), max(a.hi, b.hi)
        match self.pick("+", "-", "max", "where", "*", "%"):
            case "+":
                return Number(f"({a.text} + {b.text})", a.lo + b.lo, a.hi + b.hi)
            case "-":
                return Number(f"({a.text} - {b.text})", a.lo - b.hi, a.hi - b.lo)
            case "max":
                return Number(f"gm.maximum({a.text}, {b.text})", lo, hi)
            case "where":
                return Number(f"gm.where({a.text} > {b.text}, {a.text}, {b.text})", lo, hi)
            case "%":
                return Number(f"({a.text} % 7)", 0, 6)
            case _:
                ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
                return Number(f"({a.text} * {b.text})", min(ends), max(ends))

    def _views(self, a: Array, shape: tuple[int, ...]) -> list[Number]:
        """Ways to see a tensor, or a part of it, at a shape."""
        texts = []
        if a.shape == shape:
            texts += [a.name, f"{a.name}[::-1]"]
        if a.shape == shape[::-1] and len(shape) == 2:
            texts.append(f"{a.name}.T")
        if len(shape) == 1 and len(a.shape) == 1 and a.shape[0] > shape[0]:
            texts += [f"{a.name}[:{shape[0]}]", f"{a.name}[{a.shape[0] - shape[0]}:]"]
        if len(a.shape) == 2 and a.shape[1:] == shape:
            texts += [f"{a.name}[{a.shape[0] - 1}]", f"gm.max({a.name}, axis=0)"]
        if len(shape) == 2 and a.shape == shape[:1]:
            texts.append(f"{a.name}[:, None]")
        return [Number(t, *TYPES[a.kind]) for t in texts]

    def state_tensor(self) -> None:
        """A new tensor, or a name for a tensor expression."""
        shape, name = self.pick(*SHAPES), self.fresh("x")
        if self.draw(st.booleans()):
            fill = self.pick("gm.zeros({}, i64)", "gm.full({}, 3, i64)")
            self.line(f"{name} = {fill.format(shape)}")
        else:
            self.line(f"{name} = gm.zeros({shape}, i64)")
            self.line(f"{name}[:] = {self._bounded(self.tensor(shape))}")
        self.arrays.append(Array(name, shape, "i64"))

    def _bounded(self, a: Number) -> str:
        return a.text if a.size < 1 << 49 else f"{a.text} % 1009"

    def state_whole(self) -> None:
        """A store to all of a tensor, or to a slice."""
        known = [a for a in self.writable() if a.kind == "i64"]
        if not known:
            return self.state_store()
        a = self.draw(st.sampled_from(known))
        first, rest = a.shape[0], a.shape[1:]
        start = self.draw(st.integers(0, first - 1))
        target, shape = self.pick((":", a.shape), (f"{start}:", (first - start, *rest)), ("::-1", a.shape))
        return self.line(f"{a.name}[{target}] = {self._bounded(self.tensor(shape))}")

    # ------------------------------------------------------------------------------------------------------ control

    def state_for(self) -> None:
        """A loop over a range, a grid, or the items of an unrolled loop."""
        name = self.fresh("i")
        n = self.draw(st.integers(1, 4))
        top = self.number(0)
        head, values = self.pick(
            (f"range({n})", [(0, n - 1)]),
            (f"range({n}, -1, -1)", [(0, n)]),
            (f"range(1, {n} + 2, 2)", [(1, n + 1)]),
            (f"range({top.text} % 4)", [(0, 3)]),
            (f"range({top.text} % 3, {self.number(0).text} % 5)", [(0, 4)]),
            (f"gm.grid({n}, 2)", [(0, n - 1), (0, 1)]),
            (f"gm.unroll(range({n}))", [(0, n - 1)]),
        )
        names = [f"{name}{'abc'[m]}" for m in range(len(values))]
        self.line(f"for {', '.join(names)} in {head}:")
        outer = self.breakable
        self.breakable = "unroll" not in head and "grid" not in head
        kept = list(self.names)
        self.names += [Number(v, lo, hi) for v, (lo, hi) in zip(names, values, strict=True)]
        self.block(3)
        self.names, self.breakable = kept, outer

    def state_while(self) -> None:
        """A loop that ends after a few iterations at the latest."""
        name = self.fresh("w")
        self.line(f"{name}: i32 = {self.draw(st.integers(0, 4))}")
        self.line(f"while {name} > 0 and ({self.condition()}):")
        outer, self.breakable = self.breakable, True
        self.level += 1
        self.line(f"{name} = {name} - 1")
        self.level -= 1
        self.block(2)
        self.breakable = outer

    def state_if(self) -> None:
        """A branch of one to three ways."""
        self.line(f"if {self.condition()}:")
        self.block(2)
        if self.draw(st.booleans()):
            self.line(f"elif {self.condition()}:")
            self.block(2)
        if self.draw(st.booleans()):
            self.line("else:")
            self.block(2)

    def state_leave(self) -> None:
        """An early end of a loop or of an iteration."""
        self.line(f"if {self.condition()}:")
        self.line(f"    {self.pick('break', 'continue')}")


def _helper(draw: Any, name: str) -> tuple[list[str], int, Number]:
    """A function of one or two numbers, with an early return."""
    w = Writer(draw)
    arity = draw(st.integers(1, 2))
    w.names = [Number(f"p{n}", -128, 255) for n in range(arity)]
    first, last = w.number(1), w.number(2)
    w.line(f"if {w.condition()}:")
    w.line(f"    return {first.text}")
    w.line(f"return {last.text}")
    head = f"def {name}({', '.join(n.text for n in w.names)}):"
    return [head, *w.lines, "", ""], arity, Number(name, min(first.lo, last.lo), max(first.hi, last.hi))


@st.composite
def programs(draw: Any) -> Program:
    """Source of a kernel and arguments for it."""
    w = Scripts(draw)
    text: list[str] = []
    for n in range(draw(st.integers(0, 2))):
        lines, arity, result = _helper(draw, f"h{n}")
        text += lines
        w.helpers[f"h{n}"] = arity, result
    params, arguments = [], []
    for n in range(draw(st.integers(1, 3))):
        declared, argument = _parameter(w, f"a{n}")
        params.append(declared)
        arguments.append(argument)
    w.line("r = gm.zeros((4,), i64)")
    w.arrays.append(Array("r", (4,), "i64"))
    w.line(f"s: i32 = {draw(st.integers(-5, 5))}")
    w.variables.append(("s", "i32"))
    w.level = 0
    w.block(5)
    w.level = 1
    w.line("return r, s")
    text += ["@gm.kernel", f"def k({', '.join(params)}) -> tuple[i64[4], i32]:", *w.lines]
    return Program(HEAD + "\n".join(text) + "\n", tuple(arguments))


def _parameter(w: Scripts, name: str) -> tuple[str, Any]:
    kind = w.pick(*(k for k in TYPES if k != "i64"))
    lo, hi = TYPES[kind]
    values = st.one_of(st.sampled_from((lo, hi, 0, 1)), st.integers(lo, hi))
    if w.draw(st.booleans()):
        w.names.append(Number(name, lo, hi))
        return f"{name}: {kind}", w.draw(values)
    shape = w.pick(*SHAPES)
    count = 1
    for n in shape:
        count *= n
    w.arrays.append(Array(name, shape, kind))
    return f"{name}: {kind}[{', '.join(map(str, shape))}]", {
        "shape": shape,
        "values": w.draw(st.lists(values, min_size=count, max_size=count)),
    }
