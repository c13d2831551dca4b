"""Kinds of images, and the result of transparent areas."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.models.model import load
from paragon_core.upscaling.planes import fill_transparent, split
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import random_image, random_model, spec

DTYPES = ("uint8", "uint16", "float16", "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,)])
def test_every_kind_of_image_is_taken_apart_without_a_copy(channels: tuple[int, ...], dtype: str) -> None:
    image = random_image(5, 7, *channels, dtype=dtype)
    parts = split(image)
    assert parts.colour.shape == (5, 7, 3 if channels in {(3,), (4,)} else 1)
    assert np.shares_memory(parts.colour, image)
    assert (parts.alpha is not None) == (channels in {(2,), (4,)})
    if parts.alpha is not None:
        assert parts.alpha.shape == (5, 7, 1)
        assert np.shares_memory(parts.alpha, image)
        assert np.array_equal(np.concatenate([parts.colour, parts.alpha], axis=2), image)
    else:
        assert np.array_equal(parts.colour.reshape(image.shape), image)


@pytest.mark.parametrize(
    "image",
    [
        *(np.zeros((4, 4, 3), dtype=dtype) for dtype in ("int8", "int16", "int32", "uint32", "uint64", "bool")),
        *(np.zeros((4, 4, 3), dtype=dtype) for dtype in ("float64", "longdouble", "complex64", "object", "U1", ">u2")),
        *(np.zeros(shape, dtype="uint8") for shape in ((), (4,), (4, 4, 5), (4, 4, 0), (1, 4, 4, 3), (4, 4, 3, 1))),
        *(np.full((4, 4, 3), value, dtype="float32") for value in (np.nan, np.inf, -np.inf)),
        [[0, 1], [2, 3]],
        None,
    ],
    ids=lambda image: f"{getattr(image, 'dtype', type(image).__name__)}-{getattr(image, 'shape', '')}",
)
def test_other_things_are_refused_with_advice(image: Any) -> None:
    with pytest.raises(UnsupportedFormatError) as caught:
        split(image)
    assert caught.value.hint


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (0, 0), (0, 4, 4)])
def test_nothing_to_upscale_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedSizeError) as caught:
        split(np.zeros(shape, dtype="uint8"))
    assert caught.value.hint


# --- filling -----------------------------------------------------------------------------------------------------


@given(
    colour=arrays.arrays("uint8", st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]))),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.02, 0.5, 0.98]),
    dtype=st.sampled_from(DTYPES),
)
@settings(deadline=None)
def test_visible_pixels_stay_and_gaps_take_colours_from_among_them(
    colour: np.ndarray[Any, Any], seed: int, share: float, dtype: str
) -> None:
    values = (colour / 255 if dtype.startswith("f") else colour).astype(dtype)
    alpha = (np.random.default_rng(seed).random((*colour.shape[:2], 1)) < share).astype(dtype)
    before = values.copy()
    filled = fill_transparent(values, alpha)
    assert np.array_equal(values, before)
    assert (filled.dtype, filled.shape) == (values.dtype, values.shape)
    visible = alpha[:, :, 0] > 0
    assert np.array_equal(filled[visible], values[visible])
    if visible.any():
        slack = {"float16": 1e-3, "float32": 1e-6}.get(dtype, 0)
        assert (filled >= values[visible].min(axis=0) - slack).all()
        assert (filled <= values[visible].max(axis=0) + slack).all()
    else:
        assert np.array_equal(filled, values)


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 20), dtype=st.sampled_from(DTYPES))
@settings(deadline=None)
def test_one_visible_colour_fills_everything(height: int, width: int, seed: int, dtype: str) -> None:
    """However far away, and however strange what editors left in the gaps."""
    noise = random_image(height, width, 3, dtype=dtype, seed=seed)
    alpha = np.zeros((height, width, 1), dtype=dtype)
    row, column = seed % height, seed * 7 % width
    alpha[row, column] = 1
    assert (fill_transparent(noise, alpha) == noise[row, column]).all()


def test_a_gap_takes_the_colour_beside_it_not_the_mean_of_all() -> None:
    image = np.zeros((4, 32, 3), dtype="uint8")
    image[:, :2], image[:, -2:] = 200, 100
    alpha = np.full((4, 32, 1), 255, dtype="uint8")
    alpha[:, 2:-2] = 0
    filled = fill_transparent(image, alpha)
    assert (filled[:, 2:8] == 200).all()
    assert (filled[:, -8:-2] == 100).all()


@pytest.mark.parametrize("value", [0, 255])
def test_uniform_transparency_needs_no_filling(value: int) -> None:
    image = random_image(6, 6, 3)
    alpha = np.full((6, 6, 1), value, dtype="uint8")
    assert fill_transparent(image, alpha) is image


# --- through a network -------------------------------------------------------------------------------------------


def disc(side: int, radius: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a white disc on transparent black, its edge smooth in the alpha plane."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = np.zeros((side, side, 4), dtype="uint8")
    image[:, :, 3] = np.clip((radius - np.hypot(x, y)) * 255, 0, 255)
    image[image[:, :, 3] > 0, :3] = 255
    return image


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_white_disc_on_transparent_black_has_no_dark_fringe(runtime: str) -> None:
    image = disc(48, 15)
    model = load("realtime-2x")
    with Upscaler(model, backend=runtime, precision="fp32", streams=1) as upscaler:
        upscaled = upscaler(image)
        white = upscaler(np.full((48, 48, 3), 255, dtype="uint8"))
        raw = upscaler(image[:, :, :3])
    inner = (slice(16, -16), slice(16, -16))  # where the network's own zero padding does not reach
    visible = upscaled[inner][..., 3] > 0
    assert upscaled[inner][visible][:, :3].min() >= white[inner].min() >= 250
    assert raw[inner][visible].min() < 128  # without filling there would be one
    assert upscaled[..., 3].min() == 0
    assert upscaled[48, 48, 3] >= 250
    # Nothing of the disc got lost: as much of it as before, upscaled.
    assert upscaled[..., 3].mean() == pytest.approx(image[..., 3].mean(), rel=0.02)


@pytest.mark.parametrize(("dtype", "channels"), list(itertools.product(DTYPES, [2, 4])))
def test_opaque_stays_exactly_opaque(dtype: str, channels: int) -> None:
    image = random_image(9, 13, channels, dtype=dtype)
    opaque = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    image[:, :, -1] = opaque
    with Upscaler(random_model(spec("realtime")), backend="onnxruntime", streams=1) as upscaler:
        upscaled = upscaler(image)
        assert (upscaled[:, :, -1] == opaque).all()
        assert np.array_equal(upscaled[:, :, :-1], upscaler(np.squeeze(image[:, :, :-1])).reshape(18, 26, channels - 1))
        image[:, :, -1] = 0
        assert (upscaler(image)[:, :, -1] == 0).all()


def test_the_border_of_an_alpha_plane_is_no_edge() -> None:
    """The network pads with zeros; an opaque image with one hole would fade at its border otherwise."""
    image = np.full((40, 40, 4), 255, dtype="uint8")
    image[18:22, 18:22, 3] = 0
    with Upscaler("realtime-2x", precision="fp32", streams=1) as upscaler:
        alpha = upscaler(image)[:, :, 3]
    border = np.ones_like(alpha, dtype=bool)
    border[20:-20, 20:-20] = False
    assert alpha[border].min() == alpha[30, 10]
    assert alpha[border].min() >= 250
    assert alpha[40, 40] < 30
