"""Logic as gates on bits, covered by look-up tables: how many, and when each bit is there.

A bit is a number: twice its node's, plus 1 where it is inverted; 0 and 1 are the constants. Equal gates are one node.
Each node keeps a few cuts, sets of nodes whose values settle its own and that fit into one table (Mishchenko and
others 2007); the earliest decides when the node is there. Covering then walks back from what is needed and takes the
cheapest cut that is in time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

KEPT = 5
"""Cuts that are kept of a node."""

FALSE, TRUE = 0, 1
Cut = frozenset[int]
_Rated = tuple[float, float, int, list[int], Cut]
"""When a table with the cut's inputs has its output, what it costs, how many inputs it has, which."""


@dataclass(frozen=True)
class Tables:
    """Look-up tables of a technology: by number of inputs what one costs, and its delay with the route to it in ns."""

    costs: tuple[float, ...]
    level: float

    @property
    def inputs(self) -> int:
        """The most inputs."""
        return len(self.costs) - 1


@dataclass
class Network:
    """Gates and what drives them from outside. Lists are by node; without `covered` there are no cuts and times."""

    tables: Tables
    covered: bool = True
    fanins: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    arrival: list[float] = field(default_factory=lambda: [0.0])
    cuts: list[tuple[Cut, ...]] = field(default_factory=lambda: [(frozenset(),)])
    flow: list[float] = field(default_factory=lambda: [0.0])
    fanout: list[int] = field(default_factory=lambda: [0])
    known: dict[tuple[int, ...], int] = field(default_factory=dict)

    def leaf(self, arrival: float) -> int:
        """A bit that is there at a time."""
        node = len(self.fanins)
        self.fanins.append(())
        if not self.covered:
            return 2 * node
        self.arrival.append(arrival)
        self.cuts.append((frozenset((node,)),))
        self.flow.append(0.0)
        self.fanout.append(0)
        return 2 * node

    def time(self, bit: int) -> float:
        """When a bit is there."""
        return self.arrival[bit >> 1] if self.covered else 0.0

    def both(self, a: int, b: int) -> int:
        """a and b."""
        if a > b:
            a, b = b, a
        if a == FALSE or a ^ 1 == b:
            return FALSE
        if a in (TRUE, b):
            return b
        return self._gate(a, b)

    def either(self, a: int, b: int) -> int:
        """a or b."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """a xor b; inverters go to the output, so that equal gates are found."""
        inverted = (a ^ b) & 1
        a, b = sorted((a & ~1, b & ~1))
        if a == b:
            return inverted
        if a == FALSE:
            return b ^ inverted
        return self._gate(-1, a, b) ^ inverted

    def choose(self, c: int, a: int, b: int) -> int:
        """a if c else b."""
        if c <= TRUE or a == b:
            return a if c == TRUE else b
        if c & 1:
            c, a, b = c ^ 1, b, a
        if a <= TRUE or b <= TRUE or a >> 1 == b >> 1 or c >> 1 in (a >> 1, b >> 1):
            return self._simple_choice(c, a, b)
        inverted = a & 1
        return self._gate(-2, c, a ^ inverted, b ^ inverted) ^ inverted

    def _simple_choice(self, c: int, a: int, b: int) -> int:
        if a == b ^ 1:
            return self.differ(c, b)
        if a in (TRUE, c):
            return self.either(c, b)
        if a in (FALSE, c ^ 1):
            return self.both(c ^ 1, b)
        return self.both(c, a) if b in (FALSE, c) else self.either(c ^ 1, a)

    def _gate(self, *key: int) -> int:
        if key not in self.known:
            fanins = tuple(dict.fromkeys(k >> 1 for k in key if k >= 0))
            self.known[key] = self._node(fanins)
        return self.known[key]

    def _node(self, fanins: tuple[int, ...]) -> int:
        node = len(self.fanins)
        self.fanins.append(fanins)
        if not self.covered:
            return 2 * node
        for f in fanins:
            self.fanout[f] += 1
        best = self._best(self._merged(fanins))
        self.arrival.append(best[0][0])
        self.flow.append(best[0][1])
        self.fanout.append(0)
        self.cuts.append((*(cut for *_, cut in best), frozenset((node,))))
        return 2 * node

    def _merged(self, fanins: tuple[int, ...]) -> set[Cut]:
        most = self.tables.inputs
        found: set[Cut] = set(self.cuts[fanins[0]])
        for f in fanins[1:]:
            found = {cut for a in found for b in self.cuts[f] if len(cut := a | b) <= most}
        found.add(frozenset(fanins))
        return found

    def _best(self, cuts: Iterable[Cut]) -> list[_Rated]:
        """The earliest cut, and the cheapest of the others."""
        rated = [(self.cut_time(c), self.cut_flow(c), len(c), sorted(c), c) for c in cuts]
        first = min(rated, key=itemgetter(0, 1, 2, 3))
        rated.remove(first)
        rated.sort(key=itemgetter(1, 0, 2, 3))
        return [first, *rated[: KEPT - 1]]

    def cut_time(self, cut: Cut) -> float:
        """When a table with these inputs has its output."""
        return max(map(self.arrival.__getitem__, cut), default=0.0) + self.tables.level

    def cut_flow(self, cut: Cut) -> float:
        """What a table costs with a share of what is before it."""
        flow, fanout = self.flow, self.fanout
        before = sum([flow[n] / (fanout[n] or 1) for n in cut])
        return self.tables.costs[len(cut)] + before


def cover(net: Network, needed: Iterable[tuple[int, float]]) -> float:
    """What tables that make the needed bits cost; each is needed at a time, or as soon as it can be."""
    required: dict[int, float] = {}
    for bit, time in needed:
        node = bit >> 1
        required[node] = min(required.get(node, time), max(time, net.arrival[node]))
    total = 0.0
    uses = set(required)
    pending = [-node for node in uses]
    heapq.heapify(pending)
    while pending:
        node = -heapq.heappop(pending)
        if not net.fanins[node]:
            continue
        cut = _cheapest(net, node, required)
        total += net.tables.costs[len(cut)]
        for n in cut:
            time = required[node] - net.tables.level
            if n not in uses:
                uses.add(n)
                heapq.heappush(pending, -n)
            required[n] = min(required.get(n, time), time)
    return total


def _cheapest(net: Network, node: int, required: dict[int, float]) -> Cut:
    """The cheapest cut in time, where nodes that are made anyhow cost nothing more."""
    own = [c for c in net.cuts[node] if node not in c]
    on_time = [c for c in own if net.cut_time(c) <= required[node] + 1e-9] or own[:1]
    return min(on_time, key=lambda c: (_cost(net, c, required), net.cut_time(c)))


def _cost(net: Network, cut: Cut, required: dict[int, float]) -> float:
    before = sum(net.flow[n] / max(1, net.fanout[n]) for n in cut if n not in required)
    return net.tables.costs[len(cut)] + before
