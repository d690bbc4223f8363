"""The datasheet: ports, protocol, memories, cycles, resources, errors, and what was tried."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import PurePath

from gemel.hwsynth.banking import Digit
from gemel.hwsynth.handover import pages
from gemel.hwsynth.handover.assertions import Assertions, Property
from gemel.hwsynth.handover.interface import Interface, Outside
from gemel.hwsynth.handover.pages import Block, Heading, Paragraph, Picture, Table
from gemel.hwsynth.handover.trace import trace
from gemel.hwsynth.handover.vectors import Run
from gemel.hwsynth.handover.waveform import picture
from gemel.hwsynth.names import signature
from gemel.hwsynth.netlist import NetType, Reset
from gemel.hwsynth.prove.handshake import RUN, verdict_of
from gemel.hwsynth.report import LoopReport
from gemel.semantics.dtypes import BoolType, DType, IntType, width_of
from gemel.semantics.errors import counted
from gemel.semantics.ir import Banking
from gemel.semantics.span import Span
from gemel.semantics.symbolic.verdict import PROVED

_RESETS = {
    Reset.SYNC: "synchronous, active high; needed once before the first start",
    Reset.ASYNC: "asynchronous, active high; needed once before the first start",
    Reset.NONE: "none: registers of control have initial values",
}


class Datasheet:
    """The pages of a design."""

    def __init__(self, interface: Interface, made: Sequence[Run]) -> None:
        self.i, self.made, self.design = interface, made, interface.design
        self.report = interface.design.report

    @cached_property
    def picture(self) -> str:
        """The timing diagram of the first run."""
        return picture(self.i, trace(self.i, self.made[0]))

    def markdown(self) -> str:
        """The page in Markdown; the picture is a file beside it."""
        return pages.markdown([*self.blocks()])

    def html(self) -> str:
        """The page in one file."""
        return pages.html(f"{self.i.name}: datasheet", [*self.blocks()])

    def blocks(self) -> Iterator[Block]:
        """All of it."""
        yield Heading(self.i.name, 1)
        yield from self.summary()
        yield Heading("Ports")
        yield Table(["port", "direction", "bits", "meaning"], [*self.port_rows()])
        yield Heading("Protocol")
        yield from self.protocol()
        yield Heading("Assertions")
        yield from self.assertions()
        yield Heading("Memories")
        yield from self.memories()
        yield Heading("Cycles")
        yield from self.cycles()
        yield Heading("Resources")
        yield from self.resources()
        yield Heading("Errors")
        yield from self.errors()
        yield Heading("Proof")
        yield from self.proof()
        yield Heading("Tests")
        yield from self.tests()

    def summary(self) -> Iterator[Block]:
        source, report = self.design.source, self.report
        cycles = self.design.cycles
        known = f"{cycles:,} cycles ({cycles / report.clock_mhz:,.2f} us)" if cycles is not None else "by the data"
        yield Table(
            ["", ""],
            [
                ["kernel", f"`{signature(source)}`"],
                ["source", f"`{_place(source.span)}`"],
                ["target, clock", f"{report.target}, {report.clock_mhz:g} MHz; {report.clock}"],
                ["a run", known],
                ["reset", _RESETS[self.i.reset]],
            ],
        )

    # ------------------------------------------------------------------------------------------------------------ ports

    def port_rows(self) -> Iterator[list[str]]:
        meanings = self.meanings()
        for name, direction, dtype in self.i.all_ports():
            yield [f"`{name}`", direction, _bits(dtype), meanings.get(name, "")]

    def meanings(self) -> dict[str, str]:
        """What each port is for."""
        ports = self.i.ports
        found = {
            "clk": "everything happens at its rising edge",
            "rst": _RESETS[self.i.reset],
            self.i.start: "taken at an edge where `busy` is low; ignored while it is high",
            ports["busy"]: "high from the edge that takes `start` until the run ends",
            ports["done"]: "high for one cycle at the end; `start` may be high in this very cycle",
        }
        if self.i.has_error:
            found[ports["error"]] = "a check failed and the run ended early; stays until the next start is taken"
            found[ports["error_code"]] = "which check, see Errors; has a meaning only while `error` is high"
        for p, port in self.i.scalars.items():
            found[port] = f"parameter `{p.hint}`, {_encoding(p.dtype)}; taken with `start`, may change afterwards"
        for b, port in self.i.results.items():
            found[port] = f"result, {_encoding(b.dtype)}; valid from `done` until the next start"
        for m in self.i.memories:
            found |= self.memory_meanings(m)
        return found

    def memory_meanings(self, m: Outside) -> dict[str, str]:
        """What the ports of a memory are for."""
        found, encoding = {}, _encoding(m.tensor.dtype)
        for r in m.reads:
            found[r.enable] = f"asks for the word of {m.name} at `{r.address}`"
            found[r.address] = f"address of a read; has a meaning only while `{r.enable}` is high"
            when = "in the cycle after" if m.latency == 1 else f"{counted(m.latency, 'cycle')} after"
            found[r.data] = f"the word, to be there {when} `{r.enable}`; {encoding}"
        for w in m.writes:
            found[w.enable] = f"`{w.data}` goes to word `{w.address}` of {m.name} at the next edge"
            found[w.address] = f"address of a write; has a meaning only while `{w.enable}` is high"
            found[w.data] = f"the word to be written; {encoding}"
        return found

    def protocol(self) -> Iterator[Block]:
        ends = (
            ""
            if self.i.reset is Reset.NONE
            else " A reset ends a run at once: memories keep what was written until then."
        )
        yield Paragraph(
            "Inputs are sampled at the rising edge of `clk`. A run begins at an edge where `start` is high and `busy` is "
            "low; `busy` rises then. Words of the memories have to be in place from that edge on. At the end `done` is "
            "high for one cycle, `busy` is low again, and all results are in place. The next run may begin at the end of "
            "that cycle. A start while `busy` is high is ignored, and so is what the inputs of scalars show then."
            + ends
        )
        first = self.made[0]
        yield Picture(self.picture, "waveform.svg", f"a run of {first.cycles} cycles")
        yield Paragraph(
            f"A simulated run ({first.cycles:,} cycles; words in hexadecimal, grey where they have no meaning). "
            "Cycle 0 is the one whose end takes `start`."
        )

    def assertions(self) -> Iterator[Block]:
        name = self.i.name
        yield Paragraph(
            f"`tb/{name}_sva.sv` states the protocol as assertions and binds them to `{name}`, be it in this testbench or "
            f"in a design around it (in Verilator with `--assert`). They look at the ports alone, from the first reset on."
        )
        yield Table(["assertion", "meaning", "status"], [[f"`{p.name}`", p.says, self.shown(p)] for p in self.checks])

    @cached_property
    def checks(self) -> tuple[Property, ...]:
        """The assertions on the handshake."""
        return Assertions(self.i).properties

    def shown(self, p: Property) -> str:
        """What is known of an assertion."""
        found = verdict_of(self.design.proof, p.name, self.design.cycles is not None)
        if found is None:
            return "checked in simulation; `gemel check . --assertions` proves it"
        return found.verdict + (" by unrolling a run" if found.name == RUN else " by induction") * (
            found.status == PROVED
        )

    # ---------------------------------------------------------------------------------------------- memories, cycles

    def memories(self) -> Iterator[Block]:
        if not self.i.memories:
            yield Paragraph("None outside of the module.")
        else:
            yield Paragraph(
                "Synchronous memories outside of the module. The read latency counts cycles: with 1, the word at an address "
                "comes in the cycle after the one in which the enable is high. A word that is read and written at the same "
                "edge comes as it was before. A port without its enable may hold or change its data. Tensors lie row-major "
                "from address 0 on."
            )
            head = ["memory", "words", "bits", "type", "ports", "read latency", "element", "its address"]
            yield Table(head, [self.memory_row(m) for m in self.i.memories])
        inside = [m for m in self.report.memories if not m.external]
        if inside:
            yield Paragraph("Inside of the module:")
            rows = [[m.name, f"{m.words:,}", str(m.bits), str(m.reads), str(m.writes), m.made_of] for m in inside]
            yield Table(["memory", "words", "bits", "read ports", "write ports", f"on {self.report.target}"], rows)

    def memory_row(self, m: Outside) -> list[str]:
        ports = ", ".join(f"{len(p)} {what}" for p, what in ((m.reads, "read"), (m.writes, "write")) if p)
        element, address = _address(m)
        latency = str(m.latency) if m.reads else "-"
        return [m.name, f"{m.words:,}", str(m.width), _encoding(m.tensor.dtype), ports, latency, element, address]

    def cycles(self) -> Iterator[Block]:
        if self.design.cycles is not None:
            yield Paragraph(
                f"A run takes {self.design.cycles:,} cycles, whatever the data: from the edge that takes `start` to the one "
                "after which `done` is high, both counted."
            )
        else:
            seen = ", ".join(f"{r.cycles:,}" for r in self.made)
            yield Paragraph(
                f"The cycles of a run depend on the data; the {len(self.made)} runs of the tests take {seen}."
            )
        if self.report.formula is not None:
            yield Paragraph(
                f"In the kernel's sizes that is `{self.report.formula.expression}`, for {self.report.formula.condition}."
            )
        if self.report.loops:
            yield Paragraph("A pipelined loop takes (iterations - 1) x interval + depth cycles.")
            head = ["loop", "source", "iterations", "interval", "depth", "what bounds the interval"]
            yield Table(head, [self.loop_row(r) for r in self.report.loops])

    def loop_row(self, r: LoopReport) -> list[str]:
        interval = str(r.ii) if r.ii is not None else "-"
        return [f"`{r.name}`", f"`{_place(r.span)}`", _number(r.trips), interval, _number(r.depth), r.bound or "-"]

    def resources(self) -> Iterator[Block]:
        yield Paragraph(f"Estimated for {self.report.target}, with all modules inside:")
        area = self.report.estimate.resources
        head = [name if name == "um2" else name.upper() for name in area]
        yield Table(head, [[f"{round(n):,}" for n in area.values()]])
        rows = [[what, str(n)] for what, n in sorted(self.report.operators.items())]
        rows += [[f"module `{u.name}`", str(u.instances)] for u in self.report.units]
        rows.append(["register bits", f"{self.report.register_bits:,}"])
        inside = sum(m.words * m.bits for m in self.report.memories if not m.external)
        rows.append(["memory bits inside", f"{inside:,}"])
        yield Table(["", "count"], rows)
        yield Paragraph(
            f"Operators as they stand in the kernel's own module; `make synth` gives the cells of {self.report.target}."
        )

    # ------------------------------------------------------------------------------------------------- errors, tests

    def errors(self) -> Iterator[Block]:
        sites = self.design.sites if self.i.has_error else ()
        if not sites:
            yield Paragraph(
                "None: nothing that this kernel does at these sizes can fail, so there are no ports for it."
            )
            return
        yield Table(["code", "source", "line", "what failed"], [*self.error_rows()])

    def error_rows(self) -> Iterator[list[str]]:
        for n, site in enumerate(self.design.sites, 1):
            text = site.span.source_line().strip()
            what = " ".join(str(site.message).split()) if site.message else ""
            yield [
                str(n),
                f"`{_place(site.span)}`",
                f"`{text}`" if text else "",
                f"{site.check.value}: {what}".rstrip(": "),
            ]

    def proof(self) -> Iterator[Block]:
        found, where = self.design.proof, "`rtl/` and `proof/kernel.gemel`"
        if found is None:
            yield Paragraph(f"None was made before this folder was written; `gemel check .` makes one from {where}.")
            return
        yield Paragraph(
            f"That the text in `rtl/` computes the kernel, for all inputs: {found.status}. `proof/certificate.json` is the "
            f"record, with what the proof assumes; `gemel check .` proves it anew from {where}."
        )
        yield Table(["status", "what", "how"], [[o.verdict, o.name, o.detail] for o in found.obligations])
        if found.mutations is not None:
            yield Paragraph(
                f"The same proof on texts that were changed on purpose: {str(found.mutations).splitlines()[0]}."
            )

    def tests(self) -> Iterator[Block]:
        yield Paragraph(
            f"tested({len(self.made)}): the vectors in `tb/vectors` are what the kernel gives on a CPU, bit by bit, and the "
            "simulated netlist gave the same in the cycles shown. The testbench and the cocotb test repeat it on the RTL."
        )

    # ------------------------------------------------------------------------------------------------------------ facts

    def json(self) -> str:
        """The facts for programs: `report.json`."""
        loops = [
            {
                "loop": r.name,
                "line": r.span.line,
                "trips": r.trips,
                "ii": r.ii,
                "depth": r.depth,
                "bound": r.bound,
                "together": [line for _, line in r.beside],
            }
            for r in self.report.loops
        ]
        ports = [{"name": n, "direction": way, "bits": width_of(t)} for n, way, t in self.i.all_ports()]
        memories = [
            {"name": m.name, "words": m.words, "bits": m.width, "sizes": [*m.sizes], "type": str(m.tensor.dtype)}
            for m in self.i.memories
        ]
        sites = self.design.sites if self.i.has_error else ()
        errors = [{"code": n, "line": s.span.line, "check": s.check.value} for n, s in enumerate(sites, 1)]
        facts = {
            "kernel": self.design.source.name,
            "target": self.report.target,
            "clock_mhz": self.report.clock_mhz,
            "reset": self.i.reset.value,
            "cycles": self.design.cycles,
            "formula": self.report.formula.expression if self.report.formula is not None else None,
            "runs": [r.cycles for r in self.made],
            "ports": ports,
            "memories": memories,
            "loops": loops,
            "operators": self.report.operators,
            "register_bits": self.report.register_bits,
            "errors": errors,
            "assertions": [p.name for p in self.checks],
        }
        return json.dumps(facts, indent=2) + "\n"


def _place(span: Span) -> str:
    return f"{PurePath(span.file).name}:{span.line}" if span.line else "-"


def _bits(dtype: NetType) -> str:
    return "1" if isinstance(dtype, BoolType) else f"{dtype.width}{' signed' if dtype.signed else ''}"


def _number(n: int | None) -> str:
    return "by data" if n is None else f"{n:,}"


def _encoding(dtype: DType) -> str:
    """How bits stand for a value."""
    if isinstance(dtype, BoolType):
        return "a bit"
    if isinstance(dtype, IntType):
        return f"`{dtype}`" + (", two's complement" if dtype.signed else "")
    return f"`{dtype}`"


def _address(m: Outside) -> tuple[str, str]:
    """Which elements a memory has, and the address of the word of one."""
    letters = "ijklmnpq"[: len(m.sizes)]
    if not letters:
        return f"`{m.tensor.hint}`", "0"
    element = f"`{m.tensor.hint}[{', '.join(letters)}]`"
    if m.layout is None:
        return element, f"`{_row_major(list(letters), m.sizes)}`"
    rows = {d.axis: d for d in m.layout.digits}
    terms = [_row(rows[n], letters[n]) if n in rows else letters[n] for n in m.layout.kept]
    where = " and ".join(f"`{_bank(d, letters)} = {k}`" for d, k in zip(m.layout.digits, m.number, strict=True))
    return f"{element} where {where}", f"`{_row_major(terms, m.layout.shape)}`" if terms else "0"


def _row_major(terms: Sequence[str], sizes: Sequence[int]) -> str:
    parts = []
    stride = 1
    for term, size in zip(reversed(terms), reversed(sizes), strict=True):
        whole = f"({term})" if " " in term and len(terms) > 1 else term
        parts.append(whole if stride == 1 else f"{stride}*{whole}")
        stride *= size
    return " + ".join(reversed(parts))


def _bank(d: Digit, letters: str) -> str:
    """The bank of an element along an axis."""
    i = letters[d.axis]
    match d.kind:
        case Banking.COMPLETE:
            return i
        case Banking.BLOCK:
            return f"{i} / {d.rows}"
        case Banking.CYCLIC:
            return f"{i} mod {d.count}"
        case Banking.SKEWED:
            terms = [x if c == 1 else f"{c}*{x}" for c, x in zip(d.skew, letters, strict=True) if c]
            return f"({' + '.join(terms)}) mod {d.count}"


def _row(d: Digit, i: str) -> str:
    """The row of an element in its bank."""
    return f"{i} mod {d.rows}" if d.kind is Banking.BLOCK else f"{i} / {d.count}"
