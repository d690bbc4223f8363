"""What a circuit's registers and memories hold at the head of a loop, in terms of the kernel's names.

A relation is a list of classes: names, registers and words of memories that stand for one number. It is guessed from
runs on numbers, and holds nothing up: who uses it shows that it holds on arrival, and parts what doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemel.semantics.dtypes import DType, width_of
from gemel.semantics.ir import Buffer
from gemel.semantics.symbolic.meaning import is_signed
from gemel.semantics.symbolic.points import Name, State
from gemel.semantics.symbolic.terms import Value, Words

ENOUGH = 4
"""Samples from which on an element that is the same in all of them is taken for a constant."""


@dataclass(frozen=True)
class Member:
    """A place: ("name", (name, position)), ("register", n), ("cell", (n, k)) or ("memory", (memory, k))."""

    kind: str
    at: Any
    w: int
    signed: bool
    lo: int | None = None
    """The lowest of the bits that it holds, if it isn't the number as a whole."""


@dataclass
class Class:
    """Places that hold one number; `constant` is it, if it is always the same."""

    members: list[Member]
    constant: int | None = None
    positive: bool = False
    """Whether it isn't below 0, nor as large as the narrowest place makes a number below 0 of."""

    @property
    def base(self) -> Member:
        """The narrowest place, a kernel's name if there are several."""
        return min(self.members, key=lambda m: (m.lo is not None, m.w, m.kind != "name"))


@dataclass(frozen=True)
class Late:
    """A word that holds an element once a scalar has come to a number: before, the kernel's is another one."""

    place: tuple[str, Any]
    name: Name
    scalar: Name
    least: int
    w: int

    def reached(self, words: Words, scalar: Value, w: int) -> Value:
        """Whether the scalar, a signed word, has come there."""
        return words.xor(1, words.slt(w, scalar, self.least & ((1 << w) - 1)), 1)


@dataclass
class Sample:
    """A visit of a loop's head: the kernel's state, and the words of registers and memories by place."""

    names: State
    words: Mapping[tuple[str, Any], tuple[int, int]]


@dataclass
class Relation:
    """The classes at a point. `symbols` makes them symbols."""

    classes: list[Class] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    types: Mapping[Name, DType] = field(default_factory=dict)

    def values(self, words: Words, tag: str) -> dict[tuple[str, Any], Value]:
        """The words of all places that the relation speaks of."""
        found: dict[tuple[str, Any], Value] = {}
        for c in self.classes:
            base = c.base
            w = base.w - c.positive
            word = words.zext(words.var(f"{tag}.{_said(base)}", w), w, base.w)
            for m in c.members:
                found[m.kind, m.at] = held(words, c, m, base, word)
        for x in self.late:
            reached = x.reached(words, found["name", x.scalar], width_of(self.types[x.scalar]))
            before = words.var(f"{tag}.before.{x.place}", x.w)
            found[x.place] = words.ite(x.w, reached, found["name", x.name], before)
        return found


def held(words: Words, c: Class, m: Member, base: Member, word: Value) -> Value:
    """What a place holds where another place of its class holds a word."""
    if c.constant is not None:
        return (c.constant >> (m.lo or 0)) & ((1 << m.w) - 1)
    if m.lo is not None:
        return words.ext(words.resized(word, base.w, max(base.w, m.lo + m.w), base.signed), m.lo, m.w)
    return words.resized(word, base.w, m.w, base.signed)


def _said(m: Member) -> str:
    if m.kind == "name":
        return f"{m.at[0].hint}~{hash(m.at[0]):x}[{m.at[1]}]"
    return f"{m.kind}{m.at}"


def guessed(samples: Sequence[Sample], alike: Callable[[Name], Iterable[tuple[str, Any]]]) -> Relation:
    """The relation that all samples have; `alike` gives places that an element may be in which isn't always set."""
    shared = set.intersection(*({n for n in s.names.words} for s in samples))
    types, made = samples[0].names.types, _Guess(samples, alike)
    names = sorted((n for n in samples[0].names.words if n in shared), key=lambda n: _is_element(n))
    partial = [name for name in names if not made.name(name)]
    for place in samples[0].words:
        made.place(place)
    found = made.classes
    _pair_partial(found, samples, partial, alike)
    _pair_parts(found, samples)
    late = list(_late(found, samples, alike))
    for c in found:
        c.positive = _is_positive(c, samples)
    kept = [c for c in found if len(c.members) > 1 or c.constant is not None or c.members[0].kind == "name"]
    return Relation(kept, late, types)


