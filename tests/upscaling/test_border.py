"""What lies beyond an image: continued as told, at the same cost in every tile, and without a trace inside."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.engines import IMAGES
from paragon_core.errors import InputError
from paragon_core.models.model import bundled, load
from paragon_core.upscaling.border import AUTHORS, INEXACT_HALO, Border, halo_of
from paragon_core.upscaling.tiling import Span, Tile, cover
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import MODEL, RADIUS, random_image, random_model, spec
from tests.upscalers import same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODES: tuple[Any, ...] = ("edge", "symmetric", "wrap")
STREAM = random_model(spec("stream"))
PHOTO = random_model(spec("photo"))


@pytest.fixture(scope="module")
def upscaler() -> Iterator[Callable[..., Upscaler]]:
    """Make upscalers of the small network, each once: compiling takes most of their time."""
    with ExitStack() as stack:

        @cache
        def opened(padding: Any, **options: Any) -> Upscaler:
            made = Upscaler(MODEL, backend="onnxruntime", precision="fp32", streams=2, padding=padding, **options)
            return stack.enter_context(made)

        yield opened


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_tile_reads_what_numpy_pads(data: st.DataObject) -> None:
    height, width, margin = (data.draw(st.integers(1, 9)) for _ in range(3))
    image = random_image(height, width, *data.draw(st.sampled_from([(), (1,), (3,)])))
    mode = data.draw(st.sampled_from(MODES))
    padded = np.pad(image, [(margin, margin)] * 2 + [(0, 0)] * (image.ndim - 2), mode=mode)

    def span(length: int) -> Span:
        start = data.draw(st.integers(-margin, length - 1))
        end = data.draw(st.integers(max(start, 0) + 1, length + margin))
        return Span(start=start, end=end, core_start=0, core_end=0)

    rows, columns = span(height), span(width)
    read = Border(padding=mode, margin=margin).read(image, Tile(rows=rows, columns=columns))
    expected = padded[rows.start + margin : rows.end + margin, columns.start + margin : columns.end + margin]
    assert np.array_equal(read, expected)
    inside = rows.start >= 0 <= columns.start and rows.end <= height and columns.end <= width
    assert np.shares_memory(read, image) == inside


@given(
    length=st.integers(1, 300),
    tile=st.integers(1, 400),
    halo=st.integers(0, 40),
    share=st.floats(0, 1),
    multiple=st.sampled_from([1, 4, 16]),
)
def test_cores_cover_the_image_once_and_tiles_read_the_margin(
    length: int, tile: int, halo: int, share: float, multiple: int
) -> None:
    margin = int(share * halo)
    try:
        spans = cover(length, tile, halo=halo, multiple=multiple, margin=margin)
    except InputError:
        assert tile < length + 2 * margin
        return
    assert spans[0].start == -margin
    assert spans[-1].end == length + margin
    assert [place for span in spans for place in range(span.core_start, span.core_end)] == list(range(length))
    for span in spans:
        assert span.core_start < span.core_end
        assert span.core_start - span.start >= halo or span.start == -margin
        assert span.end - span.core_end >= halo or span.end == length + margin


@pytest.mark.parametrize("padding", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("tile", ["auto", "off", 17])
def test_the_result_is_that_of_the_image_padded_by_hand(
    upscaler: Callable[..., Upscaler], padding: Any, dtype: str, tile: Any
) -> None:
    image = random_image(21, 13, 3, dtype=dtype)
    padded = np.pad(image, ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)), mode=padding)
    edge = RADIUS * MODEL.spec.scale
    expected = upscaler("zero")(padded)[edge:-edge, edge:-edge]
    assert same(upscaler(padding, tile=tile)(image), expected)


@pytest.mark.parametrize("padding", MODES)
def test_pixels_further_inside_than_the_radius_are_the_authors(upscaler: Callable[..., Upscaler], padding: Any) -> None:
    image = random_image(30, 25, 3)
    inside = slice(2 * RADIUS, -2 * RADIUS)
    found, authors = (upscaler(each)(image) for each in (padding, "zero"))
    assert same(found[inside, inside], authors[inside, inside])
    assert not np.array_equal(found, authors)


@pytest.mark.parametrize("model", [MODEL, STREAM, PHOTO], ids=["realtime", "stream", "photo"])
def test_what_wraps_fits_its_neighbours(model: Any) -> None:
    """Upscaled and laid next to itself, a texture is what comes of the texture laid next to itself."""
    image = random_image(48, 64, 3, dtype="float32")
    with Upscaler(model, backend="onnxruntime", precision="fp32", padding="wrap", clip=False) as wrapping:
        once, twice = wrapping(image), wrapping(np.tile(image, (2, 2, 1)))
    if model is PHOTO:  # sees more than any margin
        assert np.abs(twice[:96, :128] - once).mean() < 0.02
    else:
        assert same(twice, np.tile(once, (2, 2, 1)))


@pytest.mark.parametrize("channels", [(2,), (4,)])
def test_transparency_wraps_with_its_colours(upscaler: Callable[..., Upscaler], channels: tuple[int, ...]) -> None:
    image = random_image(12, 15, *channels)
    image[:, :, -1] |= 1  # where nothing is to be seen, colours come from anywhere
    image[:6, :, -1] = 255
    once, twice = (upscaler("wrap")(each) for each in (image, np.tile(image, (2, 2, 1))))
    assert same(twice, np.tile(once, (2, 2, 1)))


@pytest.mark.parametrize("name", [name for name in bundled() if Border.of(load(name).spec, "auto") != AUTHORS])
@pytest.mark.parametrize("level", [20, 128, 255])
def test_flat_images_stay_flat_up_to_the_border(name: str, level: int) -> None:
    flat = np.full((14, 17, 3), level, np.uint8)
    with Upscaler(name, precision="fp32") as default, Upscaler(name, precision="fp32", padding="zero") as authors:
        assert (default(flat) == level).all()
        assert np.abs(authors(flat).astype(int) - level).max() > 1


def test_the_shared_engine_takes_full_hd_with_its_margin_whole() -> None:
    for model in (MODEL, STREAM, PHOTO):
        assert IMAGES.covers(Border.of(model.spec, "auto").grown((1920, 1080)))


def test_the_default_is_the_authors_border_where_no_margin_is_exact() -> None:
    assert Border.of(PHOTO.spec, "auto") == AUTHORS
    assert Border.of(MODEL.spec, "auto") == Border(padding="symmetric", margin=RADIUS)
    assert Border.of(STREAM.spec, "auto").margin < halo_of(STREAM.spec)
    assert Border.of(PHOTO.spec, "edge").margin <= INEXACT_HALO == halo_of(PHOTO.spec)


def test_another_padding_is_refused() -> None:
    with pytest.raises(InputError, match="no padding 'mirror'") as caught:
        Upscaler(MODEL, padding="mirror")  # type: ignore[arg-type]
    assert "symmetric" in str(caught.value.hint)


def test_smoothed_detail_and_reused_tiles_see_the_same_border(upscaler: Callable[..., Upscaler]) -> None:
    frames = [random_image(40, 44, dtype="float32", seed=seed) for seed in (0, 1)]
    results = []
    for options in ({}, {"reuse": True, "tile": 17}):
        for _ in range(2):  # the second time from memory
            out = np.empty((80, 88), np.float32)
            upscaler("symmetric", **options).upscale_planes([frames[0]], [out], detail=[frames[1]])
            results.append(out)
    assert all(same(result, results[0]) for result in results[1:])
    assert upscaler("symmetric", reuse=True, tile=17).tiles_reused > 0
