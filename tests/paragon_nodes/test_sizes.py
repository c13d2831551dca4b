"""Which size a picture shall have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_nodes.sizes import MODES, Mode, passes, target_size

SIDES = st.integers(1, 4000)
OPTIONS: dict[str, Any] = {"factor": 2.0, "edge": 1080, "box": (1920, 1080), "megapixels": 2.0, "multiple": 1}


@given(
    size=st.tuples(SIDES, SIDES),
    mode=st.sampled_from(MODES),
    factor=st.floats(0.05, 8),
    edge=st.integers(1, 4000),
    multiple=st.integers(1, 64),
)
def test_proportions_stay_and_sides_are_multiples(
    size: tuple[int, int], mode: Mode, factor: float, edge: int, multiple: int
) -> None:
    given_options = OPTIONS | {"factor": factor, "edge": edge, "multiple": multiple}
    try:
        width, height = target_size(size, mode, **given_options)
    except UnsupportedSizeError:
        return
    assert width % multiple == height % multiple == 0
    assert width > 0 < height
    if min(width, height) > multiple:  # else the smallest side there is was taken
        ratio = width / size[0]
        assert abs(height - ratio * size[1]) <= multiple * (1 + size[1] / size[0])


@given(size=st.tuples(SIDES, SIDES), box=st.tuples(SIDES, SIDES), multiple=st.integers(1, 64))
def test_nothing_sticks_out_of_the_box(size: tuple[int, int], box: tuple[int, int], multiple: int) -> None:
    try:
        width, height = target_size(size, "fit", **(OPTIONS | {"box": box, "multiple": multiple}))
    except InputError:
        assert min(box) < multiple
        return
    assert width <= box[0]
    assert height <= box[1]


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("factor", {"factor": 1.5}, (960, 540)),
        ("short edge", {"edge": 720}, (1280, 720)),
        ("long edge", {"edge": 1920}, (1920, 1080)),
        ("fit", {"box": (1920, 1200)}, (1920, 1080)),
        ("fit", {"box": (3000, 1080)}, (1920, 1080)),
        ("megapixels", {"megapixels": 0.9216}, (1280, 720)),
    ],
)
def test_each_mode(mode: Mode, options: dict[str, Any], expected: tuple[int, int]) -> None:
    assert target_size((640, 360), mode, **(OPTIONS | options)) == expected


@given(
    size=st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
    ratio=st.floats(0.1, 5),
    scale=st.sampled_from((2, 3, 4)),
)
def test_no_more_passes_than_the_target_needs(size: tuple[int, int], ratio: float, scale: int) -> None:
    target = target_size(size, "factor", **(OPTIONS | {"factor": ratio}))
    count = passes(size, target, scale)
    assert all(side * scale**count > wanted - 0.5 - 1e-6 for side, wanted in zip(size, target, strict=True))
    if count:
        before = scale ** (count - 1)
        assert any(side * before < wanted for side, wanted in zip(size, target, strict=True))


def test_too_large_a_result_is_refused_with_a_remedy() -> None:
    with pytest.raises(UnsupportedSizeError, match="40000x40000") as caught:
        target_size((4000, 4000), "factor", **(OPTIONS | {"factor": 10.0}))
    assert caught.value.hint
    with pytest.raises(UnsupportedSizeError, match="on the way to"):
        passes((10000, 10000), (21000, 21000), 4)