class _Guess:
    """Classes of what holds the same numbers in all samples. An element and the word that is for it are one alone."""

    def __init__(self, samples: Sequence[Sample], alike: Callable[[Name], Iterable[tuple[str, Any]]]) -> None:
        self.samples, self.alike = samples, alike
        self.classes: list[Class] = []
        self.of: dict[tuple[int, ...], Class] = {}
        self.taken: set[tuple[str, Any]] = set()

    def name(self, name: Name) -> bool:
        """Takes a name; not one that isn't always set."""
        words = [s.names.words[name] for s in self.samples]
        if None in words:
            return False
        m = _named(name, self.samples[0].names.types[name])
        numbers = tuple(_number(v or 0, m) for v in words)
        place = self._home(name, words) if _is_element(name) else None
        if place is None:
            self._join(numbers, m)
            return True
        self.taken.add(place)
        made = Class([m, Member(*place, m.w, m.signed)], _constant(numbers) if len(numbers) >= ENOUGH else None)
        self.classes.append(made)
        self.of.setdefault(numbers, made)
        return True

    def _home(self, name: Name, words: Sequence[Value | None]) -> tuple[str, Any] | None:
        """The word of a memory that is for an element, if it holds it in all samples."""
        for place in self.alike(name):
            if place[0] == "register":
                break
            if place not in self.taken and all(
                s.words[place][0] == v for s, v in zip(self.samples, words, strict=True)
            ):
                return place
        return None

    def place(self, place: tuple[str, Any]) -> None:
        """Takes a word of the circuit."""
        if place in self.taken:
            return
        w = self.samples[0].words[place][1]
        options = [Member(*place, w, False), Member(*place, w, True)]
        numbers = [tuple(_number(s.words[place][0], m) for s in self.samples) for m in options]
        n = next((n for n in (0, 1) if self._is_room(self.of.get(numbers[n]), w)), 0)
        self._join(numbers[n], options[n])

    @staticmethod
    def _is_room(c: Class | None, w: int) -> bool:
        """Whether a word of so many bits may hold what a class does; of an element it has to hold all bits."""
        return c is not None and not any(m.kind == "name" and _is_element(m.at) and m.w > w for m in c.members)

    def _join(self, numbers: tuple[int, ...], m: Member) -> None:
        if numbers not in self.of or not self._is_room(self.of[numbers], m.w):
            self.of[numbers] = Class([], _constant(numbers))
            self.classes.append(self.of[numbers])
        self.of[numbers].members.append(m)


def _constant(numbers: tuple[int, ...]) -> int | None:
    return numbers[0] if len(set(numbers)) == 1 else None


def _is_element(name: Name) -> bool:
    return isinstance(name[0], Buffer) and bool(name[0].rank)


def _is_positive(c: Class, samples: Sequence[Sample]) -> bool:
    """Whether a scalar is never below 0 as its narrowest place has it."""
    base = c.base
    names = [m for m in c.members if m.kind == "name" and _counts(m.at, samples[0].names.types[m.at])]
    if not names or c.constant is not None or base.w == 1 or base.lo is not None:
        return False
    return all((s.names.words[names[0].at] or 0) < 1 << (base.w - 1) for s in samples)


def _late(
    found: list[Class], samples: Sequence[Sample], alike: Callable[[Name], Iterable[tuple[str, Any]]]
) -> Iterator[Late]:
    """Elements that a memory holds from some number of a scalar on."""
    first = samples[0].names
    scalars = [n for n, t in first.types.items() if _counts(n, t) and all(n in s.names.words for s in samples)]
    for name in [m.at for c in found if all(x.kind == "name" for x in c.members) for m in c.members]:
        place = next((p for p in alike(name) if p[0] == "memory"), None)
        if place is None or _counts(name, first.types[name]):
            continue
        same = [s.names.words[name] == s.words[place][0] for s in samples]
        for n in scalars:
            m = _named(n, first.types[n])
            numbers = [_number(s.names.words[n] or 0, m) for s in samples]
            least = max((v for v, ok in zip(numbers, same, strict=True) if not ok), default=0) + 1
            if max(numbers) >= least:
                yield Late(place, name, n, least, width_of(first.types[name]))
                break


def _counts(name: Name, dtype: DType) -> bool:
    """Whether a name is a signed scalar, such as what a loop counts."""
    return is_signed(dtype) and not _is_element(name)


def _pair_partial(
    found: list[Class], samples: Sequence[Sample], partial: list[Name], alike: Callable[[Name], Iterable[Any]]
) -> None:
    """Elements that aren't always set, each with a place that holds them where they are."""
    of = {(m.kind, m.at): c for c in found for m in c.members}
    for name in (n for n in partial if any(s.names.words[n] is not None for s in samples)):
        m = _named(name, samples[0].names.types[name])
        for place in alike(name):
            words = [(s.names.words[name], s.words[place][0]) for s in samples if place in s.words]
            if len(words) == len(samples) and all(a is None or a == b for a, b in words):
                c = of[place]
                mine = next(x for x in c.members if (x.kind, x.at) == place)
                if len(c.members) > 1:
                    c.members.remove(mine)
                    c = of[place] = Class([mine])
                    found.append(c)
                c.constant = None
                c.members.append(m)
                break


def _pair_parts(found: list[Class], samples: Sequence[Sample]) -> None:
    """Registers that hold some bits of a name that no register holds as a whole."""
    whole = [c for c in found if all(m.kind == "name" for m in c.members)]
    names = [next(m for m in c.members) for c in whole if c.members[0].at in samples[0].names.words]
    for c in [c for c in found if c.constant is None and [m.kind for m in c.members] == ["register"]]:
        (r,) = c.members
        seen = [s.words[r.kind, r.at][0] for s in samples]
        for m in names:
            words, mask = [s.names.words[m.at] or 0 for s in samples], (1 << r.w) - 1
            lo = next((n for n in range(m.w - r.w + 1) if [w >> n & mask for w in words] == seen), None)
            if lo is not None:
                next(x for x in whole if m in x.members).members.append(Member(r.kind, r.at, r.w, False, lo))
                found.remove(c)
                break


def _named(name: Name, dtype: Any) -> Member:
    return Member("name", name, width_of(dtype), is_signed(dtype))


def _number(word: int, m: Member) -> int:
    return word - (1 << m.w) if m.signed and word >> (m.w - 1) else word


def parted(c: Class, wrong: list[Member]) -> list[Class]:
    """A class without some places, and these as one of their own, if they may be."""
    right = [m for m in c.members if m not in wrong]
    found = [Class(right, c.constant, c.positive and c.base in right)] if right else []
    found += [Class(wrong)]
    return [x for x in found if len(x.members) > 1 or x.constant is not None or x.members[0].kind == "name"]
