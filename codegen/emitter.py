"""Emission of LLVM IR as text: names, blocks, declarations."""

from __future__ import annotations

from gemel.semantics.dtypes import F64, BoolType, DType, FixedType, FloatType


def llvm_type(dtype: DType) -> str:
    """The LLVM type of a value; f16 and bf16 are computed in float and rounded after each op."""
    match dtype:
        case BoolType():
            return "i1"
        case FloatType():
            return "double" if dtype == F64 else "float"
        case FixedType():
            raise TypeError("fixed point is lowered to integers first")
        case _:
            return f"i{dtype.width}"


class Emitter:
    """The text of a function body, block by block."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.declarations: set[str] = set()
        self.block = "entry"
        self._count = 0

    def name(self, hint: str = "v") -> str:
        """A new name, without its sigil."""
        self._count += 1
        return f"{hint}{self._count}"

    def value(self, text: str) -> str:
        """Emits an instruction that gives a value."""
        name = f"%{self.name()}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Emits an instruction without a value."""
        self.lines.append(f"  {text}")

    def start(self, label: str) -> None:
        """Begins a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        """Ends a block."""
        self.do(f"br label %{label}")

    def branch(self, cond: str, yes: str, no: str) -> None:
        """Ends a block with a choice."""
        self.do(f"br i1 {cond}, label %{yes}, label %{no}")

    def hole(self) -> int:
        """A place for lines that are known later."""
        self.lines.append("")
        return len(self.lines) - 1

    def fill(self, hole: int, lines: list[str]) -> None:
        """Puts lines into a hole."""
        self.lines[hole] = "\n".join(f"  {line}" for line in lines)

    def call(self, result: str, function: str, *args: tuple[str, str]) -> str:
        """Calls an LLVM intrinsic with (type, value) arguments; void results are no values."""
        types = ", ".join(t for t, _ in args)
        self.declarations.add(f"declare {result} @{function}({types})")
        text = f"call {result} @{function}({', '.join(f'{t} {v}' for t, v in args)})"
        if result == "void":
            self.do(text)
            return ""
        return self.value(text)
