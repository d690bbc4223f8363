"""Whether a proof tells wrong from right: texts that are changed on purpose are to be refuted.

Half of the changes are made here on the circuit, half by yosys' `mutate`. A change that the proof proves too does no
harm: the changed text keeps all that is specified. Trials on numbers are asked as well, so that a proof which says so
wrongly is found out: such a mutant is *missed*, and a proof that misses one proves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.hwsynth.judges import split_modules
from gemel.hwsynth.prove.mutate import Mutant, mutants
from gemel.hwsynth.prove.proof import Subject, cut, obligations, text_of
from gemel.hwsynth.prove.reading import Text, mutated
from gemel.hwsynth.prove.reference import Reference
from gemel.hwsynth.prove.trial import differs
from gemel.hwsynth.prove.trials import tried
from gemel.semantics.errors import ToolError
from gemel.semantics.symbolic.running import deep
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN

MISSED, EQUIVALENT = "missed", "equivalent"

SECONDS = 2.0
"""z3's time for each question about a mutant."""

TRIALS, MANY = 2, 8
"""Runs on drawn numbers for a mutant that is proved too, and for one of which nothing is known."""

UNIT_DRAWS = 64
"""Operands that are tried on a mutant of a unit."""

UNIT_SHARE = 4
"""A unit gets one mutant for so many of the kernel's module, but `UNIT_LEAST` at least."""

UNIT_LEAST = 4


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: "refuted", "equivalent", "unknown" or "missed"; `how` by which means."""

    module: str
    kind: str
    where: str
    line: int | None
    status: str
    how: str

    def __str__(self) -> str:
        at = f":{self.line}" if self.line else ""
        return f"{self.status} {self.module}.sv{at}: {self.kind}, {self.where}: {self.how}"


@dataclass(frozen=True)
class Mutations:
    """What became of all mutants that a seed gives."""

    seed: int
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each status."""
        found = Counter(o.status for o in self.outcomes)
        return {status: found[status] for status in (REFUTED, EQUIVALENT, UNKNOWN, MISSED)}

    @property
    def left(self) -> tuple[Outcome, ...]:
        """Those that are neither refuted nor shown to do no harm."""
        return tuple(o for o in self.outcomes if o.status in (UNKNOWN, MISSED))

    @property
    def missed(self) -> tuple[Outcome, ...]:
        """Those that are proved although they err."""
        return tuple(o for o in self.outcomes if o.status == MISSED)

    @property
    def share(self) -> float:
        """The share that is refuted or shown to do no harm."""
        return 1 - len(self.left) / len(self.outcomes) if self.outcomes else 1.0

    def __str__(self) -> str:
        counts = self.counts
        told = [f"{counts[REFUTED]} refuted", f"{counts[EQUIVALENT]} proved to do no harm"]
        told += [f"{n} {status}" for status, n in counts.items() if n and status in (UNKNOWN, MISSED)]
        lines = [f"{len(self.outcomes)} mutants: {', '.join(told)}"]
        return "\n".join([*lines, *(f"  {o}" for o in self.left)])


def drawn(subject: Subject, count: int, seed: int) -> Iterator[tuple[str, Text, Mutant]]:
    """The mutants of a seed: module, what was read of it, and the change."""
    for module in (subject.top, *dict.fromkeys(cut(subject))):
        many = count if module == subject.top else min(count, max(UNIT_LEAST, count // UNIT_SHARE))
        text = text_of(subject, module)
        own = list(mutants(text.circuit, many - many // 2, seed))
        yield from ((module, replace(text, circuit=m.circuit), m) for m in own)
        for command, read in mutated(subject.sv, module, [n for n in cut(subject) if n != module], many // 2, seed):
            changed = read.text()
            yield module, changed, Mutant("yosys", *_told(command), changed.circuit)


def _told(command: str) -> tuple[str, int | None]:
    """A command of `mutate` in short, and the line that it is about."""
    options = dict(re.findall(r"-(\w+) (\S+)", command))
    lines = re.findall(r"design\.sv:(\d+)", command)
    at = options.get("wire") or f"{options.get('cell', '')} {options.get('port', '')}"
    return f"{options.get('mode')} at {at}[{options.get('wirebit', options.get('portbit'))}]", int(
        lines[-1]
    ) if lines else None


def judged(subject: Subject, source: Reference, module: str, text: Text, mutant: Mutant) -> Outcome:
    """What becomes of a mutant; `source` is the kernel's run, the same for all."""
    try:
        status, how = _proved(subject, module, text, source)
    except ToolError as error:  # what is wired in a circle can't even be run
        status, how = REFUTED, error.what
    if status != REFUTED:
        shown = _shown(subject, module, text, TRIALS if status == PROVED else MANY)
        if shown:
            status, how = (MISSED if status == PROVED else REFUTED), shown
    line = mutant.line and mutant.line - first_line(subject.sv, module)
    return Outcome(module, mutant.kind, mutant.where, line, EQUIVALENT if status == PROVED else status, how)


def first_line(sv: str, module: str) -> int:
    """How many lines of a text come before the part that is a module's, as it is a file of its own."""
    before = 0
    for name, part in split_modules(sv).items():
        if name == module:
            break
        before += part.count("\n")
    return before


def _proved(subject: Subject, module: str, text: Text, source: Reference) -> tuple[str, str]:
    weak = UNKNOWN, ""
    for o in obligations(subject, module, text, SECONDS, source):
        if o.status == REFUTED:
            return o.status, f"{o.name}: {o.detail}"
        if o.status != PROVED:
            weak = UNKNOWN, f"{o.name}: {o.detail}"
    return weak if weak[1] else (PROVED, "all obligations")


def _shown(subject: Subject, module: str, text: Text, trials: int) -> str:
    """What trials show to be wrong; "" where they show nothing."""
    if module != subject.top:
        found = tried(subject.contracts[module], text, text.contracts(subject.contracts), SECONDS, "", UNIT_DRAWS)
        return f"a trial: {found.how}" if found.status == REFUTED else ""
    for seed in range(trials):
        shown = differs(subject, text, seed)
        if shown is not None:
            return f"a trial: {shown.what}"
    return ""


def campaign(subject: Subject, count: int, seed: int) -> Mutations:
    """What becomes of so many mutants of the kernel's module, and some of each unit.

    Raises ToolError where yosys is missing or fails.
    """
    found: list[Outcome] = []
    source = Reference(subject.kernel)
    deep(lambda: found.extend(judged(subject, source, *m) for m in drawn(subject, count, seed)))
    return Mutations(seed, tuple(found))
