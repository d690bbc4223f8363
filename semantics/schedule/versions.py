"""Steps that choose what there is to schedule: what a call does, a version for given sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.fold import fold
from gemel.semantics.ir import Call, Expr, If, Kernel, Ref, Stmt, Var
from gemel.semantics.passes.inline import calls, expanded
from gemel.semantics.schedule.names import Renaming, names, refuse, unused
from gemel.semantics.traverse import Body, map_body, map_expr


def inline(kernel: Kernel, callee: str) -> Kernel:
    """The calls of a kernel as copies of what it does, with loops and arrays that steps can name.

    What its own schedule has decided stays as it is. Raises ScheduleError where it isn't called.
    """
    if not any(s.kernel.name == callee for s in calls(kernel)):
        known = ", ".join(dict.fromkeys(s.kernel.name for s in calls(kernel))) or "none"
        raise refuse(f"{kernel.name} doesn't call {callee}", kernel.span, f"its calls: {known}", "K01")
    copier = Renaming(names(kernel))

    def expand(s: Stmt) -> Stmt | Body:
        return copier.body(expanded(s)) if isinstance(s, Call) and s.kernel.name == callee else s

    return replace(kernel, body=map_body(kernel.body, stmt=expand))


class _Version(Renaming):
    """A copier for given sizes: they are folded, and what is named gets a suffix that says them."""

    def __init__(self, taken: Iterable[str], sizes: Mapping[Var, int]) -> None:
        super().__init__(taken)
        self.suffix = "".join(f"_{d.hint}{n}" for d, n in sizes.items())
        self.vars.update((d, build.index(n, d.span)) for d, n in sizes.items())

    def name(self, hint: str) -> str:
        return unused(f"{hint}{self.suffix}", self.taken)

    def expr(self, e: Expr) -> Expr:
        return map_expr(fold, super().expr(e))


def specialize(kernel: Kernel, **sizes: int) -> Kernel:
    """A version for given sizes, tried first, before the one for all others; steps can schedule each by its own names.

    What is named in the version has the sizes behind its name: `i` is `i_N64` where N is 64. Raises ScheduleError for
    what is no open size of the kernel.
    """
    by_name = {d.hint: d for d in kernel.dims}
    unknown = [n for n in sizes if n not in by_name]
    if unknown or not sizes:
        what = f"no open size {unknown[0]}" if unknown else "no size to specialize on"
        known = ", ".join(by_name) or "none"
        raise refuse(f"{kernel.name} has {what}", kernel.span, f"its open sizes: {known}", "K01")
    wrong = [n for n, value in sizes.items() if isinstance(value, bool) or not isinstance(value, int) or value < 0]
    if wrong:
        raise refuse(f"the size {wrong[0]} can't be {sizes[wrong[0]]!r}", kernel.span, "a size is an int from 0")
    at = {by_name[n]: value for n, value in sizes.items()}
    equal = (build.apply(ops.EQ, Ref(d, d.span), build.index(value), span=kernel.span) for d, value in at.items())
    cond = build.all_of(equal, kernel.span)
    version = _Version(names(kernel), at).body(kernel.body)
    return replace(kernel, body=(If(cond, version, kernel.body, kernel.span),))
