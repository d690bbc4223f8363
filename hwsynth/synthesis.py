"""From a kernel with known sizes to its hardware module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from gemel.hwsynth import logic as lg
from gemel.hwsynth.ahead import offer
from gemel.hwsynth.banking import Layout, is_banked
from gemel.hwsynth.capacity import check_capacity
from gemel.hwsynth.choosing import choose
from gemel.hwsynth.count import Count, alternatives, cycles
from gemel.hwsynth.dag import postorder, roots_of
from gemel.hwsynth.generate import Generator, emit, plan, stretches
from gemel.hwsynth.keeping import keep
from gemel.hwsynth.kinds import made_of, most_reads
from gemel.hwsynth.names import KEYWORDS, legal, signature
from gemel.hwsynth.netcheck import check
from gemel.hwsynth.netlist import Input, Instance, Memory, Module, Output, Register, Reset, Wire
from gemel.hwsynth.nodes import Kind, net_dtype
from gemel.hwsynth.pipeline import HARDWARE, schedule
from gemel.hwsynth.placement import Placement
from gemel.hwsynth.ports import Ports, depth
from gemel.hwsynth.rams import block, blocks, reading
from gemel.hwsynth.regions import regions
from gemel.hwsynth.report import LoopReport, MemoryReport, Report
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.sharing import Sharing, limits_of
from gemel.hwsynth.split import layouts_of
from gemel.hwsynth.system import External, System, system
from gemel.hwsynth.targets import Target
from gemel.hwsynth.targets import target as target_named
from gemel.hwsynth.units import named_apart
from gemel.hwsynth.unitsynth import UNITS, distance
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BOOL, DType, IntType, width_of
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Buffer,
    Const,
    Expr,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
)
from gemel.semantics.pipeline import run
from gemel.semantics.span import BUILTIN
from gemel.semantics.traverse import Body, all_exprs, map_body, statements

if TYPE_CHECKING:
    from gemel.hwsynth.estimate import Estimate

MAX_DEPTH = 1 << 26
ARRAYS = 1.05
"""What cycles count for where they are had by more arrays."""
MOST_WAYS = 64
"""Ways through loops that run at the same time, beyond which cycles have no formula."""
RESERVED = ("clk", "rst", "start", "done", "busy", "error", "error_code")


@dataclass(frozen=True)
class Synthesized:
    """The result of synthesis: the scheduled kernel, the module, its simulation system, and what is known of it."""

    kernel: Kernel
    module: Module
    target: Target
    system: System
    report: Report
    sites: tuple[Assert, ...]
    cycles: int | None
    places: tuple[Placement, ...]
    """For each parameter and result of the kernel its memories, or for a result of rank 0 its output port."""
    reads: Mapping[str, int]
    """The read ports of memories inside of the module that have more than the usual, by name."""


@dataclass(frozen=True)
class Counted:
    """The cycles of a kernel's hardware, its loops, and the cycles of each way through those that run together."""

    cycles: int | None
    loops: tuple[LoopReport, ...]
    ways: Callable[[], tuple[int, ...]]


def synthesize_kernel(
    kernel: Kernel,
    target: str,
    clock_mhz: float,
    reset: Reset = Reset.SYNC,
    resources: Mapping[str, int] | None = None,
    reads: Mapping[str, int] | None = None,
) -> Synthesized:
    """The hardware of a kernel, with at most so many units of a kind.

    `reads` are the read ports of memories in hardware of the same kernel at other sizes; without it loops ask for them.
    Raises SynthesisError where the kernel can't be hardware as asked.
    """
    _check(kernel, clock_mhz)
    clock, shared = Clock(1000.0 / clock_mhz, target_named(target)), Sharing(limits_of(resources))
    return _fewest_cycles([option.make for option in _options(kernel, Asked(clock, clock_mhz, reset, shared, reads))])


def counted_kernel(kernel: Kernel, target: str, clock_mhz: float, reads: Mapping[str, int]) -> Counted:
    """What `synthesize_kernel` would say of the cycles of a kernel without limits on units, in half the time."""
    _check(kernel, clock_mhz)
    asked = Asked(Clock(1000.0 / clock_mhz, target_named(target)), clock_mhz, Reset.SYNC, Sharing({}), reads)
    return _fewest_cycles([option.counted for option in _options(kernel, asked)])


