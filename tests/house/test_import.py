"""`import gemel` is light: what is heavy loads when it is first used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = (
    *("z3", "lark", "llvmlite", "rich", "typer", "PIL", "pyosys", "pyslang"),
    *("gemel.parser", "gemel.codegen", "gemel.hwsynth", "gemel.stdlib", "gemel.examples"),
)


def loaded_after(statement: str, place: Path) -> set[str]:
    """The modules that a fresh process has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_is_light(tmp_path: Path) -> None:
    loaded = loaded_after("import gemel", tmp_path)
    assert "gemel" in loaded
    assert sorted(loaded & set(HEAVY)) == []
