"""The memories around a circuit, with words that may be symbols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gemel.hwsynth.prove.step import change
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words


@dataclass
class Memory:
    """A memory of the outside: read ports give a word after an edge and keep it, as a block RAM does.

    A word that is read and written at one edge reads as it was before. What a read port shows before its first read,
    and what lies beyond the depth, is any word.
    """

    name: str
    w: int
    depth: int
    cells: list[Any]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    latency: int = 1
    """The cycles from an address to its word: with 2 there is a register behind the memory."""
    shown: dict[str, Value] = field(default_factory=dict)
    held: dict[str, Value] = field(default_factory=dict)

    def inputs(self, words: Words) -> Iterator[tuple[str, Value]]:
        """What the read ports show."""
        for suffix in self.reads:
            for known in (self.shown, self.held):
                if suffix not in known:
                    known[suffix] = words.fresh(f"{self.name}_rdata{suffix}", self.w)
            yield f"{self.name}_rdata{suffix}", (self.shown if self.latency == 1 else self.held)[suffix]

    def edge(self, words: Words, normal: Normal, outputs: Mapping[str, Value]) -> None:
        """Takes the requests of a cycle."""
        self.held = dict(self.shown)
        for suffix in self.reads:
            enable, address = outputs[f"{self.name}_ren{suffix}"], outputs[f"{self.name}_raddr{suffix}"]
            if type(enable) is Term or enable:
                word = self._read(words, normal, address)
                self.shown[suffix] = words.ite(self.w, enable, word, self.shown[suffix])
        for suffix in self.writes:
            enable, address, data = (outputs[f"{self.name}_{port}{suffix}"] for port in ("wen", "waddr", "wdata"))
            change(words, normal, self.w, self.cells, enable, address, data)

    def _read(self, words: Words, normal: Normal, address: Value) -> Value:
        if type(address) is Term:
            return words.pick(self.w, normal(address), tuple(self.cells))
        return self.cells[address] if address < len(self.cells) else words.fresh(f"{self.name}_beyond", self.w)


def suffixes(ports: Mapping[str, Any], stem: str) -> tuple[str, ...]:
    """The suffixes of a memory's ports of one kind: nothing, `_p1`, `_p2`, ..."""
    found: list[str] = []
    while stem + (suffix := f"_p{len(found)}" if found else "") in ports:
        found.append(suffix)
    return tuple(found)
