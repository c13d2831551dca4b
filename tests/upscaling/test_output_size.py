"""Which size an image shall have."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.upscaling.output_size import MOST_PIXELS, OutputSize, best_scale, needed_factor, passes

SIDES = st.integers(1, 4000)
SIZES = st.tuples(SIDES, SIDES)
WAYS = st.one_of(
    st.fixed_dictionaries({"factor": st.floats(0.05, 8)}),
    st.fixed_dictionaries({"width": SIDES}),
    st.fixed_dictionaries({"height": SIDES}),
    st.fixed_dictionaries({"short_edge": SIDES}),
    st.fixed_dictionaries({"long_edge": SIDES}),
    st.fixed_dictionaries({"fit": SIZES}),
    st.fixed_dictionaries({"megapixels": st.floats(0.001, 40)}),
)


@given(size=SIZES, way=WAYS, multiple=st.integers(1, 64))
def test_proportions_stay_and_sides_are_multiples(size: tuple[int, int], way: dict[str, Any], multiple: int) -> None:
    try:
        width, height = OutputSize(**way, multiple=multiple).of(size)
    except UnsupportedSizeError:
        return
    except InputError:
        assert min(way["fit"]) < multiple
        return
    assert width % multiple == height % multiple == 0
    assert width > 0 < height
    if min(width, height) > multiple:  # else the smallest side there is was taken
        ratio = width / size[0]
        assert abs(height - ratio * size[1]) <= multiple * (1 + size[1] / size[0])


@given(size=SIZES, side=SIDES, other=SIDES)
def test_sides_that_are_given_are_met_exactly(size: tuple[int, int], side: int, other: int) -> None:
    if side**2 * max(size) / min(size) < MOST_PIXELS:
        assert OutputSize(width=side).of(size)[0] == side
        assert OutputSize(height=side).of(size)[1] == side
    assert OutputSize(width=side, height=other).of(size) == (side, other)
    assert not OutputSize(width=side, height=other).keeps_proportions


@given(size=SIZES, box=SIZES, multiple=st.integers(1, 64))
def test_nothing_sticks_out_of_the_box(size: tuple[int, int], box: tuple[int, int], multiple: int) -> None:
    try:
        width, height = OutputSize(fit=box, multiple=multiple).of(size)
    except InputError:
        assert min(box) < multiple
        return
    assert width <= box[0]
    assert height <= box[1]
    if multiple == 1:
        assert width == box[0] or height == box[1]


@given(size=SIZES, way=WAYS)
def test_a_turned_image_gets_the_turned_size(size: tuple[int, int], way: dict[str, Any]) -> None:
    turned = {"width": "height", "height": "width"}
    other = {turned.get(name, name): value[::-1] if name == "fit" else value for name, value in way.items()}
    try:
        width, height = OutputSize(**way).of(size)
    except UnsupportedSizeError:
        return
    assert OutputSize(**other).of(size[::-1]) == (height, width)


@pytest.mark.parametrize(
    ("way", "expected", "name"),
    [
        ({"factor": 1.5}, (960, 540), "1.5x"),
        ({"factor": 3}, (1920, 1080), "3x"),
        ({"width": 1280}, (1280, 720), "1280w"),
        ({"height": 720}, (1280, 720), "720h"),
        ({"width": 500, "height": 600}, (500, 600), "500x600"),
        ({"short_edge": 720}, (1280, 720), "720short"),
        ({"long_edge": 1920}, (1920, 1080), "1920long"),
        ({"fit": (1920, 1200)}, (1920, 1080), "1920x1200"),
        ({"fit": (3000, 1080)}, (1920, 1080), "3000x1080"),
        ({"megapixels": 0.9216}, (1280, 720), "0.9216MP"),
    ],
)
def test_each_way(way: dict[str, Any], expected: tuple[int, int], name: str) -> None:
    assert OutputSize(**way).of((640, 360)) == expected
    assert str(OutputSize(**way)) == name


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"factor": 2.0, "width": 100},
        {"width": 100, "megapixels": 2.0},
        {"factor": 0.0},
        {"factor": -1.0},
        {"factor": math.nan},
        {"factor": math.inf},
        {"width": 0},
        {"fit": (100, 0)},
        {"width": 100, "multiple": 0},
    ],
)
def test_what_is_no_size_is_refused_at_once(way: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        OutputSize(**way)
    assert caught.value.hint


@given(
    size=st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
    ratio=st.floats(0.1, 5),
    scale=st.sampled_from((2, 3, 4)),
)
def test_no_more_passes_than_the_target_needs(size: tuple[int, int], ratio: float, scale: int) -> None:
    target = OutputSize(factor=ratio).of(size)
    count = passes(size, target, scale)
    assert all(side * scale**count > wanted - 0.5 - 1e-6 for side, wanted in zip(size, target, strict=True))
    if count:
        before = scale ** (count - 1)
        assert any(side * before < wanted for side, wanted in zip(size, target, strict=True))


@given(size=SIZES, scale=st.sampled_from((2, 3, 4, 8)))
def test_the_scale_of_the_network_is_one_pass(size: tuple[int, int], scale: int) -> None:
    if math.prod(size) * scale**2 <= MOST_PIXELS:
        target = OutputSize(factor=scale).of(size)
        assert target == (size[0] * scale, size[1] * scale)
        assert passes(size, target, scale) == 1
    assert passes(size, size, scale) == 0


@given(size=SIZES, factor=st.floats(0.2, 9), scales=st.sets(st.sampled_from((2, 3, 4, 8)), min_size=1))
def test_the_scale_that_suits_best_makes_the_least_in_excess(
    size: tuple[int, int], factor: float, scales: set[int]
) -> None:
    target = OutputSize(factor=factor).of(size)
    best = best_scale(needed_factor(size, target), scales)
    try:
        excess = {scale: (scale ** passes(size, target, scale), passes(size, target, scale)) for scale in scales}
    except UnsupportedSizeError:
        return
    assert excess[best] == min(excess.values())


def test_too_large_a_result_is_refused_with_a_remedy() -> None:
    ways: tuple[dict[str, Any], ...] = (
        {"factor": 10.0},
        {"factor": 1e300},
        {"width": 10**9},
        {"megapixels": 1e9},
        {"fit": (10**6, 10**6)},
    )
    for way in ways:
        with pytest.raises(UnsupportedSizeError, match="4000x4000") as caught:
            OutputSize(**way).of((4000, 4000))
        assert caught.value.hint
    with pytest.raises(UnsupportedSizeError, match="on the way to"):
        passes((10000, 10000), (21000, 21000), 4)
    assert passes((40000, 40000), (100, 100), 4) == 0
