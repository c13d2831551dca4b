"""The kernel's pixels against the fused network in float64: every kind of network, image, layout and border."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paragon_core.backends import BACKENDS, ImageInPlace, InPlaceSession, Piece, SessionOptions
from paragon_core.benchmark.images import like_a_photograph
from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import bundled, load
from paragon_core.models.spec import SCALES
from paragon_core.upscaling.border import Border
from tests.fresh_python import PROGRAMS, run
from tests.graph import numpy_networks
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.model import Model

    Array = npt.NDArray[Any]

pytestmark = [pytest.mark.native, pytest.mark.processor]

#: Largest error, as a share of the peak or of the largest value beyond it.
ERROR = 3e-6
#: A thousandth of a level of 8 bits. How much of it float32 takes depends on the weights: those of the bundled models
#: are no random ones.
BUNDLED_ERROR = 1 / 255_000
KINDS = (("realtime", "v6"), ("realtime", "v9"), ("realtime", "v11"), ("stream", "v9"), ("stream", "v11"))
DTYPES = ("uint8", "uint16", "float32", "float16")
LAYOUTS = ("planar", "pixels", "pixels and alpha", "reversed", "every other", "transposed", "unaligned")


@cache
def model_of(kind: tuple[Any, Any], scale: int, alpha: float) -> Model:
    variant, revision = kind
    return random_model(spec(variant, revision=revision, scale=scale, groups=2, blocks=1, upsampler_alpha=alpha))


def opened(model: Model, *, grey: bool = False, detail: bool = False) -> InPlaceSession:
    session = BACKENDS["native"].open(model, GraphSpec(grey=grey, separate_detail=detail), SessionOptions())
    assert isinstance(session, InPlaceSession)
    return session


def expected(model: Model, planes: Array, border: Border, detail: Array | None = None) -> npt.NDArray[np.float64]:
    """Return what the network makes of planes [p, h, w] of 0..1, continued and cropped again."""
    grey = for_grey(model.arrays) if len(planes) == 1 else model.arrays
    margin, scale = border.margin, model.spec.scale
    mode: Any = "constant" if border.padding == "zero" else border.padding

    def grown(image: Array) -> Array:
        return np.pad(image.astype(np.float64), ((0, 0), (margin, margin), (margin, margin)), mode)

    result = numpy_networks.run(fuse_arrays(model.spec, grey), grown(planes), None if detail is None else grown(detail))
    inner = slice(margin * scale, result.shape[1] - margin * scale), slice(margin * scale, -margin * scale or None)
    return np.asarray(result[:, inner[0], inner[1]])


def laid_out(values: Array, layout: str) -> Array:
    """Return the same [p, h, w] in another place in memory."""
    count, height, width = values.shape
    place: Array
    if layout == "planar":
        return values.copy()
    if layout.startswith("pixels"):
        place = np.zeros((height, width, count + ("alpha" in layout)), values.dtype)
        place = np.moveaxis(place, 2, 0)[:count]
    elif layout == "reversed":
        place = np.zeros_like(values)[::-1, ::-1, ::-1]
    elif layout == "every other":
        place = np.zeros((count, 2 * height, 3 * width), values.dtype)[:, ::2, ::3]
    elif layout == "transposed":
        place = np.zeros((count, width, height), values.dtype).swapaxes(1, 2)
    else:
        memory = np.zeros(values.nbytes + 1, np.uint8)[1:]
        place = memory.view(values.dtype).reshape(values.shape)
    place[...] = values
    return place


def image_of(planes: Array, out: Array, border: Border, detail: Array | None = None, *, clip: bool = True) -> Any:
    rows, columns = (
        border.places(-border.margin, length + border.margin, length).astype(np.int32) for length in planes.shape[1:]
    )
    return ImageInPlace(
        planes=tuple(planes),
        out=tuple(out),
        detail=() if detail is None else tuple(detail),
        columns=columns,
        rows=rows,
        margin=border.margin,
        clip=clip,
    )


def noise(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    values = np.random.default_rng(seed).random(shape)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype) if dtype.startswith("u") else values.astype(dtype)


def photograph(size: tuple[int, int]) -> Array:
    """Return [3, h, w] of 0..1 like a photograph: stream-2x makes noise a million times as bright."""
    return np.moveaxis(like_a_photograph(size[1], size[0]), 2, 0).astype(np.float32) / np.float32(255)


def assert_close(result: Array, exact: npt.NDArray[np.float64], *, clip: bool) -> None:
    """Compare with the exact result of 0..1."""
    largest = max(float(np.abs(exact).max()), 1.0)
    if result.dtype.kind == "u":
        peak = float(np.iinfo(result.dtype).max)
        clipped = np.clip(exact, 0, 1) * peak
        assert np.abs(result - clipped).max() <= 0.5 + peak * ERROR * largest
        return
    clipped = np.clip(exact, 0, 1) if clip else exact
    rounding = float(np.finfo(np.float16).eps) / 2 if result.dtype == np.float16 else 0.0
    assert np.abs(result - clipped).max() <= (ERROR + rounding) * largest


borders = st.sampled_from(
    [
        Border(padding="zero", margin=0),
        *(Border(padding=padding, margin=margin) for padding in ("edge", "symmetric", "wrap") for margin in (1, 6)),
    ]
)
sides = st.one_of(st.sampled_from([1, 2, 3, 47, 48, 49, 97]), st.integers(1, 40))


@given(
    kind=st.sampled_from(KINDS),
    scale=st.sampled_from(SCALES),
    size=st.tuples(st.integers(1, 24), sides),
    border=borders,
    count=st.sampled_from([1, 3]),
    dtype=st.sampled_from(DTYPES),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    has_detail=st.booleans(),
    alpha=st.sampled_from([0.0, 0.3]),
    clip=st.booleans(),
)
@example(
    kind=KINDS[2],
    scale=2,
    size=(1, 1),
    border=Border(padding="zero", margin=0),
    count=3,
    dtype="uint8",
    layouts=("pixels", "pixels"),
    has_detail=False,
    alpha=0.0,
    clip=True,
)
@settings(max_examples=120)
def test_the_pixels_are_the_networks(
    *,
    kind: tuple[str, str],
    scale: int,
    size: tuple[int, int],
    border: Border,
    count: int,
    dtype: str,
    layouts: tuple[str, str],
    has_detail: bool,
    alpha: float,
    clip: bool,
) -> None:
    model = model_of(kind, scale, alpha)
    taken = "float32" if dtype == "float16" else dtype  # the upscaler sees to that
    planes = laid_out(noise((count, *size), taken), layouts[0])
    detail = laid_out(noise((count, *size), taken, seed=1), layouts[0]) if has_detail else None
    out = laid_out(np.zeros((count, size[0] * scale, size[1] * scale), dtype), layouts[1])
    peak = np.iinfo(taken).max if taken.startswith("u") else 1
    exact = expected(model, planes / peak, border, None if detail is None else detail / peak)
    session = opened(model, grey=count == 1, detail=has_detail)
    session.upscale(
        image_of(planes, out, border, detail, clip=clip), Piece(left=0, top=0, right=size[1], bottom=size[0])
    )
    assert_close(out, exact, clip=clip)


@given(
    data=st.data(),
    kind=st.sampled_from(KINDS),
    scale=st.sampled_from(SCALES),
    size=st.tuples(st.integers(1, 60), st.one_of(st.integers(1, 150), st.integers(350, 420))),
    border=borders,
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS),
)
@settings(max_examples=40)
def test_any_grid_of_pieces_gives_the_same_bytes(
    *,
    data: st.DataObject,
    kind: tuple[str, str],
    scale: int,
    size: tuple[int, int],
    border: Border,
    dtype: str,
    layout: str,
) -> None:
    model = model_of(kind, scale, 0.3)
    session = opened(model)
    planes = noise((3, *size), "float32" if dtype == "float16" else dtype)
    whole = np.zeros((3, size[0] * scale, size[1] * scale), dtype)
    session.upscale(image_of(planes, whole, border), Piece(left=0, top=0, right=size[1], bottom=size[0]))
    rows, columns = (sorted({0, length, *data.draw(st.lists(st.integers(0, length), max_size=2))}) for length in size)
    pieces = [
        Piece(left=left, right=right, top=top, bottom=bottom)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]
    out = laid_out(np.zeros_like(whole), layout)
    for piece in data.draw(st.permutations(pieces)):
        session.upscale(image_of(planes, out, border), piece)
    assert np.array_equal(out, whole)


@pytest.mark.parametrize("name", [name for name in bundled() if load(name).spec.variant in {"realtime", "stream"}])
@pytest.mark.parametrize("size", [(40, 230), (75, 100)])
def test_bundled_models_are_exact_to_a_thousandth_of_a_level(name: str, size: tuple[int, int]) -> None:
    model = load(name)
    border = Border.of(model.spec, "auto")
    planes = photograph(size)
    exact = expected(model, planes, border)
    out = np.zeros_like(exact, dtype=np.float32)
    session = opened(model)
    piece = Piece(left=0, top=0, right=size[1], bottom=size[0])
    session.upscale(image_of(planes, out, border, clip=False), piece)
    assert np.abs(out - exact).max() <= BUNDLED_ERROR


@pytest.mark.parametrize("name", ["realtime-2x", "stream-2x"])
def test_bytes_differ_at_near_ties_only(name: str) -> None:
    model = load(name)
    border = Border.of(model.spec, "auto")
    planes = np.rint(photograph((60, 110)) * 255).astype(np.uint8)
    exact = np.clip(expected(model, planes / 255, border) * 255, 0, 255)
    out = np.zeros(exact.shape, np.uint8)
    opened(model).upscale(image_of(planes, out, border), Piece(left=0, top=0, right=110, bottom=60))
    different = out != np.rint(exact)
    assert different.mean() < 1e-3
    assert np.abs(np.abs(exact[different] - np.floor(exact[different])) - 0.5).max(initial=0) <= 255 * 2 * ERROR


@pytest.mark.parametrize(("variant", "channels"), [("realtime", 5), ("realtime", 24), ("stream", 12), ("stream", 40)])
def test_any_width_of_the_network(variant: Any, channels: int) -> None:
    model = random_model(spec(variant, channels=channels, blocks=1))
    border = Border(padding="zero", margin=0)
    planes = noise((3, 9, 60), "float32")
    exact = expected(model, planes, border)
    out = np.zeros_like(exact, dtype=np.float32)
    opened(model).upscale(image_of(planes, out, border, clip=False), Piece(left=0, top=0, right=60, bottom=9))
    assert_close(out, exact, clip=False)


def test_tiny_values_neither_slow_it_down_nor_vanish() -> None:
    """Denormal numbers: in every layer, since the first one's weights make them so."""
    model = random_model(spec("realtime"))
    arrays = {key: value * np.float32(1e-38 if key == "conv_in.weight" else 1) for key, value in model.arrays.items()}
    tiny = replace(model, arrays=arrays)
    border = Border(padding="zero", margin=0)
    planes = noise((3, 20, 60), "float32")
    exact = expected(tiny, planes, border)
    out = np.zeros_like(exact, dtype=np.float32)
    opened(tiny).upscale(image_of(planes, out, border, clip=False), Piece(left=0, top=0, right=60, bottom=20))
    assert_close(out, exact, clip=False)


def test_working_memory_grows_with_the_piece_and_stays_small() -> None:
    session = opened(load("realtime-2x"))
    sizes = [(1, 1), (640, 360), (1920, 1088), (7680, 1088)]
    needed = [session.working_memory(size, separate_detail=False) for size in sizes]
    assert needed == sorted(needed)
    assert needed[0] > 0
    assert needed[-1] <= 16 * 2**20
    assert session.working_memory(sizes[1], separate_detail=True) >= needed[1]


@pytest.mark.skipif(sys.platform != "linux", reason="sets the protection of pages")
def test_nothing_outside_is_read_or_written() -> None:
    """Between pages that may not be touched; images themselves may only be read."""
    assert run(PROGRAMS / "native_between_guards.py").stdout == "untouched\n"
