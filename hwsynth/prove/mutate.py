"""Wrong circuits on purpose: what a generator that errs might have written, one change at one place.

A place is a use of a node: as an operand, as what a register takes next, or as an output. Each kind of change says of a
use what could stand there instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from gemel.hwsynth.prove.btor import Circuit, Node, Sort, State


@dataclass(frozen=True)
class Use:
    """Where a node is used: the operand at a position of a node, the next value of a register, or an output."""

    holder: int | str
    position: int
    node: int


@dataclass(frozen=True)
class Mutant:
    """A changed circuit: the kind of change, where it is in words, and the line of the text, if that is known."""

    kind: str
    where: str
    line: int | None
    circuit: Circuit


@dataclass(frozen=True)
class _Change:
    """What stands at a use instead: a node, made of new nodes and registers; `says` is that in words."""

    says: str
    node: int
    nodes: tuple[Node, ...] = ()
    states: tuple[State, ...] = ()


_NEXT = -1
"""The position of a register's next value."""

_COMPARISONS = ("eq", "neq", "ult", "ulte", "ugt", "ugte", "slt", "slte", "sgt", "sgte")
_ORDERED = ("sub", "concat", "sll", "srl", "sra", "udiv", "urem", "sdiv", "srem", "ite", *_COMPARISONS[2:])


def mutants(circuit: Circuit, count: int, seed: int) -> Iterator[Mutant]:
    """So many changed circuits, or as many as there are, all different; kinds take turns."""
    drawn = random.Random(seed)
    mutator = _Mutator(circuit, drawn)
    left = {kind: drawn.sample(mutator.uses, len(mutator.uses)) for kind in KINDS}
    while count and any(left.values()):
        for kind, uses in left.items():
            made = next((m for m in _taken(mutator, kind, uses) if m), None)
            if made is not None and count:
                count -= 1
                yield made


def _taken(mutator: _Mutator, kind: str, uses: list[Use]) -> Iterator[Mutant | None]:
    while uses:
        yield mutator.mutant(kind, uses.pop())


