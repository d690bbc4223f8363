"""Operations that begin later where that saves registers, with all constraints as before."""

from __future__ import annotations

import random

import pytest
from test_modulo import ROOM, UNITS, Body, holds

from gemel.hwsynth.late import Late
from gemel.hwsynth.modulo import Infeasible, Rule, Task, schedule
from gemel.hwsynth.nodes import Kind, Node
from gemel.semantics.dtypes import UInt
from gemel.semantics.span import BUILTIN


def drawn(rng: random.Random, size: int) -> tuple[list[Node], Body]:
    """Operators and loads, each of some width; the last one is a store."""
    nodes: list[Node] = []
    tasks: list[Task] = []
    for k in range(size):
        load = rng.random() < 0.3
        operands = tuple(sorted(rng.sample(range(k), min(k, rng.choice((0, 1, 2)))))) if k < size - 1 else (k - 1,)
        kind = Kind.STORE if k == size - 1 else Kind.LOAD if load else Kind.OP
        nodes.append(Node(kind, UInt(rng.choice((1, 6, 32))), tuple(nodes[a] for a in operands), BUILTIN))
        unit = rng.choice(("one", "two")) if kind is Kind.LOAD else None
        tasks.append(Task(rng.choice((0.0, 1.0, 2.0, 4.0)), int(kind is Kind.LOAD), 0.0, operands, unit))
    rules = [Rule(b, a, 1, rng.choice((1, 2))) for a, b in [sorted(rng.sample(range(size), 2))] if rng.random() < 0.5]
    return nodes, (tasks, rules)


@pytest.mark.parametrize("seed", range(60))
def test_constraints_hold_and_no_register_is_added(seed: int) -> None:
    nodes, body = drawn(random.Random(seed), 12)
    try:
        timing = schedule(*body, ROOM, UNITS, pipelined=seed % 3 > 0)
    except Infeasible:  # pragma: no cover
        pytest.skip("no schedule")
    late = Late(nodes, *body, ROOM, UNITS, timing.ii, list(timing.cycles), list(timing.ready))

    def bits() -> int:
        return sum(late.registers(k, late.ready(k), late.last[k]) for k in range(len(nodes)))

    before = bits()
    late.run()
    assert holds(body, late.cycle, timing.ii)
    assert bits() <= before
    assert max(map(late.ready, range(len(nodes)))) <= max(
        c + t.latency for c, t in zip(timing.cycles, body[0], strict=True)
    )


def test_a_load_waits_until_its_word_is_wanted() -> None:
    x = Node(Kind.INPUT, UInt(6), (), BUILTIN)
    early, slow = Node(Kind.LOAD, UInt(32), (x,), BUILTIN), Node(Kind.OP, UInt(8), (x,), BUILTIN)
    slower = Node(Kind.OP, UInt(8), (slow,), BUILTIN)
    end = Node(Kind.STORE, UInt(1), (early, slower), BUILTIN)
    tasks = [Task(), Task(1.0, 1, 0.0, (0,)), Task(4.0, operands=(0,)), Task(4.0, operands=(2,)), Task(operands=(1, 3))]
    late = Late([x, early, slow, slower, end], tasks, [], ROOM, {}, 1, [0, 0, 0, 1, 1], [0.0, 1.0, 4.0, 4.0, 4.0])
    late.cycle[3:] = [2, 2]
    late.__post_init__()
    late.run()
    assert late.cycle[1] == 1


def test_what_takes_no_time_moves_along() -> None:
    """A bit of a word that stays in registers anyway, and its contrary, wait for their use at no cost."""
    x, part = Node(Kind.INPUT, UInt(32), (), BUILTIN), UInt(1)
    word, slow = Node(Kind.OP, UInt(32), (x,), BUILTIN), Node(Kind.OP, UInt(8), (x,), BUILTIN)
    bit, contrary = Node(Kind.OP, part, (word,), BUILTIN), Node(Kind.OP, part, (word,), BUILTIN)
    end = Node(Kind.STORE, UInt(1), (slow, contrary, word), BUILTIN)
    tasks = [Task(), Task(1.0, operands=(0,)), Task(4.0, operands=(0,)), Task(operands=(1,)), Task(operands=(3,))]
    tasks.append(Task(operands=(2, 4, 1)))
    nodes, starts = [x, word, slow, bit, contrary, end], [0, 0, 0, 0, 0, 2]
    late = Late(nodes, tasks, [], ROOM, {}, 1, starts, [0.0, 1.0, 4.0, 1.0, 1.0, 4.0])
    late.run()
    assert late.cycle[3:5] == [2, 2]
