"""What default schedules choose: a rule asks by name, says what it would take itself and what else there is.

Alone it gets its own value, so that a default schedule depends on nothing but the kernel and the host; while someone
searches around the default (`gemel tune`), the searcher answers. What a rule asks later may depend on earlier answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T", bound=int)


@dataclass(frozen=True)
class Choice:
    """A question: its name, the rule's own answer, and all answers in order."""

    name: str
    usual: int
    among: tuple[int, ...]


Answer = Callable[[Choice], int]

_answer: ContextVar[Answer | None] = ContextVar("answer", default=None)


def choose(name: str, usual: T, among: Iterable[T]) -> T:
    """The value that a rule goes on with: `usual`, or in a search another one of `among`."""
    answer = _answer.get()
    if answer is None:
        return usual
    some = tuple(sorted({*among, usual}))
    return type(usual)(answer(Choice(name, usual, some))) if len(some) > 1 else usual


def whether(name: str, usual: bool = True) -> bool:
    """A choice between yes and no."""
    return choose(name, usual, (False, True))


def steps_to(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12 ... up to a number, and that: what a size may be where neighbours hardly differ."""
    found = {n for e in range(most.bit_length()) for n in (1 << e, 3 << e >> 1)}
    return sorted({n for n in found if n <= most} | {most})


@contextmanager
def answered(answer: Answer) -> Iterator[None]:
    """Lets `answer` choose, in this thread."""
    token = _answer.set(answer)
    try:
        yield
    finally:
        _answer.reset(token)


def asked(make: Callable[[], Any]) -> list[Choice]:
    """What is asked while something is made as usual, each name once."""
    seen: dict[str, Choice] = {}

    def usual(choice: Choice) -> int:
        return seen.setdefault(choice.name, choice).usual

    with answered(usual):
        make()
    return list(seen.values())