class _Mutator:
    def __init__(self, circuit: Circuit, drawn: random.Random) -> None:
        self.circuit, self.drawn = circuit, drawn
        self.nodes = circuit.by_id()
        self.states = {s.id: s for s in circuit.states}
        self.new = max(self.nodes) + 1

    def width(self, node: int) -> int:
        return self.nodes[abs(node)].sort.w

    def is_word(self, node: int) -> bool:
        return self.nodes[abs(node)].sort.depth_bits is None

    @cached_property
    def uses(self) -> list[Use]:
        """All uses on a way to an output or a register that matters."""
        found = [Use(name, 0, n) for name, n in self.circuit.outputs.items()]
        todo = [abs(n) for n in self.circuit.outputs.values()]
        seen: set[int] = set()
        while todo:
            n = todo.pop()
            if n in seen:
                continue
            seen.add(n)
            own = [Use(n, k, a) for k, a in enumerate(self.nodes[n].args) if not self._idle(n, k)]
            state = self.states.get(n)
            if state is not None and state.next not in (None, n):
                own.append(Use(n, _NEXT, state.next or 0))
            if state is not None and state.init is not None:
                todo.append(abs(state.init))
            found += own
            todo += [abs(u.node) for u in own]
        return found

    @cached_property
    def first(self) -> set[int]:
        """The nodes that first values are made of: there, only constants can be others."""
        found: set[int] = set()
        todo = [abs(s.init) for s in self.circuit.states if s.init is not None]
        while todo:
            n = todo.pop()
            if n not in found:
                found.add(n)
                todo += map(abs, self.nodes[n].args)
        return found

    def _idle(self, n: int, position: int) -> bool:
        """Whether an operand doesn't matter: the condition of a choice between one and the same."""
        node = self.nodes[n]
        return node.op == "ite" and not position and node.args[1] == node.args[2]

    # -------------------------------------------------------------------------------------------------------- changing

    def mutant(self, kind: str, use: Use) -> Mutant | None:
        """The circuit with a change of some kind at a use; None where there is none, or a loop without a register."""
        fixed = use.holder in self.first and use.position != _NEXT and kind != "constant"
        if fixed or not self.is_word(use.node):
            return None
        changes = [c for c in KINDS[kind](self, use) if c.node != use.node]
        if not changes:
            return None
        change = self.drawn.choice(changes)
        ordered = _in_order(self._changed(use, change), change.nodes)
        if ordered is None:
            return None
        return Mutant(kind, f"{self._place(use)}: {change.says}", self._line(use), ordered)

    def _changed(self, use: Use, change: _Change) -> Circuit:
        c = self.circuit
        states = (*c.states, *change.states)
        if isinstance(use.holder, str):
            return replace(c, outputs={**c.outputs, use.holder: change.node}, states=states)
        if use.position == _NEXT:
            return replace(c, states=tuple(replace(s, next=change.node) if s.id == use.holder else s for s in states))
        return replace(c, states=states, nodes=tuple(_with(n, use, change.node) for n in c.nodes))

    def _place(self, use: Use) -> str:
        if isinstance(use.holder, str):
            return f"output {use.holder}"
        if use.position == _NEXT:
            return f"register {self.states[use.holder].name}"
        return f"operand {use.position} of {self.nodes[use.holder].op} (node {use.holder})"

    def _line(self, use: Use) -> int | None:
        lines = self.circuit.lines
        return lines.get(abs(use.node)) if isinstance(use.holder, str) else lines.get(use.holder)

    # -------------------------------------------------------------------------------------------------------- new nodes

    def fresh(self, op: str, w: int, args: tuple[int, ...] = (), extra: tuple[int, ...] = ()) -> Node:
        self.new += 1
        return Node(self.new, op, Sort(w), args, extra)

    def const(self, w: int, value: int) -> Node:
        return self.fresh("const", w, (), (value & ((1 << w) - 1),))

    def with_const(self, says: str, op: str, node: int, value: int) -> _Change:
        """A node combined with a constant."""
        const = self.const(self.width(node), value)
        made = self.fresh(op, self.width(node), (node, const.id))
        return _Change(says, made.id, (const, made))


def _with(n: Node, use: Use, node: int) -> Node:
    if n.id != use.holder:
        return n
    return replace(n, args=tuple(node if k == use.position else a for k, a in enumerate(n.args)))


def _in_order(c: Circuit, new: Sequence[Node]) -> Circuit | None:
    """The circuit with new nodes, each node behind its operands; None where there is a loop."""
    nodes = {n.id: n for n in (*c.nodes, *new)}
    placed: dict[int, Node] = {}
    todo = [n.id for n in reversed(nodes.values())]
    under_way: set[int] = set()
    while todo:
        n = todo.pop()
        if n in placed:
            continue
        missing = [abs(a) for a in nodes[n].args if abs(a) not in placed]
        if not missing:
            placed[n] = nodes[n]
        elif n in under_way:
            return None
        else:
            under_way.add(n)
            todo += [n, *missing]
    return replace(c, nodes=tuple(placed.values()))


# ---------------------------------------------------------------------------------------------------------------- kinds


