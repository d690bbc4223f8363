"""A certificate that was changed by hand."""

import tempfile
from pathlib import Path

import gemel as gm
from gemel import i32
from gemel.checkcli import opened


@gm.kernel
def twice(x: i32[4]) -> i32[4]:
    y = gm.empty((4,), i32)
    for i in range(4):
        y[i] = x[i] * 2
    return y


folder = Path(tempfile.mkdtemp()) / "twice"
twice.synth().write(folder)
path = folder / "proof" / "certificate.json"
path.write_text(path.read_text().replace('"unproved"', '"proved"'))
opened(folder)
