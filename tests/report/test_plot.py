from __future__ import annotations

import math
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from paragon_core.report.contents import Curve, FrameRow, Series
from paragon_core.report.plot import HEIGHT, WIDTH, plot

FIGURES = st.one_of(st.floats(0, 120), st.just(math.inf))


def series(*curves: tuple[float, ...], name: str = "out.mp4") -> Series:
    count = len(curves[0])
    lowest = min(range(count), key=lambda index: min(curve[index] for curve in curves))
    row = FrameRow(index=lowest * 3, seconds=0.0, psnr_y=min(curve[lowest] for curve in curves), thumbnails=())
    return Series(
        against="the reference",
        indices=tuple(range(0, count * 3, 3)),
        seconds=tuple(map(float, range(count))),
        curves=tuple(Curve(name=name, values=values) for values in curves),
        rows=(row,),
        total=count * 3,
    )


def parsed(drawn: str) -> ET.Element:
    return ET.fromstring(f"<div>{drawn}</div>")  # noqa: S314 - our own


@given(data=st.data(), count=st.integers(1, 30), curves=st.integers(1, 8))
def test_all_is_inside_the_drawing(data: st.DataObject, count: int, curves: int) -> None:
    figures = st.lists(FIGURES, min_size=count, max_size=count).map(tuple)
    root = parsed(plot(series(*[data.draw(figures) for _ in range(curves)])))
    lines = list(root.find("svg").iter("polyline"))  # type: ignore[union-attr]
    assert len(lines) == curves
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert len(points) == count
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
        assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_better_figures_are_higher_and_no_difference_is_highest() -> None:
    root = parsed(plot(series((30.0, 40.0, math.inf))))
    line = next(root.iter("polyline"))
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert heights[0] > heights[1] > heights[2]


def test_it_is_described_in_words() -> None:
    root = parsed(plot(series((30.0, 25.5, 40.0))))
    assert root.findtext("svg/desc") == "out.mp4: lowest 25.50 dB at frame 3"
    assert root.find("svg").attrib["role"] == "img"  # type: ignore[union-attr]


def test_names_are_escaped() -> None:
    root = parsed(plot(series((30.0, 25.5), name="<script>&.mp4")))
    assert "<script>&.mp4" in "".join(root.find("ul").itertext())  # type: ignore[union-attr]
    assert root.find(".//script") is None
