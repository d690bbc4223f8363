"""High-level synthesis: scheduling, netlist, SystemVerilog, simulation."""

from gemel.hwsynth.design import Design, Simulation, synthesize

__all__ = ["Design", "Simulation", "synthesize"]
