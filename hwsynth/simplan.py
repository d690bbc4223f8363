"""How a simulator goes about a cycle: groups of parts under one test each, and control bits packed into words.

The bits that gates are made of (`activity`) run through chains, one bit taking the value of the one before it: in a
word they move by one shift. Parts are grouped by the chain that their gates are mostly made of, which is to say by
pipeline; a group is left alone where the bits of all its gates are 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gemel.hwsynth.activity import NEVER, Activity, Gate, Part, join
from gemel.hwsynth.netlist import Module, ReadPort, Register
from gemel.semantics import ops
from gemel.semantics.ir import Apply, Expr, Ref, Var

WORD = 64


@dataclass(frozen=True)
class Group:
    """Parts that are left alone in a cycle where the gate's nets are 0."""

    gate: Gate
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Shift:
    """The bits of a word, as a mask, that take the value of the bit below; or 0, where a `guard` doesn't hold."""

    guard: Expr | None
    mask: int


@dataclass(frozen=True)
class Plan:
    """The groups, in an order in which many are met before what they read changes; each bit's word and place there."""

    groups: tuple[Group, ...]
    places: Mapping[Var, tuple[int, int]]
    shifts: tuple[tuple[Shift, ...], ...]

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(self.shifts)


def everything(m: Module) -> Plan:
    """The plan that leaves nothing alone: one group, no words."""
    return Plan((Group(None, tuple(_parts(m))),), {}, ())


def plan(m: Module) -> Plan:
    """The plan for a flat, valid module."""
    return _Planner(Activity(m)).plan()


def _parts(m: Module) -> Iterator[Part]:
    yield from m.registers
    for memory in m.memories:
        yield from memory.reads
        yield from memory.writes


@dataclass
class _Planner:
    activity: Activity
    before: dict[Var, tuple[Var, Expr | None]] = field(default_factory=dict)
    chain_of: dict[Var, list[Var]] = field(default_factory=dict)

    def plan(self) -> Plan:
        chains = self.chains()
        places = self.layout(chains)
        shifts = tuple(self.shifts(places))
        order = {id(chain): n for n, chain in enumerate(chains)}
        return Plan(tuple(self.groups(order)), places, shifts)

    # --------------------------------------------------------------------------------------------------------- chains

    def chains(self) -> list[list[Var]]:
        """Every bit in a chain of bits of which each but the first takes the value of the one before."""
        after: dict[Var, Var] = {}
        for v in self.activity.bits:
            earlier, guard = self.source(self.activity.bits[v].next)
            if earlier is not None and earlier is not v and earlier not in after:
                after[earlier] = v
                self.before[v] = (earlier, guard)
        found = []
        for v in self.activity.bits:
            if v not in self.before:
                found.append(self.chain(v, after))
        for v in self.activity.bits:  # a ring has no first bit
            if v not in self.chain_of:
                del self.before[v]
                found.append(self.chain(v, after))
        return found

    def chain(self, first: Var, after: Mapping[Var, Var]) -> list[Var]:
        chain = [first]
        while (v := after.get(chain[-1])) is not None and v in self.before and v is not first:
            chain.append(v)
        self.chain_of.update((v, chain) for v in chain)
        return chain

    def resolved(self, e: Expr) -> Expr:
        """What a name of a wire stands for."""
        while isinstance(e, Ref) and e.var in self.activity.wires:
            e = self.activity.wires[e.var]
        return e

    def source(self, e: Expr) -> tuple[Var | None, Expr | None]:
        """The bit whose value this is, and the condition under which it is that (else 0)."""
        e = self.resolved(e)
        if isinstance(e, Ref) and e.var in self.activity.bits:
            return e.var, None
        if isinstance(e, Apply) and e.op is ops.LAND:
            value, guard = self.resolved(e.args[0]), e.args[1]
            if isinstance(value, Ref) and value.var in self.activity.bits and _negated(guard):
                return value.var, guard
        return None, None

    def layout(self, chains: Iterable[list[Var]]) -> dict[Var, tuple[int, int]]:
        """Chains one after the other in words, cut where a word is full."""
        places: dict[Var, tuple[int, int]] = {}
        at = 0
        for chain in chains:
            if at % WORD + min(len(chain), WORD) > WORD:
                at += WORD - at % WORD
            places.update((v, divmod(at + k, WORD)) for k, v in enumerate(chain))
            at += len(chain)
        return places

    def shifts(self, places: Mapping[Var, tuple[int, int]]) -> Iterator[tuple[Shift, ...]]:
        """How each word moves on; a bit at a word's beginning has nothing below it."""
        for v, (_, bit) in places.items():
            if not bit:
                self.before.pop(v, None)
        words: list[dict[Hashable, Shift]] = [{} for _ in range(1 + max((w for w, _ in places.values()), default=-1))]
        for v, (word, bit) in places.items():
            if v in self.before:
                guard, known = self.before[v][1], words[word]
                mask = known[_key(guard)].mask if _key(guard) in known else 0
                known[_key(guard)] = Shift(guard, mask | 1 << bit)
        yield from (tuple(known.values()) for known in words)

    # --------------------------------------------------------------------------------------------------------- groups

    def groups(self, order: Mapping[int, int]) -> Iterator[Group]:
        """The group that always runs, then those of later chains before those of earlier ones: they read from these."""
        members: dict[tuple[int, ...], list[Part]] = {}
        gates: dict[tuple[int, ...], Gate] = {}
        for part, gate in self.activity.gates.items():
            if gate == NEVER or (isinstance(part, Register) and part.var in self.before):
                continue
            key = self.group_of(part, gate, order)
            members.setdefault(key, []).append(part)
            gates[key] = join(gates.get(key, NEVER), gate)
        yield Group(None, tuple(p for key in members if gates[key] is None for p in members[key]))
        for key in sorted((k for k in members if gates[k] is not None), reverse=True):
            yield Group(gates[key], tuple(members[key]))

    def group_of(self, part: Part, gate: Gate, order: Mapping[int, int]) -> tuple[int, ...]:
        """The numbers of the chains under whose test a part comes.

        These are the chains of its gate that are set for long, if there are any, since a pulse more doesn't matter;
        or the one that the gate is mostly made of, a bit's own one before others.
        """
        if gate is None:
            return ()
        count = Counter(order[id(self.chain_of[v])] for v in gate if v in self.chain_of)
        if not count:
            return (-1,)
        long = {order[id(self.chain_of[v])] for v in gate if v in self.chain_of and self.is_long(v)}
        own = order[id(self.chain_of[part.var])] if isinstance(part, Register) and part.var in self.chain_of else -1
        if own in count and (own in long or not long):
            return (own,)
        if long or not isinstance(part, Register):
            return tuple(sorted(long or count))
        most = max(count.values())
        return (max(k for k, n in count.items() if n == most),)

    def is_long(self, v: Var) -> bool:
        """Whether a bit runs in a chain that begins with a bit that stays set by itself."""
        first = self.chain_of[v][0]
        return first in (self.activity.zero(self.activity.bits[first].next) or ())


def _negated(e: Expr) -> bool:
    return isinstance(e, Apply) and e.op is ops.LNOT and isinstance(e.args[0], Ref)


def _key(guard: Expr | None) -> Hashable:
    """What two guards have in common that are the same."""
    if isinstance(guard, Apply) and isinstance(guard.args[0], Ref):
        return guard.args[0].var
    return guard


def data_of(part: Part) -> Var | None:
    """The net whose value a part changes."""
    match part:
        case Register():
            return part.var
        case ReadPort():
            return part.data
        case _:
            return None
