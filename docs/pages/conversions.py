"""What a store or an assignment does from each type to each other, found by asking the language."""

from __future__ import annotations

import gemel as gm
from gemel.errors import GemelError
from gemel.semantics import ops
from gemel.semantics.dtypes import FLOATS, DType
from gemel.semantics.ir import Apply, Ref, Var
from gemel.semantics.span import BUILTIN
from gemel.semantics.typerules import holds
from gemel.values import Value, for_store
from pages import markdown
from pages.markdown import code, table

TYPES: tuple[DType, ...] = (gm.bool_, gm.i8, gm.u8, gm.i32, gm.index, gm.Fixed(8, 4), *FLOATS.values())


def stored(source: DType, target: DType) -> str:
    """What a store of `source` to `target` does, in a word."""
    try:
        e = for_store(Value(Ref(Var("x", source, BUILTIN), BUILTIN)), target, BUILTIN, "x")
    except GemelError as error:
        return error.code
    if source == target:
        return "-"
    if isinstance(e, Apply) and e.op is ops.NARROW:
        return "narrows"
    return "exact" if holds(target, source) else "rounds"


WRITTEN = (
    ("gm.cast(x, t)", "integer", "integer", "wraps", "gm.cast(300, u8)"),
    ("gm.cast(x, t)", "integer", "float", "rounds to nearest, ties to even", "gm.cast(2049, f16)"),
    ("gm.cast(x, t)", "float", "integer", "drops the fraction, clamps to the range; NaN gives 0", "gm.cast(-1e9, i16)"),
    ("gm.cast(x, t)", "float", "float", "rounds to nearest, ties to even", "gm.cast(0.1, bf16)"),
    ("gm.cast(x, t)", "fixed point", "integer", "drops the fraction, wraps", ""),
    ("gm.cast(x, t)", "integer, fixed point", "fixed point", "rounds, then wraps or saturates, as the type says", ""),
    ("gm.cast(x, t)", "float", "fixed point", "rounds as the type says, clamps to the range; NaN gives 0", ""),
    ("gm.cast(x, t)", "any number", "`bool_`", "whether it isn't zero", "gm.cast(2, bool_)"),
    ("gm.saturate(x, t)", "any number", "integer, fixed point", "clamps to the range", "gm.saturate(300, u8)"),
    ("gm.bitcast(x, t)", "anything", "a type of the same width", "keeps the bits", "gm.bitcast(255, i8)"),
    ("t(x)", "", "", "is `gm.cast(x, t)`", "u8(300)"),
)


def _written(call: str, source: str, target: str, does: str, example: str) -> list[str]:
    value = eval(example, vars(gm) | {"gm": gm}) if example else None
    return [code(call), source, target, does, f"`{example}` is `{value}`" if example else ""]


def page() -> str:
    """The page."""
    return markdown.page(
        "Conversions",
        "What happens when a value of the type on the left is stored to an element, a variable, a parameter or a result of the type above. `exact`: each "
        "value has its equal. `narrows`: an integer wraps where it doesn't fit; `verify` proves that it does, or shows inputs for which it "
        "doesn't. `rounds`: the value is rounded, and wraps or saturates, as the fixed-point type says; `verify` doesn't ask. A code is an error: write the conversion out.",
        table(["from \\ to", *map(code, TYPES)], [[code(s), *(stored(s, t) for t in TYPES)] for s in TYPES]),
        "A literal is stored to any type that has its value, else the error is T07.",
        "## Written out",
        table(["written", "from", "to", "does", "for example"], [_written(*row) for row in WRITTEN]),
    )
