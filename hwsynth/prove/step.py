"""One clock cycle of a circuit as a Python function: what is known stays a number, the rest goes through terms.

`compiled` is told which states and inputs may be symbols. What can't depend on one is arithmetic on Python's integers,
so that a run with known control costs little more than its data. The text is made from numbers and operators of a
parsed circuit alone, never from names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gemel.hwsynth.prove.btor import Circuit, Node
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words

Step = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]
"""From states and inputs to outputs and the following states, each in the circuit's order."""

_KNOWN = {
    "not": "{a} ^ {m}", "neg": "-{a} & {m}", "inc": "{a} + 1 & {m}", "dec": "{a} - 1 & {m}",
    "redor": "1 if {a} else 0", "redand": "1 if {a} == {ma} else 0", "redxor": "({a}).bit_count() & 1",
    "add": "{a} + {b} & {m}", "sub": "{a} - {b} & {m}", "mul": "{a} * {b} & {m}",
    "and": "{a} & {b}", "or": "{a} | {b}", "xor": "{a} ^ {b}", "xnor": "({a} ^ {b}) ^ {m}",
    "nand": "({a} & {b}) ^ {m}", "nor": "({a} | {b}) ^ {m}", "implies": "1 if not {a} or {b} else 0",
    "eq": "1 if {a} == {b} else 0", "iff": "1 if {a} == {b} else 0", "neq": "1 if {a} != {b} else 0",
    "ult": "1 if {a} < {b} else 0", "ulte": "1 if {a} <= {b} else 0",
    "ugt": "1 if {a} > {b} else 0", "ugte": "1 if {a} >= {b} else 0",
    "slt": "1 if ({a} ^ {sa}) < ({b} ^ {sa}) else 0", "slte": "1 if ({a} ^ {sa}) <= ({b} ^ {sa}) else 0",
    "sgt": "1 if ({a} ^ {sa}) > ({b} ^ {sa}) else 0", "sgte": "1 if ({a} ^ {sa}) >= ({b} ^ {sa}) else 0",
    "concat": "{a} << {wb} | {b}", "slice": "{a} >> {y} & {m}", "uext": "{a}",
    "sext": "(({a} ^ {sa}) - {sa}) & {m}", "ite": "{b} if {a} else {c}",
    "sll": "({a} << {b} & {m}) if {b} < {w} else 0", "srl": "{a} >> {b}",
    "sra": "((({a} ^ {sa}) - {sa}) >> {b}) & {m}",
}  # fmt: skip
"""Operators on known words, as text."""

_TERMS = {
    "not": "W.inv({w}, {a})", "neg": "W.neg({w}, {a})", "inc": "W.add({w}, {a}, 1)", "dec": "W.add({w}, {a}, {m})",
    "redor": "W.xor(1, W.eq({wa}, {a}, 0), 1)", "redand": "W.eq({wa}, {a}, {ma})", "redxor": "parity({wa}, {a})",
    "add": "W.add({w}, {a}, {b})", "sub": "W.sub({w}, {a}, {b})", "mul": "W.mul({w}, {a}, {b})",
    "and": "W.and_({w}, {a}, {b})", "or": "W.or_({w}, {a}, {b})", "xor": "W.xor({w}, {a}, {b})",
    "xnor": "W.inv({w}, W.xor({w}, {a}, {b}))", "nand": "W.inv({w}, W.and_({w}, {a}, {b}))",
    "nor": "W.inv({w}, W.or_({w}, {a}, {b}))", "implies": "W.or_(1, W.xor(1, {a}, 1), {b})",
    "eq": "W.eq({wa}, {a}, {b})", "iff": "W.eq(1, {a}, {b})", "neq": "W.xor(1, W.eq({wa}, {a}, {b}), 1)",
    "ult": "W.ult({wa}, {a}, {b})", "ulte": "W.xor(1, W.ult({wa}, {b}, {a}), 1)",
    "ugt": "W.ult({wa}, {b}, {a})", "ugte": "W.xor(1, W.ult({wa}, {a}, {b}), 1)",
    "slt": "W.slt({wa}, {a}, {b})", "slte": "W.xor(1, W.slt({wa}, {b}, {a}), 1)",
    "sgt": "W.slt({wa}, {b}, {a})", "sgte": "W.xor(1, W.slt({wa}, {a}, {b}), 1)",
    "concat": "W.cat({wa}, {a}, {wb}, {b})", "slice": "W.ext({a}, {y}, {w})", "uext": "W.zext({a}, {wa}, {w})",
    "sext": "W.sext({a}, {wa}, {w})", "ite": "W.ite({w}, {a}, {b}, {c})",
    "sll": "W.shl({w}, {a}, {b}, {wb})", "srl": "W.lshr({w}, {a}, {b}, {wb})", "sra": "W.ashr({w}, {a}, {b}, {wb})",
    "udiv": "divided('udiv', {w}, {a}, {b})", "urem": "divided('urem', {w}, {a}, {b})",
    "sdiv": "divided('sdiv', {w}, {a}, {b})", "srem": "divided('srem', {w}, {a}, {b})",
}  # fmt: skip
"""Operators on words of any kind, as text."""


