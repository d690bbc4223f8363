"""What an iteration accumulates into an element, taken apart: loops of such iterations are folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import z3

from gemel.semantics import ops
from gemel.semantics.schedule.terms import Before, Either, Fold, Made, Part, Term, Unknown, holds_before


@dataclass(frozen=True)
class Chain:
    """What one iteration accumulates into an element, in order, and what it begins with."""

    first: Term
    links: tuple[tuple[ops.Op, Any, Part], ...] = ()

    def over(self, v: Any, domain: Any, first: Term) -> Term:
        """All iterations, one after the other.

        Raises Unknown where each accumulates several values, which then alternate.
        """
        if len(self.links) != 1:
            raise Unknown("an iteration accumulates several values into one element")
        op, dtype, part = self.links[0]
        return Fold(op, dtype, first, Part((v, *part.vars), z3.And(domain, part.domain), part.body))


def chain(t: Term, token: object) -> Chain:
    """A term as what is accumulated into what was there before an iteration."""
    if isinstance(t, Fold) and not holds_before(t.part.body, token):
        inner = chain(t.first, token)
        return Chain(inner.first, (*inner.links, (t.op, t.dtype, t.part)))
    plain = _accumulation(t, token)
    if plain is not None:
        return plain
    if isinstance(t, Either):
        for cond, side, other in ((t.cond, t.then, t.orelse), (z3.Not(t.cond), t.orelse, t.then)):
            if isinstance(other, Before) and other.token is token:
                inner = chain(side, token)
                if inner.links and isinstance(inner.first, Before):
                    return Chain(other, tuple((op, d, _under(cond, p)) for op, d, p in inner.links))
    return Chain(t)


def _under(cond: Any, p: Part) -> Part:
    return Part(p.vars, z3.And(cond, p.domain), p.body)


def _accumulation(t: Term, token: object) -> Chain | None:
    """A stored sum or fma of the old value and another one."""
    if not isinstance(t, Made) or t.op not in (ops.FMA, *ops.REDUCIBLE):
        return None
    for n, old in enumerate(t.args):
        others = [a for k, a in enumerate(t.args) if k != n]
        if not holds_before(old, token) or any(holds_before(a, token) for a in others):
            continue
        if t.op is ops.FMA and n == 2:
            return _linked(old, token, ops.FMA, Made(ops.MUL, t.dtype, t.args[:2]), t)
        if t.op is not ops.FMA:
            return _linked(old, token, t.op, others[0], t)
    return None


def _linked(old: Term, token: object, op: ops.Op, value: Term, t: Made) -> Chain:
    inner = chain(old, token)
    return Chain(inner.first, (*inner.links, (op, t.dtype, Part((), z3.BoolVal(True), value))))
