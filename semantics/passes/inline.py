"""Calls become copies of what they call.

Accesses of a window of an array are checked against the window here, since the copy accesses the array. Calls of
scheduled kernels can be left for later: how these compute is decided, and what schedules their caller leaves it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gemel.semantics import build, failures
from gemel.semantics.equal import same_size
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Buffer, Call, Const, Expr, Kernel, Let, Ref, Stmt, Var, View
from gemel.semantics.passes.guard import guard_windows
from gemel.semantics.traverse import Body, map_body, statements


def inline(kernel: Kernel) -> Kernel:
    """The kernel without calls; what a callee requires is asserted at the call."""
    return inline_where(kernel, lambda s: True)


def inline_unscheduled(kernel: Kernel) -> Kernel:
    """The kernel without calls but those of scheduled kernels."""
    return inline_where(kernel, lambda s: not s.kernel.scheduled)


def inline_where(kernel: Kernel, wanted: Callable[[Call], bool]) -> Kernel:
    """The kernel without the calls that are `wanted`, and so in what these call."""
    body = _inlined(kernel.body, {}, wanted)
    if not kernel.dims and any(map(_unfolded, statements(body))):
        body = Folding().body(body)
    return replace(kernel, body=body)


def expanded(s: Call) -> Body:
    """What a call does; calls in it stay."""
    return _expand(s, {}, lambda inner: False)


def calls(kernel: Kernel) -> list[Call]:
    """The calls in a kernel, those in what it calls not."""
    return [s for s in statements(kernel.body) if isinstance(s, Call)]


def _unfolded(s: Stmt) -> bool:
    """Whether an array's size is an expression, which may be one of literals: later passes look for literals."""
    return isinstance(s, Alloc) and not all(isinstance(n, Const) for n in s.buffer.shape)


def _inlined(body: Body, done: dict[Kernel, Body], wanted: Callable[[Call], bool]) -> Body:
    def expand(s: Stmt) -> Stmt | Body:
        return _expand(s, done, wanted) if isinstance(s, Call) and wanted(s) else s

    return map_body(body, stmt=expand)


def _expand(s: Call, done: dict[Kernel, Body], wanted: Callable[[Call], bool]) -> Body:
    callee = s.kernel
    if callee not in done:
        done[callee] = _inlined(callee.body, done, wanted)
    body = done[callee]
    pairs = zip(callee.params, s.args, strict=True)
    windows = {p for p, a in pairs if isinstance(p, Buffer) and isinstance(a, View) and _narrows(a)}
    if windows and not callee.guarded:  # else it checks its parameters' sizes, which are the windows':
        body = guard_windows(replace(callee, body=body), windows)
    copier = Folding()  # sizes of arrays are known where those of the call are
    copier.vars.update(zip(callee.dims, s.dims, strict=True))
    copier.buffers.update(zip(callee.results, s.results, strict=True))
    given: list[Stmt] = []
    for param, arg in zip(callee.params, s.args, strict=True):
        if isinstance(param, Buffer) and isinstance(arg, View):
            copier.views[param] = arg
        elif isinstance(param, Var) and not isinstance(arg, View):
            copier.vars[param] = _evaluated(param, arg, given)
    return *given, *map_body(copier.body(body), stmt=lambda inner: failures.owed(inner, s))


def _narrows(view: View) -> bool:
    """Whether a view may leave out elements of its array."""
    whole = len(view.vars) == view.buffer.rank and all(
        isinstance(i, Ref) and i.var is v for i, v in zip(view.indices, view.vars, strict=True)
    )
    return not (whole and all(map(same_size, view.shape, view.buffer.shape)))


def _evaluated(param: Var, arg: Expr, given: list[Stmt]) -> Expr:
    """A scalar argument by name: evaluated before the call, and then whatever the callee does with it."""
    if build.is_atom(arg):
        return arg
    var = Var(param.hint, param.dtype, arg.span)
    given.append(Let(var, arg, arg.span))
    return Ref(var, arg.span)
