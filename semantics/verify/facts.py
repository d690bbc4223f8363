"""What is known at a place of a run, found by what it speaks of: a question is asked with what bears on it only.

A fact that defines an application, as what the type of a loaded element says of it, bears on questions that hold that
application. Any other fact bears on those that share an unknown with it, be it by way of other facts. Where arrays are
looked at in many places known by their numbers, these are kept apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from gemel.semantics.verify.unknowns import serial_of

Bool = Any
Key = str | int | tuple[str, ...]
"""An unknown's name; an application's id; an array's name with "" for unknown places, or with a place's numbers."""

MOST_FACTS = 500
"""Facts of one question: z3 is left without those that are further away."""
ANY = ""
NUMBERED = "numbered"


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """What holds; `about` has the applications that it defines, and is empty for what isn't a definition."""

    term: Bool
    about: tuple[Any, ...] = ()


Chain = tuple[int, Fact, "Chain"] | None
"""Facts under one key, the last first, with their positions: copies of an index share them."""


class Facts:
    """Facts in the order in which they became known."""

    __slots__ = ("_found", "_ids", "_indexed", "_items", "_unnamed")

    def __init__(self, terms: Iterable[Bool] = ()) -> None:
        self._items = [Fact(t) for t in terms]
        self._indexed = 0
        self._found: dict[Key, Chain] = {}
        self._unnamed: list[Bool] = []
        self._ids: set[int] = set()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Bool]:
        return (f.term for f in self._items)

    def append(self, term: Bool) -> None:
        """Takes in a fact."""
        self._items.append(Fact(term))

    def extend(self, terms: Iterable[Bool]) -> None:
        """Takes in several facts."""
        self._items += map(Fact, terms)

    def define(self, term: Bool, about: Sequence[Any]) -> None:
        """Takes in what some applications are by their definition."""
        self._items.append(Fact(term, tuple(about)))

    def since(self, start: int) -> list[Fact]:
        """The facts from a position on."""
        return self._items[start:]

    def under(self, cond: Bool, facts: Iterable[Fact]) -> None:
        """Takes in facts that hold where `cond` does."""
        self._items += [Fact(z3.Implies(cond, f.term), f.about) for f in facts]

    def copy(self) -> Facts:
        """The same facts, to go on from."""
        made = Facts()
        made._items, made._indexed = list(self._items), self._indexed
        made._found, made._unnamed, made._ids = dict(self._found), list(self._unnamed), set(self._ids)
        return made

    def __contains__(self, term: Bool) -> bool:
        self._index()
        return term.get_id() in self._ids

    def relevant(self, goal: Bool, path: Sequence[Bool] = ()) -> list[Bool]:
        """The facts that bear on a goal, and those of the conditions `path` that do; the nearest, if they are many."""
        self._index()
        here = Facts(path)
        here._index()
        wanted: set[Key] = set()
        taken: dict[int, Bool] = {}
        todo = deque(_sorted(keys_of(goal)))
        while todo and len(taken) < MOST_FACTS:
            key = todo.popleft()
            if key in wanted:
                continue
            wanted.add(key)
            for position, fact in (*self._under(key), *((-1 - n, f) for n, f in here._under(key))):
                if position not in taken:
                    taken[position] = fact.term
                    todo.extend(k for k in _sorted(keys_of(fact.term)) if k not in wanted)
        return [*self._unnamed, *here._unnamed, *(taken[n] for n in sorted(taken))]

    def around(self, goal: Bool, path: Sequence[Bool] = ()) -> list[Bool]:
        """All facts, what states nothing of a goal as well, unless they are many: for values that fulfil them."""
        return [*self, *path] if len(self) <= MOST_FACTS else self.relevant(goal, path)

    def _under(self, key: Key) -> Iterator[tuple[int, Fact]]:
        for k in _sought(key):
            chain = self._found.get(k)
            while chain is not None:
                position, fact, chain = chain
                yield position, fact

    def _index(self) -> None:
        for n in range(self._indexed, len(self._items)):
            fact = self._items[n]
            self._ids.add(fact.term.get_id())
            keys: set[Key] = {_canonical(a) for a in fact.about}
            keys = keys or _offered(fact.term)
            for key in keys:
                self._found[key] = n, fact, self._found.get(key)
            if not keys:
                self._unnamed.append(fact.term)
        self._indexed = len(self._items)


