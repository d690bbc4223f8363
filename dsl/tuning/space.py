"""What can be tried: the default schedule with other answers to what its rules choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from gemel.codegen.cache import key
from gemel.codegen.host import Host
from gemel.codegen.rules.choices import Choice, answered, asked
from gemel.codegen.rules.defaults import scheduled
from gemel.semantics import ir
from gemel.semantics.schedule.schedule import Scheduled
from gemel.semantics.traverse import statements

Picks = Mapping[str, int]

NO_STEPS = "# no steps\n"
"""A schedule's text that stands for the kernel as it is written; an empty one stands for the default."""


@dataclass(frozen=True)
class Candidate:
    """Answers, where each stands among all that were possible then, and the schedule that they make."""

    picks: dict[str, int]
    places: dict[str, tuple[int, int]]
    schedule: Scheduled

    @property
    def text(self) -> str:
        """The steps as a job takes them."""
        return self.schedule.text or NO_STEPS

    @property
    def digest(self) -> str:
        """What tells the schedule from another one."""
        return key(self.text)

    @property
    def parallel(self) -> bool:
        """Whether threads may share some of its loops."""
        loops = (s for s in statements(self.schedule.kernel.body) if isinstance(s, ir.For))
        return any(s.kind is ir.LoopKind.PARALLEL for s in loops)


@dataclass(frozen=True)
class Space:
    """The schedules of a kernel, brought to what schedules begin with, for a machine."""

    kernel: ir.Kernel
    host: Host

    @cached_property
    def choices(self) -> list[Choice]:
        """What the rules choose on the way to the default schedule."""
        return asked(lambda: scheduled(self.kernel, self.host))

    @cached_property
    def default(self) -> Candidate:
        """The default schedule."""
        return self.near({})

    @property
    def size(self) -> int:
        """About how many schedules there are."""
        return math.prod(len(c.among) for c in self.choices)

    def made(self, answer: Callable[[Choice], int]) -> Candidate:
        """The schedule by some answers; each question is asked once."""
        picks: dict[str, int] = {}
        places: dict[str, tuple[int, int]] = {}

        def once(choice: Choice) -> int:
            if choice.name not in picks:
                picks[choice.name] = answer(choice)
                places[choice.name] = choice.among.index(picks[choice.name]), len(choice.among)
            return picks[choice.name]

        with answered(once):
            schedule = scheduled(self.kernel, self.host)
        return Candidate(picks, places, schedule)

    def near(self, picks: Picks) -> Candidate:
        """The default schedule but for some answers, as far as they are possible."""
        return self.made(lambda c: picks[c.name] if picks.get(c.name) in c.among else c.usual)

    def neighbours(self) -> Iterator[Picks]:
        """One answer other than the default's at a time: the next one below and above."""
        for c in self.choices:
            at = c.among.index(c.usual)
            for n in (at + 1, at - 1):
                if 0 <= n < len(c.among):
                    yield {c.name: c.among[n]}
