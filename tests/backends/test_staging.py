"""What passes between images and the memory next to a card is every sample in its place, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.backends.base import ImageInPlace, Piece
from paragon_core.backends.staging import Layout, as_image, read, size_of, write
from paragon_core.upscaling.border import Border, Padding
from paragon_core.upscaling.tile_io import FloatImageJob
from paragon_core.upscaling.tile_runner import piece_of
from paragon_core.upscaling.tiling import TilePlan, cover

DTYPES = ["uint8", "uint16", "float32"]
SCALE = 2


def image(height: int, width: int, channels: int, dtype: str, seed: int = 0) -> npt.NDArray[Any]:
    """Return an image whose samples all differ, as far as the type allows."""
    values = np.random.default_rng(seed).permutation(height * width * channels)
    return values.reshape(height, width, channels).astype(dtype)


def planes_of(pixels: npt.NDArray[Any], kind: str) -> tuple[npt.NDArray[Any], ...]:
    """Return channels that lie next to each other, apart, or upside down."""
    if kind == "interleaved":
        return tuple(np.moveaxis(pixels, 2, 0))
    apart = tuple(np.ascontiguousarray(plane) for plane in np.moveaxis(pixels, 2, 0))
    return apart if kind == "apart" else tuple(plane[::-1].copy()[::-1] for plane in apart)


@given(
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from(DTYPES),
    kind=st.sampled_from(["interleaved", "apart", "upside down"]),
    padding=st.sampled_from(["zero", "edge", "symmetric", "wrap"]),
    margin=st.integers(0, 5),
    tile=st.integers(11, 40),
)
def test_tiles_are_read_as_batches_are_and_their_cores_cover_the_result(  # noqa: PLR0917 - hypothesis names them
    size: tuple[int, int], channels: int, dtype: str, kind: str, padding: Padding, margin: int, tile: int
) -> None:
    width, height = size
    border = Border(padding=padding, margin=0 if padding == "zero" else margin)
    pixels = image(height, width, channels, dtype)
    out = np.zeros((height * SCALE, width * SCALE, channels), dtype)
    job = FloatImageJob(planes=planes_of(pixels, kind), out=planes_of(out, "interleaved"), clip=True, border=border)
    in_place = job.in_place()
    spans = [cover(side, tile, halo=5, margin=border.margin) for side in (height, width)]
    for each in TilePlan(rows=spans[0], columns=spans[1]):
        piece = piece_of(each)
        layout = Layout.of(in_place.planes, size_of(piece))
        assert layout.interleaved or kind != "interleaved" or channels == 1
        seen = np.empty(layout.shape, layout.dtype)
        read(in_place, piece, seen, interleaved=layout.interleaved)
        expected = np.stack([border.read(plane, each) for plane in job.planes])
        assert np.array_equal(np.moveaxis(seen, 2, 0) if layout.interleaved else seen, expected)
        upscaled = Layout.of(in_place.out, (size_of(piece)[0] * SCALE, size_of(piece)[1] * SCALE))
        result = seen if layout.interleaved == upscaled.interleaved else np.moveaxis(seen, 0, 2)
        axes = (0, 1) if upscaled.interleaved else (1, 2)
        for axis in axes:
            result = result.repeat(SCALE, axis)
        write(result, in_place, piece, scale=SCALE, interleaved=upscaled.interleaved)
    assert np.array_equal(out, pixels.repeat(SCALE, 0).repeat(SCALE, 1))


def test_planes_of_the_detail_path_follow_those_of_the_image() -> None:
    pixels, other = image(4, 5, 3, "float32"), image(4, 5, 3, "float32", seed=1)
    in_place = ImageInPlace(
        planes=planes_of(pixels, "interleaved"),
        detail=planes_of(other, "interleaved"),
        out=planes_of(np.zeros((8, 10, 3), np.float32), "apart"),
        columns=np.arange(5, dtype=np.int32),
        rows=np.arange(4, dtype=np.int32),
        clip=True,
    )
    piece = Piece(left=0, top=0, right=5, bottom=4)
    layout = Layout.of((*in_place.planes, *in_place.detail), (5, 4))
    assert layout == Layout(shape=(6, 4, 5), dtype=np.dtype("float32"), interleaved=False)
    seen = np.empty(layout.shape, layout.dtype)
    read(in_place, piece, seen, interleaved=False)
    assert np.array_equal(seen, np.moveaxis(np.concatenate([pixels, other], axis=2), 2, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_of_an_image_are_recognised_and_nothing_else(dtype: str) -> None:
    pixels = image(6, 7, 4, dtype)
    channels = tuple(np.moveaxis(pixels, 2, 0))
    whole = as_image(channels)
    assert whole is not None
    assert np.array_equal(whole, pixels)
    assert np.shares_memory(whole, pixels)
    strip = as_image(tuple(channel[1:5, 2:4] for channel in channels))
    assert strip is not None
    assert np.array_equal(strip, pixels[1:5, 2:4])
    assert as_image(channels[::-1]) is None
    assert as_image(channels[:3]) is None  # there is a fourth between two pixels
    assert as_image(channels[:1]) is None
    assert as_image(tuple(np.ascontiguousarray(channel) for channel in channels)) is None
    assert as_image((channels[0], channels[0], channels[0], channels[0])) is None


def test_what_may_not_be_written_stays_so() -> None:
    pixels = image(2, 3, 3, "uint8")
    pixels.flags.writeable = False
    whole = as_image(tuple(np.moveaxis(pixels, 2, 0)))
    assert whole is not None
    assert not whole.flags.writeable