def _options(kernel: Kernel, asked: Asked) -> list[_Option]:
    ready = run(kernel, schedule(partial(distance, asked.clock)), "schedule")
    return [_Option(kernel, choose(k), asked) for k in dict.fromkeys((ready, keep(ready)))]


@dataclass(frozen=True)
class _Option:
    """A kernel as it may be scheduled."""

    source: Kernel
    scheduled: Kernel
    asked: Asked

    def make(self) -> Synthesized:
        """Its hardware."""
        lowered, asked = run(self.scheduled, HARDWARE, "hardware"), self.asked

        def made(asked: Asked) -> Synthesized:
            return _Maker(self.source, self.scheduled, lowered, asked).make()

        if asked.shared.limits:  # which units do for all shows when all has been generated
            asked = replace(asked, reads=made(asked).reads, shared=asked.shared.known())
        first = made(asked)
        # ports that a loop asked for are there for all others, too
        return made(replace(asked, reads=first.reads)) if asked.reads is None and first.reads else first

    def counted(self) -> Counted:
        """Its cycles."""
        return _Maker(self.source, self.scheduled, run(self.scheduled, HARDWARE, "hardware"), self.asked).counted()


Made = TypeVar("Made", Synthesized, Counted)


def _fewest_cycles(options: Sequence[Callable[[], Made]]) -> Made:
    """The hardware that takes the fewest cycles; what the first one can't be others may.

    The others have more arrays than the first: they are taken where they save some cycles in a hundred.
    """
    made: list[Made] = []
    refused: SynthesisError | None = None
    for option in options:
        try:
            made.append(option())
        except SynthesisError as error:
            refused = refused or error
    if refused is not None and not made:
        raise refused
    return min(made, key=lambda m: float("inf") if m.cycles is None else m.cycles * (1.0 if m is made[0] else ARRAYS))


@dataclass(frozen=True)
class Asked:
    """What is asked of the hardware."""

    clock: Clock
    clock_mhz: float
    reset: Reset
    shared: Sharing
    reads: Mapping[str, int] | None = None
    """Read ports of memories, by name, where that is settled."""


def _check(kernel: Kernel, clock_mhz: float) -> None:
    if kernel.dims:
        missing = ", ".join(d.hint for d in kernel.dims)
        raise SynthesisError(
            f"the sizes {missing} of {kernel.name} aren't known",
            code="H02",
            span=kernel.span,
            mend="give them to synth()",
        )
    if not isinstance(clock_mhz, int | float) or not 0 < clock_mhz < float("inf"):
        raise SynthesisError(f"a clock of {clock_mhz!r} MHz", code="H06", mend="give the frequency in MHz, above 0")


