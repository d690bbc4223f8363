"""The counters of a pipelined loop and its pulses."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.dependence import Counter
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.netlist import Register
from gemel.hwsynth.regions import (
    Pipe,
    constant_bounds,
)
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, int_holding
from gemel.semantics.ir import Const, Expr, For, Ref


def pulses(gen: Generator, r: Pipe, counters: list[Counter], start: Expr, ii: int) -> tuple[Expr, Expr]:
    """The pulse of each iteration's first cycle, and whether it is the last iteration."""
    span = r.span
    run = gen.net(f"run{gen.tag(r)}", BOOL, span, "iterations begin")
    going: Expr = Ref(run, span)
    issue, turn = (going, going) if ii == 1 else _phase(gen, r, going, start, ii)
    last: Expr = lg.TRUE
    advance = turn
    for c, s in reversed(list(zip(counters, r.loops, strict=True))):
        at_end = _counter(gen, c, s, start, advance)
        advance = lg.both(advance, at_end)
        last = lg.both(last, at_end)
    stop = lg.both(turn, last)
    begins = start if constant_bounds(r.loops[0]) else lg.both(start, enters(gen, r.loops[0]))
    alive = lg.either(begins, lg.both(going, lg.neg(stop)))
    if gen.kill is not None:
        alive = lg.both(alive, lg.neg(Ref(gen.kill, span)))
    gen.registers.append(Register(run, alive, None, 0))
    return issue, last


def _phase(gen: Generator, r: Pipe, going: Expr, start: Expr, ii: int) -> tuple[Expr, Expr]:
    dtype, span = int_holding(0, ii - 1), r.span
    phase = gen.net(f"phase{gen.tag(r)}", dtype, span, "counts the cycles between two iterations")
    now: Expr = Ref(phase, span)
    turn = gen.named(
        f"turn{gen.tag(r)}", lg.compare(ops.EQ, now, gen.constant("last_phase", ii - 1, dtype, span)), span
    )
    nxt = lg.select(turn, lg.number(0, dtype), lg.add(now, 1, dtype))
    gen.registers.append(Register(phase, lg.select(start, lg.number(0, dtype), nxt), lg.either(start, going), None))
    return gen.named(f"issue{gen.tag(r)}", lg.both(going, lg.equal(now, 0)), span), lg.both(going, turn)


def enters(gen: Generator, s: For) -> Expr:
    """Whether a loop has any iteration, from its bounds."""
    lo, hi = gen.atom(s.lo), gen.atom(s.hi)
    up = isinstance(s.step, Const) and int(s.step.value) > 0
    return lg.compare(ops.LT if up else ops.GT, lo, hi)


def _counter(gen: Generator, c: Counter, s: For, start: Expr, advance: Expr) -> Expr:
    """The register of a loop variable; whether it stands at its last value."""
    net = c.node.var
    if net is None:
        raise TypeError("a counter has a register")
    now: Expr = Ref(net, s.span)
    dtype = lg.net_type(now)
    values = constant_bounds(s)
    if values is not None:
        at_end = lg.compare(ops.EQ, now, gen.constant(f"last_{s.var.hint}", values[-1], dtype, s.span))
        first: Expr = lg.number(values[0], dtype)
    else:
        following = build.apply(ops.ADD, now, lg.number(c.step), span=s.span)
        at_end = lg.compare(ops.GE if c.step > 0 else ops.LE, following, gen.atom(s.hi))
        first = lg.cast(gen.atom(s.lo), dtype)
    at_end = gen.named(f"{s.var.hint}_last", at_end, s.span)
    stepped = lg.add(now, c.step, dtype)
    wrapped = lg.select(at_end, first, stepped)
    nxt = lg.select(start, first, wrapped)
    gen.registers.append(Register(net, nxt, lg.either(start, advance), None))
    return at_end
