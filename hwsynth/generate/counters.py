"""The counters of a pipelined nest and its pulses.

A counter that goes back to its first value with its last step is there after a reset, too: a start has nothing to set.
Where loops inside have powers of two as many turns, from 0 up, they and the one around them are counted
by one number, of which each counter is some bits.

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
from gemel.semantics.dtypes import BOOL, DType, IntType, int_holding, width_of
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
        for n, m in self._groups():
            alive = self._level(n, self.levels[n], alive) if n == m else self._together(n, m)
        return self._end(0, len(self.last) - 1)

    def _end(self, n: int, m: int) -> Expr:
        """Whether the loops from level n to m are all in their last turn."""
        last: Expr = lg.TRUE
        for flag in reversed(self.last[n : m + 1]):
            last = lg.both(last, flag)
        return last

    def _groups(self) -> list[tuple[int, int]]:
        """All levels, as the first and the last one of those that one number counts."""
        found: list[tuple[int, int]] = []
        steady = all(constant_bounds(p.loop) and not p.ahead for p in self.levels)
        for n, p in enumerate(self.levels):
            if found and steady and _turns_over(p) and self._fit(self.levels[found[-1][0] : n + 1]):
                found[-1] = (found[-1][0], n)
            else:
                found.append((n, n))
        return found

    def _fit(self, some: Sequence[LevelPlan]) -> bool:
        """Whether levels may be one number: it counts by 1 in a cycle, and nothing else asks where its parts stand."""
        outer = constant_bounds(some[0].loop)
        clock, width = self.gen.clock, sum(width_of(p.counter.dtype) for p in some)
        short = clock.target.rows["increment"].delay(width) <= clock.room
        plain = all(p.last is None and p.active is None for p in some)
        return short and plain and outer is not None and outer.step == 1 and outer[0] >= 0

    def _together(self, n: int, m: int) -> Expr:
        """The number that counts levels n to m, and each counter as its part of it."""
        some = self.levels[n : m + 1]
        names = [p.loop.var.hint for p in some]
        span, low = some[0].loop.span, sum(width_of(p.counter.dtype) for p in some)
        dtype = IntType(low, False)
        now = Ref(self.gen.net("_".join((*names, "count")), dtype, span, f"{', '.join(names)} side by side"), span)
        for k, p in enumerate(some, n):
            counter = _net(p.counter)
            low -= width_of(p.counter.dtype)
            self.gen.wires.append(Wire(counter.var, _part(now, low, lg.net_type(counter))))
            self._last(k, p, lg.TRUE, lg.FALSE)
            self._first(k, p, self.advance[k])
        values = constant_bounds(some[0].loop) or range(1)
        begin = values[0] << (dtype.width - width_of(some[0].counter.dtype))
        enable, nxt, reset = self._stepped(n, m, lg.number(begin, dtype), lg.add(now, 1, dtype), _turns_over(some[0]))
        self.gen.registers.append(Register(now.var, nxt, enable, reset))
        return lg.TRUE

    def _stepped(self, n: int, m: int, begin: Const, following: Expr, around: bool) -> tuple[Expr, Expr, int | None]:
        """When a number that counts levels n to m changes, to what, and what a reset sets it to.

        It goes on to where it begins by itself if it is `around` there; else the outermost would need a choice
        for that: then, and where a failed check may end the run before, a start sets it.
        """
        step = self.advance[m]
        if self.gen.kill is None and (around or n):
            nxt = following if around else lg.select(self._end(n, m), begin, following)
            return step, nxt, int(begin.value)
        again = following if around or n == 0 else lg.select(self._end(n, m), begin, following)
        return lg.either(self.start, step), lg.select(self.start, begin, again), None

    def _level(self, n: int, p: LevelPlan, around: Expr) -> Expr:
        """One level's registers; whether after an advance no loop to here is empty, where `around` says so outside."""
        s = p.loop
        now = _net(p.counter)
        dtype = lg.net_type(now)
        lo, hi = self.gen.control(s.lo, self.coming), self.gen.control(s.hi, self.coming)
        begin, following = lg.cast(lo, dtype), lg.cast(self._following(p), dtype)
        enable = lg.either(self.start, self.advance[n])
        alive = lg.both(around, _before(s, lo, hi)) if p.may_be_empty else around
        if isinstance(begin, Const) and constant_bounds(s) and not p.ahead:
            step, nxt, reset = self._stepped(n, n, begin, following, alive is lg.TRUE and _turns_over(p))
        else:
            step, nxt, reset = enable, self._taken(n, begin, following), None
        self.gen.registers.append(Register(now.var, nxt, step, reset))
        self.coming[s.var] = lg.select(step, nxt if n or reset is None else following, now)
        self._last(n, p, alive, enable)
        self._first(n, p, enable)
        if p.active is not None:
            held = _net(p.active)
            self._register(held, self._taken(n, alive, held), enable)
            alive = lg.select(enable, self._taken(n, alive, held), held)
        return alive

    def _first(self, n: int, p: LevelPlan, enable: Expr) -> None:
        """The register that says whether a loop is in its first turn, if anything asks."""
        if p.first is not None:
            self._register(_net(p.first), self._taken(n, lg.TRUE, lg.FALSE), enable)

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


def _turns_over(p: LevelPlan) -> bool:
    values = constant_bounds(p.loop)
    return values is not None and turns_over(values, p.counter.dtype)


def turns_over(values: range, dtype: DType) -> bool:
    """Whether a counter has every value of its type, from 0 up."""
    return isinstance(dtype, IntType) and not dtype.signed and values == range(1 << dtype.width)


def _part(number: Ref, low: int, dtype: lg.NetType) -> Expr:
    high = lg.number(low + width_of(dtype) - 1)
    return lg.cast(build.apply(ops.BITS, number, high, lg.number(low), span=number.span), dtype)


def _plus(a: Expr, value: int) -> Expr:
    return build.apply(ops.ADD, a, lg.number(value), span=a.span)
