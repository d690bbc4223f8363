"""z3's solvers, as all of Gemel uses them."""

from __future__ import annotations

from typing import Any


def new_solver(logic: str = "") -> Any:
    """A solver, of a logic if one is named. Ctrl-C is Python's: z3's own handler would end one question and keep it."""
    import z3

    made = z3.SolverFor(logic) if logic else z3.Solver()
    made.set("ctrl_c", False)
    return made
