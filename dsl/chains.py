"""Long chains of elif as balanced branches, so that nothing that walks them has to go deep."""

from __future__ import annotations

import ast
from collections.abc import Sequence

MAX_ARMS = 24
"""The longest chain that is traced as written."""

ARM = "number of the arm"
"""The name that holds which arm is taken; no name of a user has spaces."""


def arms_of(s: ast.If) -> list[ast.If]:
    """The branches of an if/elif chain; just the one where a condition binds names."""
    arms = [s]
    while len(arms[-1].orelse) == 1 and isinstance(arms[-1].orelse[0], ast.If):
        arms.append(arms[-1].orelse[0])
    binds = len(arms) > MAX_ARMS and any(isinstance(n, ast.NamedExpr) for arm in arms for n in ast.walk(arm.test))
    return [s] if binds else arms


def balanced(live: Sequence[int], bodies: Sequence[list[ast.stmt]], arms: Sequence[ast.If]) -> ast.If:
    """Branches by the number of the arm, at least two of them."""
    middle = len(live) // 2
    place = arms[min(live[middle], len(arms) - 1)].test
    test = ast.Compare(ast.Name(ARM, ast.Load()), [ast.Lt()], [ast.Constant(live[middle])])
    sides = [_side(part, bodies, arms) for part in (live[:middle], live[middle:])]
    made = ast.copy_location(ast.If(ast.copy_location(test, place), *sides), place)
    for n in (test.left, test.comparators[0]):
        ast.copy_location(n, place)
    return made


def _side(live: Sequence[int], bodies: Sequence[list[ast.stmt]], arms: Sequence[ast.If]) -> list[ast.stmt]:
    return bodies[live[0]] if len(live) == 1 else [balanced(live, bodies, arms)]
