"""Emission of LLVM IR as text: names, instructions, blocks, declarations."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.semantics.dtypes import F64, BoolType, DType, FixedType, FloatType, storage_bits


def llvm_type(dtype: DType) -> str:
    """The LLVM type that holds a value.

    Integers are held at the width that they have in memory (8, 16, 32, 64 bits or a multiple of 64), extended by their
    sign, so that LLVM sees types that the CPU has; narrow floats are held in float.
    """
    match dtype:
        case BoolType():
            return "i1"
        case FloatType():
            return "double" if dtype == F64 else "float"
        case FixedType():
            raise TypeError("fixed point is lowered to integers first")
        case _:
            return f"i{storage_bits(dtype)}"


PURE = frozenset(
    [
        "add",
        "sub",
        "mul",
        "shl",
        "lshr",
        "ashr",
        "and",
        "or",
        "xor",
        "icmp",
        "fcmp",
        "select",
        "zext",
        "sext",
        "trunc",
        "getelementptr",
        "bitcast",
        "fadd",
        "fsub",
        "fmul",
        "fneg",
        "insertelement",
        "shufflevector",
        "fpext",
        "fptrunc",
        "sitofp",
        "uitofp",
    ]
)
"""Instructions that give the same value again for the same operands."""


@dataclass
class Emitter:
    """The text of a function body, block by block.

    `half` says that the CPU converts between half and float; without it that takes integer operations, since LLVM would
    call a library function that the process may not have. `scales` says that it multiplies a vector of floats by powers
    of two in one instruction (AVX-512).
    """

    half: bool = True
    scales: bool = False
    lines: list[str] = field(default_factory=list)
    declarations: set[str] = field(default_factory=set)
    block: str = "entry"
    known: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def name(self, hint: str = "v") -> str:
        """A new name, without its sigil."""
        self._count += 1
        return f"{hint}{self._count}"

    def value(self, text: str) -> str:
        """Emits an instruction that gives a value, once in a block where it gives the same each time."""
        found = self.known.get(text)
        if found is not None:
            return found
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        if text.partition(" ")[0] in PURE:
            self.known[text] = name
        return name

    def do(self, text: str) -> None:
        """Emits an instruction without a value."""
        self.lines.append(f"  {text}")

    def start(self, label: str) -> None:
        """Begins a block."""
        self.lines.append(f"{label}:")
        self.block = label
        self.known = {}

    def jump(self, label: str) -> None:
        """Ends a block."""
        self.do(f"br label %{label}")

    def branch(self, cond: str, yes: str, no: str, note: str = "") -> None:
        """Ends a block with a choice; `note` is metadata."""
        self.do(f"br i1 {cond}, label %{yes}, label %{no}{note}")

    def hole(self) -> int:
        """A place for lines that are known later."""
        self.lines.append("")
        return len(self.lines) - 1

    def fill(self, hole: int, lines: list[str]) -> None:
        """Puts lines into a hole."""
        self.lines[hole] = "\n".join(f"  {line}" for line in lines)

    def select(self, cond: str, kind: str, yes: str, no: str) -> str:
        """One of two values."""
        return self.value(f"select i1 {cond}, {kind} {yes}, {kind} {no}")

    def call(self, result: str, function: str, *args: tuple[str, str]) -> str:
        """Calls a function with (type, value) arguments, declared here; a void result is no value."""
        types = ", ".join(t for t, _ in args)
        self.declarations.add(f"declare {result} @{function}({types})")
        text = f"call {result} @{function}({', '.join(f'{t} {v}' for t, v in args)})"
        if result == "void":
            self.do(text)
            return ""
        return self.value(text)
