"""Circuits of single bits: AIGER files, as yosys writes and yosys-abc reads them.

A literal is twice a node's number, plus one where it is inverted; node 0 is constant 0. Inputs have the first numbers,
then latches, then gates, each gate behind its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

FREE = None
"""The first value of a latch that may power up with either."""


@dataclass(frozen=True)
class Latch:
    """A bit of state: the literal that it takes at each edge, and its first value."""

    next: int
    first: int | None


@dataclass(frozen=True)
class Aig:
    """A circuit: how many inputs, latches, and-gates as pairs of literals, and literals that are to stay 0."""

    inputs: int
    latches: tuple[Latch, ...]
    gates: tuple[tuple[int, int], ...]
    bad: tuple[int, ...]
    outputs: tuple[int, ...] = ()

    def latch(self, n: int) -> int:
        """The literal of a latch."""
        return 2 * (1 + self.inputs + n)

    @property
    def size(self) -> int:
        """The number of the next new node."""
        return 1 + self.inputs + len(self.latches) + len(self.gates)

    def cone(self, literals: Iterable[int]) -> set[int]:
        """The latches that some literals depend on, at once or later."""
        begin = 1 + self.inputs
        todo, seen = [x >> 1 for x in literals], set[int]()
        while todo:
            n = todo.pop()
            if n in seen or n < begin:
                continue
            seen.add(n)
            k = n - begin
            nexts = (self.latches[k].next,) if k < len(self.latches) else self.gates[k - len(self.latches)]
            todo += [x >> 1 for x in nexts]
        return {n - begin for n in seen if n - begin < len(self.latches)}

    def judged(self, bad: Sequence[int]) -> Aig:
        """The circuit with other literals that are to stay 0."""
        return replace(self, bad=tuple(bad))


def read(data: bytes) -> Aig:
    """The circuit of a binary AIGER file."""
    head, _, rest = data.partition(b"\n")
    _, inputs, latches, outputs, gates, bad = (int(x) for x in [*head.split()[1:], b"0"][:6])
    lines = rest.split(b"\n", latches + outputs + bad)
    own = [_latch(line, 2 * (1 + inputs + n)) for n, line in enumerate(lines[:latches])]
    shown = [int(line) for line in lines[latches : latches + outputs + bad]]
    pairs = _gates(lines[-1], 1 + inputs + latches, gates)
    return Aig(inputs, tuple(own), tuple(pairs), tuple(shown[outputs:]), tuple(shown[:outputs]))


def _latch(line: bytes, literal: int) -> Latch:
    following, *first = map(int, line.split())
    return Latch(following, FREE if first == [literal] else sum(first))


def _gates(data: bytes, begin: int, count: int) -> Iterator[tuple[int, int]]:
    place = 0
    for n in range(count):
        deltas = []
        for _ in range(2):
            value = shift = 0
            while data[place] & 0x80:
                value, shift, place = value | (data[place] & 0x7F) << shift, shift + 7, place + 1
            deltas.append(value | data[place] << shift)
            place += 1
        left = 2 * (begin + n) - deltas[0]
        yield left, left - deltas[1]


def written(aig: Aig) -> bytes:
    """A circuit `from_zero` as a binary AIGER file; what is to stay 0 are outputs, latches are named L0, L1, ..."""
    counts = [aig.size - 1, aig.inputs, len(aig.latches), len(aig.bad), len(aig.gates)]
    lines = [f"aig {' '.join(map(str, counts))}", *(str(x.next) for x in aig.latches), *map(str, aig.bad)]
    begin = 1 + aig.inputs + len(aig.latches)
    body = bytearray()
    for n, (a, b) in enumerate(aig.gates):
        left, right = max(a, b), min(a, b)
        for delta in (2 * (begin + n) - left, left - right):
            while delta >= 0x80:
                body.append(delta & 0x7F | 0x80)
                delta >>= 7
            body.append(delta)
    names = "".join(f"l{n} L{n}\n" for n in range(len(aig.latches)))
    return "\n".join(lines).encode() + b"\n" + bytes(body) + names.encode()


class Builder:
    """A circuit in the making, a copy of another with more inputs and latches; `map` has its literals for that's nodes.

    The nodes of a copy keep their places among inputs and among latches; the new ones are behind them.
    """

    def __init__(self, aig: Aig, inputs: int = 0, latches: int = 0) -> None:
        self.aig, self.inputs, self.latches = aig, aig.inputs + inputs, len(aig.latches) + latches
        self.gates: list[tuple[int, int]] = []
        self.known: dict[tuple[int, int], int] = {}
        self.map = [2 * n for n in range(1 + aig.inputs)] + [self.latch(n) for n in range(len(aig.latches))]

    def latch(self, n: int) -> int:
        """The literal of a latch."""
        return 2 * (1 + self.inputs + n)

    def lit(self, literal: int) -> int:
        """The literal that stands for one of the other circuit."""
        return self.map[literal >> 1] ^ (literal & 1)

    def both(self, a: int, b: int) -> int:
        """A gate."""
        a, b = min(a, b), max(a, b)
        if a == 0 or a ^ b == 1:
            return 0
        if a == 1 or a == b:
            return b
        if (a, b) not in self.known:
            self.gates.append((a, b))
            self.known[a, b] = 2 * (self.inputs + self.latches + len(self.gates))
        return self.known[a, b]

    def either(self, a: int, b: int) -> int:
        """An or."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def choice(self, cond: int, a: int, b: int) -> int:
        """`a` where a condition holds, else `b`."""
        return self.either(self.both(cond, a), self.both(cond ^ 1, b))

    def copy(self) -> None:
        """All gates of the other circuit; what `map` has for inputs and latches may have been changed before."""
        for a, b in self.aig.gates:
            self.map.append(self.both(self.lit(a), self.lit(b)))

    def made(
        self, bad: Sequence[int], latches: Sequence[Latch] = (), first: Mapping[int, int | None] | None = None
    ) -> Aig:
        """The circuit, with new latches, and other first values of old ones."""
        begins = {} if first is None else first
        old = [Latch(self.lit(x.next), begins.get(n, x.first)) for n, x in enumerate(self.aig.latches)]
        outputs = tuple(map(self.lit, self.aig.outputs))
        return Aig(self.inputs, (*old, *latches), tuple(self.gates), tuple(bad), outputs)


