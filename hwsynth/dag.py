"""Walking the expressions of a netlist, which share nodes: every node is met once, operands first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from gemel.hwsynth.netlist import Instance, Memory, Module, NetType, Register
from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, DType, IntType, as_int
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var


def args_of(e: Expr) -> tuple[Expr, ...]:
    """The operands of a node."""
    return e.args if isinstance(e, Apply) else ()


def postorder(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Each node below `roots` once, operands before the node; not recursive, so any depth will do."""
    done: set[Expr] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            e, expanded = stack.pop()
            if e in done:
                continue
            if expanded:
                done.add(e)
                yield e
            else:
                stack.append((e, True))
                stack.extend((a, False) for a in reversed(args_of(e)) if a not in done)


def nets_in(roots: Iterable[Expr]) -> list[Var]:
    """The nets that expressions read, each once, in order of first use."""
    return list(dict.fromkeys(e.var for e in postorder(roots) if isinstance(e, Ref)))


def uses(roots: Iterable[Expr]) -> Counter[Expr]:
    """How many operands or roots each node is."""
    listed = list(roots)
    count = Counter(listed)
    for e in postorder(listed):
        count.update(args_of(e))
    return count


def register_exprs(r: Register) -> tuple[Expr, ...]:
    """What a register reads."""
    return (r.next,) if r.enable is None else (r.next, r.enable)


def memory_exprs(m: Memory) -> tuple[Expr, ...]:
    """What a memory's ports read."""
    reads = [e for p in m.reads for e in (p.addr, p.enable) if e is not None]
    return (*reads, *(e for p in m.writes for e in (p.addr, p.data, p.enable)))


def roots_of(m: Module) -> Iterator[Expr]:
    """Every expression of a module, in a fixed order."""
    yield from (w.value for w in m.wires)
    for r in m.registers:
        yield from register_exprs(r)
    for memory in m.memories:
        yield from memory_exprs(memory)
    for instance in m.instances:
        yield from instance.inputs.values()
    yield from (o.value for o in m.outputs)


def choices_of(e: Expr) -> tuple[Apply, ...]:
    """The choices between a value and 0 that `e` is the union of, which are one choice made at once; none else."""
    if not isinstance(e, Apply):
        return ()
    if e.op is ops.OR:
        a, b = map(choices_of, e.args)
        return (*a, *b) if a and b else ()
    last = e.args[2] if e.op is ops.SELECT else None
    return (e,) if isinstance(last, Const) and not last.value else ()


def driven_nets(m: Module) -> Iterator[Var]:
    """Every net that a module drives, inputs first; a net driven twice comes twice."""
    yield from (i.var for i in m.inputs)
    yield from (w.var for w in m.wires)
    yield from (r.var for r in m.registers)
    yield from (p.data for memory in m.memories for p in memory.reads)
    yield from (v for instance in m.instances for v in instance.outputs.values())


def modules_of(top: Module) -> tuple[Module, ...]:
    """The module and all that it instantiates, each once, instantiated ones first."""
    order: dict[Module, None] = {}

    def visit(m: Module) -> None:
        for instance in m.instances:
            if instance.module not in order:
                visit(instance.module)
        order[m] = None

    visit(top)
    return tuple(order)


def instance_tree(top: Module, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Instance]]:
    """Every instance below `top` with the names that lead to it, outer ones first."""
    for instance in top.instances:
        yield (*path, instance.name), instance
        yield from instance_tree(instance.module, (*path, instance.name))


def net_type(e: Expr | Var) -> NetType:
    """The type of a net or expression of a valid netlist."""
    if not isinstance(e.dtype, BoolType | IntType):
        raise TypeError(f"no netlist type: {e.dtype}")
    return e.dtype


def whole(dtype: DType) -> IntType:
    """The integer type with a net type's patterns: bool is one unsigned bit."""
    found = as_int(dtype)
    if found is None:
        raise TypeError(f"no netlist type: {dtype}")
    return found


def shape(e: Expr | Var) -> IntType:
    """Width and signedness of a net or expression; bool is one unsigned bit."""
    return whole(e.dtype)
