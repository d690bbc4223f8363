"""Programs side by side: what takes the same steps is proved whatever its control is, what was changed is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32, u8
from gemel.schedule import Schedule
from gemel.semantics import ir
from gemel.semantics.arguments import shape_of
from gemel.semantics.check import check
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.passes.inline import inline
from gemel.semantics.passes.specialize import specialize
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.schedule.lockstep import in_lockstep
from gemel.semantics.schedule.proof import proved
from gemel.semantics.traverse import all_exprs, map_body, statements
from gemel.stdlib import coding, crypto, graph, nn, signal, sorting

M, N, K = gm.dims("M N K")


@gm.kernel
def solve(L: f32[N, N], b: f32[N]) -> f32[N]:
    x = gm.empty((N,), f32)
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] = x[i] / L[i, i]
    return x


@gm.kernel
def steps(a: f32[N], T: i32) -> f32[N]:
    gm.requires(N > 2)
    b = gm.zeros((N,), f32)
    for _ in range(T):
        for i in range(1, N - 1):
            b[i] = a[i - 1] + a[i] + a[i + 1]
        for i in range(1, N - 1):
            a[i] = b[i] * 0.25
    return b


@gm.kernel
def mirrored(a: i32[N, N]) -> i32[N, N]:
    c = gm.zeros((N, N), i32)
    for i in range(N):
        c[i, i] = 1
        for j in range(i + 1, N):
            for k in range(N):
                c[i, j] += a[k, i] * a[k, j]
            c[j, i] = c[i, j]
    return c


@gm.kernel
def first_of(values: u8[N], key: u8) -> i32:
    at: i32 = -1
    for i in range(N):
        if values[i] == key:
            at = gm.cast(i, i32)
            break
    return at


@gm.kernel
def collatz(n: u8) -> i32:
    steps: i32 = 0
    m: gm.u32 = gm.cast(n, gm.u32)
    while m > 1 and steps < 200:
        m = m // 2 if m % 2 == 0 else gm.cast(3 * m + 1, gm.u32)
        steps += 1
    return steps


def tiled_steps() -> Schedule:
    return steps.schedule().split("i", 8, tail="bound").split("i_1", 4)


SAME: dict[str, Callable[[], Schedule]] = {
    "rows of a triangle": lambda: solve.schedule("default"),
    "steps of time": tiled_steps,
    "a mirrored store": lambda: mirrored.schedule("default"),
    "a search": lambda: first_of.schedule("default"),
    "while": lambda: collatz.schedule("default"),
    "tables and checks": lambda: coding.rs_parity.schedule("default"),
    "ends early": lambda: coding.lz4_block.schedule("default"),
    "trellis": lambda: coding.viterbi.schedule("default"),
    "values handed on": lambda: crypto.sha256.schedule("default"),
    "union and find": lambda: graph.components.schedule("default"),
    "rows fused": lambda: nn.softmax.schedule("default"),
    "chains fused": lambda: nn.causal_attention.schedule("default"),
    "filters": lambda: signal.biquads.schedule("default"),
    "butterflies": lambda: signal.fft.schedule("default"),
    "insertion": lambda: sorting.top.schedule("default"),
}


@pytest.mark.parametrize("name", SAME)
def test_proved_for_all_sizes(name: str) -> None:
    found = SAME[name]().validate()
    assert found.ok and found.sizes == bool(SAME[name]()._inner.source.dims), str(found)


def test_what_only_one_of_the_two_sets_is_not_the_same_later() -> None:
    """A part that leaves nothing behind but in arrays of its own says nothing of what is read from them later."""

    @gm.kernel
    def counted(at: u8[N]) -> i32[4]:
        gm.requires(all(at[n] < 4 for n in range(N)))
        count = gm.empty((4,), i32)
        for k in range(4):
            count[k] = 7
        out = gm.empty((4,), i32)
        for n in range(N):
            count[at[n]] += 1
        for k in range(4):
            out[k] = count[k]
        return out

    inner = counted.schedule("default")._inner
    first, second = inline(inner.source), inline(inner.kernel)
    sevens = [s for s in statements(second.body) if isinstance(s, ir.Store) and isinstance(s.value, ir.Const)]
    assert len(sevens) == 1
    unset = replace(
        second, body=map_body(second.body, stmt=lambda s: () if getattr(s, "value", None) is sevens[0].value else s)
    )
    assert not in_lockstep(first, second)
    assert in_lockstep(first, unset, lambda a, b: proved(a, b, exact=True))


# ---------------------------------------------------------------------------------------------------- changed programs


@dataclass
class Change:
    """Changes one place of a kernel, chosen at random."""

    random: random.Random

    def __call__(self, k: ir.Kernel) -> ir.Kernel:
        change = self.random.choice([self.constant, self.dropped, self.swapped, self.read, self.order])
        return replace(k, body=change(k.body))

    def constant(self, body: Any) -> Any:
        found = [e for e in all_exprs(body) if isinstance(e, ir.Const) and not isinstance(e.value, bool)]
        chosen = self.random.choice(found) if found else None
        by = self.random.choice([1, -1])
        return map_body(body, lambda e: replace(e, value=e.value + by) if e is chosen else e)

    def dropped(self, body: Any) -> Any:
        kinds = ir.Store | ir.Reduce | ir.If | ir.For | ir.Assert
        chosen = self.random.choice([s for s in statements(body) if isinstance(s, kinds)])
        return _edited(body, lambda block: tuple(s for s in block if s is not chosen))

    def swapped(self, body: Any) -> Any:
        blocks: list[Any] = []
        _edited(body, lambda block: blocks.append(block) or block)
        pairs = [(b, n) for b in blocks for n in range(len(b) - 1) if not isinstance(b[n], ir.Let | ir.Alloc)]
        if not pairs:
            return body
        chosen, n = self.random.choice(pairs)

        def swap(block: Any) -> Any:
            return (*block[:n], block[n + 1], block[n], *block[n + 2 :]) if block is chosen else block

        return _edited(body, swap)

    def read(self, body: Any) -> Any:
        """Another variable of the same type."""
        refs = [e for e in all_exprs(body) if isinstance(e, ir.Ref)]
        if not refs:
            return body
        chosen = self.random.choice(refs)
        other = self.random.choice([e for e in refs if e.dtype == chosen.dtype])
        return map_body(body, lambda e: replace(e, var=other.var) if e is chosen else e)

    def order(self, body: Any) -> Any:
        """The operands of an op in another order."""
        found = [e for e in all_exprs(body) if isinstance(e, ir.Apply) and len(e.args) == 2]
        chosen = self.random.choice(found) if found else None
        return map_body(body, lambda e: replace(e, args=e.args[::-1]) if e is chosen else e)


def _edited(body: Any, edit: Callable[[Any], Any]) -> Any:
    """Blocks edited before what is nested in them, so that they are found by identity."""

    def inner(s: Any) -> Any:
        if isinstance(s, ir.For | ir.While):
            return replace(s, body=_edited(s.body, edit))
        if isinstance(s, ir.If):
            return replace(s, then=_edited(s.then, edit), orelse=_edited(s.orelse, edit))
        return s

    return tuple(map(inner, edit(body)))


CHANGED = ("rows of a triangle", "steps of time", "a mirrored store", "a search", "while", "trellis", "rows fused")
SIZES = ({"M": 2, "N": 5, "K": 3}, {"M": 3, "N": 9, "K": 2})


def outcome(k: ir.Kernel, seed: int) -> Any:
    """What a run leaves in arrays and results, or the code of the error that ends it."""
    sizes = {d.hint: SIZES[seed % 2].get(d.hint, 4) for d in k.dims}
    small = specialize(k, sizes) if sizes else k
    rng = np.random.default_rng(seed)
    args = [
        random_values(p, shape_of(p, {}) if isinstance(p, ir.Buffer) else (), rng, Spread.SMALL) for p in small.params
    ]
    try:
        result = interpret(small, args, fuel=20_000)
    except GemelError as error:
        return error.code
    own = result if isinstance(result, tuple) else (result,)
    return [np.asarray(x).tobytes() for x in (*args, *own) if x is not None]


@pytest.mark.parametrize("name", CHANGED)
def test_changed_programs_are_not_proved(name: str) -> None:
    inner = SAME[name]()._inner
    first, second = inline(inner.source), inline(inner.kernel)
    before = [outcome(first, seed) for seed in range(4)]
    refuted = 0
    for seed in range(8):
        changed = Change(random.Random(seed))(second)
        try:
            check(changed)
        except GemelError:
            continue  # no program any more
        if in_lockstep(first, changed, lambda a, b: proved(a, b, exact=False)):
            refuted += 1
        else:
            assert [outcome(changed, s) for s in range(4)] == before, f"seed {seed}:\n{changed}"
    assert refuted > 2
