"""Verification: everything that could go wrong when a kernel runs, proved for all sizes and inputs, or refuted by some.

Loaded when `verify` is first called: it needs z3.
"""

from __future__ import annotations

import time

from gemel.semantics.ir import Alloc, Assert, Check, For, Kernel, Load, Reduce
from gemel.semantics.passes.guard import Site, guard, with_sites, without_narrowings
from gemel.semantics.passes.inline import calls, inline, inline_unscheduled
from gemel.semantics.traverse import all_exprs, statements
from gemel.semantics.verify.report import PROVED, UNKNOWN, Counterexample, Obligation, Report
from gemel.semantics.verify.state import forget_terms
from gemel.semantics.verify.walk import Key, Walk
from gemel.semantics.verify.witness import Witnesses

__all__ = ["Counterexample", "Obligation", "Report", "verify"]


def verify(kernel: Kernel) -> Report:
    """The obligations of a kernel, each proved, refuted with inputs, or unknown; symbolic sizes stay symbols.

    Code keeps all checks where scheduled kernels are called: what is proved of their copies isn't known of the calls.
    """
    start = time.perf_counter()
    forget_terms()
    guarded, sites = with_sites(inline(kernel))
    walk = Walk(guarded)
    walk.run()
    keyed = _obligations(guarded, sites, walk)
    if walk.contradictions:
        for _, o in keyed:
            o.status, o.by = UNKNOWN, ""
    else:
        _refute(guarded, keyed, walk)
    proved = {key for key, o in keyed if o.status == PROVED and isinstance(key, Assert)}
    kept = without_narrowings(guarded, proved)
    if any(s.kernel.scheduled for s in calls(kernel)):
        kept = guard(inline_unscheduled(kernel))
    obligations = tuple(sorted((o for _, o in keyed), key=lambda o: (o.span.line, o.span.column)))
    given = dict.fromkeys((site.given, site.span) for site in sites if site.given)
    return Report(kept, obligations, (*walk.assumed, *given), tuple(walk.contradictions), time.perf_counter() - start)


def _obligations(guarded: Kernel, sites: list[Site], walk: Walk) -> list[tuple[Key | None, Obligation]]:
    """Each obligation with the node that it is found by; None where ranges alone proved it."""
    found: list[tuple[Key | None, Obligation]] = []
    for site in sites:
        if site.check is Check.REQUIRES:
            continue
        status = PROVED if site.assertion is None else walk.status.get(site.assertion, UNKNOWN)
        by = "ranges" if site.assertion is None else "z3"
        found.append((site.assertion, Obligation(site.check, site.span, site.text, status, by)))
    for load in _reads(guarded, walk):
        about = f"{load.buffer.hint} is stored to before"
        found.append((load, Obligation(Check.INITIALISED, load.span, about, walk.status.get(load, PROVED), "z3")))
    for key, status in walk.status.items():
        if isinstance(key, For):
            found.append((key, Obligation(Check.CONFLICT, key.span, "iterations keep apart", status, "z3")))
    return found


def _reads(guarded: Kernel, walk: Walk) -> list[Load | Reduce]:
    """The reads of tensors of the kernel's own, one for each place in the source and tensor."""
    own = {s.buffer for s in statements(guarded.body) if isinstance(s, Alloc) and s.buffer.data is None}
    own |= set(guarded.results)
    reads = [e for e in all_exprs(guarded.body) if isinstance(e, Load)]
    reads += [s for s in statements(guarded.body) if isinstance(s, Reduce)]  # type: ignore[misc]
    return [r for r in reads if r.buffer in own and (r.buffer.rank or r in walk.status)]


def _refute(guarded: Kernel, keyed: list[tuple[Key | None, Obligation]], walk: Walk) -> None:
    open_ = [(key, o) for key, o in keyed if o.status == UNKNOWN]
    if not open_:
        return
    search = Witnesses(guarded, walk.inputs, [o for _, o in open_])
    search.at_random()
    for key, o in open_:
        if key is not None and key in walk.open_states:
            search.from_model(o, *walk.open_states[key], walk.prover)
