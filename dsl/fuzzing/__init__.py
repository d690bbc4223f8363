"""Differential fuzzing: drawn kernels through every engine. Needs Hypothesis (`pip install 'gemel[fuzz]'`)."""
