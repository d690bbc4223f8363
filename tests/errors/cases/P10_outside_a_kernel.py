"""A part of the language outside of a kernel."""

import gemel as gm


def check(n):
    gm.requires(n > 0)


check(3)
