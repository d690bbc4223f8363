"""Public names that are looked up when they are first used: their modules take long to load."""

from __future__ import annotations

import sys
from importlib import import_module

FUNCTIONS = (
    "argmax argmin array assume bitcast bits cast ceil clip concat cos empty ensures erf exp exp2 floor fma full "
    "invariant log log2 maximum mean minimum ones prod reciprocal requires rsqrt saturate sigmoid sin sqrt tanh "
    "trunc where zeros"
)
PLACES = {
    **{name: ("gemel.functions", name) for name in FUNCTIONS.split()},
    **{name: ("gemel.functions", f"{name}_") for name in ["abs", "max", "min", "pow", "round", "sum"]},
    "Design": ("gemel.hwsynth", "Design"),
    "tune": ("gemel.tuning.tune", "tune"),
    "errors": ("gemel.errors", ""),
}
"""Where each name is: a module, and the name there."""


def found(name: str) -> object:
    """What a name stands for."""
    module, there = PLACES[name]
    return getattr(import_module(module), there) if there else import_module(module)


def untouched(names: dict[str, object], name: str) -> bool:
    """Whether a late name of a module with these names still stands for what it did; it need not be loaded."""
    if name not in PLACES or name not in names:
        return name in PLACES
    module, there = PLACES[name]
    return names[name] is (getattr(sys.modules.get(module), there, None) if there else sys.modules.get(module))
