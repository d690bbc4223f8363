"""When a part of a circuit can matter: what a simulator may leave out in a cycle without changing what anyone can see.

A gate is a set of one-bit nets (control bits, inputs, inputs under a condition), with this meaning: in a cycle in
which all of them are 0, the part may be left alone. `None` is the gate of what always matters. There are two reasons.
A part is *idle* where its enable is 0 for sure: a register keeps its value, a port does nothing. And a register is
*unobserved* where nothing looks at its next value: the data stages of a pipeline have no enable, but what reads them
has (a write port, a register), so that they matter only where a valid bit says so. The latter is found backwards over
cycles: the value that matters where `valid3` is set is made of values that matter a cycle earlier, where the bits are
set that `valid3` comes from.

Registers hold stale values where they are unobserved; bits that gates are made of never do. Proof, by induction over
cycles, of what is left out changing nothing: if two circuits agree on all bits, and on each register where one of the
nets is set on which its value matters, then so they do after the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from gemel.hwsynth.dag import postorder, roots_of
from gemel.hwsynth.netcheck import ordered_wires
from gemel.hwsynth.netlist import Memory, Module, ReadPort, Register, WritePort
from gemel.semantics import ops
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var

Gate = frozenset[Var] | None
Part = Register | ReadPort | WritePort

NEVER: Gate = frozenset()
_MOST = 200
"""Nets of a gate; one with more isn't worth its test."""


def join(a: Gate, b: Gate) -> Gate:
    """The gate of what matters where one of two matters."""
    if a is None or b is None:
        return None
    both = a | b
    return both if len(both) <= _MOST else None


def _within(a: Gate, b: Gate) -> bool:
    return b is None or (a is not None and a <= b)


def _smaller(a: Gate, b: Gate) -> Gate:
    return a if b is None or (a is not None and len(a) <= len(b)) else b


