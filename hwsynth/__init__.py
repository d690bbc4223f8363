"""High-level synthesis: scheduling, netlist, SystemVerilog, simulation."""
