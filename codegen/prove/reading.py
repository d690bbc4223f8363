"""LLVM IR as plain data. LLVM reads and checks the text; what it prints of each instruction is taken apart here."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gemel.semantics.symbolic.meaning import Unsupported


@dataclass(frozen=True)
class Type:
    """`kind` is int, float, ptr, vector, array, struct or void; scalars have `bits`, the others `count` and `parts`."""

    kind: str
    bits: int = 0
    count: int = 0
    parts: tuple[Type, ...] = ()

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        if self.kind in ("vector", "array"):
            return self.count * self.parts[0].bytes
        return -(-self.bits // 8)


POINTER = Type("ptr", 64)
SCALARS = {
    "void": Type("void"),
    "ptr": POINTER,
    "half": Type("float", 16),
    "float": Type("float", 32),
    "double": Type("float", 64),
    "label": Type("void"),
    "metadata": Type("void"),
}


@dataclass(frozen=True)
class Name:
    """A value that an instruction or parameter gives, or a global one (with its @)."""

    text: str


Operand = tuple[Type, Any]
"""A type, and a Name, a number, None for what is undefined, or a tuple of such for a vector."""


@dataclass(frozen=True)
class Instruction:
    """`words` stand between the opcode and the operands: flags, a predicate, a callee; `more` depends on the opcode."""

    opcode: str
    name: str
    type: Type
    words: tuple[str, ...]
    operands: tuple[Operand, ...]
    labels: tuple[str, ...] = ()
    more: Any = None


@dataclass(frozen=True)
class Function:
    """A function with a body: its parameters, and its blocks by name, the entry first."""

    name: str
    params: tuple[tuple[Type, str], ...]
    blocks: dict[str, tuple[Instruction, ...]]


@dataclass(frozen=True)
class Program:
    """The functions of a module, and its global data as bytes (None for what is elsewhere)."""

    functions: dict[str, Function]
    data: dict[str, bytes | None]


def read(text: str) -> Program:
    """A module.

    Raises Unsupported for what isn't known here.
    """
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    functions = {f.name: _function(f) for f in module.functions if not f.is_declaration}
    return Program(functions, {g.name: _data(str(g)) for g in module.global_variables})


def _function(f: Any) -> Function:
    params = tuple((Scanner(str(a.type)).type(), a.name) for a in f.arguments)
    blocks = {b.name: tuple(_instruction(str(i)) for i in b.instructions) for b in f.blocks}
    return Function(f.name, params, blocks)


def _data(text: str) -> bytes | None:
    """The bytes of a global array of them."""
    found = re.search(r'\[(\d+) x i8\] (zeroinitializer|c"((?:[^"\\]|\\.)*)")', text)
    if found is None:
        return None
    if found[3] is None:
        return bytes(int(found[1]))
    raw = re.sub(r"\\([0-9A-Fa-f]{2}|\\)", lambda m: "\\" if m[1] == "\\" else chr(int(m[1], 16)), found[3])
    return raw.encode("latin-1")


# -------------------------------------------------------------------------------------------------------- instructions

FLAGS = (
    "nsw nuw exact disjoint nneg inbounds samesign tail musttail notail volatile fast nnan ninf nsz arcp contract afn"
)
FLAG_SET = frozenset(FLAGS.split()) | {"reassoc"}
CASTS = frozenset(
    [
        "trunc",
        "zext",
        "sext",
        "fptrunc",
        "fpext",
        "fptoui",
        "fptosi",
        "uitofp",
        "sitofp",
        "ptrtoint",
        "inttoptr",
        "bitcast",
    ]
)


Form = Callable[["Scanner", str, str, tuple[str, ...]], Instruction]


def _instruction(text: str) -> Instruction:
    scan = Scanner(text.strip())
    name = ""
    if scan.rest().startswith("%"):
        name = scan.name()
        scan.take("=")
    opcode = scan.word()
    words = []
    while opcode == "tail" or (scan.peek() in FLAG_SET):
        if opcode == "tail":
            opcode = scan.word()
        else:
            words.append(scan.word())
    return FORMS.get(opcode, _plain)(scan, opcode, name, tuple(words))


def _plain(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    """Operands of one type, which stands before the first: arithmetic."""
    kind = s.type()
    found = [s.value(kind)]
    while s.skip(","):
        found.append(s.value(kind))
    return Instruction(opcode, name, kind, words, tuple((kind, v) for v in found))


def _compare(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    made = _plain(s, opcode, name, (*words, s.word()))
    of = made.type
    result = Type("vector", 0, of.count, (Type("int", 1),)) if of.kind == "vector" else Type("int", 1)
    return Instruction(opcode, name, result, made.words, made.operands)


def _cast(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    operand = s.typed()
    s.take("to")
    return Instruction(opcode, name, s.type(), words, (operand,))


def _typed(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    """Operands that each have their type: select, store, vectors' elements, ret."""
    if s.skip("void"):
        return Instruction(opcode, name, SCALARS["void"], words, ())
    found = [s.typed()]
    while s.skip(",") and not s.rest().startswith(("align", "!")):
        if re.match(r"\d", s.rest()):
            return Instruction(opcode, name, found[0][0], words, tuple(found), more=int(s.word()))
        found.append(s.typed())
    kind = found[1][0] if opcode == "select" else found[0][0]
    if opcode == "extractelement":
        kind = kind.parts[0]
    return Instruction(opcode, name, kind, words, tuple(found))