class Activity:
    """The gates of a flat, valid module: `gates` by part; `bits` are the registers that gates may be made of."""

    def __init__(self, m: Module) -> None:
        self.m = m
        self.wires = {w.var: w.value for w in ordered_wires(m)}
        self.bits = {r.var: r for r in m.registers if _may_be_bit(r)}
        self._inputs = [i.var for i in m.inputs if width_of(i.var.dtype) == 1]
        self._settle()
        self.gates: dict[Part, Gate] = {}
        self._seen: dict[Expr, Gate] = {}
        self._free: dict[Var, Register | ReadPort] = {}
        self._observe()

    # ---------------------------------------------------------------------------------------------------------- zeros

    def _settle(self) -> None:
        """Finds the bits that stay 0 where others are 0, and what is 0 where bits are."""
        order = [e for e in postorder((*self.wires.values(), *roots_of(self.m))) if width_of(e.dtype) == 1]
        self._wire_of: dict[Expr, list[Var]] = {}
        for v, value in self.wires.items():
            self._wire_of.setdefault(value, []).append(v)
        for v in self._moving(order):
            del self.bits[v]
        self._find_zeros(order)
        readers, place = self._readers(order), {e: n for n, e in enumerate(order)}
        while moving := [v for v, r in self.bits.items() if self.zero(r.next) is None]:
            for v in moving:
                del self.bits[v]
                self._zero_net[v] = None
            self._find_again(order, place, [r for v in moving for r in readers.get(v, ())], readers)

    def _find_again(
        self,
        order: list[Expr],
        place: dict[Expr, int],
        changed: list[Expr | Var],
        readers: dict[Expr | Var, list[Expr | Var]],
    ) -> None:
        """What is 0 where bits are, once some of what is read has changed; operands before users."""
        todo = _Places(place)
        todo.add(changed)
        for n in todo:
            e = order[n]
            found = self._zero_of(e)
            if found == self._zero[e]:
                continue
            self._zero[e] = found
            todo.add(readers.get(e, ()))
            for v in () if self._is_pulse(e) else self._wire_of.get(e, ()):
                self._zero_net[v] = found
                todo.add(readers.get(v, ()))

    def _moving(self, order: list[Expr]) -> list[Var]:
        """Bits that no others make 0: what the rounds after this would find a stage of a pipeline at a time."""
        readers = self._readers(order)
        moving: set[Expr | Var] = set()
        quiet = {*self._inputs, *self.bits, *(v for e in order for v in self._wire_of.get(e, ()))}
        todo: list[Expr | Var] = [e for e in order if _moves(e, moving, quiet)]
        while todo:
            x = todo.pop()
            if x not in moving:
                moving.add(x)
                todo += [r for r in readers.get(x, ()) if isinstance(r, Var) or _moves(r, moving, quiet)]
        return [v for v in self.bits if v in moving]

    def _readers(self, order: list[Expr]) -> dict[Expr | Var, list[Expr | Var]]:
        """The expressions and nets that take their value from an expression or net."""
        found: dict[Expr | Var, list[Expr | Var]] = {}
        for e in order:
            for a in e.args if isinstance(e, Apply) else (e.var,) if isinstance(e, Ref) else ():
                found.setdefault(a, []).append(e)
            found.setdefault(e, []).extend(() if self._is_pulse(e) else self._wire_of.get(e, ()))
        for v, r in self.bits.items():
            found.setdefault(r.next, []).append(v)
        return found

    def _find_zeros(self, order: list[Expr]) -> None:
        self._zero: dict[Expr, Gate] = {}
        self._zero_net: dict[Var, Gate] = {v: frozenset((v,)) for v in (*self._inputs, *self.bits)}
        for e in order:
            self._zero[e] = found = self._zero_of(e)
            for v in self._wire_of.get(e, ()):
                self._zero_net[v] = frozenset((v,)) if self._is_pulse(e) else found

    def _is_pulse(self, e: Expr) -> bool:
        """Whether a wire's value is an input under a condition: it is set less often than the input."""
        return isinstance(e, Apply) and e.op is ops.LAND and any(_is_one_of(a, self._inputs) for a in e.args)

    def zero(self, e: Expr) -> Gate:
        """Nets such that the expression is 0 where all of them are; None where none are known."""
        return self._zero.get(e)

    def _zero_of(self, e: Expr) -> Gate:
        match e:
            case Const():
                return None if e.value else NEVER
            case Ref():
                return self._zero_net.get(e.var)
            case Apply(op=ops.LAND | ops.AND):
                return _smaller(self.zero(e.args[0]), self.zero(e.args[1]))
            case Apply(op=ops.LOR | ops.OR | ops.XOR):
                return join(self.zero(e.args[0]), self.zero(e.args[1]))
            case Apply(op=ops.SELECT):
                cond, a, b = map(self.zero, e.args)
                return join(_smaller(cond, a), b)
            case Apply(op=ops.CAST | ops.BITCAST):
                return self.zero(e.args[0])
            case _:
                return None

    # ----------------------------------------------------------------------------------------------------------- gates

    def _observe(self) -> None:
        """Finds the gate of every part, from what can be seen back to what it is made of."""
        asked: list[tuple[Expr, Gate]] = [(o.value, None) for o in self.m.outputs]
        for part, gate, reads in self._parts():
            self.gates[part] = gate
            asked += reads
        self._order = list(postorder((*self.wires.values(), *roots_of(self.m))))
        self._place = {e: n for n, e in enumerate(self._order)}
        while asked:
            asked = list(self._round(asked))

    def _parts(self) -> Iterator[tuple[Part, Gate, list[tuple[Expr, Gate]]]]:
        """Parts with their gates and what they read where; not those whose gate depends on who looks at them."""
        for r in self.m.registers:
            if r.var in self.bits:
                gate = self.zero(r.next)
                yield r, gate, [(r.next, gate)]
            elif r.enable is not None:
                gate = self.zero(r.enable)
                yield r, gate, [(r.enable, gate), *self._chosen(r.next, r.enable)]
            else:
                self._free[r.var] = r
                self.gates[r] = NEVER
        for memory in self.m.memories:
            yield from self._ports(memory)

    def _ports(self, memory: Memory) -> Iterator[tuple[Part, Gate, list[tuple[Expr, Gate]]]]:
        for read in memory.reads:
            if read.enable is None:
                self._free[read.data] = read
                self.gates[read] = NEVER
            else:
                gate = self.zero(read.enable)
                yield read, gate, [(read.enable, gate), *self._chosen(read.addr, read.enable)]
        for write in memory.writes:
            gate = self.zero(write.enable)
            parts = [x for e in (write.addr, write.data) for x in self._chosen(e, write.enable)]
            yield write, gate, [(write.enable, gate), *parts]

    def _chosen(self, value: Expr, enable: Expr) -> Iterator[tuple[Expr, Gate]]:
        """Where the parts of a value matter that is looked at under an enable.

        In `c ? a : b` under `c or d`, b matters only where d holds.
        """
        terms = _terms(self._resolved(enable))
        while isinstance(value := self._resolved(value), Apply) and value.op is ops.SELECT:
            cond, a, b = value.args
            others = [t for t in terms if not _same(t, cond, 3)]
            if len(others) == len(terms):
                break
            yield cond, self._any(terms)
            yield a, self.zero(cond)
            value, terms = b, others
        yield value, self._any(terms)

    def _resolved(self, e: Expr) -> Expr:
        """What the name of a wire stands for."""
        while isinstance(e, Ref) and e.var in self.wires:
            e = self.wires[e.var]
        return e

    def _any(self, terms: list[Expr]) -> Gate:
        gate: Gate = NEVER
        for t in terms:
            gate = join(gate, self.zero(t))
        return gate

    def _round(self, asked: list[tuple[Expr, Gate]]) -> Iterator[tuple[Expr, Gate]]:
        """Takes in that values matter where gates say so, users before operands; gives what matters a cycle earlier."""
        due: dict[Expr, Gate] = {}
        todo: list[int] = []
        earlier: dict[Var, None] = {}
        while asked or todo:
            for e, gate in asked:
                if e not in due:
                    heappush(todo, -self._place[e])
                due[e] = join(due.get(e, NEVER), gate)
            e = self._order[-heappop(todo)]
            gate, before = due.pop(e), self._seen.get(e, NEVER)
            asked = []
            if not _within(gate, before):
                self._seen[e] = join(before, gate)
                asked = list(self._operands(e, gate))
                if isinstance(e, Ref) and e.var in self._free:
                    part = self._free[e.var]
                    self.gates[part] = join(self.gates[part], self._before(gate))
                    earlier[e.var] = None
        for part in map(self._free.__getitem__, earlier):
            yield part.next if isinstance(part, Register) else part.addr, self.gates[part]

    def _operands(self, e: Expr, gate: Gate) -> Iterator[tuple[Expr, Gate]]:
        """What a value that matters at a gate is made of in the same cycle, and where that matters."""
        match e:
            case Apply(op=ops.SELECT):
                cond, a, b = e.args
                chosen = self.zero(cond)
                yield from ((cond, gate), (a, gate if chosen is None else chosen), (b, gate))
            case Apply():
                yield from ((a, gate) for a in e.args)
            case Ref() if e.var in self.wires:
                yield self.wires[e.var], gate
            case _:
                pass

    def _before(self, gate: Gate) -> Gate:
        """The gate in the cycle before: where none of its nets is set, none of `gate`'s will be."""
        earlier: Gate = NEVER
        for v in gate or ():
            earlier = join(earlier, self.zero(self.bits[v].next) if v in self.bits else None)
        return None if gate is None else earlier


