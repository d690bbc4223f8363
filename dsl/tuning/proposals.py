"""What to try next: the default's neighbours, and the good ones of these together; then by turns a small change of the
best, and what Optuna makes of all results."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.distributions import IntDistribution
from optuna.trial import TrialState as State

from gemel.codegen.rules.choices import Choice
from gemel.tuning.log import Trial
from gemel.tuning.space import Candidate, Picks, Space

BETTER = 0.98
"""Of the default's time: neighbours that take less are tried together."""

BEST = 3
"""How many of the best are changed a little, by turns with what Optuna proposes."""

PATIENCE = 30
"""Proposals in a row that are all known, after which there is nothing new."""


@dataclass(frozen=True)
class Proposal:
    """A candidate, and Optuna's trial where it has proposed it."""

    candidate: Candidate
    trial: Any = None


class Proposals:
    """The proposals for a space; a schedule that is known is not proposed again.

    Where other answers lead to it, Optuna is told the result that is known.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.random = random.Random(seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():  # of features that may change
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, constant_liar=True)
        self.study = optuna.create_study(sampler=sampler)
        self.known: dict[str, Trial] = {}
        self._first = self._around()
        self.note(self.result(space.default, 1.0))

    @staticmethod
    def result(of: Candidate, ratio: float | None, why: str = "") -> Trial:
        """A candidate's result as a trial."""
        return Trial(of.picks, of.places, of.digest, ratio, why)

    def _around(self) -> Iterator[Picks]:
        neighbours = list(self.space.neighbours())
        yield from neighbours
        best: dict[str, tuple[float, int]] = {}
        for picks in neighbours:
            trial = self.known.get(self.space.near(picks).digest)
            if trial is not None and trial.ratio is not None and trial.ratio < BETTER:
                for name, value in picks.items():
                    best[name] = min(best.get(name, (BETTER, value)), (trial.ratio, value))
        if len(best) > 1:
            yield {name: value for name, (_, value) in best.items()}

    def next(self) -> Proposal | None:
        """A schedule that isn't known; None where there seems to be none left."""
        for picks in self._first:
            made = _attempt(partial(self.space.near, picks))
            if made is not None and made.digest not in self.known:
                return self._under_way(Proposal(made))
        for n in range(PATIENCE):
            made = _attempt(self._mutated) if (n + len(self.known)) % 2 else None
            if made is not None and made.digest not in self.known:
                return self._under_way(Proposal(made))
            trial = self.study.ask()
            made = _attempt(partial(self.space.made, partial(_suggested, trial)))
            if made is not None and made.digest not in self.known:
                return self._under_way(Proposal(made, trial))
            self._tell(trial, None if made is None else self.known[made.digest].ratio)
        return None

    def _mutated(self) -> Candidate:
        """One of the best with one or two answers moved."""
        measured = [t for t in self.known.values() if t.ratio is not None]
        base = self.random.choice(sorted(measured, key=lambda t: t.ratio or 0.0)[:BEST]).picks
        names = self.random.sample(sorted(base), min(len(base), self.random.randint(1, 2)))
        moves = {name: self.random.choice((-2, -1, 1, 2)) for name in names}

        def answer(c: Choice) -> int:
            at = c.among.index(base[c.name] if base.get(c.name) in c.among else c.usual)
            return c.among[min(max(at + moves.get(c.name, 0), 0), len(c.among) - 1)]

        return self.space.made(answer)

    def _under_way(self, proposal: Proposal) -> Proposal:
        made = proposal.candidate
        self.known[made.digest] = self.result(made, None, "under way")
        return proposal

    def told(self, proposal: Proposal, result: Trial) -> None:
        """Makes the result of a proposal known."""
        if proposal.trial is None:
            self.note(result)
        else:
            self.known[result.digest] = result
            self._tell(proposal.trial, result.ratio)

    def _tell(self, trial: Any, ratio: float | None) -> None:
        if ratio is None:
            self.study.tell(trial, state=State.PRUNED)
        else:
            self.study.tell(trial, math.log(ratio))

    def note(self, result: Trial) -> None:
        """Makes a result known that Optuna has not proposed, as that of an earlier session."""
        self.known[result.digest] = result
        self.study.add_trial(
            optuna.trial.create_trial(
                state=State.PRUNED if result.ratio is None else State.COMPLETE,
                value=None if result.ratio is None else math.log(result.ratio),
                params={name: at for name, (at, _) in result.places.items()},
                distributions={n: IntDistribution(0, count - 1) for n, (_, count) in result.places.items()},
            )
        )


def _attempt(make: Callable[[], Candidate]) -> Candidate | None:
    """A candidate, or None where answers are too much for a rule: the search goes on."""
    with suppress(Exception):
        return make()
    return None


def _suggested(trial: optuna.Trial, choice: Choice) -> int:
    place: int = trial.suggest_int(choice.name, 0, len(choice.among) - 1)
    return choice.among[place]
