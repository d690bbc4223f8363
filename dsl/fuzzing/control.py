"""Drawn loop nests for hardware: triangular and imperfect ones, in a row and in each other, with recurrences.

Their control is static, mostly, so that the cycles are known before a run.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gemel.fuzzing.cases import Case
from gemel.parser import parse

SIZE = 12
"""Elements along an axis: no drawn index leaves it, if not drawn to."""

TRIPS = 4


@st.composite
def nests(draw: st.DrawFn) -> Case:
    """A kernel of some nests over two arrays and two variables, and arguments."""
    lines = [
        f"kernel nests(a: i32[{SIZE}], b: u16[{SIZE}, {SIZE}], n: i8) -> (r: i32[]) {{",
        "  alloc s: i32[]",
        "  s[] = 5:i32",
        "  alloc t: u16[]",
        "  t[] = 3:u16",
        *_block(draw, [], draw(st.integers(4, 10)), 1),
        "  r[] = s[]",
        "}",
        "",
    ]
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    a, b = rng.integers(-99, 99, SIZE).astype(np.int32), rng.integers(0, 999, (SIZE, SIZE)).astype(np.uint16)
    return Case(parse("\n".join(lines)), [a, b, np.int8(draw(st.integers(-2, 3)))])


def _block(draw: st.DrawFn, names: list[str], budget: int, depth: int) -> list[str]:
    """Statements, with a loop among them as long as there is room for what it holds."""
    lines: list[str] = []
    while budget > 0:
        kind = draw(st.integers(0, 9))
        if kind < 5 and len(names) < 3 and budget > 1:
            inner = draw(st.integers(1, budget - 1))
            lines += _loop(draw, names, inner, depth)
            budget -= inner
        elif kind == 5 and budget > 1:
            lines += [f"if {_condition(draw, names)} {{", *_block(draw, names, 1, depth + 1), "}"]
        else:
            lines.append(_statement(draw, names))
        budget -= 1
    return ["  " * depth + x if not x.startswith(" ") else x for x in lines]


def _loop(draw: st.DrawFn, names: list[str], budget: int, depth: int) -> list[str]:
    name = f"i{len(names)}_{draw(st.integers(0, 99))}"
    lo, hi, step = _range(draw, names)
    return [f"for {name} in {lo} .. {hi}{step} {{", *_block(draw, [*names, name], budget, depth + 1), "}"]


def _range(draw: st.DrawFn, names: list[str]) -> tuple[str, str, str]:
    """Bounds of a loop: constant, or those of a triangle or a trapezoid, which may be empty in some turns."""
    some = draw(st.integers(0, TRIPS))
    if not names or draw(st.integers(0, 2)) == 0:
        return ("0", str(some), "") if draw(st.integers(0, 4)) else (str(some), "0", " step -1")
    outer = draw(st.sampled_from(names))
    return draw(
        st.sampled_from(
            [
                ("0", outer, ""),
                ("0", f"({outer} + {some})", ""),
                (outer, str(TRIPS), ""),
                (f"({outer} + 1)", str(TRIPS), ""),
                (outer, f"({outer} + {some})", ""),
                (outer, "-1", " step -1"),
                ("0", f"(4 - {outer})", " step 2"),
                ("0", f"min({outer}, {some})", ""),
                ("0", "cast(n):index", ""),
            ]
        )
    )


def _statement(draw: st.DrawFn, names: list[str]) -> str:
    value = _value(draw, names)
    match draw(st.integers(0, 7)):
        case 0:
            return f"s[] add= cast({value}):i32"
        case 1:
            return f"s[] = cast({value} - s[]):i32"
        case 2:
            return f"t[] = cast(({value} & 15) + t[]):u16"
        case 3:
            return f"a[{_index(draw, names)}] {draw(st.sampled_from(('add=', 'max=', 'xor=')))} cast({value}):i32"
        case 4:
            at = _index(draw, names)
            return f"a[{at}] = cast(a[{at}] + {value}):i32"
        case 5 | 6:
            return f"b[{_index(draw, names)}, {_index(draw, names)}] = cast({value}):u16"
        case _:
            return f"a[{_index(draw, names)}] = cast({value}):i32"


def _value(draw: st.DrawFn, names: list[str]) -> str:
    one, other = _operand(draw, names), _operand(draw, names)
    return draw(
        st.sampled_from(
            [
                one,
                one,
                f"({one} + {other})",
                f"({one} * {other})",
                f"({one} // (({other} & 7) + 1))",
                f"max({one}, {other})",
            ]
        )
    )


def _operand(draw: st.DrawFn, names: list[str]) -> str:
    return draw(
        st.sampled_from(
            [
                f"a[{_index(draw, names)}]",
                f"cast(b[{_index(draw, names)}, {_index(draw, names)}]):i32",
                "s[]",
                "cast(t[]):i32",
                f"cast({draw(st.sampled_from(names))}):i32" if names else "7:i32",
            ]
        )
    )


def _condition(draw: st.DrawFn, names: list[str]) -> str:
    if len(names) > 0 and draw(st.booleans()):
        return f"{draw(st.sampled_from(names))} == {draw(st.integers(0, 3))}"
    return f"{_operand(draw, names)} > 3"


def _index(draw: st.DrawFn, names: list[str]) -> str:
    """An index that is in range, mostly: counters are at most 7 in nests of three loops."""
    at = draw(st.integers(0, 2))
    some = draw(st.sampled_from(["", *names]))
    return f"{at} + {some}" if some else str(at)
