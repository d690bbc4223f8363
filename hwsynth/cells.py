"""Units that are one cell of the target, with the registers that the cell has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from gemel.hwsynth.netlist import Cell, Contract, Input, Module, Output, Register
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import Target
from gemel.hwsynth.targets.files import Way
from gemel.hwsynth.units import Operation, Unit
from gemel.semantics import build, ops
from gemel.semantics.dtypes import IntType, width_of
from gemel.semantics.errors import counted
from gemel.semantics.ir import Expr, Ref, Var
from gemel.semantics.span import BUILTIN

MULTIPLY = "multiply"
"""The cell for products in a target's file."""


def way_of(clock: Clock, name: str) -> Way | None:
    """The way with the fewest registers that fits the clock, if the target has such a cell."""
    cell = clock.target.cells.get(name)
    return next((w for w in cell.ways if max(w.setup, w.delay) <= clock.room), None) if cell else None


@cache
def product(a: IntType, b: IntType) -> Operation:
    """The product of two factors that one multiplier holds, by a cell."""
    name = f"multiply_{a}_{b}_cell"
    whole = IntType(a.width + b.width, a.signed or b.signed)
    return Operation(name, name, "product", (("a", a), ("b", b)), (("product", whole),), _no_graph, make=_multiplier)


def _no_graph(*args: object) -> tuple[()]:
    raise TypeError("a cell isn't made of operators")


def _multiplier(operation: Operation, clock: Clock) -> Unit:
    """Registers before the multiplier, and others behind it."""
    (_, a), (_, b) = operation.inputs
    ((_, whole),) = operation.outputs
    stated = {"WIDTH": width_of(whole), "SIGNED_A": int(_signed(a)), "SIGNED_B": int(_signed(b))}
    return _made(operation, clock, MULTIPLY, stated, lambda x, y: build.apply(ops.MUL, x, y, span=BUILTIN, dtype=whole))


def _signed(dtype: object) -> bool:
    return isinstance(dtype, IntType) and dtype.signed


def _made(operation: Operation, clock: Clock, name: str, stated: Mapping[str, int], value: Callable[..., Expr]) -> Unit:
    """A unit whose operands are registered, and whose result is as often as is left of the latency."""
    way = way_of(clock, name)
    if way is None:
        raise TypeError("a cell that doesn't fit the clock")
    ports = [Var(port, dtype, BUILTIN) for port, dtype in operation.inputs]
    held = [Var(f"{v.hint}_held", v.dtype, BUILTIN) for v in ports]
    registers = [Register(h, Ref(v, BUILTIN)) for h, v in zip(held, ports, strict=True)]
    ((port, dtype),) = operation.outputs
    result = value(*(Ref(h, BUILTIN) for h in held))
    for _ in range(way.latency - 1):
        registers.append(Register(Var(f"{port}_held", dtype, BUILTIN), result))
        result = Ref(registers[-1].var, BUILTIN)
    head = f"{operation.name}: made by Gemel for {clock.target.name} at {1000 / clock.period:g} MHz"
    how = f"takes operands in each cycle; results come {counted(way.latency, 'cycle')} later"
    where = f"with {clock.target.macro} defined it is the device's own cell, else the same function as text"
    module = Module(
        operation.name,
        tuple(map(Input, ports)),
        (Output(port, result),),
        (),
        tuple(registers),
        (),
        (),
        BUILTIN,
        (head, how, where),
        contract=Contract(operation.name, way.latency, 1),
        cell=stated_cell(clock.target, name, way, stated),
    )
    return Unit(operation, module, way.latency, way.setup, way.delay)


def stated_cell(target: Target, name: str, way: Way, stated: Mapping[str, int], count: int = 1) -> Cell:
    """The text for a cell, or for some of them, with what is stated of it in the places for that."""
    hard = target.cells[name]
    text = hard.text.replace("@SET@", way.set)
    for key, number in stated.items():
        text = text.replace(f"@{key}@", str(number))
    area = {resource: count * n for resource, n in hard.area.items()}
    return Cell(target.macro, text, area, way.setup, way.delay)