class _Maker:
    def __init__(self, source: Kernel, scheduled: Kernel, kernel: Kernel, asked: Asked) -> None:
        self.source, self.scheduled, self.kernel = source, scheduled, kernel
        self.clock, self.clock_mhz, self.reset, self.shared = asked.clock, asked.clock_mhz, asked.reset, asked.shared
        self.scalars = [p for p in kernel.params if isinstance(p, Var)]
        self.results = [b for b in kernel.results if not b.rank]
        self.external = [
            p for p in (*kernel.params, *kernel.results) if isinstance(p, Buffer) and p not in self.results
        ]
        internal = [s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)]
        self.depths = {b: depth(b) for b in (*self.external, *internal)}
        self._too_large()
        check_capacity(internal, self.depths, self.clock.target)
        more, counts = dict(asked.reads or {}), _accesses(kernel.body)
        self.ports = Ports(self.external, internal, self.depths, self.clock.chain(), more=more, counts=counts)
        if asked.reads is None:
            target = self.clock.target
            self.ports.most = {b: most_reads(target, self.depths[b], b.data is not None) for b in internal}
        self._name_memories()
        self.registers: dict[Buffer, Var] = {}
        layouts = layouts_of(scheduled).values()
        self.holds = {b.hint: k.told(n) for k in layouts for n, b in k.banks.items()}

    def _too_large(self) -> None:
        for b, words in self.depths.items():
            if words > MAX_DEPTH:
                raise SynthesisError(
                    f"{b.hint} has {words:,} elements; a memory has at most {MAX_DEPTH:,}",
                    code="H04",
                    span=b.span,
                    mend="make hardware for a smaller size, and call it for each part",
                )

    def _name_memories(self) -> None:
        """Names that stand before `_raddr` and the like in the text as they are: a keyword may be one."""
        taken = set(RESERVED) | {legal(p.hint) for p in self.scalars}
        for b in (*self.external, *self.ports.internal):
            name = base = legal(f"{b.hint}_raddr").removesuffix("_raddr") or legal(b.hint)
            n = 1
            while name in taken or f"{name}_raddr" in taken:
                n += 1
                name = f"{base}{n}"
            taken.add(name)
            self.ports.names[b] = name

    def counted(self) -> Counted:
        gen, *_ = self._begun()
        plans = plan(gen, gen.top)
        known, more = gen.known(plans.cycles), 1 + self._waits(gen)
        return Counted(None if known is None else known + more, gen.reports(), partial(_ways, plans.cycles, more))

    def _begun(self) -> tuple[Generator, Expr, Expr, list[Input]]:
        """The generator with what there is before all regions: the accepted start, the first pulse, the inputs."""
        body = self._without_scalar_results()
        gen = Generator(self.clock, self.ports, offer(regions(body)), UNITS, shared=self.shared)
        with gen.telling.part("the run", self.kernel.span):
            if any(isinstance(s, Assert) for s in statements(body)):
                gen.kill = gen.net("kill", BOOL, BUILTIN, "a check has failed: the run ends")
            return gen, *self._entry(gen)

    def make(self) -> Synthesized:
        gen, start, begin, inputs = self._begun()
        plans = plan(gen, gen.top)
        known = gen.known(plans.cycles)
        done = emit(gen, plans, begin)
        with gen.telling.reopened(0):
            outputs = self._exit(gen, start, done)
        module = named_apart(self._module(gen, inputs, outputs))
        check(module)
        total = None if known is None else known + 1 + self._waits(gen)
        ways = partial(_ways, plans.cycles, 1 + self._waits(gen))
        report = replace(self._report(gen, module, total), ways=ways, run=stretches(gen, plans))
        whole = system(module, list(map(self._memory, self.ports.used())))
        return Synthesized(
            self.scheduled,
            module,
            self.clock.target,
            whole,
            report,
            tuple(gen.sites),
            total,
            self._places(),
            self.ports.more,
        )

    def _memory(self, b: Buffer) -> External:
        words = max(self.depths[b], 1)
        return External(self.ports.names[b], net_dtype(b.dtype, b.span), words, b.span, self._latency(b))

    def _latency(self, b: Buffer) -> int:
        """The cycles from an address to its word."""
        return reading(self.clock, self.depths[b], b.data is not None, 1).cycles

    def _inside(self) -> tuple[tuple[Memory, ...], tuple[Instance, ...]]:
        """The memories inside: as such, or with an output register as modules of their own."""
        memories: list[Memory] = []
        instances: list[Instance] = []
        for b, m in self.ports.memories().items():
            if self._latency(b) == 1:
                memories.append(m)
            else:
                instances += blocks(block(self.clock, m.depth, m.dtype), m)
        return tuple(memories), tuple(instances)

    def _places(self) -> tuple[Placement, ...]:
        return tuple(
            Placement.of(p, map(self._place, own)) if isinstance(p, Buffer) else Placement((None,))
            for p, own in zip((*self.scheduled.params, *self.scheduled.results), self._parts(), strict=True)
        )

    def _parts(self) -> list[list[Buffer | Var]]:
        """What stands in the module for each parameter and result of the scheduled kernel: itself, or its banks."""
        own = iter((*self.kernel.params, *self.kernel.results))
        whole = (*self.scheduled.params, *self.scheduled.results)
        counts = [len(Layout(p, True).numbers) if isinstance(p, Buffer) and is_banked(p) else 1 for p in whole]
        return [list(islice(own, n)) for n in counts]

    def _place(self, p: Buffer | Var) -> str | None:
        if isinstance(p, Buffer) and p in self.results:
            return self._result_name(p)
        return self.ports.names[p] if isinstance(p, Buffer) and p in self.ports.used() else None

    def _without_scalar_results(self) -> Body:
        """Results of rank 0 are registers: their stores become names that the last block defines."""
        names = {b: Var(b.hint, b.dtype, b.span) for b in self.results}

        def stmt(s: Stmt) -> Stmt:
            if isinstance(s, Store) and s.buffer in names:
                self.registers[s.buffer] = names[s.buffer]
                return Let(names[s.buffer], s.value, s.span)
            return s

        return map_body(self.kernel.body, stmt=stmt)

    def _entry(self, gen: Generator) -> tuple[Expr, Expr, list[Input]]:
        """The accepted start pulse, the pulse that begins the work, and the inputs."""
        span = self.kernel.span
        start_in = Var("start", BOOL, span)
        self.busy = gen.net("busy", BOOL, span)
        start = gen.named("accepted", lg.both(Ref(start_in, span), lg.neg(Ref(self.busy, span))), span)
        inputs = [Input(start_in)]
        for p in self.scalars:
            port = Var(p.hint, net_dtype(p.dtype, p.span), p.span)
            inputs.append(Input(port))
            held = gen.register(f"{p.hint}_held", Ref(port, p.span), p.span, start)
            gen.define(p, held)
        for v in self.registers.values():
            gen.used.setdefault(v, set()).update((-1, -2))
            gen.early.add(v)
        begin = gen.bit("go", start, span) if self._waits(gen) else start
        return start, begin, inputs

    def _waits(self, gen: Generator) -> bool:
        """Whether work begins a cycle after `start`: its scalars are held then, and no end comes before busy rises."""
        return bool(self.scalars) or not gen.top

    def _exit(self, gen: Generator, start: Expr, done: Expr) -> list[Output]:
        """The registers behind done, busy and error, and the outputs."""
        span = self.kernel.span
        busy: Expr = Ref(self.busy, span)
        flag, number = self._errors(gen, start) if gen.kill is not None else (lg.FALSE, lg.number(0))
        ends = lg.both(busy, lg.either(done, flag)) if gen.kill is not None else done
        gen.registers.append(Register(self.busy, lg.either(start, lg.both(busy, lg.neg(ends))), None, 0))
        finished = gen.net("done", BOOL, span)
        gen.registers.append(Register(finished, ends, None, 0))
        outputs = [Output("done", Ref(finished, span)), Output("busy", busy)]
        if gen.kill is not None:
            outputs += [Output("error", flag), Output("error_code", number)]
        for b, v in self.registers.items():
            outputs.append(Output(self._result_name(b), Ref(gen.nets[v], b.span)))
        return outputs

    def _errors(self, gen: Generator, start: Expr) -> tuple[Expr, Expr]:
        """The error flag and the number of the check that failed first; both stay until the next start."""
        span = self.kernel.span
        code = IntType(max(1, len(gen.sites).bit_length()), False)
        flag_net, number = gen.net("error", BOOL, span), gen.net("error_code", code, span)
        flag: Expr = Ref(flag_net, span)
        failed: Expr = lg.FALSE
        which: Expr = lg.number(gen.fails[-1][1] if gen.fails else 0, code)
        for bad, site in reversed(gen.fails):
            failed, which = lg.either(bad, failed), lg.select(bad, lg.number(site, code), which)
        if gen.kill is not None:
            gen.wires.append(Wire(gen.kill, lg.both(flag, Ref(self.busy, span))))
        gen.registers.append(Register(flag_net, lg.both(lg.neg(start), lg.either(flag, failed)), None, 0))
        gen.registers.append(Register(number, which, lg.both(failed, lg.neg(flag)), 0))
        return flag, Ref(number, span)

    def _result_name(self, b: Buffer) -> str:
        taken = set(RESERVED) | {p.hint for p in self.scalars} | set(self.ports.names.values()) | set(KEYWORDS)
        name = b.hint if len(self.results) == 1 else f"{b.hint}{self.results.index(b)}"
        while name in taken:
            name += "_out"
        return name

    def _module(self, gen: Generator, inputs: list[Input], outputs: list[Output]) -> Module:
        comments = (
            signature(self.source),
            f"made by Gemel for {self.clock.target.name} at {self.clock_mhz:g} MHz; x_s2 is the value of x in stage 2",
        )
        memories, instances = self._inside()
        return Module(
            self.kernel.name,
            (*inputs, *self.ports.inputs()),
            (*outputs, *self.ports.outputs()),
            tuple(gen.wires),
            tuple(gen.registers),
            memories,
            (*gen.units.instances(gen.clock), *instances),
            self.kernel.span,
            comments,
            gen.telling.layout(self._port_groups(gen)),
            self.reset,
        )

    def _port_groups(self, gen: Generator) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The ports as the text shows them."""
        failing = "\nerror: a check has failed and the run ends; error_code says which" if gen.kill is not None else ""
        run = f"start is taken where busy is low; done is high for one cycle at the end{failing}"
        names = self.ports.names
        given = (*self.source.params, *self.source.results)
        types = {b: s.dtype for own, s in zip(self._parts(), given, strict=True) for b in own}
        return (
            (run, ("start", "busy", "done", "error", "error_code")),
            ("taken with start", tuple(p.hint for p in self.scalars)),
            ("valid from done on", tuple(map(self._result_name, self.results))),
            *((self._memory_text(b, types[b]), self.ports.port_names(b)) for b in self.external if b in names),
        )

    def _memory_text(self, b: Buffer, dtype: DType) -> str:
        order = f", row-major {' x '.join(str(value_of(s, {})) for s in b.shape)}" if b.rank > 1 else ""
        part = f": {self.holds[b.hint]}" if b.hint in self.holds else ""
        return f"{self.ports.names[b].rstrip('_')}: {self.depths[b]} words of {dtype}{order}{part}"

    def _report(self, gen: Generator, module: Module, cycles: int | None) -> Report:
        read = {b for b, _ in self.ports.reads}
        shown = [*self.external, *(b for b in self.ports.internal if b.rank and b in read)]
        bits = sum(width_of(r.var.dtype) for r in module.registers)
        return Report(
            self.kernel.name,
            self.clock.target.name,
            self.clock_mhz,
            cycles,
            gen.reports(),
            tuple(map(self._memory_report, shown)),
            _operators(module),
            bits,
            gen.units.report(),
            gen.charts(),
            estimated=partial(_estimated, module, self.clock.target),
        )

    def _memory_report(self, b: Buffer) -> MemoryReport:
        words, bits, constant, outside = self.depths[b], width_of(b.dtype), b.data is not None, b in self.external
        reads = sum(1 for key in self.ports.reads if key[0] is b)
        writes = sum(1 for key in self.ports.writes if key[0] is b)
        made = "" if outside else made_of(self.clock.target, words, bits, reads, constant)
        return MemoryReport(self.ports.names[b], words, bits, reads, writes, outside, self._holds(b), constant, made)

    def _holds(self, b: Buffer) -> str:
        """What there is to say of an array's memory: the part that a bank has, and that there are two copies."""
        return ", ".join(filter(None, (self.holds.get(b.hint, ""), "double buffered" if b in self.ports.twins else "")))


