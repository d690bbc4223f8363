"""Import time and time to the first result, in fresh processes: `python benchmarks/startup.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness import process_seconds, report

FIRST = """
import numpy as np, gemel as gm
from gemel import f32
N = gm.dims("N")
@gm.kernel
def saxpy(a: f32, x: f32[N], y: f32[N]) -> f32[N]:
    return a * x + y
x = np.ones(256, np.float32)
saxpy(2.0, x, x)
"""
HARDWARE = (
    FIRST.replace("f32", "i32")
    .replace("float32", "int32")
    .replace("saxpy(2.0, x, x)", "saxpy.synth(N=256).simulate(2, x, x)")
    .replace("return a * x + y", "return gm.cast(a * x + y, i32)")
)


def main() -> None:
    """Runs the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {"python": "pass", "numpy": "import numpy", "gemel": "import gemel"}
        seconds = {name: process_seconds(code) for name, code in runs.items()}
        for name, code in (("first CPU result", FIRST), ("first RTL result", HARDWARE)):
            file = Path(folder, f"{name.replace(' ', '_')}.py")
            file.write_text(code)
            seconds[name] = process_seconds(f"import runpy; runpy.run_path({str(file)!r})")
    base = seconds["python"]
    rows = [
        {
            "what": name,
            "process ms": s * 1e3,
            "beyond python ms": (s - base) * 1e3,
            "beyond numpy ms": (s - seconds["numpy"]) * 1e3,
        }
        for name, s in seconds.items()
    ]
    report("startup", rows)


if __name__ == "__main__":
    main()
