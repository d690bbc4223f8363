"""The estimate of a whole design."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gemel.hwsynth.dag import args_of, postorder, register_exprs, roots_of, shape
from gemel.hwsynth.estimate import memories
from gemel.hwsynth.estimate.network import TRUE, Network, Tables, cover
from gemel.hwsynth.estimate.registers import Registers
from gemel.hwsynth.estimate.words import Bits, Hard, Words
from gemel.hwsynth.flatten import flatten
from gemel.hwsynth.lower import lower
from gemel.hwsynth.netcheck import ordered_wires
from gemel.hwsynth.netlist import Cell, Instance, Module
from gemel.hwsynth.targets import Target
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Expr, Ref, Var


@dataclass(frozen=True)
class Estimate:
    """What a design takes: of each resource how much, in all and by kind; the shortest clock period in ns."""

    resources: Mapping[str, float]
    by_kind: Mapping[str, Mapping[str, float]]
    period: float

    @property
    def mhz(self) -> float:
        """The highest clock."""
        return 1000.0 / self.period


LOOKS = 3
"""How often a design is looked at anew for register bits that are constant, or equal to others."""

Place = tuple[Var, int]


def estimate(top: Module, target: Target) -> Estimate:
    """What a module with all inside it takes up on a target, and how fast it runs.

    Operators with carries, products and memories count as measured; all else is covered with look-up tables.
    """
    m = flatten(lower(top)[-1].module, cells=True).module
    same: dict[Place, int | Place] = {}
    zeros: dict[Expr, int] = {}
    for _ in range(LOOKS - 1):
        *_, found = _looked(m, target, same, zeros, covered=False)
        if not found.keys() - same.keys():
            break
        same |= found
    w, roots, _ = _looked(m, target, same, zeros)
    alive = _alive(w, roots)
    needed = [b for h in alive for b in h.inputs] + roots
    late = max((w.net.time(b) for b in needed), default=0.0)
    late = max((late, *(w.net.time(b) + h.setup for h in alive for b in h.inputs)))
    used: dict[str, Counter[str]] = {"gates": Counter({"lut": cover(w.net, [(b, late) for b in needed])})}
    for h in alive:
        used.setdefault(h.kind, Counter()).update(h.area)
    by_kind = {kind: stated for kind, n in used.items() if (stated := _as_stated(n, target))}
    total: Counter[str] = Counter()
    for n in by_kind.values():
        total.update(n)
    return Estimate({r: round(total[r]) for r in target.resources}, by_kind, late + target.register)


def _alive(w: Words, roots: Sequence[int]) -> list[Hard]:
    """What the roots need, directly or through registers."""
    maker = {b >> 1: h for h in w.hard for b in h.outputs}
    alive: dict[int, Hard] = {}
    stack, seen = [b >> 1 for b in roots], set()
    for h in w.hard:
        if not h.outputs:
            alive[id(h)] = h
            stack += [b >> 1 for b in h.inputs]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack += w.net.fanins[node]
        if node in maker and id(maker[node]) not in alive:
            alive[id(maker[node])] = maker[node]
            stack += [b >> 1 for b in maker[node].inputs]
    return list(alive.values())


def _as_stated(used: Mapping[str, float], target: Target) -> dict[str, float]:
    """In the target's resources: where area is one figure, gates and registers are added up."""
    if "um2" not in target.resources:
        return {r: n for r, n in used.items() if n}
    area = used.get("um2", 0.0) + used.get("lut", 0.0) + target.fabric.register_area * used.get("ff", 0.0)
    return {"um2": area} if area else {}


def _looked(
    m: Module, target: Target, same: Mapping[Place, int | Place], zeros: dict[Expr, int], covered: bool = True
) -> tuple[Words, list[int], dict[Place, int | Place]]:
    """A module as bits, those that its outputs need, and register bits that are found to be constant or equal."""
    w = Words(target, Network(Tables(target.fabric.tables, target.level), covered), zeros=zeros)
    for i in m.inputs:
        w.of[i.var] = tuple(w.net.leaf(0.0) for _ in range(shape(i.var).width))
    for r in m.registers:
        w.of[r.var] = ()
        for n in range(shape(r.var).width):
            w.of[r.var] = (*w.of[r.var], _register_bit(w, r.var, n, same))
    for memory in m.memories:
        memories.reads(w, memory)
    _cell_outputs(w, m)
    for wire in ordered_wires(m):
        w.of[wire.var] = _made(w, wire.value)
    for r in m.registers:
        for e in register_exprs(r):
            _made(w, e)
    for memory in m.memories:
        memories.taken(w, memory)
    _cells_taken(w, m)
    found = Registers(w, {x.var: x for x in m.wires}, _readers(m)).taken(m.registers)
    return w, [b for o in m.outputs for b in _made(w, o.value) if b > 1], found


def _cell_outputs(w: Words, m: Module) -> None:
    for i in m.instances:
        w.of |= {v: tuple(w.net.leaf(_cell(i).delay) for _ in range(width_of(v.dtype))) for v in i.outputs.values()}


def _cells_taken(w: Words, m: Module) -> None:
    for i in m.instances:
        needed = tuple(b for e in i.inputs.values() for b in _made(w, e) if b > TRUE)
        outputs = tuple(b for v in i.outputs.values() for b in w.of[v])
        kind = "memories" if i.module.memories else "multipliers"
        w.hard.append(Hard(kind, _cell(i).area, outputs, needed, _cell(i).setup))


def _cell(i: Instance) -> Cell:
    if i.module.cell is None:
        raise TypeError("an instance that is no cell")
    return i.module.cell


def _made(w: Words, e: Expr) -> Bits:
    for node in postorder((e,)) if e not in w.made else ():
        w.bits(node)
    return w.bits(e)


def _register_bit(w: Words, v: Var, n: int, same: Mapping[Place, int | Place]) -> int:
    known = same.get((v, n))
    if known is None:
        return w.net.leaf(0.0)
    return known if isinstance(known, int) else w.of[known[0]][known[1]]


def _readers(m: Module) -> Counter[Var]:
    """How often each net is read."""
    count: Counter[Var] = Counter()
    for e in postorder(roots_of(m)):
        count.update(a.var for a in args_of(e) if isinstance(a, Ref))
    count.update(e.var for e in roots_of(m) if isinstance(e, Ref))
    return count
