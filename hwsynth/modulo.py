"""Modulo scheduling: a start cycle for each operation of a loop body that begins anew every II cycles.

Constraints are those of a system of difference constraints (Cong and Zhang 2006, for loops Zhang and Liu 2013):
`start(to) >= start(src) + latency - distance * II`. Within a cycle operators are chained while their delays fit, which
is carried along as a time in ns. All of these functions are monotone, so propagation finds the least solution, and
commute with a shift by whole cycles, so there is none where a task puts itself off; such a recurrence is what the
report names. Units that are used by more operations than there are units get a slot (start
modulo II) per operation. Slots are chosen by a search that takes the first free one and backtracks; for chosen slots
the least solution is exact again, so with enough steps the search finds the least II.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

STEPS = 2000
"""Slots that a search for one II tries before that II is given up."""

ONCE = 1 << 40
"""The II of a body that runs once."""

Resource = Hashable


@dataclass(frozen=True)
class Task:
    """An operation. Its result is there `delay` ns after its inputs, or, with a latency, `delay` ns into the cycle
    `latency` cycles after its start; `setup` ns of logic lie before the start of a task with a latency.

    `operands` are the tasks before it whose results it needs; `unit` is a kind of unit of which it needs one, for
    `busy` cycles.
    """

    delay: float = 0.0
    latency: int = 0
    setup: float = 0.0
    operands: tuple[int, ...] = ()
    unit: Resource | None = None
    busy: int = 1


@dataclass(frozen=True)
class Rule:
    """`to` starts at least `latency` cycles after `src` did `distance` iterations before; if 0, `src` comes first."""

    src: int
    to: int
    latency: int
    distance: int


@dataclass(frozen=True)
class Recurrence:
    """Tasks each of which waits for the one before it, and the first for the last, over `distance` iterations."""

    tasks: tuple[int, ...]
    distance: int


@dataclass(frozen=True)
class Timing:
    """A schedule: start cycle and time of the result in ns per task, and what keeps the II from being less.

    `recurrence` or `unit` is set where that alone excludes the next lower II, both are None where it is 1 or where only
    the two together (or the search's limit) do.
    """

    ii: int
    cycles: tuple[int, ...]
    ready: tuple[float, ...]
    recurrence: Recurrence | None = None
    unit: Resource | None = None


class Infeasible(Exception):
    """No start cycles satisfy the constraints at this II."""


class Never(Exception):
    """A cycle of rules that no II satisfies."""


class Recurs(Infeasible):
    """A recurrence is why; each time round puts its tasks off by `gain` cycles."""

    def __init__(self, tasks: tuple[int, ...], distance: int, gain: int) -> None:
        super().__init__()
        self.tasks, self.distance, self.gain = tasks, distance, gain


def schedule(
    tasks: Sequence[Task],
    rules: Sequence[Rule],
    room: float,
    units: Mapping[Resource, int],
    pipelined: bool = True,
    least: int = 1,
) -> Timing:
    """The least II from `least` on that is found, and the least starts at it; `room` is the time for logic in a cycle,
    in ns.

    Each task alone fits in `room`. Tasks stand in an order in which rules of distance 0 and operands point forward.
    """
    if not pipelined:
        once = Search(tasks, rules, room, units, ONCE)
        once.run()
        return once.timing()
    ii, recurrence = recurrence_bound(tasks, rules, room)
    shared, unit = unit_bound(tasks, units)
    if shared > ii:
        ii, recurrence = shared, None
    elif recurrence is not None:
        unit = None
    if least > ii:
        ii, recurrence, unit = least, None, None
    while True:
        try:
            search = Search(tasks, rules, room, units, ii)
            search.run()
            return search.timing(recurrence, unit)
        except Infeasible:
            ii, recurrence, unit = ii + 1, None, None


def unit_bound(tasks: Sequence[Task], units: Mapping[Resource, int]) -> tuple[int, Resource | None]:
    """The least II that the units allow, and the unit that asks for it."""
    uses: Counter[Resource] = Counter()
    for t in tasks:
        if t.unit is not None:
            uses[t.unit] += t.busy
    needs = [(-(-n // units[unit]), unit) for unit, n in uses.items()]
    ii, unit = max(needs, key=lambda need: need[0], default=(1, None))
    return ii, unit if ii > 1 else None


def recurrence_bound(tasks: Sequence[Task], rules: Sequence[Rule], room: float) -> tuple[int, Recurrence | None]:
    """The least II that the recurrences allow, exactly, and the recurrence that asks for it.

    Raises Never where there is none.
    """
    ii, found = 1, None
    parts = strong_components(tasks, rules)
    part_of = {k: n for n, part in enumerate(parts) for k in part}
    inside: list[list[Rule]] = [[] for _ in parts]
    for r in rules:
        if r.src in part_of and part_of[r.src] == part_of.get(r.to):
            inside[part_of[r.src]].append(r)
    for part, own in zip(parts, inside, strict=True):
        number = {k: n for n, k in enumerate(part)}
        inner = [_within(tasks[k], number) for k in part]
        between = [_renumbered(r, number) for r in own]
        while True:
            try:
                Search(inner, between, room, {}, ii).run()
                break
            except Recurs as error:
                if error.distance <= 0:
                    raise Never from None
                ii += -(-error.gain // error.distance)
                found = Recurrence(tuple(part[k] for k in error.tasks), error.distance)
    return ii, found


def _within(task: Task, number: Mapping[int, int]) -> Task:
    return replace(task, operands=tuple(number[a] for a in task.operands if a in number), unit=None)


def _renumbered(r: Rule, number: Mapping[int, int]) -> Rule:
    return Rule(number[r.src], number[r.to], r.latency, r.distance)


def strong_components(tasks: Sequence[Task], rules: Sequence[Rule]) -> list[list[int]]:
    """The sets of tasks that wait for each other, each in order (Kosaraju's algorithm)."""
    after: list[list[int]] = [[] for _ in tasks]
    before: list[list[int]] = [list(t.operands) for t in tasks]
    for r in rules:
        before[r.to].append(r.src)
    for k, sources in enumerate(before):
        for a in sources:
            after[a].append(k)
    finished: list[int] = []
    seen: set[int] = set()
    for k in range(len(tasks)):
        finished += _reach(k, after, seen)
    parts = []
    seen = set()
    for k in reversed(finished):
        part = _reach(k, before, seen)
        if len(part) > 1 or (part and k in before[k]):
            parts.append(sorted(part))
    return parts


def _reach(root: int, following: Sequence[Sequence[int]], seen: set[int]) -> list[int]:
    """What is reached from `root` and not yet seen, each after what is reached from it."""
    out: list[int] = []
    stack = [(root, iter(following[root]))] if root not in seen else []
    seen.add(root)
    while stack:
        k, rest = stack[-1]
        following_one = next((n for n in rest if n not in seen), None)
        if following_one is None:
            out.append(k)
            stack.pop()
        else:
            seen.add(following_one)
            stack.append((following_one, iter(following[following_one])))
    return out


@dataclass
class Search:
    """Starts at one II. `cycle`, `time` hold the present least solution, `cause` the task that forces each start.

    `rule` is the rule by which it does, None where it does as an operand.
    """

    tasks: Sequence[Task]
    rules: Sequence[Rule]
    room: float
    units: Mapping[Resource, int]
    ii: int
    cycle: list[int] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    cause: list[int] = field(default_factory=list)
    rule: list[Rule | None] = field(default_factory=list)
    slot: dict[int, int] = field(default_factory=dict)
    trail: list[tuple[int, int, float]] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        n = len(self.tasks)
        self.users: list[list[int]] = [[] for _ in range(n)]
        self.later: list[list[int]] = [[] for _ in range(n)]  # users in the same iteration
        self.into: list[list[tuple[int, int, Rule]]] = [[] for _ in range(n)]  # with the cycles apart at this II
        self.operands = [[(a, self.tasks[a].latency) for a in t.operands] for t in self.tasks]
        self.timed = [(t.latency, t.delay, t.setup if t.latency else t.delay) for t in self.tasks]
        for k, t in enumerate(self.tasks):
            for a in t.operands:
                self.users[a].append(k)
                self.later[a].append(k)
        for r in self.rules:
            self.users[r.src].append(r.to)
            if not r.distance:
                self.later[r.src].append(r.to)
            self.into[r.to].append((r.src, r.latency - r.distance * self.ii, r))
        uses = Counter(t.unit for t in self.tasks if t.unit is not None)
        scarce = {unit for unit, count in uses.items() if count > self.units.get(unit, count)}
        self.contended = [k for k, t in enumerate(self.tasks) if t.unit in scarce]
        self.taken: dict[tuple[Resource, int], int] = defaultdict(int)

    # ---------------------------------------------------------------------------------------------- least solutions

    def run(self) -> None:
        """Finds starts; raises Infeasible."""
        n = len(self.tasks)
        self.cycle, self.time, self.cause, self.rule = [-1] * n, [0.0] * n, [-1] * n, [None] * n
        longest = sum(1 + t.latency for t in self.tasks)
        longest += sum(max(r.latency - r.distance * self.ii, r.latency, 0) for r in self.rules)
        self.limits = [longest] * n
        self.settle(range(n), watch=True)
        most = sum(self.tasks[k].busy for k in self.contended) * self.ii + self.ii
        self.limits = [c + most for c in self.cycle]
        if not self.place_in_order():
            self.place()

    def settle(self, changed: Sequence[int], watch: bool = False) -> None:
        """Propagates to the least solution; raises Infeasible beyond the limits, with `watch` for recurrences too."""
        heap = list(changed)
        heapq.heapify(heap)
        waiting = set(heap)
        while heap:
            k = heapq.heappop(heap)
            waiting.discard(k)
            if not self.update(k):
                continue
            if watch:
                self.look_for_recurrence(k)
            if self.cycle[k] > self.limits[k]:
                raise Recurs(self.around(k) or (k,), 1, 1) if watch else Infeasible
            for user in self.users[k]:
                if user not in waiting:
                    waiting.add(user)
                    heapq.heappush(heap, user)

    def settle_again(self, k: int) -> None:
        """Propagates from a task that a slot puts off; raises Infeasible where that puts off the same task once more.

        It would for ever: what follows from a start that is a number of intervals later is as much later, and all
        starts were settled before, so nothing else puts this task off.
        """
        if not self.update(k):
            return
        limit, self.limits[k] = self.limits[k], self.cycle[k]
        try:
            self.settle(self.users[k])
        finally:
            self.limits[k] = limit

    def update(self, k: int) -> bool:
        """Puts a task where what it waits for lets it start; whether that is another place than before."""
        now = self.start(k)
        if now == (self.cycle[k], self.time[k]):
            return False
        self.trail.append((k, self.cycle[k], self.time[k]))
        self.cycle[k], self.time[k] = now
        return True

    def start(self, k: int) -> tuple[int, float]:
        """The earliest start of a task and the time of its result in ns; notes what it waits for."""
        cycles, times = self.cycle, self.time
        cycle, at, cause, rule = 0, 0.0, -1, None
        for a, latency in self.operands[k]:
            ready = cycles[a] + latency
            if ready > cycle:
                cycle, at, cause = ready, times[a], a
            elif ready == cycle and times[a] > at:
                at, cause = times[a], a
        for src, apart, r in self.into[k]:
            after = cycles[src] + apart
            if after > cycle:
                cycle, at, cause, rule = after, 0.0, src, r
        latency, delay, needed = self.timed[k]
        if at + needed > self.room:
            cycle, at = cycle + 1, 0.0
        slot = self.slot.get(k)
        if slot is not None and cycle % self.ii != slot:
            cycle, at = cycle + (slot - cycle) % self.ii, 0.0
        self.cause[k], self.rule[k] = cause, rule
        return cycle, delay if latency else at + delay

    def look_for_recurrence(self, k: int) -> None:
        """Raises Recurs where a task that a rule has just put off by whole cycles is, by the causes, why.

        Times within the cycle count, too: what follows from a start that is whole cycles later is as much later, so
        this task will put itself off for ever.
        """
        _, before, time = self.trail[-1]
        if before < 0 or self.rule[k] is None:
            return
        chained = not self.tasks[k].latency and time > self.tasks[k].delay
        gain = self.cycle[k] - before - chained
        path = self.around(k) if gain > 0 else ()
        if path and path[-1] == k:
            raise Recurs(path, self.distance_around(path), gain)

    def around(self, k: int) -> tuple[int, ...]:
        """The first closed chain of causes that leads to a task; empty where there is none."""
        path = [k]
        place = {k: 0}
        while (at := self.cause[path[-1]]) not in place:
            if at < 0:
                return ()
            place[at] = len(path)
            path.append(at)
        return tuple(reversed(path[place[at] :]))

    def distance_around(self, path: Sequence[int]) -> int:
        """The iterations between a task of a closed chain of causes and itself."""
        return sum(r.distance for r in (self.rule[k] for k in path) if r is not None)

    # -------------------------------------------------------------------------------------------------------- slots

    def place_in_order(self) -> bool:
        """Gives each contended task the first free slot after what it waits for, once; whether all rules hold then.

        So are most regions placed, in time that grows with their size; the search takes those with tight recurrences.
        """
        mark = len(self.trail)
        height, scarce = self.heights() if self.contended else [], set(self.contended)
        ahead: dict[tuple[Resource | None, int], int] = {}
        for k in self.by_start(height) if scarce else ():
            self.update(k)
            if k in scarce:
                slot = self.first_free(k, ahead)
                if slot is None:
                    return self.gave_up(mark)
                self.take(k, slot)
                self.update(k)
        try:
            self.settle(range(len(self.tasks)) if scarce else ())
        except Infeasible:
            return self.gave_up(mark)
        return True

    def gave_up(self, mark: int) -> bool:
        """Takes all tasks out of their slots: False."""
        for k in list(self.slot):
            self.retract(k, mark)
        return False

    def by_start(self, height: Sequence[int]) -> Iterator[int]:
        """All tasks, each after those of its iteration that it waits for; the earliest first, then the critical."""
        waits = [len(t.operands) + sum(not r.distance for *_, r in self.into[k]) for k, t in enumerate(self.tasks)]
        ready = [(self.cycle[k], -height[k], k) for k, n in enumerate(waits) if not n]
        heapq.heapify(ready)
        while ready:
            k = heapq.heappop(ready)[2]
            yield k
            for user in self.later[k]:
                waits[user] -= 1
                if not waits[user]:
                    heapq.heappush(ready, (self.start(user)[0], -height[user], user))

    def place(self) -> None:
        """Gives each contended task a slot, depth first; raises Infeasible where none fit or steps run out."""
        todo = set(self.contended)
        height = self.heights() if todo else []
        stack: list[tuple[int, Iterator[int], int]] = []
        while todo:
            k = min(todo, key=lambda n: (self.cycle[n], -height[n], n))
            todo.remove(k)
            stack.append((k, self.free(k), len(self.trail)))
            while not self.advance(*stack[-1]):
                k, _, _ = stack.pop()
                todo.add(k)
                if not stack:
                    raise Infeasible
                self.retract(stack[-1][0], stack[-1][2])

    def advance(self, k: int, candidates: Iterator[int], mark: int) -> bool:
        """Puts a task into the next free slot in which all starts can be settled; whether there is one."""
        first, least = self.cycle[k], 0
        for slot in candidates:
            self.steps += 1
            if self.steps > STEPS + 4 * len(self.contended):
                raise Infeasible
            if first + (slot - first) % self.ii < least:
                continue
            self.take(k, slot)
            try:
                self.settle_again(k)
            except Infeasible:
                least = self.put_off(k)
                self.retract(k, mark)
                continue
            return True
        return False

    def put_off(self, k: int) -> int:
        """To where what followed from a slot puts off its own task: all slots before it do so, too."""
        slot = self.slot.pop(k)
        found, _ = self.start(k)
        self.slot[k] = slot
        return found

    def take(self, k: int, slot: int) -> None:
        """Puts a task into a slot."""
        self.slot[k] = slot
        self.count(k, 1)

    def count(self, k: int, change: int) -> None:
        """Notes that a task has begun or ceased to use its slot, and those after it in which its unit is busy."""
        task = self.tasks[k]
        for n in range(task.busy):
            self.taken[task.unit, (self.slot[k] + n) % self.ii] += change

    def is_open(self, k: int, slot: int) -> bool:
        """Whether a unit is free for a task that starts in a slot."""
        task = self.tasks[k]
        return all(self.taken[task.unit, (slot + n) % self.ii] < self.units[task.unit] for n in range(task.busy))

    def retract(self, k: int, mark: int) -> None:
        """Takes a task out of its slot and undoes what followed."""
        self.count(k, -1)
        del self.slot[k]
        while len(self.trail) > mark:
            n, self.cycle[n], self.time[n] = self.trail.pop()

    def first_free(self, k: int, ahead: dict[tuple[Resource | None, int], int]) -> int | None:
        """The first free slot from a task's start on; None where busy ones leave none that is long enough.

        `ahead` remembers which slot was found beyond full ones, so that each is looked at only a few times.
        """
        unit, slot, gone = self.tasks[k].unit, self.cycle[k] % self.ii, 0
        full: list[int] = []
        while not self.is_open(k, slot):
            full.append(slot)
            beyond = ahead.get((unit, slot), slot + 1)
            gone += (beyond - slot - 1) % self.ii + 1
            if gone >= self.ii:
                return None
            slot = beyond % self.ii
        if self.tasks[k].busy == 1:
            ahead.update(((unit, n), slot) for n in full)
        return slot

    def free(self, k: int) -> Iterator[int]:
        """The free slots of a task's unit, from its earliest start on."""
        first = self.cycle[k]
        slots = ((first + n) % self.ii for n in range(self.ii))
        return (slot for slot in slots if self.is_open(k, slot))

    def heights(self) -> list[int]:
        """For each task the tasks on the longest way from it to an end: what is critical is placed first."""
        found = [0] * len(self.tasks)
        for k in reversed(range(len(self.tasks))):
            found[k] = max((1 + found[u] for u in self.users[k] if u > k), default=0)
        return found

    def timing(self, recurrence: Recurrence | None = None, unit: Resource | None = None) -> Timing:
        """The result."""
        return Timing(self.ii, tuple(self.cycle), tuple(self.time), recurrence, unit)
