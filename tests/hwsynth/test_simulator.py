"""The native simulator leaves out what doesn't matter: what can be seen is what the whole circuit gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from circuits import cast, const, module, net, op, ref

from gemel.hwsynth.activity import Activity
from gemel.hwsynth.nativesim import FULL, Compiled, NativeSim
from gemel.hwsynth.netlist import Input, Memory, Module, Output, ReadPort, Register, Wire, WritePort
from gemel.hwsynth.simplan import plan
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, UInt
from gemel.semantics.ir import Expr, Var

U8 = UInt(8)


class Random:
    """Random circuits of the kind that synthesis makes: pulses that run through chains, data that bits let through."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.bits = [net(f"b{k}", BOOL) for k in range(self.random.randint(3, 80))]
        self.data = [net(f"d{k}", U8) for k in range(self.random.randint(2, 30))]
        self.read = [net(f"q{k}", U8) for k in range(3)]
        self.go, self.word = net("go", BOOL), net("word", U8)
        self.wires = [Wire(net(f"w{k}", BOOL), self.bit(2)) for k in range(4)]
        self.wires += [Wire(net(f"x{k}", U8), self.value(2)) for k in range(4)]
        self.spare = [w.var for w in self.wires]

    def bit(self, depth: int = 2) -> Expr:
        r = self.random
        if not depth or r.random() < 0.4:
            return ref(r.choice([*self.bits, *self.bits, self.go, *self.nets(BOOL)]))
        kind = r.choice([ops.LAND, ops.LAND, ops.LOR, ops.LNOT, ops.EQ])
        if kind is ops.EQ:
            return op(ops.EQ, self.value(0), const(r.randrange(4), U8))
        return op(kind, *(self.bit(depth - 1) for _ in range(kind.arity)))

    def value(self, depth: int = 2) -> Expr:
        r = self.random
        if not depth or r.random() < 0.3:
            return ref(r.choice([*self.data, *self.read, self.word, *self.nets(U8)]))
        if r.random() < 0.4:
            return op(ops.SELECT, self.bit(1), self.value(depth - 1), self.value(depth - 1))
        return cast(op(r.choice([ops.ADD, ops.MUL]), self.value(depth - 1), self.value(depth - 1)), U8)

    def nets(self, dtype: Any) -> list[Var]:
        return [v for v in getattr(self, "spare", ()) if v.dtype == dtype]

    def registers(self) -> Iterator[Register]:
        r = self.random
        guard = op(ops.LNOT, ref(r.choice(self.bits)))
        for k, b in enumerate(self.bits):
            before: Expr = ref(self.bits[k - 1])
            shifted = r.choice([before, before, op(ops.LAND, before, guard), self.bit(), op(ops.LOR, ref(b), before)])
            yield Register(b, shifted, r.choice([None] * 6 + [self.bit(1)]), r.choice([0, 0, 0, 1, None]))
        for d in self.data:
            enable, c = self.bit(1), self.bit(0)
            yield r.choice(
                [
                    Register(d, self.value()),
                    Register(d, self.value(), enable, r.choice([None, 3])),
                    Register(d, op(ops.SELECT, c, const(7, U8), self.value()), op(ops.LOR, c, enable)),
                ]
            )

    def memory(self) -> Memory:
        reads = [ReadPort(self.value(1), self.random.choice([None, self.bit(1), self.bit(0)]), v) for v in self.read]
        writes = [WritePort(self.value(1), self.value(1), self.bit(1)) for _ in range(2)]
        return Memory("m", U8, 200, None, tuple(reads), tuple(writes), self.go.span, True)

    def module(self) -> Module:
        outputs = [Output("o", self.value(1)), Output("done", ref(self.bits[-1]))]
        return module(
            "random",
            inputs=[Input(self.go), Input(self.word)],
            outputs=outputs,
            wires=self.wires,
            registers=self.registers(),
            memories=[self.memory()],
        )


def driven(sim: NativeSim, seed: int) -> list[Any]:
    """What a simulation shows when it is driven at random."""
    source = random.Random(seed)
    sim.scramble(seed)
    seen: list[Any] = []
    for _ in range(60):
        sim["go"], sim["word"] = source.random() < 0.3, source.randrange(256)
        if source.random() < 0.1:
            sim.reset()
        elif source.random() < 0.5:
            seen.append(sim.run(source.randrange(1, 30)))
        else:
            sim.step(source.randrange(1, 10))
        seen += [sim["o"], sim["done"], sim.dump("m").tolist()]
    return seen


@pytest.mark.parametrize("seed", range(12))
def test_what_is_left_out_can_not_be_seen(seed: int) -> None:
    """A traced simulation leaves nothing out; values that differ where nothing looks are arbitrary on both sides."""
    circuit = Random(seed).module()
    fast, whole = (NativeSim(Compiled(circuit, "done", trace)) for trace in (False, True))
    assert driven(fast, seed) == driven(whole, seed)


