"""Circuits in BTOR2, as yosys writes them: word-level nodes in an order in which each comes after its operands.

Format: Niemetz, Preiner, Wolf, Biere, "BTOR2, BtorMC and Boolector 3.0", CAV 2018.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gemel.semantics.errors import ToolError


@dataclass(frozen=True)
class Sort:
    """The type of a node: a word of `w` bits, or `1 << depth_bits` such words."""

    w: int
    depth_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """An operator on nodes; a negative operand is inverted. `extra` are its numbers (slice ends, a constant)."""

    id: int
    op: str
    sort: Sort
    args: tuple[int, ...]
    extra: tuple[int, ...] = ()


@dataclass(frozen=True)
class State:
    """A register or memory: the nodes of its first value, if there is one, and of the following, if it changes."""

    id: int
    name: str
    sort: Sort
    init: int | None
    next: int | None


@dataclass(frozen=True)
class Circuit:
    """A circuit: nodes in order, inputs and outputs by name, what it holds; the line of the text that a node is of."""

    nodes: tuple[Node, ...]
    inputs: dict[str, Node]
    outputs: dict[str, int]
    states: tuple[State, ...]
    lines: Mapping[int, int] = field(default_factory=dict)

    def by_id(self) -> dict[int, Node]:
        """The nodes by their numbers."""
        return {n.id: n for n in self.nodes}


def joined(circuit: Circuit, function: str, inputs: Sequence[str], outputs: Sequence[str]) -> Circuit:
    """A circuit whose ports `inputs` and `outputs`, those of a function that takes no time, are joined by it."""
    args = tuple(circuit.outputs[f"{function}.{name}"] for name in inputs)
    ports = {circuit.inputs[f"{function}.{name}"].id: name for name in outputs}
    nodes = {n.id: n for n in circuit.nodes}
    for n, port in ports.items():
        nodes[n] = Node(n, f"{function}.{port}", nodes[n].sort, args)
    return Circuit(
        _ordered(nodes),
        {name: n for name, n in circuit.inputs.items() if n.id not in ports},
        {name: n for name, n in circuit.outputs.items() if not name.startswith(f"{function}.")},
        circuit.states,
    )


def _ordered(nodes: dict[int, Node]) -> tuple[Node, ...]:
    """Nodes in an order in which each comes after its operands."""
    made: dict[int, Node] = {}
    stack = list(reversed(nodes))
    open_: set[int] = set()
    while stack:
        n = stack[-1]
        waits = [] if n in made else [abs(a) for a in nodes[n].args if abs(a) not in made]
        if waits:
            if n in open_:
                raise ToolError(f"what {nodes[n].op} gives depends on itself", code="X02")
            open_.add(n)
            stack += waits
        else:
            made.setdefault(stack.pop(), nodes[n])
    return tuple(made.values())


_IGNORED = ("bad", "constraint", "fair", "justice")
_PLACE = re.compile(r"design\.sv:(\d+)")
_INDEXED = {"slice": 2, "sext": 1, "uext": 1}


def parse(text: str) -> Circuit:
    """The circuit that BTOR2 text describes.

    Raises ToolError X02 where a line is not understood.
    """
    reader = _Reader()
    for line in text.splitlines():
        if line.lstrip().startswith(";"):
            reader.comment(line.split())
            continue
        fields = line.split(";")[0].split()
        if fields:
            try:
                reader.line(int(fields[0]), fields[1], fields[2:])
            except (IndexError, KeyError, ValueError) as error:
                raise ToolError(f"a line of BTOR2 isn't understood: {line} ({error!r})", code="X02") from None
    return reader.circuit()


class _Reader:
    def __init__(self) -> None:
        self.sorts: dict[int, Sort] = {}
        self.nodes: list[Node] = []
        self.inputs: dict[str, Node] = {}
        self.outputs: dict[str, int] = {}
        self.states: dict[int, tuple[str, Sort]] = {}
        self.init: dict[int, int] = {}
        self.next: dict[int, int] = {}
        self.lines: dict[int, int] = {}
        self.within: list[int | None] = []

    def comment(self, fields: Sequence[str]) -> None:
        """What `write_btor -v` says: which cell the following nodes are of, and names of nodes."""
        if fields[1] == "begin":
            place = _PLACE.search(fields[-1])
            self.within.append(int(place[1]) if place else None)
        elif fields[1] == "end" and self.within:
            self.within.pop()
        elif fields[1].isdecimal() and int(fields[1]) in self.states:
            name, sort = self.states[int(fields[1])]
            if name == f"state{fields[1]}":
                self.states[int(fields[1])] = (fields[-1].lstrip("\\"), sort)

    def line(self, n: int, op: str, rest: Sequence[str]) -> None:
        """Takes a line in."""
        if self.within and self.within[-1] is not None:
            self.lines[n] = self.within[-1]
        match op:
            case "sort":
                self._sort(n, rest)
            case "input" | "state":
                self._leaf(n, op, self.sorts[int(rest[0])], rest[1:])
            case "init" | "next":
                (self.init if op == "init" else self.next)[int(rest[1])] = int(rest[2])
                if len(rest) > 3:
                    self.states[int(rest[1])] = (rest[3], self.states[int(rest[1])][1])
            case "output":
                self.outputs[rest[1]] = int(rest[0])
            case _:
                if op not in _IGNORED:
                    self._node(n, op, self.sorts[int(rest[0])], rest[1:])

    def _sort(self, n: int, rest: Sequence[str]) -> None:
        if rest[0] == "bitvec":
            self.sorts[n] = Sort(int(rest[1]))
        else:
            self.sorts[n] = Sort(self.sorts[int(rest[2])].w, self.sorts[int(rest[1])].w)

    def _leaf(self, n: int, op: str, sort: Sort, rest: Sequence[str]) -> None:
        name = rest[0] if rest else f"{op}{n}"
        node = Node(n, op, sort, ())
        self.nodes.append(node)
        if op == "input":
            self.inputs[name] = node
        else:
            self.states[n] = (name, sort)

    def _node(self, n: int, op: str, sort: Sort, rest: Sequence[str]) -> None:
        if op in ("const", "constd", "consth", "zero", "one", "ones"):
            self.nodes.append(Node(n, "const", sort, (), (_constant(op, rest, sort.w),)))
            return
        numbers = _INDEXED.get(op, 0)
        arity = 1 if numbers else _ARITY[op]
        args = tuple(int(x) for x in rest[:arity])
        extra = tuple(int(x) for x in rest[arity : arity + numbers])
        self.nodes.append(Node(n, op, sort, args, extra))

    def circuit(self) -> Circuit:
        """What was read."""
        states = [State(n, name, sort, self.init.get(n), self.next.get(n)) for n, (name, sort) in self.states.items()]
        return Circuit(tuple(self.nodes), self.inputs, self.outputs, tuple(states), self.lines)


_ARITY = {
    **dict.fromkeys(("not", "neg", "inc", "dec", "redor", "redand", "redxor"), 1),
    **dict.fromkeys(("add", "sub", "mul", "and", "or", "xor", "xnor", "nand", "nor", "concat"), 2),
    **dict.fromkeys(("eq", "neq", "ult", "ulte", "ugt", "ugte", "slt", "slte", "sgt", "sgte"), 2),
    **dict.fromkeys(("sll", "srl", "sra", "udiv", "urem", "sdiv", "srem", "read", "implies", "iff"), 2),
    **dict.fromkeys(("ite", "write"), 3),
}
"""How many operands an operator has."""


def _constant(op: str, rest: Sequence[str], w: int) -> int:
    match op:
        case "zero" | "one":
            return int(op == "one")
        case "ones":
            return (1 << w) - 1
        case _:
            return int(rest[0], {"const": 2, "constd": 10, "consth": 16}[op]) & ((1 << w) - 1)
