"""A suite's source with integers in the place of its floats."""

from __future__ import annotations

import ast
import math
from fractions import Fraction
from typing import Any

FINEST = 100
"""The greatest denominator of a factor: 0.33333 is a third."""

REFUSED = {
    "adi": "its coefficients are squares of the steps' widths, fractions of 1 that are 0 as integers and divide",
    "correlation": "a correlation lies between -1 and 1, and so does all that it is summed of",
    "deriche": "its coefficients are powers of e, of which nothing is left in integers",
    "durbin": "its reflection coefficients lie between -1 and 1, so that what it divides by becomes 0",
    "gramschmidt": "the columns of its result have length 1, and so have elements between -1 and 1",
}
"""PolyBench's kernels that mean nothing in integers, and why."""


def in_integers(source: str, kind: str) -> str:
    """The source with integers of type `kind` for f64.

    Divisions round down, a factor that is a fraction multiplies and divides, a root is that of a float, cut off, and
    what is stored in a variable of type f64 wraps.
    """
    return ast.unparse(ast.fix_missing_locations(_Integers(kind).visit(ast.parse(source))))


class _Integers(ast.NodeTransformer):
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.variables: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        typed = (n for n in ast.walk(node) if isinstance(n, ast.AnnAssign) and _is_f64(n.annotation))
        self.variables = {n.target.id for n in typed if isinstance(n.target, ast.Name)}
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> Any:
        return ast.alias(self.kind) if node.name == "f64" else node

    def visit_Name(self, node: ast.Name) -> Any:
        return ast.Name(self.kind, node.ctx) if node.id == "f64" else node

    def visit_Constant(self, node: ast.Constant) -> Any:
        whole = isinstance(node.value, float) and node.value.is_integer()
        return ast.Constant(int(node.value)) if whole else node  # type: ignore[arg-type]

    def visit_Compare(self, node: ast.Compare) -> Any:
        """A fraction that is an upper bound rounds down, another one up."""
        self.generic_visit(node)
        pairs = zip(node.ops, node.comparators, strict=True)
        node.comparators = [_bound(c, isinstance(op, ast.LtE | ast.Gt)) for op, c in pairs]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            return ast.BinOp(node.left, ast.FloorDiv(), node.right)
        for factor, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.Mult) and _is_fraction(factor):
                return _part(other, Fraction(ast.literal_eval(factor)).limit_denominator(FINEST))
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if ast.unparse(node.func) != "gm.sqrt":
            return node
        return ast.parse(
            f"gm.cast(gm.sqrt(gm.cast({ast.unparse(node.args[0])}, gm.f32)), {self.kind})", mode="eval"
        ).body

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        if not all(map(self._is_variable, node.targets)):
            return node
        return ast.Assign(node.targets, self._wrapped(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        op = ast.FloorDiv() if isinstance(node.op, ast.Div) else node.op
        if not isinstance(node.target, ast.Name) or not self._is_variable(node.target):
            return ast.AugAssign(node.target, op, node.value)
        now = ast.Name(node.target.id, ast.Load())
        return ast.Assign([node.target], self._wrapped(ast.BinOp(now, op, node.value)))

    def _is_variable(self, target: ast.expr) -> bool:
        return isinstance(target, ast.Name) and target.id in self.variables

    def _wrapped(self, value: ast.expr) -> ast.expr:
        return ast.Call(ast.Name(self.kind, ast.Load()), [value], [])


def _is_f64(e: ast.expr) -> bool:
    return isinstance(e, ast.Name) and e.id == "f64"


def _is_fraction(e: ast.expr) -> bool:
    return isinstance(e, ast.Constant) and isinstance(e.value, float)


def _bound(e: ast.expr, down: bool) -> ast.expr:
    if not _is_fraction(e):
        return e
    return ast.Constant((math.floor if down else math.ceil)(ast.literal_eval(e)))


def _part(e: ast.expr, factor: Fraction) -> ast.expr:
    """A fraction of a value."""
    times = e if factor.numerator == 1 else ast.BinOp(e, ast.Mult(), ast.Constant(factor.numerator))
    return ast.BinOp(times, ast.FloorDiv(), ast.Constant(factor.denominator))
