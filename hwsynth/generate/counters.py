"""The counters of a pipelined nest and its pulses.

Where its bounds aren't constant, a counter has a register beside it that says whether it is in its last turn, computed
with the counter's value, so that control between registers is a few gates. Where a loop inside begins anew, its bounds
come from the values that the counters around are about to take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gemel.hwsynth import logic as lg
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import LevelPlan, PipePlan
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import Node
from gemel.hwsynth.regions import constant_bounds
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, int_holding
from gemel.semantics.ir import Const, Expr, For, Ref, Var
from gemel.semantics.span import Span


def pulses(gen: Generator, p: PipePlan, start: Expr) -> tuple[Expr, Expr]:
    """The pulse of each iteration's first cycle, and whether it is the last iteration."""
    span = p.region.span
    tag = gen.tag(p.region)
    gen.told(*(n.var for x in p.levels for n in (x.counter, x.first, x.active, x.last) if n is not None))
    going = Ref(gen.net(f"run{tag}", BOOL, span, "iterations begin"), span)
    clock = _Clock(gen, going, start, p.ii, tag)
    paused = _Pause(gen, p, span) if any(x.gap for x in p.levels) else None
    now = lg.TRUE if paused is None else lg.neg(paused.flag)
    issue, turn = lg.both(lg.both(going, clock.first), now), lg.both(lg.both(going, clock.last), now)
    issue = gen.named(f"issue{tag}", issue, span)
    counters = _Counters(gen, p.levels, start, turn)
    last = counters.make()
    if paused is not None:
        paused.make(start, counters.advance, lg.both(going, clock.last), p)
    outer = p.levels[0].loop
    begins = start if constant_bounds(outer) else lg.both(start, enters(gen, outer))
    alive = lg.either(begins, lg.both(going, lg.neg(lg.both(turn, last))))
    if gen.kill is not None:
        alive = lg.both(alive, lg.neg(Ref(gen.kill, span)))
    gen.registers.append(Register(going.var, alive, None, 0))
    return issue, last


def enters(gen: Generator, s: For) -> Expr:
    """Whether a loop has any iteration, from its bounds."""
    return _before(s, gen.control(s.lo), gen.control(s.hi))


def _before(s: For, value: Expr, hi: Expr) -> Expr:
    """Whether a value of the loop variable is within the loop."""
    up = isinstance(s.step, Const) and int(s.step.value) > 0
    return lg.compare(ops.LT if up else ops.GT, value, hi)


class _Clock:
    """Which cycle of the II it is; with an II of 1 always the first and the last."""

    def __init__(self, gen: Generator, going: Expr, start: Expr, ii: int, tag: str) -> None:
        self.first: Expr = lg.TRUE
        self.last: Expr = lg.TRUE
        if ii == 1:
            return
        dtype, span = int_holding(0, ii - 1), going.span
        phase = gen.net(f"phase{tag}", dtype, span, "counts the cycles between two iterations")
        now: Expr = Ref(phase, span)
        end = gen.constant("last_phase", ii - 1, dtype, span)
        self.first, self.last = lg.equal(now, 0), gen.named(f"turn{tag}", lg.compare(ops.EQ, now, end), span)
        nxt = lg.select(self.last, lg.number(0, dtype), lg.add(now, 1, dtype))
        gen.registers.append(Register(phase, lg.select(start, lg.number(0, dtype), nxt), lg.either(start, going), None))