def _accesses(body: Body) -> Counter[tuple[Buffer, Kind]]:
    """The loads and stores of each memory."""
    found = Counter((e.buffer, Kind.LOAD) for e in all_exprs(body) if isinstance(e, Load))
    for s in statements(body):
        if isinstance(s, Store | Reduce):
            found[s.buffer, Kind.STORE] += 1
            found[s.buffer, Kind.LOAD] += isinstance(s, Reduce)
    return found


def _ways(count: Count | None, more: int) -> tuple[int, ...]:
    """The cycles along each way through a count; none where they aren't known or there are too many ways."""
    found = [] if count is None else list(islice(alternatives(count), MOST_WAYS + 1))
    return tuple(int(cycles(way, {})) + more for way in found) if len(found) <= MOST_WAYS else ()


def _estimated(module: Module, target: Target) -> Estimate:
    from gemel.hwsynth.estimate import estimate

    return estimate(module, target)


_COUNTED = {
    ops.MUL: "multiplier", ops.ADD: "adder", ops.SUB: "adder", ops.LT: "comparator", ops.LE: "comparator",
    ops.GT: "comparator", ops.GE: "comparator", ops.EQ: "equality", ops.NE: "equality", ops.SELECT: "multiplexer",
}  # fmt: skip


def _operators(module: Module) -> dict[str, int]:
    found: Counter[str] = Counter()
    for e in postorder(roots_of(module)):
        if isinstance(e, Apply) and e.op in _COUNTED and not all(isinstance(a, Const) for a in e.args):
            found[_COUNTED[e.op]] += 1
    return dict(found)