def pipeline(depth: int, guarded: bool = False) -> Module:
    """A pulse in, a value through `depth` stages without enables, a write at the end."""
    go, word = net("go", BOOL), net("word", U8)
    bits = [net(f"v{k}", BOOL) for k in range(depth)]
    stages = [net(f"s{k}", U8) for k in range(depth)]
    kill = net("kill", BOOL)
    alive = op(ops.LNOT, ref(kill))
    chain = [ref(go), *map(ref, bits)]
    data = [ref(word), *map(ref, stages)]
    registers = [Register(b, op(ops.LAND, p, alive) if guarded else p) for b, p in zip(bits, chain, strict=False)]
    registers += [Register(s, d) for s, d in zip(stages, data, strict=False)]
    write = WritePort(const(3, U8), data[-1], chain[-1])
    memory = Memory("m", U8, 16, None, (), (write,), go.span, True)
    inputs = [Input(go), Input(word), Input(kill)]
    return module(
        "pipeline", inputs=inputs, outputs=[Output("done", chain[-1])], registers=registers, memories=[memory]
    )


def test_stages_matter_where_their_valid_bit_is_set() -> None:
    circuit = pipeline(5)
    gates = {r.var.hint: gate for r, gate in Activity(circuit).gates.items() if isinstance(r, Register)}
    named = {name: gate if gate is None else {v.hint for v in gate} for name, gate in gates.items()}
    assert [named[f"s{k}"] for k in range(5)] == [{"go"}, {"v0"}, {"v1"}, {"v2"}, {"v3"}]


@pytest.mark.parametrize("guarded", [False, True])
def test_chains_longer_than_a_word_move_on(guarded: bool) -> None:
    circuit = pipeline(150, guarded)
    assert plan(circuit).words == 3
    sim = NativeSim(Compiled(circuit, "done"))
    sim["go"], sim["word"], sim["kill"] = 1, 77, 0
    sim.step(1)
    sim["go"], sim["word"] = 0, 5
    assert sim.run(1000) == 149
    sim.step(1)
    assert sim.dump("m")[3] == 77
    assert not sim["done"]
    sim["go"] = 1
    sim.step(3)
    sim["go"], sim["kill"] = 0, 1
    sim.step(1)
    sim["kill"] = 0
    assert sim.run(1000) == (1000 if guarded else 146)


def test_reset_passes_one_edge_at_a_time() -> None:
    circuit = pipeline(3)
    sim = NativeSim(Compiled(circuit))
    sim.scramble(1)
    sim["go"] = 1
    sim.reset(4)
    assert sim.cycles == 4
    np.testing.assert_array_equal([v for n, v in sim.registers() if n.startswith("v")], [1, 1, 1])


@pytest.mark.parametrize("seed", range(3))
def test_a_step_in_pieces_does_what_one_block_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = Random(seed).module()
    whole = Compiled(circuit, "done")
    monkeypatch.setattr("gemel.hwsynth.simcode.LONG", 100)
    monkeypatch.setattr("gemel.hwsynth.simcode.PIECE", 20)
    parted = Compiled(circuit, "done")
    assert "piece" in parted.llvm and "piece" not in whole.llvm
    assert driven(NativeSim(parted), seed) == driven(NativeSim(whole), seed)


def signs(depth: int) -> Module:
    """Data of one bit through stages without enables, beside a pulse: none of them but the pulse makes a gate."""
    word, data = net("word", BOOL), [net(f"s{k}", BOOL) for k in range(depth)]
    chain = [op(ops.LNOT, ref(word)), *map(ref, data)]
    registers = [Register(s, d) for s, d in zip(data, chain, strict=False)]
    return module("signs", inputs=[Input(word)], outputs=[Output("done", chain[-1])], registers=registers)


def test_bits_that_move_by_themselves_are_found_in_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a long pipeline of data, a round for each stage would take the square of its depth."""
    rounds = []
    found = Activity._find_zeros
    monkeypatch.setattr(Activity, "_find_zeros", lambda self, order: rounds.append(found(self, order)))
    assert not Activity(signs(50)).bits
    assert len(rounds) == 1


@pytest.mark.parametrize("seed", range(12))
def test_finding_moving_bits_first_changes_no_gate(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = Random(seed).module()
    quick = Activity(circuit)
    monkeypatch.setattr(Activity, "_moving", lambda self, order: [])
    slow = Activity(circuit)
    assert (quick.gates, list(quick.bits)) == (slow.gates, list(slow.bits))


@pytest.mark.parametrize("seed", range(40, 52))
def test_code_that_runs_for_long_is_built_again_and_does_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.hwsynth.simcode.HELD", 0)  # else LLVM's passes are there from the beginning
    circuit = Random(seed).module()
    quick, worth = Compiled(circuit, "done"), Compiled(circuit, "done")
    worth.worth = 0.0
    assert driven(NativeSim(quick), seed) == driven(NativeSim(worth), seed)
    assert (quick.level, worth.level) == (0, FULL)
