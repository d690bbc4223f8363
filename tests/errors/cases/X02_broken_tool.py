"""A simulator that is there, and doesn't work."""

import os
import tempfile
from pathlib import Path

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


with tempfile.TemporaryDirectory() as folder:
    for name in ("iverilog", "vvp"):
        script = Path(folder) / name
        script.write_text("#!/bin/sh\necho 'cannot load its library' >&2\nexit 127\n")
        script.chmod(0o755)
    os.environ["PATH"] = f"{folder}:/bin:/usr/bin"
    double.synth().simulate(1, engine="icarus")
