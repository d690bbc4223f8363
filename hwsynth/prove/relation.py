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
            for m in c.members:
                found[m.kind, m.at] = held(words, c, m, base, words.var(f"{tag}.{_said(base)}", base.w))
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
    groups: dict[tuple[int, ...], list[Member]] = {}
    partial: list[Name] = []
    types = samples[0].names.types
    for name in (n for n in samples[0].names.words if n in shared):
        values = [s.names.words[name] for s in samples]
        if None in values:
            partial.append(name)
            continue
        m = _named(name, types[name])
        groups.setdefault(tuple(_number(v or 0, m) for v in values), []).append(m)
    taken: dict[tuple[str, Any], Member] = {}
    for place, (_, w) in samples[0].words.items():
        seen = [s.words[place][0] for s in samples]
        options = [Member(*place, w, False), Member(*place, w, True)]
        numbers = [tuple(_number(v, m) for v in seen) for m in options]
        n = next((n for n in (0, 1) if numbers[n] in groups), 0)
        groups.setdefault(numbers[n], []).append(options[n])
        taken[place] = options[n]
    found = [Class(ms, key[0] if len(set(key)) == 1 else None) for key, ms in groups.items()]
    _pair_partial(found, samples, partial, alike)
    _pair_parts(found, samples)
    late = list(_late(found, samples, alike))
    kept = [c for c in found if len(c.members) > 1 or c.constant is not None or c.members[0].kind == "name"]
    return Relation(kept, late, types)


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
    return is_signed(dtype) and not (isinstance(name[0], Buffer) and name[0].rank)


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
    found = [Class(right, c.constant)] if right else []
    found += [Class(wrong)]
    return [x for x in found if len(x.members) > 1 or x.constant is not None or x.members[0].kind == "name"]
