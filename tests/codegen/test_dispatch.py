"""One entry for many sizes: the table leads to the entry for those of a call, and to the fallback for all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.codegen import cpython
from gemel.codegen.dispatch import SLOTS, Dispatch, hash_of

pytestmark = pytest.mark.skipif(not cpython.layout_is_known(), reason="needs CPython")
shapes = st.lists(st.none() | st.lists(st.integers(0, 5), max_size=4).map(tuple), max_size=4).map(tuple)


def teller(what: object) -> Callable[..., Any]:
    """A function that says who it is, and what it was given."""
    return lambda *args, **named: (what, len(args), sorted(named))


def arguments(sizes: tuple[tuple[int, ...] | None, ...]) -> list[Any]:
    return [1.5 if s is None else np.zeros(s) for s in sizes]


@given(st.lists(shapes, max_size=30, unique_by=hash_of), shapes)
def test_each_call_goes_to_the_entry_for_its_sizes(known: list[Any], other: Any) -> None:
    table = Dispatch()
    call = table.function("f", teller("fallback"))
    for sizes in known:
        table.add(sizes, teller(sizes))
    for sizes in known:
        assert call(*arguments(sizes)) == (sizes, len(sizes), [])
        assert call(*arguments(sizes), out=1, more=np.zeros(7)) == (sizes, len(sizes), ["more", "out"])
    if hash_of(other) not in map(hash_of, known):
        assert call(*arguments(other)) == ("fallback", len(other), [])


def test_a_half_full_table_finds_all() -> None:
    table = Dispatch()
    call = table.function("f", teller("fallback"))
    for n in range(SLOTS // 2):
        table.add(((n, 3),), teller(n))
    assert [call(np.zeros((n, 3)))[0] for n in range(SLOTS // 2)] == list(range(SLOTS // 2))
    assert call(np.zeros((SLOTS, 3)))[0] == "fallback"


def test_an_entry_takes_the_place_of_one_for_the_same_sizes() -> None:
    table = Dispatch()
    call = table.function("f", teller("fallback"))
    table.add(((2,),), teller("first"))
    table.add(((2,),), teller("second"))
    assert call(np.zeros(2))[0] == "second"


def test_arrays_of_other_classes_go_to_the_fallback_and_errors_come_through() -> None:
    def fails(*args: Any) -> None:
        raise KeyError("here")

    table = Dispatch()
    call = table.function("f", teller("fallback"))
    table.add(((2,),), fails)
    assert call(np.ma.zeros(2))[0] == call(memoryview(b"ab"))[0] == "fallback"
    with pytest.raises(KeyError, match="here"):
        call(np.zeros(2))
