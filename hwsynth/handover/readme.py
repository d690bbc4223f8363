"""The folder's first page: what is where, and how to simulate, lint and synthesise it."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.hwsynth.handover.interface import Interface
from gemel.hwsynth.handover.vectors import Run


def readme(interface: Interface, made: Sequence[Run], constraint: str) -> str:
    """The text of README.md."""
    name, report = interface.name, interface.design.report
    return f"""# {name}

{name} for {report.target} at {report.clock_mhz:g} MHz, made by Gemel. What it does at its ports: [datasheet.md](datasheet.md) (or datasheet.html).

```sh
make sim        # self-checking testbench, {len(made)} runs: Icarus Verilog 11 or later
make verilator  # the same in Verilator 5, with the assertions on the handshake
make cocotb     # cocotb 2: pauses, back-to-back runs, start while busy, reset in mid run
make lint       # verilator --lint-only -Wall
make synth      # yosys, for {report.target}
fusesoc --cores-root . run --target=sim gemel:kernels:{name}
```

| | |
|---|---|
| `rtl/` | the modules, a file each; `{name}.f` lists them in order |
| `tb/` | testbench, cocotb test, `vectors/` (what goes in, what has to come out; from the kernel on a CPU) |
| `tb/{name}_sva.sv` | assertions on the handshake, which bind themselves to `{name}`; for yosys, which binds nothing, the module `{name}_checked` in it has both |
| `constraints/{constraint}` | clock and ports |
| `syn/{name}.ys` | synthesis script |
| `report.html`, `report.txt`, `report.json` | loops and what bounds them, schedules as pictures, cycles, memories, operators |
| `{name}.gemel` | the kernel as it was scheduled, as text |
| `proof/` | the kernel as text, and a certificate: what was proved of `rtl/`; `gemel check .` proves it anew |
"""
