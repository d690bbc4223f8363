"""Linear forms: a node's value as a constant plus multiples of nodes; what addresses and bounds are compared by."""

from __future__ import annotations

from dataclasses import dataclass

from gemel.hwsynth.nodes import Kind, Node
from gemel.semantics import ops
from gemel.semantics.typerules import holds


@dataclass(frozen=True)
class Form:
    """constant + sum of coefficient * node."""

    constant: int
    terms: dict[Node, int]

    def plus(self, other: Form, sign: int = 1) -> Form:
        """The sum, or with sign -1 the difference."""
        terms = dict(self.terms)
        for m, c in other.terms.items():
            terms[m] = terms.get(m, 0) + sign * c
        return Form(self.constant + sign * other.constant, {m: c for m, c in terms.items() if c})

    def times(self, k: int) -> Form:
        """k times this."""
        return Form(self.constant * k, {m: c * k for m, c in self.terms.items()} if k else {})

    def shifted(self, k: int) -> Form | None:
        """This divided by 2**k and rounded down, where the terms leave no remainder."""
        if any(c % (1 << k) for c in self.terms.values()):
            return None
        return Form(self.constant >> k, {m: c >> k for m, c in self.terms.items()})


def linear(n: Node) -> Form:
    """A node's value as a linear form, of itself where it is nothing simpler."""
    if n.kind is Kind.CONST:
        return Form(n.value, {})
    if n.op in (ops.ADD, ops.SUB):
        return linear(n.args[0]).plus(linear(n.args[1]), 1 if n.op is ops.ADD else -1)
    if n.op in (ops.MUL, ops.SHL) and n.args[1].kind is Kind.CONST:
        return linear(n.args[0]).times(n.args[1].value if n.op is ops.MUL else 1 << n.args[1].value)
    if n.op is ops.SHR and n.args[1].kind is Kind.CONST:
        return linear(n.args[0]).shifted(n.args[1].value) or Form(0, {n: 1})
    if n.op is ops.CONCAT:
        return linear(n.args[0]).times(1 << n.args[1].width).plus(linear(n.args[1]))
    if n.op is ops.CAST and holds(n.dtype, n.args[0].dtype):
        return linear(n.args[0])
    return Form(0, {n: 1})


def address(access: Node) -> Form:
    """The form of an access's address; its last cast keeps the value, because the index is in range."""
    addr = access.args[0] if access.inside is None else access.inside
    return linear(addr.args[0] if addr.op is ops.CAST else addr)


def apart(a: Node, b: Node) -> bool:
    """Whether two accesses of a memory in one iteration never meet."""
    difference = address(a).plus(address(b), -1)
    return not difference.terms and difference.constant != 0
