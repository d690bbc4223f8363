"""Delay lines of one bit: registers that each take the value of the one before, shown as one vector."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.hwsynth.dag import shape
from gemel.hwsynth.netlist import Module, Register, Row
from gemel.semantics.ir import Ref, Var


def delay_lines(m: Module) -> tuple[Row, ...]:
    """The rows of the module's layout, and those that its registers without reset and enable make."""
    taken = {v for row in m.layout.rows for v in row.bits} | {
        o.value.var for o in m.outputs if isinstance(o.value, Ref)
    }
    plain = {r.var: r for r in m.registers if _is_plain(r) and r.var not in taken}
    return (*m.layout.rows, *_lines(plain))


def _is_plain(r: Register) -> bool:
    return r.enable is None and r.reset is None and shape(r.var).width == 1


def _before(r: Register) -> Var | None:
    return r.next.var if isinstance(r.next, Ref) else None


def _lines(plain: dict[Var, Register]) -> Iterator[Row]:
    after: dict[Var, Var] = {}
    for r in plain.values():
        previous = _before(r)
        if previous in plain and previous is not None:
            after.setdefault(previous, r.var)
    followers = set(after.values())
    for v in plain:
        if v in followers or v not in after:
            continue
        line = [v]
        while line[-1] in after:
            line.append(after[line[-1]])
        stage = re.fullmatch(r"(.*_s)(\d+)", v.hint)
        yield Row(stage[1] if stage else v.hint, int(stage[2]) if stage else 0, tuple(line))
