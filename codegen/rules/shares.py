"""What threads share by default: of each nest with much work, the outermost loop whose iterations keep apart.

Which loops these are depends on sizes alone, and no accumulation is taken apart: the number of threads changes no bit.
"""

from __future__ import annotations

from gemel.codegen.apart import keeps_apart
from gemel.codegen.host import Host
from gemel.codegen.outline import may_outline
from gemel.codegen.rules.choices import whether
from gemel.codegen.rules.effort import middle, trips, work
from gemel.semantics.ir import For, LoopKind, Stmt, Var
from gemel.semantics.schedule.names import find
from gemel.semantics.schedule.schedule import Scheduled
from gemel.semantics.traverse import Body, blocks_of

ENOUGH = 1 << 20
"""Operations from which on a loop is shared: threads meet in a microsecond or two, this takes some tens."""


def schedule(start: Scheduled, host: Host) -> Scheduled:
    """The steps that share the loops of a kernel among the host's threads."""
    return start if host.threads < 2 else _body(start, start.kernel.body, {})


def _body(s: Scheduled, body: Body, at: dict[Var, int]) -> Scheduled:
    for x in body:
        s = _loop(s, x, at) if isinstance(x, For) else _inside(s, x, at)
    return s


def _inside(s: Scheduled, x: Stmt, at: dict[Var, int]) -> Scheduled:
    for block in blocks_of(x):
        s = _body(s, block, at)
    return s


def _loop(s: Scheduled, x: For, at: dict[Var, int]) -> Scheduled:
    """The loop shared, or loops in it; `at` has a value of each loop variable around that stands for all."""
    if work(x, at) < ENOUGH or x.kind is not LoopKind.SERIAL:
        return s
    name = x.var.hint
    if trips(x, at) > 1 and may_outline(x) and keeps_apart(s.kernel, find(s.kernel, name)):
        made = s.attempt("parallel", name)
        if made is not s and whether(f"{name}.parallel"):
            return made
    return _body(s, x.body, {**at, x.var: middle(x, at)})
