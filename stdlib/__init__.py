"""Kernels written in Gemel, to use and to read."""
