"""Loops around regions: counted, or by a condition."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.generate.pieces import Generator, Sequencer
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import net_dtype
from gemel.hwsynth.regions import (
    Block,
    Loop,
    Region,
    constant_bounds,
)
from gemel.hwsynth.report import LoopReport
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, int_holding
from gemel.semantics.ir import Carry, Const, Expr, For, Ref, Var


def loop(gen: Generator, r: Loop, start: Expr, sequence: Sequencer) -> tuple[Expr, int | None]:
    """The done pulse of a loop around regions, which `sequence` generates, and its cycles."""
    enter = gen.net("enter", BOOL, r.span)
    for c in r.carry:
        net = gen.net(c.var.hint, net_dtype(c.var.dtype, c.var.span), c.var.span)
        gen.nets[c.var] = gen.nets[c.result] = net
    counter = _loop_counter(gen, r)
    slot = len(gen.loops)
    gen.depth += 1
    if r.counter is not None:
        first, wait = _entry(gen, r, r.body, Ref(enter, r.span))
        body_done, cycles = sequence(gen, r.body, first)
        cycles = None if cycles is None else cycles + wait
        ended = _count(gen, r.counter, counter, start, body_done, enter)
    else:
        first, _ = _entry(gen, r, r.test, Ref(enter, r.span))
        tested, _ = sequence(gen, r.test, first)
        go = gen.atom(r.cond) if r.cond is not None else lg.TRUE
        body_done, cycles = sequence(gen, r.body, lg.both(tested, go))
        gen.wires.append(Wire(enter, lg.either(start, body_done)))
        ended = lg.both(tested, lg.neg(go))
    gen.depth -= 1
    for c in r.carry:
        _loop_carry(gen, c, start, body_done)
    trips = constant_bounds(r.counter) if r.counter is not None else None
    row = LoopReport(
        r.counter.var.hint if r.counter else "while", gen.depth, r.span,
        len(trips) if trips is not None else None, None, cycles, "", (),
    )  # fmt: skip
    gen.loops.insert(slot, row)
    late = any(c.result in gen.early for c in r.carry)
    done = gen.bit("left", ended, r.span) if late else ended
    if trips is None or cycles is None:
        return done, None
    return done, len(trips) * cycles + late


def _entry(gen: Generator, r: Loop, first: list[Region], enter: Expr) -> tuple[Expr, bool]:
    """The pulse that begins an iteration; a cycle late where control reads a value that changes at `enter`.

    So it is where `first` is empty: every region takes a cycle, or the pulse would run in a ring at once.
    """
    changing = {c.var for c in r.carry} | ({r.counter.var} if r.counter is not None else set())
    if first and (isinstance(first[0], Block) or not changing & gen.early):
        return enter, False
    return gen.bit("turn", enter, r.span), True


def _loop_counter(gen: Generator, r: Loop) -> Var | None:
    s = r.counter
    if s is None:
        return None
    values = constant_bounds(s)
    dtype = int_holding(min(values), max(values)) if values else gen.span_type(s)
    net = gen.net(s.var.hint, dtype, s.var.span)
    gen.nets[s.var] = net
    return net


def _count(gen: Generator, s: For, net: Var | None, start: Expr, body_done: Expr, enter: Var) -> Expr:
    """The counter of a loop around regions; gives the pulse at which the loop ends."""
    if net is None:
        raise TypeError("a counted loop has a counter")
    now: Expr = Ref(net, s.span)
    dtype = lg.net_type(now)
    values = constant_bounds(s)
    first = lg.cast(gen.atom(s.lo), dtype)
    step = gen.atom(s.step)
    following = build.apply(ops.ADD, now, step, span=s.span)
    at_end = lg.equal(now, values[-1]) if values else _beyond(gen, s, step, following)
    again = lg.both(body_done, lg.neg(at_end))
    nxt = lg.select(start, first, lg.cast(following, dtype))
    gen.registers.append(Register(net, nxt, lg.either(start, again), None))
    ended = lg.both(body_done, at_end)
    if values:
        gen.wires.append(Wire(enter, lg.either(start, again)))
        return ended
    enters = _enters(gen, s, step)
    gen.wires.append(Wire(enter, lg.either(lg.both(start, enters), again)))
    return lg.either(ended, gen.bit("skip", lg.both(start, lg.neg(enters)), s.span))


def _beyond(gen: Generator, s: For, step: Expr, following: Expr) -> Expr:
    hi = gen.atom(s.hi)
    up, down = lg.compare(ops.GE, following, hi), lg.compare(ops.LE, following, hi)
    if isinstance(s.step, Const):
        return up if int(s.step.value) > 0 else down
    return lg.select(lg.compare(ops.GT, step, lg.number(0)), up, down)


def _enters(gen: Generator, s: For, step: Expr) -> Expr:
    lo, hi = gen.atom(s.lo), gen.atom(s.hi)
    up, down = lg.compare(ops.LT, lo, hi), lg.compare(ops.GT, lo, hi)
    if isinstance(s.step, Const):
        return up if int(s.step.value) > 0 else down
    return lg.select(lg.compare(ops.GT, step, lg.number(0)), up, down)


def _loop_carry(gen: Generator, c: Carry, start: Expr, body_done: Expr) -> None:
    net = gen.nets[c.var]
    dtype = lg.net_type(Ref(net, net.span))
    init, nxt = (lg.cast(gen.atom(e), dtype) for e in (c.init, c.next))
    gen.registers.append(Register(net, lg.select(start, init, nxt), lg.either(start, body_done), None))
