from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paragon_core.report.places import Place, places_that_differ

ERRORS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 255).map(float))
)


def total(error: np.ndarray, place: Place) -> float:
    return float(error[place.top : place.top + place.height, place.left : place.left + place.width].sum())


@settings(max_examples=50)
@given(error=ERRORS, side=st.integers(1, 50), most=st.integers(1, 8))
def test_places_are_whole_apart_and_in_order(error: np.ndarray, side: int, most: int) -> None:
    places = places_that_differ(error, side=side, most=most)
    assert len(places) <= most
    assert bool(places) == bool(error.any())
    height, width = error.shape
    taken = np.zeros(error.shape, int)
    for place in places:
        assert (place.width, place.height) == (min(side, width), min(side, height))
        assert 0 <= place.left <= width - place.width
        assert 0 <= place.top <= height - place.height
        taken[place.top : place.top + place.height, place.left : place.left + place.width] += 1
    assert taken.max() <= 1
    sums = [total(error, place) for place in places]
    assert sums == sorted(sums, reverse=True)
    assert all(each > 0 for each in sums)


@given(row=st.integers(0, 99), column=st.integers(0, 149))
def test_a_single_wrong_pixel_is_found(row: int, column: int) -> None:
    error = np.zeros((100, 150))
    error[row, column] = 1
    (place,) = places_that_differ(error, side=16, most=6)
    assert total(error, place) == 1
