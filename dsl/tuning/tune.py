"""`gm.tune`: a kernel, its sizes and this machine; what is found is kept for later runs."""

from __future__ import annotations

import html
import math
import pickle
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gemel._version import __version__
from gemel.codegen import tuned
from gemel.codegen.host import Host, this_host
from gemel.codegen.pipeline import SOURCE
from gemel.codegen.tuned import Entry
from gemel.kernel import Kernel, of_ir
from gemel.native import cool
from gemel.schedule import Schedule
from gemel.semantics import ir
from gemel.semantics.entry import entry
from gemel.semantics.errors import ArgumentError, ScheduleError, ToolError, counted
from gemel.semantics.pipeline import run
from gemel.tuning import job
from gemel.tuning.job import Place
from gemel.tuning.log import Log, Trial
from gemel.tuning.progress import Progress
from gemel.tuning.search import Here, Search, result
from gemel.tuning.space import Candidate, Space

if TYPE_CHECKING:
    from gemel.tuning.proposals import Proposals


@dataclass(frozen=True)
class Tuning:
    """What a search has found: `schedule` computes the kernel `gain` times as fast as the default, by measurement.

    Where nothing was faster by more than noise, that is the default, and the gain is 1. `trials` are all candidates
    with their times as multiples of the default's; `kept` is the entry that later runs use.
    """

    kernel: str
    schedule: Schedule
    gain: float
    trials: tuple[Trial, ...]
    kept: Path | None
    note: str = ""

    def __str__(self) -> str:
        measured = sum(t.ratio is not None for t in self.trials)
        lines = [f"{self.kernel}: {counted(len(self.trials), 'candidate')}, {measured} measured"]
        if self.gain > 1.0:
            lines.append(
                f"the best takes {100 / self.gain:.1f} % of the default's time ({self.gain:.2f} times as fast)"
            )
        else:
            lines.append("none is faster than the default by more than noise")
        return "\n".join([*lines, *filter(None, [self.note])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


@entry
def tune(
    kernel: Kernel,
    *args: object,
    trials: int = 100,
    minutes: float = math.inf,
    executor: Executor | None = None,
    jobs: int = 1,
    seed: int = 0,
    anew: bool = False,
    progress: bool = True,
) -> Tuning:
    """Searches for a schedule that is faster than the default; later runs of the kernel at these sizes use it.

    Without `args` the kernel's sizes have to be known (`specialize`), and it runs on random numbers. The search goes on
    where an earlier one ended, until `trials` candidates have been tried in all, or for some minutes; `anew` forgets
    these first. Ctrl-C ends it early. With an `executor` of the interface of `concurrent.futures`, a Dask cluster's for
    one, `jobs` candidates at a time are measured by its workers, and what is found is for their kind of machine.

    Raises ScheduleError where the default schedule has nothing to choose, ArgumentError where the kernel fails on the
    arguments, ToolError where a worker or the folder fails.
    """
    if trials < 0 or jobs < 1 or not minutes > 0:
        raise ArgumentError(
            "trials are from 0, jobs from 1, minutes more than 0", code="A06", mend="tune(k, trials=50)"
        )
    until = time.monotonic() + 60 * minutes
    source, given = _case(kernel, args, seed)
    with Progress(source.name, trials, progress) as shown:
        where = result((executor or Here()).submit(job.look))
        search = _search(source, given, where, executor or Here(), seed, anew, shown)
        search.first()
        shown.start(search.log.trials)
        note = ""
        try:
            search.run(trials, jobs, until)
        except KeyboardInterrupt:
            note = "stopped early; the same call goes on from here"
        shown.confirm()
        found = search.final()
    kept = _kept(search, found, note)
    cool(kernel, kernel._compiled.clear)
    return kept


def _case(kernel: Kernel, args: tuple[object, ...], seed: int) -> tuple[ir.Kernel, bytes | int]:
    """The kernel at its sizes, and arguments as a job takes them."""
    if not args:
        return kernel._static_ir({}), seed
    source, values = kernel._sized_ir(args)
    return source, pickle.dumps(values)


def _search(
    source: ir.Kernel, given: bytes | int, where: Place, executor: Executor, seed: int, anew: bool, shown: Progress
) -> Search:
    space = space_of(source, where.host)
    folder, name = tuned.place(), tuned.name(source, where.machine, where.threads)
    about = {"gemel": __version__, "default": space.default.digest, "machine": where.digest}
    log = Log.opened(None if folder is None else folder / "trials" / f"{name}.jsonl", about, anew)
    proposals = _proposals(space, seed)
    for trial in log.trials:
        proposals.note(trial)
    return Search(source, given, space, where, log, proposals, executor, shown.add)


def _proposals(space: Space, seed: int) -> Proposals:
    try:
        from gemel.tuning.proposals import Proposals
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ToolError("Optuna is missing", code="X01", mend="pip install 'gemel[tune]'") from None
    return Proposals(space, seed)


def space_of(source: ir.Kernel, host: Host | None = None) -> Space:
    """What can be tried for a source-level kernel with known sizes.

    Raises ScheduleError where that is nothing.
    """
    space = Space(run(source, SOURCE, "tune"), host or this_host())
    if source.scheduled or not space.choices:
        raise _nothing(source)
    return space


def _nothing(source: ir.Kernel) -> ScheduleError:
    """The error for a kernel without choices."""
    why, mend = "its default schedule has nothing to choose", "schedule it by hand: k.schedule()"
    if source.scheduled:
        why, mend = "it has a schedule", "tune the kernel that this schedule began with"
    elif source.strict:
        why, mend = 'fp="strict" leaves its default schedule nothing to choose', 'tune it without fp="strict"'
    return ScheduleError(f"{source.name} can't be tuned: {why}", code="K04", span=source.span, mend=mend)


def _kept(search: Search, found: tuple[Candidate, float] | None, note: str) -> Tuning:
    best, gain = found or (search.space.default, 1.0)
    folder, path = tuned.place(), None
    source, where = search.source, search.place
    if folder is not None:
        path = folder / f"{tuned.name(source, where.machine, where.threads)}{tuned.SUFFIX}"
    if found is not None and path is not None:
        tuned.write(path, _entry(search, best, gain))
    elif path is None:
        note = note or "nothing is kept: GEMEL_TUNED is off"
    elif tuned.read(path) is not None:
        note = note or "what an earlier search has kept stays"
    schedule = Schedule(best.schedule, of_ir)
    return Tuning(source.name, schedule, gain, tuple(search.log.trials), path if found else None, note)


def _entry(search: Search, best: Candidate, gain: float) -> Entry:
    date = datetime.now(UTC).date().isoformat()
    machine = f"{search.place.model}, {counted(search.place.threads, 'thread')}"
    heads = [line for line in str(search.source).splitlines() if line.startswith("kernel ")]
    return Entry(
        best.text, gain, heads[-1].removeprefix("kernel ").removesuffix(" {"), machine, len(search.log.trials), date
    )
