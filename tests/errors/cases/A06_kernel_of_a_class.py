"""`@gm.kernel` above a class."""

import gemel as gm


@gm.kernel
class Filter:
    pass
