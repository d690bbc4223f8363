"""The default schedule of sweeps over arrays, repeated in a loop over time, that come from beyond the second cache:
tiles over time.

The sweeps of a time step become one loop over rows in which a later sweep lags behind an earlier one; that loop is
skewed against time and comes outside of it. So a row goes through many time steps while it is in the cache. How far a
sweep has to lag, and how much the skew has to be, is found from the dependences: the least that the steps accept.
"""

from __future__ import annotations

from contextlib import suppress

from gemel.codegen.host import Host
from gemel.codegen.places import known_bytes
from gemel.codegen.rules.choices import choose, steps_to
from gemel.semantics.arguments import value_of
from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import (
    Alloc,
    Assert,
    Assume,
    Call,
    Expr,
    For,
    If,
    LoopKind,
    Reduce,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.schedule.fusion import least_shift
from gemel.semantics.schedule.names import find, loops
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import Body, loaded, statements, stored

REACH = 3
"""Iterations that a sweep may have to lag behind the one before."""

LONGEST = 64
"""Time steps of a tile: more save next to nothing."""


def schedule(start: Scheduled, host: Host) -> Scheduled:
    """The steps for the time loops of a kernel."""
    s = start
    for name in [p.loop.var.hint for p in loops(start.kernel.body) if _repeats(p.loop)]:
        s = attempt(s, _tiled, name, host)
    return s


def _repeats(s: For) -> bool:
    """Whether a loop does nothing but sweeps of two loops or more, each of which goes to an element once."""
    sweeps = bool(s.body) and all(isinstance(x, For) and _is_plain(x) and _has_rows(x) for x in s.body)
    once = value_of(s.hi, {}) == 1 or any(s.var in variables(e) for x in statements(s.body) for e in _place(x))
    return _is_plain(s) and sweeps and not once and _each_once(s.body, frozenset())


def _place(s: Stmt) -> tuple[Expr, ...]:
    return s.indices if isinstance(s, Store | Reduce) else ()


def _is_plain(s: For) -> bool:
    return s.kind is LoopKind.SERIAL and value_of(s.step, {}) == 1 and s.until is None and not s.carry


def _has_rows(s: For) -> bool:
    return bool(s.body) and all(isinstance(x, For) for x in s.body)


def _each_once(body: Body, around: frozenset[Var]) -> bool:
    """Whether a block's stores go to places that depend on all loops around them."""
    for s in body:
        match s:
            case For() if not _each_once(s.body, around | {s.var}):
                return False
            case If() if not (_each_once(s.then, around) and _each_once(s.orelse, around)):
                return False
            case Store() | Reduce() if not around <= {v for e in s.indices for v in variables(e)}:
                return False
            case While() | Assert() | Assume() | Call() | Alloc():
                return False
            case _:
                pass
    return True


def _tiled(s: Scheduled, name: str, host: Host) -> Scheduled:
    """A time loop in tiles.

    Raises ScheduleError where the dependences don't allow it or it isn't worth the while.
    """
    time = find(s.kernel, name).loop
    first, *later = (x.var.hint for x in time.body if isinstance(x, For))
    row = _row_bytes(time.body)
    cache = host.l2_bytes if host.threads < 2 else host.l3_bytes  # rows of one step are more for threads to share
    if _all_bytes(time.body) <= cache or not row:
        raise ScheduleError("the arrays stay in the cache", code="K03", span=time.span)
    lag = 0
    for sweep in later:
        lag = max(lag, least_shift(s.kernel, first, sweep) or 0)
        s = s.step("fuse", first, sweep, shift=lag)
    return _skewed(s, name, first, lag, host.l2_bytes * 3 // 4 // row)


def _skewed(s: Scheduled, time: str, row: str, lag: int, rows: int) -> Scheduled:
    """Rows outside of a tile's time steps, of which so many rows stay in the cache."""
    for factor in range(lag + 1, lag + REACH):
        most = min(LONGEST, rows // factor)
        count = value_of(find(s.kernel, time).loop.hi, {})
        if most < 2:
            break
        depth = choose(f"{time}.depth", min(most, count or most), steps_to(2 * most))
        with suppress(ScheduleError):
            return _exchanged(s, time, row, factor, depth)
    raise ScheduleError("no tiles over time", code="K03", span=find(s.kernel, time).loop.span)


def _exchanged(s: Scheduled, time: str, row: str, factor: int, depth: int) -> Scheduled:
    tile, step = f"{time}_b", f"{time}_t"
    s = s.step("split", time, depth, tile, step, tail="bound")
    return s.step("skew", row, step, factor).step("reorder", row, step)


def _all_bytes(body: Body) -> int:
    return sum(known_bytes(b) for b in stored(body) | loaded(body))


def _row_bytes(body: Body) -> int:
    """Bytes of one iteration of a sweep, of all arrays: those of an array over its first axis."""
    arrays = [b for b in stored(body) | loaded(body) if b.rank]
    return sum(known_bytes(b) // max(value_of(b.shape[0], {}) or 1, 1) for b in arrays)
