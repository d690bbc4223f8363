"""A design's ports as the files of its folder speak of them: by printed name, memories with their ports together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gemel.hwsynth.banking import Layout, Number
from gemel.hwsynth.dag import net_type
from gemel.hwsynth.netlist import NetType, Reset
from gemel.hwsynth.placement import Placement
from gemel.hwsynth.system import START
from gemel.hwsynth.verilog import Printed, needs_clock, needs_reset, print_design
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BOOL, width_of
from gemel.semantics.ir import Buffer, Var

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design


@dataclass(frozen=True)
class MemoryPort:
    """A port of a memory: the printed names of its signals."""

    enable: str
    address: str
    data: str


@dataclass(frozen=True, eq=False)
class Outside:
    """A memory outside of the module, and the tensor that it holds, or of which it is a bank: that of a number."""

    name: str
    tensor: Buffer
    sizes: tuple[int, ...]
    layout: Layout | None
    number: Number
    words: int
    dtype: NetType
    reads: tuple[MemoryPort, ...]
    writes: tuple[MemoryPort, ...]
    latency: int
    """The cycles from a read's address to its word."""

    @property
    def width(self) -> int:
        """Bits of a word."""
        return width_of(self.dtype)

    @property
    def address_width(self) -> int:
        """Bits of an address."""
        return max(1, (self.words - 1).bit_length())


class Interface:
    """The ports of a design."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.module = design.module
        self.modules: tuple[Printed, ...] = print_design(self.module)
        self.printed = self.modules[-1]
        self.ports: Mapping[str, str] = self.printed.ports
        self.name = self.printed.name

    @cached_property
    def memories(self) -> tuple[Outside, ...]:
        """The memories outside, in the order of the kernel's tensors."""
        source, places = self.design.source, self.design.places
        tensors = [b for b in (*source.params, *source.results) if isinstance(b, Buffer)]
        return tuple(m for b in tensors for m in self._banks(b, places[b]))

    def _banks(self, b: Buffer, place: Placement) -> Iterator[Outside]:
        numbers = place.layout.numbers if place.layout else [()]
        for name, number in zip(place.names, numbers, strict=True):
            if name in self.design.system.memories and name is not None:
                yield self._memory(b, name, place.layout, number)

    def _memory(self, b: Buffer, name: str, layout: Layout | None, number: Number) -> Outside:
        external = self.design.system.memories[name]
        sizes = tuple(value_of(s, {}) or 0 for s in b.shape)
        reads = tuple(self._ports(name, "ren", "raddr", "rdata"))
        writes = tuple(self._ports(name, "wen", "waddr", "wdata"))
        return Outside(name, b, sizes, layout, number, external.depth, external.dtype, reads, writes, external.latency)

    def _ports(self, name: str, *kinds: str) -> Iterator[MemoryPort]:
        count = 0
        while f"{name}_{kinds[1]}{(end := f'_p{count}' if count else '')}" in self.ports:
            yield MemoryPort(*(self.ports[f"{name}_{kind}{end}"] for kind in kinds))
            count += 1

    @cached_property
    def scalars(self) -> dict[Var, str]:
        """The port of each scalar parameter."""
        return {p: self.ports[p.hint] for p in self.design.source.params if isinstance(p, Var) and p.hint in self.ports}

    @cached_property
    def results(self) -> dict[Buffer, str]:
        """The port of each result of rank 0."""
        places = self.design.places
        ranked = [(b, places[b].names[0]) for b in self.design.source.results if not b.rank]
        return {b: self.ports[name] for b, name in ranked if name}

    @property
    def reset(self) -> Reset:
        """How control is reset."""
        return self.module.reset if needs_reset(self.module) else Reset.NONE

    @property
    def has_error(self) -> bool:
        """Whether a check may fail, so that there are the ports for it."""
        return "error" in self.ports

    def all_ports(self) -> Iterator[tuple[str, str, NetType]]:
        """Printed name, direction and type of each port, clock and reset first."""
        yield from (("clk", "input", BOOL) for _ in range(needs_clock(self.module)))
        yield from (("rst", "input", BOOL) for _ in range(needs_reset(self.module)))
        groups = [n for _, names in self.module.layout.ports for n in names]
        inputs = {i.var.hint: ("input", net_type(i.var)) for i in self.module.inputs}
        outputs = {o.name: ("output", net_type(o.value)) for o in self.module.outputs}
        known = inputs | outputs
        for n in dict.fromkeys((*(n for n in groups if n in known), *known)):
            yield self.ports[n], *known[n]

    @property
    def start(self) -> str:
        """The printed name of `start`."""
        return self.ports[START]