class _Places:
    """Places of expressions that are to be looked at, the first one first, each once; also while more are added."""

    def __init__(self, place: dict[Expr, int]) -> None:
        self.place = place
        self.heap: list[int] = []
        self.due: set[int] = set()

    def add(self, found: Iterable[Expr | Var]) -> None:
        """Adds those among some that have a place."""
        for n in (self.place[x] for x in found if not isinstance(x, Var) and x in self.place):
            if n not in self.due:
                self.due.add(n)
                heappush(self.heap, n)

    def __iter__(self) -> Iterator[int]:
        while self.heap:
            n = heappop(self.heap)
            self.due.remove(n)
            yield n


def _moves(e: Expr, moving: set[Expr | Var], quiet: set[Var]) -> bool:
    """Whether no nets make an expression 0, given what none make so; `quiet` are the nets that some may."""
    match e:
        case Const():
            return bool(e.value)
        case Ref():
            return e.var in moving or e.var not in quiet
        case Apply(op=ops.LAND | ops.AND):
            return all(a in moving for a in e.args)
        case Apply(op=ops.LOR | ops.OR | ops.XOR):
            return any(a in moving for a in e.args)
        case Apply(op=ops.SELECT):
            cond, a, b = e.args
            return b in moving or (cond in moving and a in moving)
        case Apply(op=ops.CAST | ops.BITCAST):
            return width_of(e.args[0].dtype) > 1 or e.args[0] in moving
        case _:
            return True


def _is_one_of(e: Expr, nets: list[Var]) -> bool:
    return isinstance(e, Ref) and e.var in nets


def _terms(e: Expr) -> list[Expr]:
    """The operands of a disjunction."""
    found, todo = [], [e]
    while todo:
        e = todo.pop()
        if isinstance(e, Apply) and e.op is ops.LOR:
            todo += reversed(e.args)
        else:
            found.append(e)
    return found


def _same(a: Expr, b: Expr, depth: int) -> bool:
    """Whether two expressions are alike; found out down to some depth."""
    match a, b:
        case Ref(), Ref():
            return a.var is b.var
        case Apply(), Apply() if depth and a.op is b.op and a.dtype == b.dtype:
            return all(_same(x, y, depth - 1) for x, y in zip(a.args, b.args, strict=True))
        case _:
            return a is b


def _may_be_bit(r: Register) -> bool:
    return width_of(r.var.dtype) == 1 and r.enable is None and not r.reset
