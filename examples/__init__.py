"""Examples: kernels at work on real data."""
