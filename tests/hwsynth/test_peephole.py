"""Bits of what is only wires are taken from where they come from."""

from __future__ import annotations

import random

from circuits import run_streams

from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.nodes import Node
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.units import Operation
from gemel.hwsynth.unitsynth import UNITS
from gemel.semantics import ops
from gemel.semantics.dtypes import Int, UInt
from gemel.semantics.ir import Var
from gemel.semantics.span import BUILTIN, Span

CUTS = [(hi, lo) for hi in range(24) for lo in range(0, hi + 1, 3)]


def bits(g: Graph, n: Node, hi: int, lo: int) -> Node:
    """A slice."""
    return g.apply(ops.BITS, (n, g.const(hi, None, BUILTIN), g.const(lo, None, BUILTIN)), None, BUILTIN)


def joined(g: Graph, a: Node, b: Node) -> Node:
    """Parts of two words, the second one as more bits, side by side: 24 bits."""
    return g.apply(ops.CONCAT, (bits(g, a, 11, 2), g.cast(b, Int(14), BUILTIN)), None, BUILTIN)


def test_bits_of_joined_cut_and_converted_words() -> None:
    def build(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        word = joined(g, *args)
        return tuple(bits(g, word, *cut) for cut in CUTS)

    outputs = tuple((f"r{hi}_{lo}", UInt(hi - lo + 1)) for hi, lo in CUTS)
    operation = Operation("cuts", "cuts", "cuts", (("a", UInt(12)), ("b", Int(9))), outputs, build)
    unit = UNITS.pipelined(operation, Clock(1000.0, target("ecp5")))
    rng = random.Random(5)
    streams = {"a": [rng.randrange(1 << 12) for _ in range(20)], "b": [rng.randrange(-256, 256) for _ in range(20)]}
    found = run_streams(unit.module, streams, "native")
    for n, (a, b) in enumerate(zip(*streams.values(), strict=True)):
        word = (a >> 2) << 14 | b & 0x3FFF
        assert [found[name][n] for name, _ in outputs] == [word >> lo & (1 << hi - lo + 1) - 1 for hi, lo in CUTS]


def test_bits_of_one_part_need_nothing_else() -> None:
    g = Graph(Clock(10.0, target("ecp5")))
    a, b = (g.input(Var(name, t, BUILTIN), BUILTIN) for name, t in (("a", UInt(12)), ("b", Int(9))))
    word = joined(g, a, b)
    assert bits(g, word, 20, 16).args[0] is a
    assert bits(g, word, 6, 3).args[0] is b
    assert bits(g, word, 15, 3).args[0] is word
    assert bits(g, bits(g, word, 15, 3), 12, 1).args[0] is word
    word.hint = "word"
    assert bits(g, word, 6, 3).args[0] is word