def _offered(term: Bool) -> set[Key]:
    """What a fact that defines nothing is found by."""
    named: set[Key] = {key for key in keys_of(term) if not isinstance(key, int)}
    numbered: set[Key] = {(key[0], NUMBERED) for key in named if isinstance(key, tuple) and key[1:] != (ANY,)}
    return named | numbered


def _sought(key: Key) -> tuple[Key, ...]:
    """What to look under: an element whose place is unknown may be any, one with a number may be one of those."""
    if not isinstance(key, tuple):
        return (key,)
    return (key, (key[0], NUMBERED)) if key[1:] == (ANY,) else (key, (key[0], ANY))


def _sorted(keys: Iterable[Key]) -> list[Key]:
    """In an order that is the same in each run."""
    return sorted(keys, key=lambda k: (isinstance(k, int), k if isinstance(k, int) else 0, str(k)))


# -------------------------------------------------------------------------------------------------------------- terms

_keys: dict[int, tuple[Any, frozenset[Key], bool]] = {}
_plain: dict[int, tuple[Any, Any]] = {}


def forget_keys() -> None:
    """Empties what is remembered about terms; while it is remembered, a term's id stays its own."""
    _keys.clear()
    _plain.clear()


def keys_of(term: Any) -> frozenset[Key]:
    """What a term speaks of."""
    return _known(term)[1]


def applications(term: Any) -> int:
    """How many different applications of unknown functions there are in a term."""
    return sum(isinstance(key, int) for key in keys_of(term))


def multiplies(term: Any) -> bool:
    """Whether a product of unknowns or a power is in a term."""
    return _known(term)[2]


def _known(term: Any) -> tuple[Any, frozenset[Key], bool]:
    todo = [term]
    while todo:
        t = todo[-1]
        name = t.get_id()
        if name not in _keys:
            children = t.children()
            missing = [c for c in children if c.get_id() not in _keys]
            if missing:
                todo += missing
                continue
            parts = [_keys[c.get_id()] for c in children]
            keys = _joined(_own(t, children), [p[1] for p in parts])
            _keys[name] = t, keys, any(p[2] for p in parts) or _is_product(t, children)
        todo.pop()
    return _keys[term.get_id()]


def _is_product(t: Any, children: list[Any]) -> bool:
    kind = t.decl().kind() if z3.is_app(t) else None
    return kind == z3.Z3_OP_POWER or (kind == z3.Z3_OP_MUL and sum(not z3.is_int_value(c) for c in children) > 1)


def _joined(own: frozenset[Key], parts: list[frozenset[Key]]) -> frozenset[Key]:
    """The union; the largest set itself, where it holds the others."""
    largest = max((own, *parts), key=len)
    return largest if all(p <= largest for p in (own, *parts)) else own.union(*parts)


NONE: frozenset[Key] = frozenset()


def _own(t: Any, children: list[Any]) -> frozenset[Key]:
    """What an application brings in besides its arguments."""
    if not z3.is_app(t) or t.decl().kind() != z3.Z3_OP_UNINTERPRETED:
        return NONE
    name = t.decl().name()
    if not children:
        return frozenset((name,))
    if not serial_of(name):  # an op: what it is follows from its arguments
        return frozenset((_canonical(t),))
    numbers = all(map(z3.is_int_value, children))
    place = tuple(str(c) for c in children) if numbers else (ANY,)
    return frozenset((_canonical(t), (name, *place)))


def _canonical(t: Any) -> int:
    """The id of an application in its plain form: the same, whatever the terms in it were made plain before."""
    name = t.get_id()
    if name not in _plain:
        _plain[name] = t, z3.simplify(t)
    return int(_plain[name][1].get_id())
