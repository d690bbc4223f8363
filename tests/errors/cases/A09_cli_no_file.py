"""A command for a file that isn't there.

$ gemel show kernels/gemm.py:gemm
"""
