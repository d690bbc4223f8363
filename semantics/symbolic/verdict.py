"""What became of a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemel.semantics.symbolic.terms import Term

PROVED, TESTED, UNKNOWN, REFUTED = "proved", "tested", "unknown", "refuted"
"""From the strongest to the weakest."""

NO_ANSWER = "no answer"
"""Of a second opinion: the question has been answered by other means, or hasn't."""


@dataclass(frozen=True)
class Verdict:
    """Whether words are equal; by which means; the symbols' values where they aren't.

    What was only tested has the number of valuations that were tried.
    """

    status: str
    how: str
    values: Mapping[Term, int] = field(default_factory=dict)
    tests: int = 0