class _Pause:
    """Waiting between turns: `flag` is high for as many IIs as `left` counts down."""

    def __init__(self, gen: Generator, p: PipePlan, span: Span) -> None:
        self.gen, self.span = gen, span
        most = max(x.gap for x in p.levels) // p.ii
        tag = gen.tag(p.region)
        self.left = Ref(gen.net(f"pause{tag}", int_holding(0, most), span, "turns that the next one waits"), span)
        self.flag = Ref(gen.net(f"paused{tag}", BOOL, span, "between turns: no iteration begins"), span)

    def make(self, start: Expr, advance: Sequence[Expr], tick: Expr, p: PipePlan) -> None:
        """The registers: loaded where a loop that isn't the innermost advances, the outermost that does."""
        dtype = lg.net_type(self.left)
        turns: Expr = lg.number(0, dtype)
        loads: Expr = lg.FALSE
        for level, advances in reversed(list(zip(p.levels[:-1], advance, strict=False))):
            turns = lg.select(advances, lg.number(level.gap // p.ii, dtype), turns)
            loads = lg.select(advances, lg.TRUE if level.gap else lg.FALSE, loads)
        ends = lg.equal(self.left, 1)
        flag = lg.either(loads, lg.both(self.flag, lg.neg(lg.both(tick, ends))))
        self.gen.registers.append(Register(self.flag.var, lg.both(flag, lg.neg(start)), None, 0))
        down = lg.add(self.left, -1, dtype)
        self.gen.registers.append(Register(self.left.var, lg.select(loads, turns, down), lg.either(loads, tick), None))


@dataclass
class _Counters:
    """The counters in the making; `advance` has for each level the pulse at which its counter steps or begins anew."""

    gen: Generator
    levels: Sequence[LevelPlan]
    start: Expr
    turn: Expr
    advance: list[Expr] = field(default_factory=list)
    last: list[Ref] = field(default_factory=list)
    coming: dict[Var, Expr] = field(default_factory=dict)
    """The values that the counters so far have after an advance."""

    def make(self) -> Expr:
        """All registers; whether it is the last iteration."""
        for p in self.levels:
            net = self.gen.net(f"{p.loop.var.hint}_last", BOOL, p.loop.span)
            self.last.append(Ref(net, p.loop.span) if p.last is None else _net(p.last))
        pulse = self.turn
        for flag in reversed(self.last):
            self.advance.insert(0, pulse)
            pulse = lg.both(pulse, flag)
        alive: Expr = lg.TRUE
        for n, p in enumerate(self.levels):
            alive = self._level(n, p, alive)
        last: Expr = lg.TRUE
        for flag in reversed(self.last):
            last = lg.both(last, flag)
        return last

    def _level(self, n: int, p: LevelPlan, around: Expr) -> Expr:
        """One level's registers; whether after an advance no loop to here is empty, where `around` says so outside."""
        s = p.loop
        now = _net(p.counter)
        dtype = lg.net_type(now)
        lo, hi = self.gen.control(s.lo, self.coming), self.gen.control(s.hi, self.coming)
        following = self._following(p)
        nxt = self._taken(n, lg.cast(lo, dtype), lg.cast(following, dtype))
        enable = lg.either(self.start, self.advance[n])
        self._register(now, nxt, enable)
        self.coming[s.var] = lg.select(enable, nxt, now)
        alive = lg.both(around, _before(s, lo, hi)) if p.may_be_empty else around
        self._last(n, p, alive, enable)
        if p.first is not None:
            self._register(_net(p.first), self._taken(n, lg.TRUE, lg.FALSE), enable)
        if p.active is not None:
            held = _net(p.active)
            self._register(held, self._taken(n, alive, held), enable)
            alive = lg.select(enable, self._taken(n, alive, held), held)
        return alive

    def _following(self, p: LevelPlan) -> Expr:
        """The value after the counter's; in the turn ahead it is that of the first."""
        now, step = _net(p.counter), self.gen.control(p.loop.step)
        following = build.apply(ops.ADD, now, step, span=p.loop.span)
        return lg.select(_net(p.first), now, following) if p.ahead and p.first is not None else following

    def _taken(self, n: int, begins: Expr, goes_on: Expr) -> Expr:
        """What a register of a level takes: one value where the loop begins, another where it goes on."""
        again = goes_on if n == 0 else lg.select(self.last[n], begins, goes_on)
        return lg.select(self.start, begins, again)

    def _last(self, n: int, p: LevelPlan, alive: Expr, enable: Expr) -> None:
        """Whether a counter is at its last value: a comparison with a number, or a register that goes with it."""
        s, now = p.loop, _net(p.counter)
        values = constant_bounds(s)
        if values and p.last is None and alive is lg.TRUE and not p.ahead:
            end = self.gen.constant(f"last_{s.var.hint}", values[-1], lg.net_type(now), s.span)
            self.gen.wires.append(Wire(self.last[n].var, lg.compare(ops.EQ, now, end)))
            return
        lo, hi = self.gen.control(s.lo, self.coming), self.gen.control(s.hi, self.coming)
        step = int(s.step.value) if isinstance(s.step, Const) else 0
        only = lg.either(lg.neg(_before(s, lo if p.ahead else _plus(lo, step), hi)), lg.neg(alive))
        ends = lg.neg(_before(s, _plus(now, 2 * step), self.gen.control(s.hi)))
        if p.ahead and p.first is not None:
            ends = lg.select(_net(p.first), lg.neg(_before(s, _plus(now, step), self.gen.control(s.hi))), ends)
        self._register(self.last[n], self._taken(n, only, ends), enable)

    def _register(self, net: Ref, nxt: Expr, enable: Expr) -> None:
        self.gen.registers.append(Register(net.var, nxt, enable, None))


def _net(n: Node) -> Ref:
    if n.var is None:
        raise TypeError("a counter has a register")
    return Ref(n.var, n.span)


def _plus(a: Expr, value: int) -> Expr:
    return build.apply(ops.ADD, a, lg.number(value), span=a.span)
