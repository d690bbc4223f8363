"""Modulo scheduling by our search and by HiGHS, on drawn loop bodies: `python benchmarks/scheduler.py`.

A body has operators of drawn delays, reads through one or two ports, and a value or none that the next iteration
needs. HiGHS gets the same problem as an integer program (Zhang and Liu 2013): a start per task, a stage and one of II
slots per contended task, chains longer than a cycle as differences of starts. It minimises the depth, which is the
last start, at the least II at which it finds a solution; the search finds the least starts for the slots that it has
chosen. Needs the `bench` extra. CPU seconds of this process.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
from harness import report

from gemel.hwsynth.modulo import Rule, Task, schedule, unit_bound

ROOM = 8.0
"""Time for logic in a cycle, in ns."""

LIMIT = 60.0
"""Seconds that HiGHS may take for one II."""

CASES = (
    ("chains", 100, 0, False),
    ("chains", 1_000, 0, False),
    ("chains", 10_000, 0, False),
    ("recurrence", 100, 0, True),
    ("recurrence", 1_000, 0, True),
    ("ports", 100, 2, False),
    ("ports", 300, 2, False),
    ("ports and recurrence", 100, 1, True),
    ("ports and recurrence", 300, 1, True),
    ("ports and recurrence", 10_000, 2, True),
)


@dataclass(frozen=True)
class Problem:
    """A loop body."""

    tasks: Sequence[Task]
    rules: Sequence[Rule]
    ports: int


def drawn(count: int, ports: int, recurrence: bool, seed: int = 1) -> Problem:
    """A body of `count` tasks; a quarter of them reads where there are ports."""
    draw = random.Random(seed)
    tasks = []
    for k in range(count):
        near = range(max(0, k - 40), k)
        operands = tuple(sorted(draw.sample(near, min(len(near), draw.randint(1, 2)))))
        if ports and draw.random() < 0.25:
            tasks.append(Task(2.5, 1, 0.0, operands[:1], "port"))
        else:
            tasks.append(Task(draw.choice((0.9, 1.0, 2.2, 4.0)), 0, 0.0, operands))
    rules = [Rule(min(count - 1, 30), 2, 1, 1)] if recurrence else []
    return Problem(tasks, rules, ports)


@dataclass
class Program:
    """The integer program of a problem at an II."""

    problem: Problem
    ii: int
    solver: highspy.Highs = field(default_factory=highspy.Highs)

    def solve(self) -> tuple[bool, str]:
        """Whether a solution was found, and what the solver says of it."""
        solver = self.solver
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("time_limit", LIMIT)
        tasks = self.problem.tasks
        starts = [solver.addIntegral(lb=0) for _ in tasks]
        depth = solver.addVariable(lb=0, obj=1)
        for start in starts:
            solver.addConstr(depth - start >= 0)
        self.order(starts)
        self.slots(starts)
        solver.minimize()
        status = solver.modelStatusToString(solver.getModelStatus())
        return solver.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible, status

    def order(self, starts: Sequence[highspy.highs.highs_var]) -> None:
        """Operands first, chains that fit a cycle, rules between iterations."""
        tasks = self.problem.tasks
        for k, t in enumerate(tasks):
            for a in t.operands:
                self.solver.addConstr(starts[k] - starts[a] >= tasks[a].latency)
        for first, last in too_long(tasks):
            self.solver.addConstr(starts[last] - starts[first] >= tasks[first].latency + 1)
        for r in self.problem.rules:
            self.solver.addConstr(starts[r.to] - starts[r.src] >= r.latency - r.distance * self.ii)

    def slots(self, starts: Sequence[highspy.highs.highs_var]) -> None:
        """Each contended task in one slot, no slot with more tasks than ports."""
        users = [k for k, t in enumerate(self.problem.tasks) if t.unit is not None]
        if len(users) <= self.problem.ports:
            return
        chosen = {k: [self.solver.addBinary() for _ in range(self.ii)] for k in users}
        for k in users:
            stage = self.solver.addIntegral(lb=0)
            self.solver.addConstr(sum(chosen[k]) == 1)
            within = sum(n * x for n, x in enumerate(chosen[k]))
            self.solver.addConstr(starts[k] - self.ii * stage - within == 0)
        for n in range(self.ii):
            self.solver.addConstr(sum(chosen[k][n] for k in users) <= self.problem.ports)


def too_long(tasks: Sequence[Task]) -> set[tuple[int, int]]:
    """Tasks between which a chain is first too long for a cycle."""
    users: list[list[int]] = [[] for _ in tasks]
    for k, t in enumerate(tasks):
        for a in t.operands:
            users[a].append(k)
    found = set()
    for first, t in enumerate(tasks):
        longest = {first: t.delay}
        todo = [first]
        while todo:
            k = todo.pop()
            for user in users[k]:
                time_there = longest[k] + (tasks[user].setup if tasks[user].latency else tasks[user].delay)
                if time_there > ROOM:
                    found.add((first, user))
                elif not tasks[user].latency and time_there > longest.get(user, -1.0):
                    longest[user] = time_there
                    todo.append(user)
    return found


def ours(p: Problem) -> tuple[float, int, int]:
    """CPU seconds, II and depth of our search."""
    begin = time.process_time()
    timing = schedule(p.tasks, p.rules, ROOM, {"port": p.ports} if p.ports else {})
    return time.process_time() - begin, timing.ii, max(timing.cycles)


def theirs(p: Problem) -> tuple[float, int | None, int | None, str]:
    """CPU seconds, II, depth and status of HiGHS; no II where it finds none in time."""
    begin = time.process_time()
    ii, _ = unit_bound(p.tasks, {"port": p.ports} if p.ports else {})
    while True:
        program = Program(p, ii)
        found, status = program.solve()
        spent = time.process_time() - begin
        if found:
            return spent, ii, round(program.solver.getInfo().objective_function_value), status
        if "Infeasible" not in status:
            return spent, None, None, status
        ii += 1


def main() -> None:
    """Runs all cases."""
    rows = []
    for name, count, ports, recurrence in CASES:
        p = drawn(count, ports, recurrence)
        spent, ii, total = ours(p)
        their_time, their_ii, their_total, status = theirs(p)
        reads = Counter(t.unit for t in p.tasks)["port"]
        row = {"body": name, "tasks": count, "reads": reads, "ports": ports, "ours s": round(spent, 3), "ours II": ii}
        row |= {"ours depth": total, "HiGHS s": round(their_time, 2), "HiGHS II": their_ii}
        rows.append(row | {"HiGHS depth": their_total, "HiGHS says": status})
    report("scheduler", rows)


if __name__ == "__main__":
    main()
