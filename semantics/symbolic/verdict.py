"""What became of a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemel.semantics.symbolic.terms import Term

PROVED, REFUTED, UNKNOWN = "proved", "refuted", "unknown"


@dataclass(frozen=True)
class Verdict:
    """Whether words are equal; by which means; the symbols' values where they aren't."""

    status: str
    how: str
    values: Mapping[Term, int] = field(default_factory=dict)
