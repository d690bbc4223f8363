"""A search: candidates around the default schedule, each measured beside it, and the best ones side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from gemel.semantics import ir
from gemel.semantics.errors import ArgumentError, ToolError
from gemel.tuning import job
from gemel.tuning.job import Answer, Job, Place
from gemel.tuning.log import Log, Trial
from gemel.tuning.space import Candidate, Space

if TYPE_CHECKING:
    from gemel.tuning.proposals import Proposal, Proposals

T = TypeVar("T")

ROUNDS, SECONDS = 61, 1.5
"""Turns of a candidate beside the default, and how long they take altogether."""

FINALISTS, FINALS, FINAL_ROUNDS, FINAL_SECONDS = 3, 4, 201, 3.0
"""How many of the best candidates are measured again, side by side, and in how many processes, one after the other."""

NOISE = 0.99
"""The bound of a winner's ratio to the default has to be below this in each of them."""

PATIENCE = 60.0
"""Seconds for a measurement beyond those of its turns: a process starts, and code is made."""


class Here(Executor):
    """An executor that runs what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def result(future: Future[T]) -> T:
    """What an executor gives.

    Raises ToolError where it fails.
    """
    try:
        return future.result()
    except Exception as error:
        raise ToolError(
            f"the executor failed: {type(error).__name__}: {error}",
            code="X02",
            mend="what has been measured is kept; start the workers anew, with this Gemel, and run this again",
        ) from error


@dataclass(frozen=True)
class Ratio:
    """Times as multiples of the default's, turn by turn: their median, and what this is below with 97 %."""

    median: float
    bound: float

    @staticmethod
    def of(times: Sequence[float], base: Sequence[float]) -> Ratio:
        """By the turns that both had."""
        ratios = sorted(a / b for a, b in zip(times, base, strict=False))
        rank = math.ceil(len(ratios) / 2 + 0.98 * math.sqrt(len(ratios)))
        return Ratio(statistics.median(ratios), ratios[rank - 1] if rank <= len(ratios) else math.inf)


LOST = Ratio(math.inf, math.inf)


@dataclass
class Search:
    """A search under way."""

    source: ir.Kernel
    arguments: bytes | int
    space: Space
    place: Place
    log: Log
    proposals: Proposals
    executor: Executor
    say: Callable[[Trial], None]
    default_seconds: float = 0.0
    under_way: dict[Future[Answer], Proposal] = field(default_factory=dict)

    def measured(self, candidates: Sequence[Candidate], rounds: int, seconds: float) -> Future[Answer]:
        """A measurement of the default and some candidates, sent away."""
        every = [self.space.default, *candidates]
        clock = "wall" if any(c.parallel for c in every) else "cpu"
        patience = PATIENCE + 3 * seconds + 20 * len(every) * self.default_seconds
        texts = tuple(c.text for c in every)
        return self.executor.submit(
            job.run, Job(job.packed(self.source), texts, self.arguments, rounds, seconds, patience, clock)
        )

    def answer(self, future: Future[Answer]) -> Answer:
        """What came of a measurement.

        Raises ToolError where the executor fails, or has run it on a machine that isn't that of the others.
        """
        answer = result(future)
        if answer.digest and answer.digest != self.place.digest:
            raise ToolError(
                "the executor's workers run on machines of several kinds, or with different GEMEL_THREADS",
                code="X02",
                mend="give it workers of one kind: what is fast on one needn't be on another",
            )
        return answer

    def first(self) -> None:
        """Runs the default alone.

        Raises ArgumentError where it fails on these arguments.
        """
        answer = self.answer(self.measured([], 3, SECONDS))
        if answer.broken:
            raise ArgumentError(
                f"{self.source.name} fails on these arguments: {answer.broken}",
                code="A10",
                span=self.source.span,
                mend="pass arguments that it takes, gm.tune(kernel, x, y); on the command line with --args",
            )
        self.default_seconds = statistics.median(answer.times[0])

    def run(self, trials: int, jobs: int, until: float) -> None:
        """Proposes and measures until there are `trials` in all, or the time is over."""
        try:
            while self._more(trials, until) or self.under_way:
                while self._more(trials, until) and len(self.under_way) < jobs:
                    proposal = self.proposals.next()
                    if proposal is None:
                        trials = 0
                        break
                    self.under_way[self.measured([proposal.candidate], ROUNDS, SECONDS)] = proposal
                done, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    self._result(self.under_way.pop(future), self.answer(future))
        finally:
            for future in self.under_way:
                future.cancel()

    def _more(self, trials: int, until: float) -> bool:
        return len(self.log.trials) + len(self.under_way) < trials and time.monotonic() < until

    def _result(self, proposal: Proposal, answer: Answer) -> None:
        made, ratio, why = proposal.candidate, None, answer.broken or answer.failed[1]
        if not why:
            ratio = Ratio.of(answer.times[1], answer.times[0]).median
        trial = self.proposals.result(made, ratio, why)
        self.proposals.told(proposal, trial)
        self.log.add(trial)
        self.say(trial)

    def final(self) -> tuple[Candidate, float] | None:
        """The best candidate and its gain, if it is faster than the default by more than noise."""
        some = sorted((t.ratio, n) for n, t in enumerate(self.log.trials) if t.ratio is not None and t.ratio < 1.0)
        best = [self.space.near(self.log.trials[n].picks) for _, n in some[:FINALISTS]]
        if not best:
            return None
        ratios = [self._side_by_side(best) for _ in range(FINALS)]
        worst = [max(turns, key=lambda r: r.bound) for turns in zip(*ratios, strict=True)]
        winner = min(zip(best, worst, strict=True), key=lambda pair: pair[1].bound)
        return (winner[0], 1.0 / winner[1].median) if winner[1].bound < NOISE else None

    def _side_by_side(self, best: Sequence[Candidate]) -> list[Ratio]:
        """The best candidates and the default in one process; one that fails there is as good as none."""
        answer = self.answer(self.measured(best, FINAL_ROUNDS, FINAL_SECONDS))
        if answer.broken:
            return [LOST] * len(best)
        base, *others = answer.times
        return [Ratio.of(times, base) if len(times) == len(base) else LOST for times in others]
