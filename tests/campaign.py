"""How many examples a test draws: few in the suite, as many as wanted where a campaign asks (GEMEL_EXAMPLES=20)."""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """So many, times what GEMEL_EXAMPLES says."""
    return few * int(os.environ.get("GEMEL_EXAMPLES", "1"))
