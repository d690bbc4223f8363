"""Whether a netlist is valid: each net driven once, types and ports fit, no combinational loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from gemel.hwsynth.dag import driven_nets, modules_of, nets_in, postorder, roots_of, shape
from gemel.hwsynth.netlist import NETLIST_OPS, Instance, Memory, Module, Register, Wire
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, BoolType, DType, IntType, width_of
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref, Var
from gemel.semantics.span import Span

Fault = tuple[str, Span]

RESERVED = ("clk", "rst")
"""Port names that every module has implicitly."""

_BOOL_RESULT = (ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE, ops.LAND, ops.LOR, ops.LNOT)
_EITHER_RESULT = (ops.AND, ops.OR, ops.XOR, ops.MIN, ops.MAX, ops.SELECT, ops.CAST, ops.SATURATE, ops.BITCAST)
_LOGICAL = (ops.LAND, ops.LOR, ops.LNOT)


def check(top: Module) -> None:
    """Raises SynthesisError N01 with every fault of `top` and the modules in it, or N02 for a combinational loop."""
    faults = [fault for m in modules_of(top) for fault in _module_faults(m)]
    faults += _name_faults(top)
    if faults:
        (what, span), *others = faults
        raise SynthesisError(f"netlist {top.name}: {what}", code="N01", span=span, notes=others)
    paths: dict[Module, Mapping[str, frozenset[str]]] = {}
    for m in modules_of(top):
        paths[m] = _feedthrough(m, paths)


def ordered_wires(m: Module) -> tuple[Wire, ...]:
    """The wires of a module without instances, each after those it reads; raises SynthesisError N02 for a loop."""
    wires = {w.var: w for w in m.wires}
    return tuple(wires[v] for v in _topological({w.var: nets_in((w.value,)) for w in m.wires}))


# --------------------------------------------------------------------------------------------------------------- nets


def _module_faults(m: Module) -> Iterator[Fault]:
    counts = Counter(driven_nets(m))
    yield from ((f"net {v.hint} is driven {n} times", v.span) for v, n in counts.items() if n > 1)
    for v in counts:
        if not isinstance(v.dtype, BoolType | IntType):
            yield f"net {v.hint} has type {v.dtype}; a net is a bool or an integer", v.span
    for e in postorder(roots_of(m)):
        if isinstance(e, Ref) and e.var not in counts:
            yield f"net {e.var.hint} is read but nothing drives it in module {m.name}", e.var.span
        yield from _expr_faults(e)
    for w in m.wires:
        yield from _fits(w.value, w.var.dtype, f"wire {w.var.hint}")
    for r in m.registers:
        yield from _register_faults(r)
    for memory in m.memories:
        yield from _memory_faults(memory)
    for instance in m.instances:
        yield from _instance_faults(instance)
    yield from _port_faults(m)


def _fits(e: Expr, dtype: DType, what: str) -> Iterator[Fault]:
    if e.dtype != dtype:
        yield f"{what} is {dtype}, driven by {e.dtype}", e.span


def _register_faults(r: Register) -> Iterator[Fault]:
    yield from _fits(r.next, r.var.dtype, f"register {r.var.hint}")
    if r.enable is not None:
        yield from _fits(r.enable, BOOL, f"enable of register {r.var.hint}")
    if r.reset is not None and not _holds(r.var.dtype, r.reset):
        yield f"reset value {r.reset} of register {r.var.hint} is out of the range of {r.var.dtype}", r.var.span


def _holds(dtype: DType, value: int) -> bool:
    if isinstance(dtype, BoolType):
        return value in (0, 1)
    return isinstance(dtype, IntType) and dtype.lo <= value <= dtype.hi


def _memory_faults(m: Memory) -> Iterator[Fault]:
    name = f"memory {m.hint}"
    if m.depth < 1:
        yield f"{name} has depth {m.depth}", m.span
    if m.init is not None and len(m.init) != m.depth:
        yield f"{name} has {m.depth} words and {len(m.init)} initial values", m.span
    if any(not _holds(m.dtype, v) for v in m.init or ()):
        yield f"{name} has an initial value out of the range of {m.dtype}", m.span
    for read in m.reads:
        yield from _address_faults(read.addr, name)
        if read.data.dtype != m.dtype:
            yield f"{name} is {m.dtype}, read into {read.data.dtype}", read.data.span
        if read.enable is not None:
            yield from _fits(read.enable, BOOL, f"read enable of {name}")
    for write in m.writes:
        yield from _address_faults(write.addr, name)
        yield from _fits(write.data, m.dtype, name)
        yield from _fits(write.enable, BOOL, f"write enable of {name}")


def _address_faults(addr: Expr, name: str) -> Iterator[Fault]:
    if not isinstance(addr.dtype, IntType):
        yield f"{name} has an address of type {addr.dtype}", addr.span


def _instance_faults(i: Instance) -> Iterator[Fault]:
    inputs = {p.var.hint: p.var.dtype for p in i.module.inputs}
    outputs = {o.name: o.value.dtype for o in i.module.outputs}
    for side, ports, given in (("inputs", inputs, i.inputs), ("outputs", outputs, i.outputs)):
        if ports.keys() != given.keys():
            wrong = ", ".join(sorted(ports.keys() ^ given.keys()))
            yield f"instance {i.name} of {i.module.name}: {side} that differ from the module's: {wrong}", i.span
        for port in ports.keys() & given.keys():
            if ports[port] != given[port].dtype:
                yield f"instance {i.name}: {port} is {ports[port]}, connected to {given[port].dtype}", i.span


def _port_faults(m: Module) -> Iterator[Fault]:
    names = [i.var.hint for i in m.inputs] + [o.name for o in m.outputs]
    yield from ((f"two ports of {m.name} are named {n}", m.span) for n, k in Counter(names).items() if k > 1)
    yield from ((f"port {n} of {m.name}: the name is taken", m.span) for n in names if n in RESERVED)
    inner = Counter(i.name for i in m.instances)
    yield from ((f"two instances in {m.name} are named {n}", m.span) for n, k in inner.items() if k > 1)


def _name_faults(top: Module) -> Iterator[Fault]:
    names = Counter(m.name for m in modules_of(top))
    yield from ((f"{k} different modules are named {n}", top.span) for n, k in names.items() if k > 1)


# --------------------------------------------------------------------------------------------------------- expressions


def _expr_faults(e: Expr) -> Iterator[Fault]:
    match e:
        case Load():
            yield "a netlist has no loads", e.span
        case Const() | Ref():
            if not isinstance(e.dtype, BoolType | IntType):
                yield f"a value of type {e.dtype}", e.span
            elif isinstance(e, Const) and not _holds(e.dtype, int(e.value)):
                yield f"literal {e.value} is out of the range of {e.dtype}", e.span
        case Apply():
            fault = _apply_fault(e)
            if fault:
                yield f"{e.op.name} of ({', '.join(str(a.dtype) for a in e.args)}) as {e.dtype}: {fault}", e.span


def _apply_fault(e: Apply) -> str:
    if e.op not in NETLIST_OPS:
        return "not an op of netlists"
    if len(e.args) != e.op.arity:
        return f"{e.op.arity} operands wanted"
    if not all(isinstance(t, BoolType | IntType) for t in (e.dtype, *(a.dtype for a in e.args))):
        return "only bools and integers are allowed"
    special = _SPECIAL.get(e.op)
    return _result_fault(e) or (special(e) if special else "")


def _result_fault(e: Apply) -> str:
    if e.op in _BOOL_RESULT:
        return "" if e.dtype == BOOL else "the result is a bool"
    return "an integer result is wanted" if e.dtype == BOOL and e.op not in _EITHER_RESULT else ""


def _all_bool(e: Apply) -> str:
    return "" if e.dtype != BOOL or all(a.dtype == BOOL for a in e.args) else "a bool only of bools"


def _logical(e: Apply) -> str:
    return "" if all(a.dtype == BOOL for a in e.args) else "bools are wanted"


def _select(e: Apply) -> str:
    return _all_bool(e) if e.args[0].dtype == BOOL else "the condition is a bool"


def _bits(e: Apply) -> str:
    x, hi, lo = e.args
    if not (isinstance(hi, Const) and isinstance(lo, Const) and 0 <= lo.value <= hi.value < shape(x).width):
        return "the bounds are literals with width > hi >= lo >= 0"
    return "" if width_of(e.dtype) <= hi.value - lo.value + 1 else "the result is wider than the slice"


def _concat(e: Apply) -> str:
    width = sum(width_of(a.dtype) for a in e.args)
    return "" if e.dtype == IntType(width, False) else f"the result is u{width}"


def _same_width(e: Apply) -> str:
    return "" if width_of(e.dtype) == width_of(e.args[0].dtype) else "the widths differ"


_SPECIAL: dict[ops.Op, Callable[[Apply], str]] = {
    **dict.fromkeys((ops.AND, ops.OR, ops.XOR, ops.MIN, ops.MAX), _all_bool),
    **dict.fromkeys(_LOGICAL, _logical),
    ops.SELECT: _select,
    ops.BITS: _bits,
    ops.CONCAT: _concat,
    ops.BITCAST: _same_width,
}


# --------------------------------------------------------------------------------------------------------------- loops


def _feedthrough(m: Module, known: Mapping[Module, Mapping[str, frozenset[str]]]) -> Mapping[str, frozenset[str]]:
    """For each output the inputs that it depends on without a register between; raises N02 for a loop."""
    reads = {w.var: nets_in((w.value,)) for w in m.wires}
    for i in m.instances:
        for port, v in i.outputs.items():
            reads[v] = nets_in(i.inputs[name] for name in i.inputs if name in known[i.module][port])
    reach = {i.var: frozenset((i.var.hint,)) for i in m.inputs}
    for v in _topological(reads):
        reach[v] = frozenset().union(*(reach.get(r, frozenset()) for r in reads[v]))
    return {o.name: frozenset().union(*(reach.get(v, frozenset()) for v in nets_in((o.value,)))) for o in m.outputs}


def _topological(reads: Mapping[Var, Iterable[Var]]) -> list[Var]:
    """The keys, each after the keys that it reads, else in the given order."""
    order: list[Var] = []
    state: dict[Var, bool] = {}  # False while on the path, True when done
    for start in reads:
        stack = [(start, iter(reads[start]))] if start not in state else []
        state.setdefault(start, False)
        while stack:
            v, rest = stack[-1]
            for r in rest:
                if r not in reads or state.get(r):
                    continue
                if r in state:
                    raise _loop_error([x for x, _ in stack], r)
                state[r] = False
                stack.append((r, iter(reads[r])))
                break
            else:
                stack.pop()
                state[v] = True
                order.append(v)
    return order


def _loop_error(path: list[Var], again: Var) -> SynthesisError:
    cycle = path[path.index(again) :]
    names = " <- ".join(v.hint for v in (*cycle, again))
    notes = [(f"net {v.hint}", v.span) for v in cycle[1:]]
    what = f"combinational loop: {names}"
    return SynthesisError(what, code="N02", span=again.span, mend="put a register into the loop", notes=notes)
