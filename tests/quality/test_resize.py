"""Resampling with MATLAB's semantics: its properties, and Pillow as an independent witness."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.quality.resize import Kernel, resize, round_to_uint8

if TYPE_CHECKING:
    import numpy.typing as npt

KERNELS: tuple[Kernel, ...] = get_args(Kernel)
SIDES = st.integers(1, 24)
IMAGES = st.tuples(st.integers(0, 2**32 - 1), SIDES, SIDES)


def random_image(seed: int, height: int, width: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(0, 255, (height, width))


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.floats(0, 255), st.sampled_from(KERNELS))
def test_a_flat_image_stays_flat(
    size: tuple[int, int], new_size: tuple[int, int], level: float, kernel: Kernel
) -> None:
    result = resize(np.full((*size, 3), level), *new_size, kernel=kernel)
    assert result.shape == (*new_size, 3)
    np.testing.assert_allclose(result, level, atol=1e-9)


@given(IMAGES, st.sampled_from(KERNELS))
def test_the_same_size_gives_the_same_image(sample: tuple[int, int, int], kernel: Kernel) -> None:
    image = random_image(*sample)
    np.testing.assert_allclose(resize(image, *image.shape, kernel=kernel), image, atol=1e-9)


@given(IMAGES, SIDES, SIDES, st.sampled_from(KERNELS))
def test_mirrored_and_turned_images_give_mirrored_and_turned_results(
    sample: tuple[int, int, int], height: int, width: int, kernel: Kernel
) -> None:
    image = random_image(*sample)
    result = resize(image, height, width, kernel=kernel)
    np.testing.assert_allclose(resize(image[::-1, ::-1], height, width, kernel=kernel)[::-1, ::-1], result, atol=1e-9)
    np.testing.assert_allclose(resize(image.T, width, height, kernel=kernel).T, result, atol=1e-9)


@given(IMAGES, SIDES, SIDES, st.sampled_from(KERNELS))
def test_channels_do_not_mix(sample: tuple[int, int, int], height: int, width: int, kernel: Kernel) -> None:
    image = random_image(*sample)
    planes = [image, 2 * image + 7]
    together = resize(np.stack(planes, axis=2), height, width, kernel=kernel)
    alone = [resize(plane, height, width, kernel=kernel) for plane in planes]
    np.testing.assert_array_equal(together, np.stack(alone, axis=2))
    np.testing.assert_allclose(alone[1], 2 * alone[0] + 7, atol=1e-9)


@given(IMAGES, st.sampled_from([(2, 1), (3, 1), (4, 1), (1, 2), (1, 3)]), st.sampled_from(KERNELS))
def test_outside_the_border_the_image_goes_on_mirrored(
    sample: tuple[int, int, int], factor: tuple[int, int], kernel: Kernel
) -> None:
    up, down = factor
    image = random_image(*sample)[: sample[1] // down * down, : sample[2] // down * down]
    if not image.size:
        return
    height, width = (side * up // down for side in image.shape)
    margin = 12 * down
    padded = np.pad(image, margin, mode="symmetric")
    whole = resize(padded, *(side * up // down for side in padded.shape), kernel=kernel)
    edge = margin * up // down
    inside = whole[edge : edge + height, edge : edge + width]
    np.testing.assert_allclose(resize(image, height, width, kernel=kernel), inside, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(80, 40), (90, 30), (96, 24), (40, 80), (40, 120), (50, 70)]))
def test_pillow_agrees_away_from_the_border(seed: int, sides: tuple[int, int]) -> None:
    before, after = sides
    image = random_image(seed, before, before).astype(np.float32)
    filters: dict[Kernel, Image.Resampling] = {
        "cubic": Image.Resampling.BICUBIC,
        "lanczos3": Image.Resampling.LANCZOS,
    }
    for kernel, name in filters.items():
        theirs = np.asarray(Image.fromarray(image).resize((after, after), name))
        # Pillow cuts the kernel off at the border and normalises again, so the outer samples differ.
        border = -(-4 * max(after, before) // before)
        inside = (slice(border, -border),) * 2
        np.testing.assert_allclose(resize(image, after, after, kernel=kernel)[inside], theirs[inside], atol=2e-3)


def test_a_straight_ramp_is_sampled_at_aligned_centres() -> None:
    ramp = np.arange(40, dtype=np.float64)[None].repeat(3, axis=0)
    doubled = resize(ramp, 6, 80)
    np.testing.assert_allclose(doubled[0, 10:-10], (np.arange(80)[10:-10] + 0.5) / 2 - 0.5, atol=1e-12)


def test_halves_are_rounded_up_and_the_rest_is_clipped() -> None:
    values = np.array([[-3.0, 0.49, 0.5, 1.5, 2.5, 254.5, 255.4, 300.0]])
    assert round_to_uint8(values).tolist() == [[0, 0, 1, 2, 3, 255, 255, 255]]


def test_impossible_requests_are_refused() -> None:
    image = np.zeros((4, 4))
    with pytest.raises(UnsupportedSizeError):
        resize(image, 0, 4)
    with pytest.raises(UnsupportedSizeError):
        resize(np.zeros((0, 4)), 4, 4)
    with pytest.raises(InputError):
        resize(np.zeros((1, 4, 4, 3)), 4, 4)
    with pytest.raises(InputError):
        resize(image, 4, 4, kernel="nearest")  # type: ignore[arg-type]  # what a caller without a type checker may do