@dataclass(frozen=True)
class Write:
    """Words of a memory with changes that come with the next edge: (condition, address, word), the later ones win."""

    w: int
    cells: list[Any]
    changes: tuple[tuple[Value, Value, Value], ...]


def compiled(
    words: Words,
    normal: Normal,
    circuit: Circuit,
    states: Collection[int],
    inputs: Collection[str],
    functions: Mapping[str, Callable[..., Value]] = {},
) -> Step:
    """The function of a cycle where only the states and inputs named may be symbols.

    `functions` has those that nodes are named after, where these are no operators.
    """
    symbolic = tainted(circuit, states, inputs)
    lines = ["def step(S, I):"]
    for n, state in enumerate(circuit.states):
        lines.append(f" v{state.id} = S[{n}]")
    for n, node in enumerate(circuit.inputs.values()):
        lines.append(f" v{node.id} = I[{n}]")
    named = {name: f"f{n}" for n, name in enumerate(functions)}
    text = _Text(circuit, symbolic, named)
    lines += [f" v{node.id} = {text.of(node)}" for node in circuit.nodes if node.op not in ("state", "input")]
    outputs = ", ".join(text.value(n) for n in circuit.outputs.values())
    following = ", ".join(text.value(s.id if s.next is None else s.next) for s in circuit.states)
    lines.append(f" return [{outputs}], [{following}]")
    scope: dict[str, Any] = {"W": words, **_helpers(words, normal)}
    scope |= {named[name]: function for name, function in functions.items()}
    exec(compile("\n".join(lines), "<circuit>", "exec"), scope)
    return scope["step"]  # type: ignore[no-any-return]


def tainted(circuit: Circuit, states: Collection[int], inputs: Collection[str]) -> set[int]:
    """The nodes that may be symbols: what the named states and inputs reach, through states too."""
    known = {circuit.inputs[name].id for name in inputs} | set(states)
    known |= {s.id for s in circuit.states if s.sort.depth_bits is not None}
    while True:
        before = len(known)
        for n in circuit.nodes:
            if n.id not in known and any(abs(a) in known for a in n.args):
                known.add(n.id)
        known |= {s.id for s in circuit.states if s.next is not None and abs(s.next) in known}
        if len(known) == before:
            return known


