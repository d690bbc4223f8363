"""Clock and port constraints in the format of a target's tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gemel.hwsynth.handover.interface import Interface
from gemel.semantics.dtypes import width_of


def constraints(interface: Interface) -> tuple[str, str]:
    """File name and text for the design's target."""
    suffix = interface.design.target.constraints
    text = "\n".join(_FORMATS[suffix](interface, interface.design.report.clock_mhz))
    return f"{interface.name}.{suffix}", text + "\n"


def _title(interface: Interface) -> str:
    return f"{interface.name} at {interface.design.report.clock_mhz:g} MHz on {interface.design.target.description}"


def _pins(interface: Interface) -> Iterator[str]:
    """Each bit of each port but the clock."""
    for name, _, dtype in interface.all_ports():
        width = width_of(dtype)
        if name != "clk":
            yield from ([name] if width == 1 else (f"{name}[{n}]" for n in range(width)))


def _routed(interface: Interface, device: str, kind: str) -> str:
    name = interface.name
    return f"nextpnr-{device} --json syn/{name}.json --{kind} constraints/{name}.{kind} --{kind}-allow-unconstrained"


def _lpf(interface: Interface, mhz: float) -> Iterator[str]:
    yield f"# {_title(interface)} (nextpnr-ecp5 --lpf, Diamond)"
    yield f"# after make synth, with ports at any sites: {_routed(interface, 'ecp5 --85k', 'lpf')}"
    yield f'FREQUENCY PORT "clk" {mhz:g} MHZ;'
    yield 'IOBUF PORT "clk" IO_TYPE=LVCMOS33;'
    yield ""
    yield "# As a top level: give each port a site of your board. As a block inside of a design, leave the rest out."
    yield '# LOCATE COMP "clk" SITE "...";'
    for pin in _pins(interface):
        yield f'# LOCATE COMP "{pin}" SITE "..."; IOBUF PORT "{pin}" IO_TYPE=LVCMOS33;'


def _pcf(interface: Interface, mhz: float) -> Iterator[str]:
    yield f"# {_title(interface)} (nextpnr-ice40 --pcf)"
    yield f"# after make synth, with ports at any pins: {_routed(interface, 'ice40 --up5k', 'pcf')}"
    yield f"set_frequency clk {mhz:g}"
    yield ""
    yield "# As a top level: give each port a pin of your board. As a block inside of a design, leave the rest out."
    yield "# set_io clk ..."
    yield from (f"# set_io {pin} ..." for pin in _pins(interface))


def _clock(mhz: float) -> Iterator[str]:
    period = 1000 / mhz
    yield f"create_clock -name clk -period {period:.3f} [get_ports clk]"


def _delays(interface: Interface, mhz: float) -> Iterator[str]:
    """A fifth of a cycle outside of the module, at either side."""
    outside = 200 / mhz
    inputs = " ".join(n for n, direction, _ in interface.all_ports() if direction == "input" and n != "clk")
    outputs = " ".join(n for n, direction, _ in interface.all_ports() if direction == "output")
    yield f"set_input_delay -clock clk {outside:.3f} [get_ports {{{_buses(interface, inputs)}}}]"
    yield f"set_output_delay -clock clk {outside:.3f} [get_ports {{{_buses(interface, outputs)}}}]"


def _buses(interface: Interface, names: str) -> str:
    widths = {n: width_of(dtype) for n, _, dtype in interface.all_ports()}
    return " ".join(n if widths[n] == 1 else f"{n}[*]" for n in names.split())


def _xdc(interface: Interface, mhz: float) -> Iterator[str]:
    yield f"# {_title(interface)} (Vivado)"
    yield from _clock(mhz)
    yield ""
    yield "# Registers on either side are assumed to take a fifth of a cycle; put what your design has."
    yield from _delays(interface, mhz)
    yield ""
    yield "# As a top level: give each port a pin of your board."
    yield "# set_property -dict {PACKAGE_PIN ... IOSTANDARD LVCMOS33} [get_ports clk]"
    for pin in _pins(interface):
        yield f"# set_property -dict {{PACKAGE_PIN ... IOSTANDARD LVCMOS33}} [get_ports {{{pin}}}]"


def _sdc(interface: Interface, mhz: float) -> Iterator[str]:
    yield f"# {_title(interface)} (Synopsys design constraints)"
    yield from _clock(mhz)
    yield f"set_clock_uncertainty {50 / mhz:.3f} [get_clocks clk]"
    yield ""
    yield "# Registers on either side are assumed to take a fifth of a cycle; put what your design has."
    yield from _delays(interface, mhz)


_FORMATS: dict[str, Callable[[Interface, float], Iterator[str]]] = {"lpf": _lpf, "pcf": _pcf, "xdc": _xdc, "sdc": _sdc}
