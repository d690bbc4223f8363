"""Memories and their ports: who reads and writes what when, and the multiplexers that follow.

A memory inside of the module has one read port, or as many as let a pipelined loop begin its iterations more often; a
copy of the memory serves each. Which have more is found with the first netlist, and then holds for all regions, and
for the same kernel at other sizes, whose cycles are to be those of one formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gemel.hwsynth import logic as lg
from gemel.hwsynth.netlist import Input, Memory, Output, ReadPort, WritePort
from gemel.hwsynth.nodes import Kind, net_dtype
from gemel.semantics.arguments import value_of
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import FloatType
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Buffer, Expr, Var
from gemel.semantics.storage import to_values

Use = tuple[Expr, Expr]


@dataclass
class Ports:
    """The memories of a kernel. `external` ones are outside of its module."""

    external: Sequence[Buffer]
    internal: Sequence[Buffer]
    depths: dict[Buffer, int]
    chain: int
    """From how many values a port chooses by one condition after the other."""
    reads: dict[tuple[Buffer, int], list[Use]] = field(default_factory=dict)
    writes: dict[tuple[Buffer, int], list[tuple[Expr, Expr, Expr]]] = field(default_factory=dict)
    nets: dict[tuple[Buffer, int], Var] = field(default_factory=dict)
    names: dict[Buffer, str] = field(default_factory=dict)
    most: Mapping[Buffer, int] = field(default_factory=dict)
    """The read ports that loops may ask for; none where it is settled who has how many."""
    more: dict[str, int] = field(default_factory=dict)
    """The read ports of memories with more than the usual, by name."""
    counts: Mapping[tuple[Buffer, Kind], int] = field(default_factory=dict)
    """The loads and stores of each memory in the kernel."""
    twins: frozenset[Buffer] = frozenset()
    """Arrays of which there are two copies, the second one above the first in the same memory."""

    @property
    def limits(self) -> dict[Buffer, tuple[int, int]]:
        """Read and write ports of each memory: one each, two reads of a table, or what loops asked for."""
        usual = {b: 2 if b.data is not None else 1 for b in (*self.external, *self.internal)}
        return {b: (max(n, self.more.get(self.names.get(b, ""), 0)), 1) for b, n in usual.items()}

    def wider(self, reads: Mapping[Buffer, int]) -> dict[Buffer, tuple[int, int]]:
        """The limits with ports for so many reads of each memory at once, as far as it may have them."""
        return {
            b: (max(n, min(reads.get(b, 0), self.most.get(b, 0))), writes) for b, (n, writes) in self.limits.items()
        }

    def double(self, arrays: frozenset[Buffer]) -> None:
        """Makes room for a second copy of arrays, which has one more bit of address."""
        self.twins |= arrays
        self.depths |= {b: 2 << inside_width(self.depths[b]) for b in arrays}

    def ask(self, limits: Mapping[Buffer, tuple[int, int]]) -> None:
        """Gives memories the read ports of `limits`."""
        now = self.limits
        self.more |= {self.names[b]: reads for b, (reads, _) in limits.items() if reads > now[b][0]}

    def data(self, b: Buffer, port: int) -> Var:
        """The net that a read port's word comes out on."""
        if (b, port) not in self.nets:
            self.nets[b, port] = Var(f"{self.names[b]}_rdata{_suffix(port)}", net_dtype(b.dtype, b.span), b.span)
        return self.nets[b, port]

    def read(self, b: Buffer, port: int, active: Expr, addr: Expr) -> None:
        """Notes a read."""
        self.data(b, port)
        self.reads.setdefault((b, port), []).append((active, addr))

    def write(self, b: Buffer, port: int, active: Expr, addr: Expr, data: Expr) -> None:
        """Notes a write."""
        self.writes.setdefault((b, port), []).append((active, addr, data))

    def memories(self) -> dict[Buffer, Memory]:
        """The memories inside of the module."""
        made: dict[Buffer, Memory] = {}
        for b in self.internal:
            reads = tuple(
                ReadPort(lg.chosen(uses, 1, self.chain), lg.any_of(u[0] for u in uses), self.nets[key])
                for key, uses in self.reads.items()
                if key[0] is b
            )
            writes = tuple(
                WritePort(lg.chosen(uses, 1, self.chain), lg.chosen(uses, 2, self.chain), lg.any_of(u[0] for u in uses))
                for key, uses in self.writes.items()
                if key[0] is b
            )
            if reads:
                dtype = net_dtype(b.dtype, b.span)
                words = max(self.depths[b], 1)
                made[b] = Memory(self.names[b], dtype, words, _init(b), reads, writes, b.span, calm=True)
        return made

    def inputs(self) -> list[Input]:
        """The words that come from outside."""
        return [Input(net) for (b, _), net in self.nets.items() if b in self.external]

    def outputs(self) -> list[Output]:
        """Addresses, enables and data that go outside."""
        made = []
        for (b, port), uses in self.reads.items():
            if b in self.external:
                name, end = self.names[b], _suffix(port)
                made += [
                    Output(f"{name}_raddr{end}", lg.chosen(uses, 1, self.chain)),
                    Output(f"{name}_ren{end}", lg.any_of(u[0] for u in uses)),
                ]
        for (b, port), writes in self.writes.items():
            if b in self.external:
                name, end = self.names[b], _suffix(port)
                made += [
                    Output(f"{name}_waddr{end}", lg.chosen(writes, 1, self.chain)),
                    Output(f"{name}_wdata{end}", lg.chosen(writes, 2, self.chain)),
                    Output(f"{name}_wen{end}", lg.any_of(u[0] for u in writes)),
                ]
        return made

    def port_names(self, b: Buffer) -> tuple[str, ...]:
        """The names of a memory's ports, whether it has them or not."""
        ports = sorted({port for other, port in (*self.reads, *self.writes) if other is b})
        kinds = ("ren", "raddr", "rdata", "wen", "waddr", "wdata")
        return tuple(f"{self.names[b]}_{kind}{_suffix(port)}" for port in ports for kind in kinds)

    def used(self) -> list[Buffer]:
        """The external memories that have ports."""
        return [b for b in self.external if any(key[0] is b for key in (*self.reads, *self.writes))]


def _suffix(port: int) -> str:
    return f"_p{port}" if port else ""


def _init(b: Buffer) -> tuple[int, ...] | None:
    if b.data is None:
        return None
    values = to_values(b.data, b.dtype)
    return tuple(to_bits(v, b.dtype) if isinstance(b.dtype, FloatType) else int(v) for v in values)


def inside_width(words: int) -> int:
    """The bits of an address in so many words."""
    return max(1, (words - 1).bit_length())


def depth(b: Buffer) -> int:
    """The words of a buffer.

    Raises SynthesisError where a size isn't known.
    """
    words = 1
    for size in b.shape:
        known = value_of(size, {})
        if known is None:
            raise SynthesisError(
                f"the size of {b.hint} is computed when the kernel runs",
                code="H02",
                span=b.span,
                mend="give it the largest size that it needs, as a number: a memory in hardware doesn't grow",
            )
        words *= known
    return words
