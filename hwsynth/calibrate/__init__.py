"""Measuring a technology: operators between registers, through synthesis and placement, into a target's data file."""