def _constant(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A bit of a constant is another."""
    node = m.nodes[abs(use.node)]
    for bit in range(node.sort.w) if node.op == "const" else ():
        const = m.const(node.sort.w, node.extra[0] ^ (1 << bit))
        yield _Change(
            f"bit {bit} of the constant {node.extra[0]} inverted", const.id if use.node > 0 else -const.id, (const,)
        )


def _bound(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A bound is one more or less."""
    node = m.nodes[abs(use.node)]
    compared = isinstance(use.holder, int) and m.nodes[use.holder].op in _COMPARISONS
    if compared and node.op == "const" and use.node > 0:
        for by in (1, -1):
            const = m.const(node.sort.w, node.extra[0] + by)
            yield _Change(f"compared with {const.extra[0]} instead of {node.extra[0]}", const.id, (const,))


def _inverted(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A condition is its opposite."""
    if m.width(use.node) == 1:
        yield _Change("inverted", -use.node)


def _swapped(m: _Mutator, use: Use) -> Iterator[_Change]:
    """An operand is the other one's double."""
    if not isinstance(use.holder, int) or m.nodes[use.holder].op not in _ORDERED or use.position == _NEXT:
        return
    for k, other in enumerate(m.nodes[use.holder].args):
        if k != use.position and m.is_word(other) and m.width(other) == m.width(use.node):
            yield _Change(f"operand {k} taken twice", other)


def _crossed(m: _Mutator, use: Use) -> Iterator[_Change]:
    """An input, or an output, is taken from another port of the same width."""
    outputs = m.circuit.outputs
    if isinstance(use.holder, str):
        stem = use.holder.rpartition(".")[0]
        yield from (
            _Change(f"what output {name} shows", n)
            for name, n in outputs.items()
            if m.width(n) == m.width(use.node) and name.rpartition(".")[0] == stem
        )
    elif m.nodes[abs(use.node)].op == "input":
        for name, n in m.circuit.inputs.items():
            if n.sort.w == m.width(use.node) and name != "clk":
                yield _Change(f"input {name} instead", n.id)


def _early(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A register is left out: its next value is used a cycle too soon."""
    state = m.states.get(abs(use.node))
    if state is not None and state.next is not None and state.id != use.holder:
        yield _Change(f"register {state.name} left out", state.next if use.node > 0 else -state.next)


def _late(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A register too many: a value comes a cycle too late."""
    node = m.nodes[abs(use.node)]
    if node.op != "const":
        made = m.fresh("state", node.sort.w)
        yield _Change("a cycle later", made.id, (made,), (State(made.id, "late", made.sort, None, use.node),))


def _stuck(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A bit is stuck."""
    w = m.width(use.node)
    if m.nodes[abs(use.node)].op != "const":
        bit = m.drawn.randrange(w)
        yield m.with_const(f"bit {bit} stuck at 1", "or", use.node, 1 << bit)
        yield m.with_const(f"bit {bit} stuck at 0", "and", use.node, ~(1 << bit))


def _offset(m: _Mutator, use: Use) -> Iterator[_Change]:
    """An address, or a word that is counted with, is one more."""
    if m.nodes[abs(use.node)].op != "const":
        yield m.with_const("one more", "add", use.node, 1)


def _address(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A memory's address is wrong, by one or by its highest bit."""
    to_memory = isinstance(use.holder, str) and "addr" in use.holder
    to_memory |= isinstance(use.holder, int) and m.nodes[use.holder].op in ("read", "write") and use.position == 1
    if to_memory:
        w = m.width(use.node)
        yield m.with_const("address one more", "add", use.node, 1)
        yield m.with_const("highest bit of the address inverted", "xor", use.node, 1 << (w - 1))


def _register(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A value is taken from another register of the same width: another stage, another counter."""
    if abs(use.node) in m.states:
        for s in m.circuit.states:
            if s.sort == m.nodes[abs(use.node)].sort and s.id != abs(use.node):
                yield _Change(f"register {s.name} instead of {m.states[abs(use.node)].name}", s.id)


def _held(m: _Mutator, use: Use) -> Iterator[_Change]:
    """A register keeps what it has."""
    if use.position == _NEXT and isinstance(use.holder, int):
        yield _Change("never changes", use.holder)


KINDS: Mapping[str, Callable[[_Mutator, Use], Iterator[_Change]]] = {
    "constant": _constant,
    "bound": _bound,
    "condition": _inverted,
    "operands": _swapped,
    "port": _crossed,
    "register dropped": _early,
    "register added": _late,
    "stuck bit": _stuck,
    "offset": _offset,
    "address": _address,
    "wrong register": _register,
    "held register": _held,
}
"""What stands in the place of a node instead, by kind of mistake."""
