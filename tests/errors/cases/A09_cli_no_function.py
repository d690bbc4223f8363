"""A command for a file without a function.

$ gemel run A09_cli_no_function.py
"""
