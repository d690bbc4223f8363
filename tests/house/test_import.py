"""`import gemel` is light: what is heavy loads when it is first used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = (
    *("z3", "lark", "llvmlite", "rich", "typer", "PIL", "pyosys", "pyslang"),
    *("gemel.parser", "gemel.codegen", "gemel.hwsynth", "gemel.stdlib", "gemel.examples"),
)
NOT_TO_DEFINE = (
    *("decimal", "difflib", "fractions", "numpy.typing", "tempfile", "subprocess", "json"),
    *("gemel.functions", "gemel.tensors", "gemel.tracing", "gemel.expressions", "gemel.semantics.ir"),
    *("gemel.semantics.ops", "gemel.semantics.interp", "gemel.semantics.ranges", "gemel.semantics.arguments"),
)
"""What a kernel needs when it is traced, and not before."""


def loaded_after(statement: str, place: Path) -> set[str]:
    """The modules that a fresh process has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_is_light(tmp_path: Path) -> None:
    loaded = loaded_after("import gemel", tmp_path)
    assert "gemel" in loaded
    assert sorted(loaded & {*HEAVY, *NOT_TO_DEFINE}) == []


DEFINITION = """
import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")

@gm.kernel
def plus(a: f32[M, N], b: f32[M, N], k: gm.static[int] = 2) -> f32[M, N]:
    return gm.tanh(a) + b
"""


def test_a_definition_is_light(tmp_path: Path) -> None:
    loaded = loaded_after(DEFINITION, tmp_path)
    assert sorted(loaded & {*HEAVY, *NOT_TO_DEFINE}) == []


def test_late_names_are_there() -> None:
    script = (
        "import gemel\nassert set(gemel.__all__) <= set(dir(gemel))\nfor name in gemel.__all__: getattr(gemel, name)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    star = "from gemel import *\nassert tanh is __import__('gemel').tanh and errors.GemelError"
    subprocess.run([sys.executable, "-c", star], check=True)
