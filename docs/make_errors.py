"""Makes docs/errors.md, the gallery of error messages, from real runs of tests/errors/cases."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def main() -> None:
    """Runs each case, keeps what is shown beside it, and writes the page."""
    from errors import gallery

    for case in gallery.cases():
        case.golden.write_text(gallery.shown(case), encoding="utf-8")
    gallery.PAGE.write_text(gallery.page(), encoding="utf-8")


if __name__ == "__main__":
    main()
