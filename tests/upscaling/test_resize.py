"""Resizing in floats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.quality.resize import resize as reference
from paragon_core.upscaling.resize import from_unit, resize_image, resize_plane, to_unit
from tests.media import samples

SIDES = st.integers(1, 40)


@given(size=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES), value=st.floats(0, 1))
def test_even_colours_stay(size: tuple[int, int], target: tuple[int, int], value: float) -> None:
    resized = resize_plane(np.full(size[::-1], value, np.float32), target)
    assert resized.shape == target[::-1]
    assert resized.dtype == np.float32
    assert np.abs(resized - value).max() < 1e-6


@pytest.mark.parametrize("target", [(30, 20), (47, 31), (13, 50), (90, 61)])
def test_inside_it_is_the_antialiased_cubic_that_the_scores_are_measured_with(target: tuple[int, int]) -> None:
    plane = np.random.default_rng(1).random((60, 90), dtype=np.float32)
    wanted = reference(plane, target[1], target[0])
    # Near the edge the kernel is cut off here and mirrored there; it reaches two pixels of the smaller image.
    inside = np.s_[4:-4, 4:-4]
    assert np.abs(resize_plane(plane, target)[inside] - wanted[inside]).max() < 1e-5


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4)])
def test_nothing_changes_in_the_same_size(shape: tuple[int, ...], dtype: str) -> None:
    image = samples.pixels(3, *shape, dtype=np.dtype(dtype).type)
    assert np.array_equal(from_unit(resize_image(to_unit(image), (7, 9)), dtype), image)


def test_16_bits_stay_16_bits() -> None:
    ramp = np.linspace(20000, 21000, 400, dtype=np.uint16)[None].repeat(8, axis=0)
    resized = from_unit(resize_image(to_unit(ramp), (300, 6)), np.uint16)
    assert len(np.unique(resized)) == 300
    assert np.abs(np.diff(resized[0].astype(int))[4:-4] - 1000 / 300).max() < 1


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("target", [(20, 20), (53, 47), (120, 120)])
def test_what_transparency_hides_leaves_no_fringe(colours: int, target: tuple[int, int]) -> None:
    image = np.zeros((60, 60, colours + 1), np.float32)  # black and transparent around a light disc
    y, x = np.indices((60, 60)) - 29.5
    disc = x**2 + y**2 < 400
    image[disc, :-1] = 0.8
    image[disc, -1] = 1
    resized = resize_image(image, target)
    assert resized[..., -1].min() >= 0
    assert resized[..., -1].max() <= 1
    seen = resized[..., -1] > 1 / 255
    assert np.abs(resized[seen][:, :-1] - 0.8).max() < 1e-3
    assert np.abs(resized[0, 0, :-1]).max() == 0


def test_opaque_stays_opaque_and_colours_are_those_without_alpha() -> None:
    colour = np.random.default_rng(2).random((30, 40, 3), dtype=np.float32)
    image = np.concatenate([colour, np.ones((30, 40, 1), np.float32)], axis=2)
    resized = resize_image(image, (27, 19))
    assert (resized[..., 3] == 1).all()
    assert np.array_equal(resized[..., :3], resize_image(colour, (27, 19)))
