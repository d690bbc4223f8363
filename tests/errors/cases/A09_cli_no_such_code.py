"""A code that no error has.

$ gemel explain Z01
"""