def freed(aig: Aig) -> Aig:
    """The circuit of which yosys made all latches 0 at first: its last latch tells that the first cycle is over.

    Where that is not so yet, yosys takes inputs for the latches that may power up with either.
    """
    telling = Builder(aig)
    telling.map[1 + aig.inputs + len(aig.latches) - 1] = 0
    telling.copy()
    used = {x >> 1 for gate in telling.gates for x in gate}
    used |= {telling.lit(x) >> 1 for x in (*aig.bad, *aig.outputs, *(y.next for y in aig.latches))}
    first = {n: FREE for n in range(len(aig.latches)) if aig.latch(n) >> 1 not in used}
    b = Builder(aig)
    b.map[1 + aig.inputs + len(aig.latches) - 1] = 1
    b.copy()
    return b.made([*map(b.lit, aig.bad)], first=first)


def from_zero(aig: Aig) -> Aig:
    """The same with all latches 0 at first: in the first cycle inputs stand for those that are free.

    Behind the latches is one that tells the first cycle.
    """
    free = [n for n, x in enumerate(aig.latches) if x.first is FREE]
    b = Builder(aig, len(free), 1)
    later = b.latch(len(aig.latches))
    begins = {n: 2 * (1 + aig.inputs + k) for k, n in enumerate(free)}
    for n, x in enumerate(aig.latches):
        first = begins[n] if x.first is FREE else int(x.first or 0)
        if first:
            b.map[1 + aig.inputs + n] = b.choice(later, b.latch(n), first)
    b.copy()
    zero = dict.fromkeys(range(len(aig.latches)), 0)
    return b.made([*map(b.lit, aig.bad)], [Latch(1, 0)], zero)


Words = Sequence[int]


def compiled(aig: Aig) -> Callable[[Words, Words], tuple[Words, Words]]:
    """The circuit as a function: inputs and latches to outputs and following latches, a run in each bit of a word."""
    begin = 1 + aig.inputs + len(aig.latches)
    names = ["0", *(f"i[{n}]" for n in range(aig.inputs)), *(f"s[{n}]" for n in range(len(aig.latches)))]
    names += [f"n{begin + n}" for n in range(len(aig.gates))]

    def text(literal: int) -> str:
        return f"~{names[literal >> 1]}" if literal & 1 else names[literal >> 1]

    lines = [f" n{begin + n} = {text(a)} & {text(b)}" for n, (a, b) in enumerate(aig.gates)]
    shown, following = ("".join(f"{text(x)}, " for x in own) for own in (aig.outputs, [x.next for x in aig.latches]))
    lines.append(f" return ({shown}), ({following})")
    made: dict[str, Callable[[Words, Words], tuple[Words, Words]]] = {}
    exec("\n".join(["def step(i, s):", *lines]), made)
    return made["step"]