def _load(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    kind = s.type()
    s.take(",")
    return Instruction(opcode, name, kind, words, (s.typed(),))


def _address(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    source = s.type()
    found = []
    while s.skip(","):
        found.append(s.typed())
    return Instruction(opcode, name, POINTER, words, tuple(found), more=source)


def _alloca(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    return Instruction(opcode, name, POINTER, words, (), more=s.type())


def _phi(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    kind, found, labels = s.type(), [], []
    while s.skip("["):
        found.append((kind, s.value(kind)))
        s.take(",")
        labels.append(s.name())
        s.take("]")
        s.skip(",")
    return Instruction(opcode, name, kind, words, tuple(found), tuple(labels))


def _branch(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    labels, found = [], []
    while not s.ends():
        kind = s.type()
        if kind == SCALARS["label"]:
            labels.append(s.name())
        else:
            found.append((kind, s.value(kind)))
        if not s.skip(","):
            break
        if s.rest().startswith("!"):
            break
    return Instruction(opcode, name, SCALARS["void"], words, tuple(found), tuple(labels))


def _call(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    s.attributes()
    kind = s.type()
    callee = s.name()
    s.take("(")
    found = []
    while not s.skip(")"):
        found.append(s.typed())
        s.skip(",")
    return Instruction(opcode, name, kind, (*words, callee), tuple(found))


def _member(s: Scanner, opcode: str, name: str, words: tuple[str, ...]) -> Instruction:
    operand = s.typed()
    s.take(",")
    at = int(s.word())
    return Instruction(opcode, name, operand[0].parts[at], words, (operand,), more=at)


FORMS: dict[str, Form] = {
    **dict.fromkeys(CASTS, _cast),
    **dict.fromkeys(("icmp", "fcmp"), _compare),
    **dict.fromkeys(("select", "store", "insertelement", "extractelement", "shufflevector", "ret", "freeze"), _typed),
    "load": _load,
    "getelementptr": _address,
    "alloca": _alloca,
    "phi": _phi,
    "br": _branch,
    "call": _call,
    "extractvalue": _member,
    "unreachable": lambda s, opcode, name, words: Instruction(opcode, name, SCALARS["void"], words, ()),
}


# --------------------------------------------------------------------------------------------------------------- tokens

ATTRIBUTES = re.compile(
    r"(?:noundef|nonnull|noalias|nocapture|readonly|writeonly|signext|zeroext|immarg|align \d+|captures\([^)]*\)"
    r"|dereferenceable\(\d+\)|range\([^)]*\)|initializes\([^)]*\))\s+"
)
NAME = re.compile(r'[%@](?:"([^"]*)"|([\w.$-]+))')


class Scanner:
    """Takes a text apart from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def rest(self) -> str:
        """What is left."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at :]

    def ends(self) -> bool:
        """Whether nothing is left."""
        return not self.rest()

    def match(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """What a pattern finds here; raises Unsupported where it doesn't fit."""
        found = re.match(pattern, self.rest())
        if found is None:
            raise Unsupported(f"the LLVM IR {self.text.strip()!r}")
        self.at += found.end()
        return found

    def peek(self) -> str:
        """The next word, which stays."""
        found = re.match(r"[\w.]+", self.rest())
        return found[0] if found else ""

    def word(self) -> str:
        """The next word."""
        return self.match(r"[\w.]+")[0]

    def take(self, text: str) -> None:
        """Goes past a text that must be here."""
        self.match(re.escape(text))

    def skip(self, text: str) -> bool:
        """Goes past a text if it's here."""
        if not self.rest().startswith(text):
            return False
        self.at += len(text)
        return True

    def name(self) -> str:
        """A name, without what marks it."""
        found = self.match(NAME)
        return found[1] if found[1] is not None else found[2]

    def attributes(self) -> None:
        """Goes past what is said of a value."""
        while found := ATTRIBUTES.match(self.rest()):
            self.at += found.end()

    def type(self) -> Type:
        """A type."""
        if found := re.match(r"i(\d+)\b", self.rest()):
            self.at += found.end()
            return Type("int", int(found[1]))
        if found := re.match(r"[<\[](\d+) x ", self.rest()):
            kind = "vector" if self.rest()[0] == "<" else "array"
            self.at += found.end()
            inner = self.type()
            self.take(">" if kind == "vector" else "]")
            return Type(kind, 0, int(found[1]), (inner,))
        if self.skip("{"):
            parts = [self.type()]
            while self.skip(","):
                parts.append(self.type())
            self.take("}")
            return Type("struct", parts=tuple(parts))
        word = self.word()
        if word not in SCALARS:
            raise Unsupported(f"the LLVM type {word}")
        return SCALARS[word]

    def typed(self) -> Operand:
        """A type and a value of it."""
        kind = self.type()
        self.attributes()
        return kind, self.value(kind)

    def value(self, kind: Type) -> Any:
        """A value: a Name, a number (a float as its word), a tuple for a vector, None where it is undefined."""
        rest = self.rest()
        if rest[:1] in ("%", "@"):
            return Name(("@" if rest[0] == "@" else "") + self.name())
        if self.skip("splat ("):
            inner = self.typed()[1]
            self.take(")")
            return (inner,) * kind.count
        if rest.startswith("<"):
            return tuple(self._elements())
        word = self.match(r"[-+\w.]+")[0]
        if word in ("poison", "undef"):
            return None
        if word in ("zeroinitializer", "null"):
            return (0,) * kind.count if kind.kind == "vector" else 0
        if kind.kind == "float":
            return float_word(word, kind.bits)
        return {"true": 1, "false": 0}[word] if word in ("true", "false") else int(word) & ((1 << kind.bits) - 1)

    def _elements(self) -> Iterator[Any]:
        self.take("<")
        while not self.skip(">"):
            yield self.typed()[1]
            self.skip(",")


def float_word(text: str, bits: int) -> int:
    """The word of a float literal: decimal, or the pattern of a double in hexadecimal digits."""
    if text.startswith("0xH"):
        return int(text[3:], 16)
    pattern = int(text[2:], 16) if text.startswith("0x") else struct.unpack("<Q", struct.pack("<d", float(text)))[0]
    if bits == 64:
        return int(pattern)
    value = struct.unpack("<d", struct.pack("<Q", pattern))[0]
    if value != value:
        return int(pattern >> 32 & 0x80000000 | 0x7F800000 | (pattern >> 29 & 0x7FFFFF))
    return int(struct.unpack("<I", struct.pack("<f", value))[0]) if bits == 32 else _half(value)


def _half(value: float) -> int:
    return int(struct.unpack("<H", struct.pack("<e", value))[0])
