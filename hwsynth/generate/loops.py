"""Loops around regions: counted, or by a condition."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.count import Count, Fixed, Turns, total
from gemel.hwsynth.generate.counters import turns_over
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import Emitter, LoopPlan, Planner
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import net_dtype
from gemel.hwsynth.regions import Block, Loop, Region, constant_bounds
from gemel.hwsynth.report import LoopReport
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, int_holding
from gemel.semantics.ir import Carry, Const, Expr, For, Ref, Var

# ------------------------------------------------------------------------------------------------------------ planning


def plan_loop(gen: Generator, r: Loop, plan: Planner) -> LoopPlan:
    """A loop and, by `plan`, the regions in it."""
    for c in r.carry:
        net = gen.net(c.var.hint, net_dtype(c.var.dtype, c.var.span), c.var.span)
        gen.nets[c.var] = gen.nets[c.result] = net
    counter = _loop_counter(gen, r)
    slot = len(gen.loops)
    gen.depth += 1
    known = r.counter is not None and r.known
    if r.counter is not None and known:
        gen.around.append(r.counter)
    test, body = plan(gen, r.test), plan(gen, r.body)
    if known:
        gen.around.pop()
    gen.depth -= 1
    wait = _waits(gen, r, (test if r.counter is None else body).first())
    late = any(c.result in gen.early for c in r.carry)
    each = total(body.cycles, Fixed(int(wait)))
    report = LoopReport(
        r.counter.var.hint if r.counter else "while", gen.depth, r.span,
        _trips(gen, r), None, gen.known(each), "", (),
    )  # fmt: skip
    gen.loops.insert(slot, report)
    return LoopPlan(r, counter, test, body, wait, late, report, _cycles(r, each, late) if known else None)


def _trips(gen: Generator, r: Loop) -> int | None:
    s = r.counter
    if s is None or not r.known:
        return None
    return gen.known(Turns(s.var, s.lo, s.hi, int(s.step.value), Fixed(1)))  # type: ignore[union-attr]


def _cycles(r: Loop, each: Count | None, late: bool) -> Count | None:
    s = r.counter
    if s is None or each is None or not isinstance(s.step, Const):
        return None
    return total(Turns(s.var, s.lo, s.hi, int(s.step.value), each, Fixed(1)), Fixed(int(late)))


def _waits(gen: Generator, r: Loop, first: list[Region]) -> bool:
    """Whether an iteration begins a cycle late, where control reads a value that changes as it begins.

    `first` are the regions that begin with it. So it does where there are none: every region takes a cycle, or the
    pulse would run in a ring at once.
    """
    changing = {c.var for c in r.carry} | ({r.counter.var} if r.counter is not None else set())
    return not (first and (all(isinstance(x, Block) for x in first) or not changing & gen.early))


def _loop_counter(gen: Generator, r: Loop) -> Var | None:
    s = r.counter
    if s is None:
        return None
    values = constant_bounds(s)
    dtype = int_holding(min(values), max(values)) if values else gen.span_type(s)
    net = gen.net(s.var.hint, dtype, s.var.span)
    gen.nets[s.var] = net
    return net


# ------------------------------------------------------------------------------------------------------------- netlist


def emit_loop(gen: Generator, p: LoopPlan, start: Expr, emit: Emitter) -> Expr:
    """The done pulse of a loop around regions, which `emit` generates."""
    r = p.region
    enter = gen.net("enter", BOOL, r.span)
    first: Expr = Ref(enter, r.span)
    if p.wait:
        first = gen.bit("turn", first, r.span)
    if r.counter is not None:
        body_done = emit(gen, p.body, first)
        ended = _count(gen, r.counter, p, start, body_done, enter)
    else:
        tested = emit(gen, p.test, first)
        go = gen.atom(r.cond) if r.cond is not None else lg.TRUE
        body_done = emit(gen, p.body, lg.both(tested, go))
        gen.wires.append(Wire(enter, lg.either(start, body_done)))
        ended = lg.both(tested, lg.neg(go))
    for c in r.carry:
        _loop_carry(gen, c, start, body_done)
    return gen.bit("left", ended, r.span) if p.late else ended


def _count(gen: Generator, s: For, p: LoopPlan, start: Expr, body_done: Expr, enter: Var) -> Expr:
    """The counter of a loop around regions; gives the pulse at which the loop ends."""
    if p.counter is None:
        raise TypeError("a counted loop has a counter")
    now: Expr = Ref(p.counter, s.span)
    dtype = lg.net_type(now)
    values = constant_bounds(s)
    first = lg.cast(gen.control(s.lo), dtype)
    step = gen.atom(s.step)
    following = build.apply(ops.ADD, now, step, span=s.span)
    at_end = lg.equal(now, values[-1]) if values else _beyond(gen, s, step, following)
    again = lg.both(body_done, lg.neg(at_end))
    nxt = lg.cast(following, dtype)
    if values and turns_over(values, dtype) and p.body.cycles is not None and gen.kill is None:
        gen.registers.append(Register(p.counter, nxt, body_done, 0))  # it is back at 0 with its last step
    else:  # where data decides, proofs tell turns by the control's state, which what is reset belongs to
        gen.registers.append(Register(p.counter, lg.select(start, first, nxt), lg.either(start, again), None))
    ended = lg.both(body_done, at_end)
    if values:
        gen.wires.append(Wire(enter, lg.either(start, again)))
        return ended
    enters = _enters(gen, s, step)
    gen.wires.append(Wire(enter, lg.either(lg.both(start, enters), again)))
    return lg.either(ended, gen.bit("skip", lg.both(start, lg.neg(enters)), s.span))


def _beyond(gen: Generator, s: For, step: Expr, following: Expr) -> Expr:
    hi = gen.control(s.hi)
    up, down = lg.compare(ops.GE, following, hi), lg.compare(ops.LE, following, hi)
    if isinstance(s.step, Const):
        return up if int(s.step.value) > 0 else down
    return lg.select(lg.compare(ops.GT, step, lg.number(0)), up, down)


def _enters(gen: Generator, s: For, step: Expr) -> Expr:
    lo, hi = gen.control(s.lo), gen.control(s.hi)
    up, down = lg.compare(ops.LT, lo, hi), lg.compare(ops.GT, lo, hi)
    if isinstance(s.step, Const):
        return up if int(s.step.value) > 0 else down
    return lg.select(lg.compare(ops.GT, step, lg.number(0)), up, down)


def _loop_carry(gen: Generator, c: Carry, start: Expr, body_done: Expr) -> None:
    net = gen.nets[c.var]
    dtype = lg.net_type(Ref(net, net.span))
    init, nxt = (lg.cast(gen.atom(e), dtype) for e in (c.init, c.next))
    gen.registers.append(Register(net, lg.select(start, init, nxt), lg.either(start, body_done), None))
