"""Functional units: what each operation means on words, and the proof that a unit's text computes it.

A unit of a float's operation is a function that nothing is known of where it is used; here its text is compared with
the op tower's definition in integers. Units inside of units are cut out in turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gemel.hwsynth.netlist import Contract
from gemel.hwsynth.prove.btor import Circuit
from gemel.hwsynth.prove.machine import Cut, Function
from gemel.semantics.symbolic.meaning import known_function
from gemel.semantics.symbolic.terms import Value, Words

_MULTIPLY = re.compile(r"multiply_([iu])(\d+)_([iu])(\d+)(?:_low_(\d+)|_front_(\d+)|_cell)?$")
_ADD = re.compile(r"add_(\d+)$")
_DIVIDE = re.compile(r"divide_(\d+)_by_(\d+)$")

BY_0 = "division by 0: "
"""What the names of a divider's results begin with where the divisor is 0."""


def function(operation: str, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Function:
    """What an operation computes, by its name and ports."""
    if found := _MULTIPLY.match(operation):
        a, b = ((int(found[n + 1]), found[n] == "i") for n in (1, 3))
        return _product(a, b, outputs["product"], int(found[6] or 0))
    if _ADD.match(operation):
        return _sum(outputs["sum"])
    if _DIVIDE.match(operation):
        return _quotient(inputs, outputs)
    return _opaque(operation, outputs)


def _product(a: tuple[int, bool], b: tuple[int, bool], w: int, front: int) -> Function:
    """A product, shifted left where one of the factors has that many empty bits in front."""

    def of(words: Words, given: Mapping[str, Value]) -> Mapping[str, Value]:
        factors = [words.resized(given[p], n, w, sign) for p, (n, sign) in (("a", a), ("b", b))]
        product = words.mul(w, *factors)
        if not front:
            return {"product": product}
        empty = [words.eq(front, words.ext(given[p], n - front, front), 0) for p, (n, _) in (("a", a), ("b", b))]
        shifted = words.cat(w - front, words.ext(product, 0, w - front), front, 0)
        return {"product": words.ite(w, words.or_(1, *empty), shifted, product)}

    return of


def _sum(w: int) -> Function:
    def of(words: Words, given: Mapping[str, Value]) -> Mapping[str, Value]:
        carry = words.zext(given["carry"], 1, w)
        return {"sum": words.add(w, words.add(w, given["a"], given["b"]), carry)}

    return of


def _quotient(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Function:
    """Quotient and remainder; nothing is known of those by 0."""
    w = max(inputs["dividend"], inputs["divisor"])

    def of(words: Words, given: Mapping[str, Value]) -> Mapping[str, Value]:
        a, b = (words.zext(given[p], inputs[p], w) for p in ("dividend", "divisor"))
        by_0 = words.eq(w, b, 0)
        found = {}
        for p, op in (("quotient", "udiv"), ("remainder", "urem")):
            strange = words.app(f"{BY_0}{p}", w, a, b) if by_0 != 0 else 0
            found[p] = words.ite(w, by_0, strange, words.divided(op, w, a, b))
        return {p: words.ext(found[p], 0, n) for p, n in outputs.items()}

    return of


def _opaque(name: str, outputs: Mapping[str, int]) -> Function:
    def of(words: Words, given: Mapping[str, Value]) -> Mapping[str, Value]:
        args = tuple(given.values())
        known = all(type(a) is int for a in args)
        return {p: known_function(name, args) if known else words.app(name, w, *args) for p, w in outputs.items()}

    return of


def applied(name: str, w: int, *args: int) -> int:
    """A function that terms leave alone, on known words; what nothing is known of is 0, as the op table has it."""
    return 0 if name.startswith(BY_0) else known_function(name, args)


def cuts(circuit: Circuit, units: Mapping[str, tuple[str, Contract]]) -> list[Cut]:
    """The units of a circuit by instance: module and contract."""
    return [_cut(circuit, name, contract) for name, (_, contract) in units.items()]


def _cut(circuit: Circuit, instance: str, contract: Contract) -> Cut:
    nodes = circuit.by_id()
    stem = f"{instance}."
    operands = {
        name.removeprefix(stem): nodes[abs(n)].sort.w
        for name, n in circuit.outputs.items()
        if name.startswith(stem) and name.removeprefix(stem) not in ("clk", "rst", "start")
    }
    results = {name.removeprefix(stem): n.sort.w for name, n in circuit.inputs.items() if name.startswith(stem)}
    ordered = dict(sorted(operands.items()))
    made = function(contract.operation, ordered, results)
    return Cut(instance, ordered, results, contract.latency, contract.interval, made)
