"""A hierarchy of modules as one: each instance's contents under the names that lead to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gemel.hwsynth.dag import driven_nets, postorder
from gemel.hwsynth.netlist import Instance, Memory, Module, Output, ReadPort, Register, Wire, WritePort
from gemel.semantics.ir import Apply, Expr, Ref, Var

Path = tuple[str, ...]


@dataclass
class Flat:
    """A module without instances, but maybe of cells; `scope` has the instance path of each net and memory."""

    module: Module
    scope: Mapping[Var | Memory, Path]


def flatten(top: Module, cells: bool = False) -> Flat:
    """`top`, which must be valid, with every instance replaced by its contents; with `cells` those of cells stay."""
    flat = _Flattening(cells)
    outputs = flat.add(top, (), {v: Ref(v, v.span) for v in driven_nets(top)})
    return Flat(
        replace(
            top,
            outputs=tuple(Output(name, value) for name, value in outputs.items()),
            wires=tuple(flat.wires),
            registers=tuple(flat.registers),
            memories=tuple(flat.memories),
            instances=tuple(flat.kept),
        ),
        flat.scope,
    )


@dataclass
class _Flattening:
    cells: bool = False
    kept: list[Instance] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    scope: dict[Var | Memory, Path] = field(default_factory=dict)

    def add(self, m: Module, path: Path, nets: Mapping[Var, Ref]) -> dict[str, Expr]:
        """Takes over a module's contents with its nets renamed by `nets`; gives the values of its outputs."""
        copy = _Copy(nets)
        self.scope.update((ref.var, path) for ref in nets.values())
        self.wires += [Wire(nets[w.var].var, copy(w.value)) for w in m.wires]
        self.registers += [_register(r, nets, copy) for r in m.registers]
        for memory in m.memories:
            self.memories.append(_memory(memory, nets, copy))
            self.scope[self.memories[-1]] = path
        for instance in m.instances:
            self.instance(instance, path, copy)
        return {o.name: copy(o.value) for o in m.outputs}

    def instance(self, i: Instance, path: Path, outer: _Copy) -> None:
        if self.cells and i.module.cell is not None and i.module.registers:
            inputs = {name: outer(e) for name, e in i.inputs.items()}
            self.kept.append(replace(i, inputs=inputs, outputs={n: outer.nets[v].var for n, v in i.outputs.items()}))
            return
        inside = {v: Ref(Var(v.hint, v.dtype, v.span), v.span) for v in driven_nets(i.module)}
        for port in i.module.inputs:
            self.wires.append(Wire(inside[port.var].var, outer(i.inputs[port.var.hint])))
        outputs = self.add(i.module, (*path, i.name), inside)
        self.wires += [Wire(outer.nets[v].var, outputs[name]) for name, v in i.outputs.items()]


class _Copy:
    """Expressions with their nets renamed; shared nodes stay shared."""

    def __init__(self, nets: Mapping[Var, Ref]) -> None:
        self.nets = nets
        self.done: dict[Expr, Expr] = {}

    def __call__(self, e: Expr) -> Expr:
        for node in postorder((e,)):
            if node not in self.done:
                self.done[node] = self.node(node)
        return self.done[e]

    def node(self, e: Expr) -> Expr:
        match e:
            case Ref():
                return self.nets[e.var]
            case Apply():
                return replace(e, args=tuple(self.done[a] for a in e.args))
            case _:
                return e

    def maybe(self, e: Expr | None) -> Expr | None:
        return None if e is None else self(e)


def _register(r: Register, nets: Mapping[Var, Ref], copy: _Copy) -> Register:
    return Register(nets[r.var].var, copy(r.next), copy.maybe(r.enable), r.reset)


def _memory(m: Memory, nets: Mapping[Var, Ref], copy: _Copy) -> Memory:
    reads = tuple(ReadPort(copy(p.addr), copy.maybe(p.enable), nets[p.data].var) for p in m.reads)
    writes = tuple(WritePort(copy(p.addr), copy(p.data), copy(p.enable)) for p in m.writes)
    return replace(m, reads=reads, writes=writes)
