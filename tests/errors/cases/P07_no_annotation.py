"""A parameter without an annotation."""

import gemel as gm


@gm.kernel
def double(x):
    return x + x


double(1)
