"""The public names, with their signatures and docstrings."""

from __future__ import annotations

import inspect
from typing import Any

import gemel as gm
from gemel.codegen.runtime import Compiled
from gemel.errors import CATALOGUE, GemelError
from gemel.hwsynth.design import Simulation
from gemel.hwsynth.report import LoopReport, MemoryReport
from gemel.hwsynth.report import Report as SynthesisReport
from gemel.semantics.dtypes import DType
from gemel.semantics.verify import Counterexample, Obligation
from gemel.semantics.verify import Report as ProofReport
from pages import markdown
from pages.markdown import code, table

GROUPS: dict[str, str] = {
    "Kernels and sizes": "kernel parse dims static grid unroll parallel",
    "Making tensors": "empty zeros ones full array",
    "Conversions and bits": "cast saturate bitcast bits concat",
    "Choices and comparisons": "where minimum maximum clip abs",
    "Reductions": "sum prod min max mean argmax argmin",
    "Rounding and arithmetic": "floor ceil trunc round sqrt fma",
    "Elementary functions": "exp exp2 log log2 pow tanh sigmoid erf sin cos rsqrt reciprocal",
    "Contracts": "requires ensures invariant assume",
    "Types": "Int UInt Fixed UFixed",
    "Tuning": "tune",
}
CLASSES: dict[type, tuple[str, str]] = {
    gm.Kernel: ("Kernel", "__call__ interpret ir specialize verify compile synth synth_for"),
    Compiled: ("Compiled, from `Kernel.compile`", "__call__ llvm optimized asm"),
    gm.Design: ("Design, from `Kernel.synth`", "verilog simulate wave write"),
    Simulation: ("Simulation, from `Design.simulate`", "outputs cycles"),
    SynthesisReport: ("Report of a design", "cycles loops memories operators register_bits"),
    LoopReport: ("Its loops", "name level span trips ii depth bound lines"),
    MemoryReport: ("Its memories", "name words bits reads writes external made_of"),
    ProofReport: ("Report of a verification", "ok obligations assumed counts seconds summary rows kernel"),
    Obligation: ("Its obligations", "status kind span text by counterexample"),
    Counterexample: ("Their counterexamples", "inputs replay"),
}
"""Objects with a title and their public members."""
TYPE_NAMES = [name for name in gm.__all__ if isinstance(getattr(gm, name), DType)]
ELSEWHERE = {"Kernel", "Design", "errors", "__version__"}


def missing() -> set[str]:
    """Public names that no group has."""
    named = {n for names in GROUPS.values() for n in names.split()}
    return set(gm.__all__) - named - set(TYPE_NAMES) - ELSEWHERE


def signature(name: str, thing: Any) -> str:
    """A call as it is written: parameters with their defaults; docstrings say the types."""
    parameters = [
        p.replace(annotation=p.empty) for p in inspect.signature(thing).parameters.values() if p.name != "self"
    ]
    return name + str(inspect.Signature(parameters))


def described(thing: Any) -> str:
    """The docstring as Markdown."""
    return inspect.getdoc(thing) or ""


def _function(name: str) -> str:
    thing = getattr(gm, name)
    written = signature(f"gm.{name}", thing) if callable(thing) else f"gm.{name}[...]"
    return f"### `gm.{name}`\n\n```py\n{written}\n```\n\n{described(thing)}\n"


def _member(cls: type, name: str) -> tuple[str, str]:
    """A member as it is written, and what it is.

    Raises AttributeError where the class has no such member.
    """
    fields = getattr(cls, "__dataclass_fields__", {})
    if name in fields:
        return code(f"{name}: {fields[name].type}"), ""
    member = inspect.getattr_static(cls, name)
    if inspect.isfunction(member):
        return code(signature("" if name == "__call__" else name, member)), described(member).replace("\n\n", " ")
    return code(name), described(member).replace("\n\n", " ")


def _class(cls: type, title: str, members: str) -> str:
    return f"### {title}\n\n{described(cls)}\n\n{table(['member', ''], [_member(cls, n) for n in members.split()])}"


def _errors() -> str:
    kinds = [k for k in vars(gm.errors).values() if isinstance(k, type) and issubclass(k, GemelError)]
    rows = [
        (
            code(k.__name__),
            ", ".join(b.__name__ for b in k.__bases__ if b is not GemelError),
            described(k).split("\n")[0],
        )
        for k in kinds
    ]
    codes = table(["code", "means"], CATALOGUE.items())
    return table(["class of `gm.errors`", "also a", ""], rows) + "\n### Codes\n\n" + codes


def page() -> str:
    """The page.

    Raises ValueError where a public name is missing.
    """
    if missing():
        raise ValueError(f"no group of docs/pages/api.py has {', '.join(sorted(missing()))}")
    return markdown.page(
        "The public names",
        "Everything of `import gemel as gm`. The functions work on a kernel's values while it is traced, and on plain numbers and NumPy arrays otherwise.",
        f"Element types: {', '.join(map(code, TYPE_NAMES))}; a type with a shape in brackets is a tensor type, a type with an argument in parentheses converts.",
        *(f"## {title}\n\n" + "\n".join(map(_function, names.split())) for title, names in GROUPS.items()),
        "## Objects",
        *(_class(cls, *said) for cls, said in CLASSES.items()),
        "## Errors",
        _errors(),
    )
