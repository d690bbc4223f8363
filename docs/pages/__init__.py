"""Pages that are made from the sources and from results files: `python docs/make_pages.py` writes them."""

from __future__ import annotations

from collections.abc import Callable

from pages import api, commands, conversions, coverage, elementary, results, subset

PAGES: dict[str, Callable[[], str]] = {
    "reference/results.md": results.page,
    "reference/conversions.md": conversions.page,
    "reference/python.md": subset.page,
    "reference/elementary.md": elementary.page,
    "reference/api.md": api.page,
    "reference/commands.md": commands.page,
    "coverage.md": coverage.page,
}
"""Each generated page, by its path under docs/."""
