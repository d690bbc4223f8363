"""Small circuits for tests: shorthand to write them, and a harness that runs any circuit on streams of values.

The harness is itself a kernel module: it reads one word per input and cycle from memories, feeds them to the circuit
under test, and writes its outputs of each cycle to memories; so every engine runs it in the ordinary way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from gemel.hwsynth import tools
from gemel.hwsynth.engines import build
from gemel.hwsynth.engines.run import Model
from gemel.hwsynth.nativesim import word_array
from gemel.hwsynth.netlist import Input, Instance, Module, NetType, Output, Register
from gemel.hwsynth.system import External, System, system
from gemel.hwsynth.units import START, Unit
from gemel.semantics import build as expr
from gemel.semantics import ops
from gemel.semantics.convert import from_bits
from gemel.semantics.dtypes import BOOL, UInt, width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.span import Span

HERE = Span(__file__, 1, 1, 1, 2)


def net(hint: str, dtype: Any, line: int = 1) -> Var:
    return Var(hint, dtype, Span("circuit.py", line, 1, line, 2))


def ref(v: Var) -> Ref:
    return Ref(v, v.span)


def const(value: int, dtype: Any) -> Const:
    return Const(bool(value) if dtype == BOOL else value, dtype, HERE)


def op(row: Op, *args: Expr, dtype: Any = None) -> Expr:
    """An op at the type of its rule, or at `dtype`; never folded, so that literals reach the engines."""
    found = expr.result_type(row, args, HERE) if dtype is None else dtype
    return Apply(row, args, found, HERE)


def cast(e: Expr, dtype: Any) -> Expr:
    return op(ops.CAST, e, dtype=dtype)


def module(name: str, **parts: Any) -> Module:
    fields = ("inputs", "outputs", "wires", "registers", "memories", "instances")
    return Module(name, *(tuple(parts.get(f, ())) for f in fields), HERE, tuple(parts.get("comments", ())))


def combinational(name: str, inputs: Sequence[Var], outputs: Mapping[str, Expr]) -> Module:
    return module(name, inputs=map(Input, inputs), outputs=[Output(n, e) for n, e in outputs.items()])


# ------------------------------------------------------------------------------------------------------------- harness


def increment(v: Var) -> Expr:
    return cast(op(ops.ADD, ref(v), const(1, UInt(1))), v.dtype)


def harness(dut: Module, cycles: int) -> System:
    """The system that runs `dut` for `cycles` cycles; its memories are the dut's ports, those of outputs after `o_`."""
    start, addr = net("start", BOOL), UInt(max(1, cycles.bit_length()))
    running, valid, last, done = (net(n, BOOL) for n in ("running", "valid", "last", "done_q"))
    i, at = net("i", addr), net("at", addr)
    final = op(ops.EQ, ref(i), const(cycles - 1, addr))
    registers = [
        Register(running, op(ops.LOR, ref(start), op(ops.LAND, ref(running), op(ops.LNOT, final))), None, 0),
        Register(i, op(ops.SELECT, ref(running), increment(i), const(0, addr)), None, 0),
        Register(at, ref(i), None, 0),
        Register(valid, ref(running), None, 0),
        Register(last, op(ops.LAND, ref(running), final), None, 0),
        Register(done, ref(last), None, 0),
    ]
    data = {p.var.hint: net(f"{p.var.hint}_rdata", p.var.dtype) for p in dut.inputs}
    feed = {name: op(ops.SELECT, ref(valid), ref(v), const(0, v.dtype), dtype=v.dtype) for name, v in data.items()}
    results = {o.name: net(f"r_{o.name}", o.value.dtype) for o in dut.outputs}
    outputs = [Output("done", ref(done))]
    for name in data:
        outputs += [Output(f"{name}_raddr", ref(i)), Output(f"{name}_ren", ref(running))]
    for name, v in results.items():
        outputs += [Output(f"o_{name}_waddr", ref(at)), Output(f"o_{name}_wen", ref(valid))]
        outputs += [Output(f"o_{name}_wdata", ref(v))]
    kernel = module(
        f"{dut.name}_harness",
        inputs=[Input(start), *map(Input, data.values())],
        outputs=outputs,
        registers=registers,
        instances=[Instance(dut, "dut", feed, results, HERE)],
    )
    externals = [External(n, v.dtype, cycles, HERE) for n, v in data.items()]
    externals += [External(f"o_{n}", v.dtype, cycles, HERE) for n, v in results.items()]
    return system(kernel, externals)


def integers(words: Any, dtype: NetType) -> list[int]:
    """A simulator's words as Python values."""
    if words.ndim == 1:
        return [int(v) for v in words.tolist()]
    mask = (1 << width_of(dtype)) - 1
    patterns = [sum(int(limb) << (64 * k) for k, limb in enumerate(row)) for row in words.tolist()]
    return [int(from_bits(p & mask, dtype)) for p in patterns]


def run_model(model: Model, sut: System, streams: Mapping[str, Sequence[int]], **options: Any) -> dict[str, list[int]]:
    cycles = len(next(iter(streams.values())))
    memories = {n: word_array(v, sut.memories[n].dtype, cycles) for n, v in streams.items()}
    run = model.run(memories, {}, cycles + 10, **options)
    assert run.cycles == cycles + 2
    outputs = {n: e for n, e in sut.memories.items() if n.startswith("o_")}
    return {n[2:]: integers(run.memories[n], e.dtype) for n, e in outputs.items()}


def run_streams(dut: Module, streams: Mapping[str, Sequence[int]], engine: str) -> dict[str, list[int]]:
    """The outputs of each cycle, before its edge, with the given inputs in each cycle."""
    sut = harness(dut, len(next(iter(streams.values()))))
    return run_model(build(sut, engine, len(streams)), sut, streams)


def unit_results(unit: Unit, operands: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """What a unit gives for operands that come as often as it takes them."""
    apart, names = unit.interval, [name for name, _ in unit.operation.inputs]
    cycles = len(operands) * apart + unit.latency
    streams = {n: [0] * cycles for n in [*names, START]}
    for k, values in enumerate(operands):
        for name, value in zip([*names, START], (*values, 1), strict=True):
            streams[name][k * apart] = value
    given = {p.var.hint: streams[p.var.hint] for p in unit.module.inputs}
    found = run_streams(unit.module, given, "native")
    rows = zip(*(found[name] for name, _ in unit.operation.outputs), strict=True)
    return list(rows)[unit.latency :: apart][: len(operands)]


# --------------------------------------------------------------------------------------------------------------- tools


@cache
def there() -> dict[str, bool]:
    return tools.available()


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips where a tool is missing (in CI that is a failure)."""
    missing = [n for n in names if not there()[n]]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


ENGINES = [
    "native",
    pytest.param("verilator", marks=needs("verilator", "c++")),
    pytest.param("icarus", marks=needs("icarus")),
]
