"""Registers as a person would write them: nested `if`s on shared conditions, instead of an expression each.

A register that takes `start ? first : following` where `start or turn` holds is `if (start) .. else if (turn) ..`; one
bit that is set by one condition and cleared by another likewise. Registers that ask for the same thing first stand
under one `if`. The module has to be shared (`share`): conditions are compared by identity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gemel.hwsynth.netlist import Module, Part, Register
from gemel.hwsynth.share import conjuncts, disjuncts, joined
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var


@dataclass(frozen=True, eq=False)
class Assign:
    """A register takes a value."""

    var: Var
    value: Expr


@dataclass(frozen=True, eq=False)
class When:
    """Statements under a condition, and those under its contrary."""

    cond: Expr
    then: tuple[Statement, ...]
    orelse: tuple[Statement, ...]


Statement = Assign | When


@dataclass(frozen=True, eq=False)
class Clocked:
    """What happens at a clock edge in a part of a module, after the values at reset."""

    part: Part | None
    resets: tuple[tuple[Var, int], ...]
    body: tuple[Statement, ...]


Clause = tuple[tuple[Expr, ...], Expr]
"""Conditions that all have to hold, and the value that a register then takes; the first clause that holds counts."""

Clauses = tuple[Var, list[Clause]]


def clocked(m: Module) -> tuple[Clocked, ...]:
    """The registers of a module as statements: of each part those with a reset, those that may hold, and the others."""
    gates = _gates(m.registers)
    groups: dict[tuple[Part | None, str], list[tuple[Register, list[Clause]]]] = {}
    for r in m.registers:
        found = clauses(r, gates)
        always = found[0][0] == ()
        kind = "reset" if r.reset is not None else "always" if always else "held"
        groups.setdefault((m.layout.parts.get(r.var), kind), []).append((r, found))
    ordered = sorted(groups.items(), key=lambda item: _KINDS.index(item[0][1]))
    return tuple(_block(part, rows) for (part, _), rows in ordered)


_KINDS = ("reset", "held", "always")
"""Control comes first, then what waits for it, then what just flows."""


def _block(part: Part | None, rows: list[tuple[Register, list[Clause]]]) -> Clocked:
    resets = tuple((r.var, r.reset) for r, _ in rows if r.reset is not None)
    return Clocked(part, resets, merged([(r.var, c) for r, c in rows]))


def expressions(block: Clocked) -> Iterable[Expr]:
    """Every expression of a block."""
    todo: list[Statement] = [*block.body]
    while todo:
        s = todo.pop()
        if isinstance(s, Assign):
            yield s.value
        else:
            yield s.cond
            todo += [*s.then, *s.orelse]


# -------------------------------------------------------------------------------------------------------------- clauses


def clauses(r: Register, gates: frozenset[Expr]) -> list[Clause]:
    """When a register takes which value."""
    if r.enable is None:
        return _bit(r, gates) if r.var.dtype == BOOL else [((), r.next)]
    found: list[Clause] = []
    enables, value = disjuncts(r.enable), r.next
    while len(enables) > 1 and isinstance(value, Apply) and value.op is ops.SELECT and value.args[0] in enables:
        enables.remove(value.args[0])
        found.append((tuple(conjuncts(value.args[0])), value.args[1]))
        value = value.args[2]
    last = tuple(conjuncts(enables[0])) if len(enables) == 1 else (joined(ops.LOR, enables),)
    return [*found, (last, value)]


def _gates(registers: Sequence[Register]) -> frozenset[Expr]:
    """What keeps several bits at 0."""
    count: Counter[Expr] = Counter()
    for r in registers:
        if r.enable is None and r.var.dtype == BOOL:
            count.update(set(_denied(r.next)))
    return frozenset(e for e, n in count.items() if n > 1)


def _denied(e: Expr) -> list[Expr]:
    """The x of all operands `not x` of an and."""
    return [c.args[0] for c in conjuncts(e) if isinstance(c, Apply) and c.op is ops.LNOT]


def _bit(r: Register, gates: frozenset[Expr]) -> list[Clause]:
    """A bit that is set by something, and cleared by something else."""
    found: list[Clause] = []
    parts = conjuncts(r.next)
    for c in [x for x in _denied(r.next) if len(parts) > 1 and (x in gates or _holds_itself(r.var, parts))]:
        parts = [p for p in parts if not (isinstance(p, Apply) and p.op is ops.LNOT and p.args[0] is c)]
        found.append((tuple(conjuncts(c)), build.boolean(False)))
    rest: list[Clause] = _set_and_cleared(r.var, joined(ops.LAND, parts)) if parts else [((), build.boolean(True))]
    return [*found, *rest]


def _holds_itself(v: Var, parts: list[Expr]) -> bool:
    """Whether one of the operands of an and is `v or ..`."""
    return any(len(d := disjuncts(p)) > 1 and any(_keeps(v, x) is not None for x in d) for p in parts)


def _keeps(v: Var, e: Expr) -> list[Expr] | None:
    """The x of `v and not x and ..`, None for anything else."""
    operands = conjuncts(e)
    others = [x for x in operands if not _is(x, v)]
    denied = _denied(joined(ops.LAND, others)) if others else []
    return denied if len(others) < len(operands) and len(denied) == len(others) else None


def _is(e: Expr, v: Var) -> bool:
    return isinstance(e, Ref) and e.var is v


def _set_and_cleared(v: Var, value: Expr) -> list[Clause]:
    """`set or (v and not cleared)`."""
    operands = disjuncts(value)
    kept = [(e, cleared) for e in operands if (cleared := _keeps(v, e)) is not None]
    if len(kept) != 1 or len(operands) == 1:
        return [((), value)]
    sets = [e for e in operands if e is not kept[0][0]]
    condition = tuple(conjuncts(sets[0])) if len(sets) == 1 else (joined(ops.LOR, sets),)
    cleared = kept[0][1]
    ends = [(tuple(conjuncts(c)), build.boolean(False)) for c in cleared]
    return [(condition, build.boolean(True)), *ends]


# ------------------------------------------------------------------------------------------------------------- merging


def merged(items: Sequence[Clauses]) -> tuple[Statement, ...]:
    """Statements for registers with their clauses, under common conditions where they have such."""
    groups: dict[object, list[Clauses]] = {}
    for item in items:
        if item[1]:
            groups.setdefault(_first(item), []).append(item)
    return tuple(s for key, group in groups.items() for s in _group(key, group))


def _first(item: Clauses) -> object:
    """What a register asks for first: all conditions of its clause, or just the first where no other clause follows."""
    v, found = item
    conditions = found[0][0]
    return (conditions if len(found) > 1 else conditions[:1]) or v


def _group(key: object, group: list[Clauses]) -> tuple[Statement, ...]:
    if isinstance(key, Var):
        return tuple(Assign(v, found[0][1]) for v, found in group)
    conditions = key if isinstance(key, tuple) else ()
    then = merged([(v, [(found[0][0][len(conditions) :], found[0][1])]) for v, found in group])
    orelse = merged([(v, found[1:]) for v, found in group])
    if len(then) == 1 and isinstance(then[0], When) and not (then[0].orelse or orelse):
        return (When(joined(ops.LAND, (*conditions, then[0].cond)), then[0].then, ()),)
    return (When(joined(ops.LAND, conditions), then, orelse),)


def is_zero(e: Expr) -> bool:
    """Whether an expression is the literal 0."""
    return isinstance(e, Const) and not e.value
