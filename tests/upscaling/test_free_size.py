"""Images upscaled to any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paragon_core as paragon
from paragon_core.errors import OutOfMemoryError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.upscaling.free_size import check_memory
from paragon_core.upscaling.output_size import OutputSize, passes
from paragon_core.upscaling.resize import from_unit, resize_image, to_unit
from tests.media import samples
from tests.upscalers import CHANNELS, DTYPES, same, shared_upscaler

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[Any]


def image_of(dtype: str, channels: tuple[int, ...], height: int = 12, width: int = 17) -> Pixels:
    if dtype.startswith("u"):
        return samples.pixels(5, height, width, *channels, dtype=np.dtype(dtype).type)
    return np.random.default_rng(5).random((height, width, *channels)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_the_scale_of_the_model_gives_the_pixels_of_a_plain_call(dtype: str, channels: tuple[int, ...]) -> None:
    upscaler, image = shared_upscaler(), image_of(dtype, channels)
    plain = upscaler(image)
    for size in (OutputSize(factor=2), OutputSize(width=34), OutputSize(height=24), OutputSize(fit=(34, 99))):
        assert np.array_equal(upscaler(image, size=size), plain)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_any_factor_is_the_network_in_floats_and_one_rounding(dtype: str, channels: tuple[int, ...]) -> None:
    upscaler, image = shared_upscaler(), image_of(dtype, channels)
    for factor, runs in ((1.5, 1), (3, 2), (0.6, 0)):
        size = OutputSize(factor=factor).of((17, 12))
        pixels = to_unit(image)
        for _ in range(runs):
            pixels = upscaler(pixels)
        wanted = from_unit(np.clip(resize_image(pixels, size), 0, 1), dtype)
        result = upscaler(image, size=OutputSize(factor=factor))
        assert result.shape == (size[1], size[0], *channels)
        assert same(result, wanted)


@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 20), height=st.integers(1, 20), target=st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_every_size_is_met(width: int, height: int, target: tuple[int, int]) -> None:
    image = image_of("uint8", (3,), height, width)
    calls: list[tuple[int, int]] = []
    size = OutputSize(width=target[0], height=target[1])
    result = shared_upscaler()(image, size=size, progress=lambda done, total: calls.append((done, total)))
    assert result.shape == (target[1], target[0], 3)
    shares = [done / total for done, total in calls]
    assert shares == sorted(shares)
    assert not calls or shares[-1] == 1
    assert bool(calls) == bool(passes((width, height), target, 2))


def test_its_own_size_is_a_copy() -> None:
    image = image_of("uint8", (4,))
    result = shared_upscaler()(image, size=OutputSize(factor=1))
    assert np.array_equal(result, image)
    assert not np.shares_memory(result, image)


def test_floats_that_are_not_clipped_keep_what_overshoots() -> None:
    image = np.tile(np.array([0, 0, 0, 1, 1, 1], np.float32), (12, 3))
    loose = shared_upscaler(clip=False)(image, size=OutputSize(factor=1.5))
    assert loose.max() > 1
    clipped = shared_upscaler()(image, size=OutputSize(factor=1.5))
    assert clipped.max() == 1


def test_what_cannot_be_is_refused_before_memory_is_taken() -> None:
    upscaler, image = shared_upscaler(), image_of("uint8", (3,))
    with pytest.raises(UnsupportedSizeError):
        upscaler(image, size=OutputSize(factor=1e6))
    with pytest.raises(UnsupportedFormatError):
        upscaler(image.astype(np.int64), size=OutputSize(factor=2))
    with pytest.raises(OutOfMemoryError, match="GiB") as caught:
        check_memory((10**6, 10**6), (10**6, 10**6), ratio=4, values=4)
    assert caught.value.hint


def test_it_is_in_the_front_room() -> None:
    assert paragon.OutputSize is OutputSize