class _Text:
    """Operators as Python text."""

    def __init__(self, circuit: Circuit, symbolic: set[int], functions: Mapping[str, str]) -> None:
        self.nodes, self.symbolic, self.functions = circuit.by_id(), symbolic, functions

    def value(self, n: int) -> str:
        """A node, inverted if its number is negative."""
        if n > 0:
            return f"v{n}"
        w = self.nodes[-n].sort.w
        return f"W.inv({w}, v{-n})" if -n in self.symbolic else f"(v{-n} ^ {(1 << w) - 1})"

    def of(self, n: Node) -> str:
        """What a node is."""
        if n.op == "const":
            return str(n.extra[0])
        args = [self.value(a) for a in n.args]
        if n.op in self.functions:
            return f"{self.functions[n.op]}({', '.join(args)})"
        if n.op == "read":
            return f"read({n.sort.w}, {args[0]}, {args[1]})"
        if n.op == "write":
            return f"write({n.sort.w}, {args[0]}, {args[1]}, {args[2]})"
        if n.op == "ite" and n.sort.depth_bits is not None:
            return f"choose({n.sort.w}, {args[0]}, {args[1]}, {args[2]})"
        table = _TERMS if n.id in self.symbolic or n.op not in _KNOWN else _KNOWN
        sorts = [self.nodes[abs(a)].sort.w for a in n.args]
        names = dict(zip("abc", args, strict=False)) | {f"w{k}": w for k, w in zip("abc", sorts, strict=False)}
        names |= {"w": n.sort.w, "m": (1 << n.sort.w) - 1, "ma": (1 << sorts[0]) - 1, "sa": 1 << (sorts[0] - 1)}
        if n.op == "slice":
            names["y"] = n.extra[1]
        return table[n.op].format(**names)


def _helpers(words: Words, normal: Normal) -> dict[str, Any]:
    """The functions that the text calls."""

    def read(w: int, memory: Any, address: Value) -> Value:
        cells = memory.cells if type(memory) is Write else memory
        if type(address) is Term:
            return words.pick(w, normal(address), tuple(cells))
        return cells[address] if address < len(cells) else words.fresh("beyond", w)

    def write(w: int, memory: Any, address: Value, data: Value) -> Write:
        base = memory if type(memory) is Write else Write(w, memory, ())
        return Write(w, base.cells, (*base.changes, (1, address, data)))

    def choose(w: int, cond: Value, a: Any, b: Any) -> Any:
        if type(cond) is int:
            return a if cond else b
        yes, no = (x if type(x) is Write else Write(w, x, ()) for x in (a, b))
        shared = len(no.changes)
        if yes.changes[:shared] == no.changes:
            guarded = tuple((words.and_(1, cond, c), at, v) for c, at, v in yes.changes[shared:])
            return Write(w, no.cells, (*no.changes, *guarded))
        other = words.xor(1, cond, 1)
        both = [(cond, yes.changes), (other, no.changes)]
        return Write(w, no.cells, tuple((words.and_(1, g, c), at, v) for g, part in both for c, at, v in part))

    def divided(op: str, w: int, a: Value, b: Value) -> Value:
        zero = (1 << w) - 1 if op == "udiv" else a
        if op == "sdiv":
            zero = words.ite(w, words.ext(a, w - 1, 1), 1, (1 << w) - 1)
        return words.ite(w, words.eq(w, b, 0), zero, words.divided(op, w, a, b))

    def parity(w: int, a: Value) -> Value:
        found: Value = 0
        for n in range(w):
            found = words.xor(1, found, words.ext(a, n, 1))
        return found

    return {"read": read, "write": write, "choose": choose, "divided": divided, "parity": parity}


def settle(words: Words, normal: Normal, following: list[Any]) -> None:
    """Applies the changes of memories in the following states, in place."""
    for n, state in enumerate(following):
        if type(state) is Write:
            for cond, address, data in state.changes:
                change(words, normal, state.w, state.cells, cond, address, data)
            following[n] = state.cells


def change(words: Words, normal: Normal, w: int, cells: list[Any], cond: Value, address: Value, data: Value) -> None:
    """Sets the word at an address where a condition holds; each of them may be a symbol."""
    if type(cond) is int and not cond:
        return
    if type(address) is int:
        if address < len(cells):
            cells[address] = words.ite(w, cond, data, cells[address])
        return
    index = normal(address)
    for k, old in enumerate(cells):
        cells[k] = words.ite(w, words.and_(1, cond, words.eq(address.w, index, k)), data, old)
