"""Tiles cover an image once, carry their halo, and make the same pixels as the image in one go."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paragon_core.errors import InputError
from paragon_core.upscaling.tiling import TilePlan, choose_tile, cover
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import random_image, random_model, spec
from tests.upscalers import ROUNDING

LENGTHS = st.integers(1, 400)
HALOS = st.integers(0, 60)
MULTIPLES = st.sampled_from([1, 2, 5, 8, 12, 16, 24])

# --- index arithmetic --------------------------------------------------------------------------------------------


@given(length=LENGTHS, tile=st.integers(1, 450), halo=HALOS, multiple=MULTIPLES)
@example(length=100, tile=100, halo=48, multiple=16)  # a whole image is no multiple of the attention window
@example(length=101, tile=100, halo=7, multiple=1)
@example(length=2, tile=1, halo=0, multiple=2)
def test_cores_cover_an_axis_once_and_carry_their_halo(length: int, tile: int, halo: int, multiple: int) -> None:
    if tile < length and tile // multiple * multiple < 2 * halo + multiple:
        with pytest.raises(InputError, match="too small"):
            cover(length, tile, halo=halo, multiple=multiple)
        return
    spans = cover(length, tile, halo=halo, multiple=multiple)
    assert spans[0].core_start == spans[0].start == 0
    assert spans[-1].core_end == spans[-1].end == length
    for span in spans:
        assert 0 <= span.start <= span.core_start < span.core_end <= span.end <= length
        assert span.core_start - span.start >= halo or span.start == 0
        assert span.end - span.core_end >= halo or span.end == length
        assert span.start % multiple == 0 or multiple == 1
    assert all(a.core_end == b.core_start for a, b in itertools.pairwise(spans))
    lengths = [span.end - span.start for span in spans]
    assert max(lengths) <= tile
    assert len(set(lengths[:-1])) <= 1
    assert lengths[-1] <= lengths[0]
    assert lengths[-1] == lengths[0] or multiple > 1


@given(length=LENGTHS, tile=st.integers(1, 450), halo=HALOS)
def test_no_fewer_tiles_would_do(length: int, tile: int, halo: int) -> None:
    if tile >= length:
        assert len(cover(length, tile, halo=halo)) == 1
    elif tile > 2 * halo:
        # The first and the last core end at the image's border and save a halo each.
        assert len(cover(length, tile, halo=halo)) == math.ceil((length - 2 * halo) / (tile - 2 * halo))


@given(length=st.integers(2, 400), halo=st.integers(1, 60), multiple=MULTIPLES)
def test_the_smallest_size_in_the_hint_is_accepted(length: int, halo: int, multiple: int) -> None:
    with pytest.raises(InputError, match="too small") as caught:
        cover(length + 2 * halo + multiple, 2 * halo, halo=halo, multiple=multiple)
    smallest = int("".join(filter(str.isdigit, caught.value.hint)))
    cover(10 * smallest, smallest, halo=halo, multiple=multiple)
    with pytest.raises(InputError):
        cover(10 * smallest, smallest - 1, halo=halo, multiple=multiple)


@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    halo=HALOS,
    streams=st.integers(1, 16),
    largest_area=st.integers(1, 2_000_000),
    multiple=MULTIPLES,
)
@settings(deadline=None, max_examples=60)
@example(size=(4096, 2160), halo=7, streams=8, largest_area=150_000, multiple=1)
@example(size=(300, 300), halo=32, streams=2, largest_area=6000, multiple=24)
def test_a_chosen_tile_is_valid_and_obeys_its_limit(
    size: tuple[int, int], halo: int, streams: int, largest_area: int, multiple: int
) -> None:
    tile = choose_tile(size, halo=halo, streams=streams, largest_area=largest_area, multiple=multiple)
    plan = TilePlan(
        rows=cover(size[1], tile[1], halo=halo, multiple=multiple),
        columns=cover(size[0], tile[0], halo=halo, multiple=multiple),
    )
    assert len(list(plan)) == len(plan) == len(plan.rows) * len(plan.columns)
    area = plan.tile_size[0] * plan.tile_size[1]
    # A tile that could be halved along an axis, its halo taken into account, has no excuse for being too large.
    shrinkable = any(side > 4 * halo + 2 * max(multiple, 64) for side in plan.tile_size)
    tried_all = max(size) < 2048  # beyond, 128 tiles along an axis may still be too large
    assert area <= largest_area or not shrinkable or not tried_all


@given(side=st.integers(100, 900), streams=st.integers(2, 16), halo=st.sampled_from([7, 28]))
@settings(deadline=None)
def test_the_limit_counts_more_than_busy_streams(side: int, streams: int, halo: int) -> None:
    """One pixel less allowed than the fastest tile has: another one is chosen, though it is slower."""
    width, height = choose_tile((side, side), halo=halo, streams=streams, largest_area=side * side)
    if (width, height) != (side, side):
        limit = width * height - 1
        smaller = choose_tile((side, side), halo=halo, streams=streams, largest_area=limit)
        assert smaller[0] * smaller[1] <= limit or max(smaller) <= 4 * halo + 128


@given(side=st.integers(50, 3000), streams=st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_streams_are_kept_busy(side: int, streams: int) -> None:
    tile = choose_tile((side, side), halo=7, streams=streams, largest_area=10**9)
    plan = TilePlan(rows=cover(side, tile[1], halo=7), columns=cover(side, tile[0], halo=7))
    alone = side * side
    together = math.ceil(len(plan) / streams) * tile[0] * tile[1]
    assert together <= alone
    if side > 500:
        assert together <= 1.4 * alone / streams


def test_one_stream_takes_the_whole_image_where_it_may() -> None:
    assert choose_tile((640, 360), halo=7, streams=1, largest_area=640 * 360) == (640, 360)


# --- pixels ------------------------------------------------------------------------------------------------------


TILES = [(1, 1), (1, 8), (4, 2), (13, 5)]  # beyond twice the halo


@functools.cache
def upscaler(variant: str, runtime: str, tile: Any) -> Upscaler:
    """One for each tile: what takes time is compiling."""
    model = random_model(spec(variant, scale=3 if variant == "stream" else 2, blocks=1))
    if isinstance(tile, tuple):
        radius = model.spec.receptive_radius
        assert radius is not None
        tile = tile[0] + 2 * radius, tile[1] + 2 * radius
    return Upscaler(model, backend=runtime, precision="fp32", tile=tile, clip=False, streams=1)


@given(data=st.data())
@settings(deadline=None, max_examples=15)  # OpenVINO compiles for each size
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("variant", ["realtime", "stream"])
def test_any_size_in_any_tiles_is_the_image_in_one_go(variant: str, runtime: str, data: st.DataObject) -> None:
    tile = data.draw(st.sampled_from(TILES), label="tile beyond the halo")
    height, width = (data.draw(st.integers(1, 60), label=label) for label in ("height", "width"))
    for dtype in ("float32", "uint8"):
        image = random_image(height, width, 3, dtype=dtype, seed=height * width)
        whole = upscaler(variant, runtime, "off")(image)
        difference = np.abs(upscaler(variant, runtime, tile)(image).astype(np.float64) - whole)
        if dtype == "uint8":
            assert difference.max() <= 1
            assert (difference > 0).mean() <= 0.01
        else:  # random networks leave 0..1; the tolerance grows with what float32 can resolve there
            assert difference.max() <= ROUNDING * max(1, np.abs(whole).max())
