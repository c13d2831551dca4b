"""The chart has every method once, the faster further right and the better further up."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.peers.chart import draw, points

SPACE = "{http://www.w3.org/2000/svg}"

WAYS = [
    ("realtime-2x", "ours", "openvino", 100.0, 36.9),
    ("realtime-2x", "ours", "onnxruntime", 120.0, 36.9),
    ("realtime-2x", "upstream", "openvino", 200.0, 36.9),
    ("Compact", "network", "openvino", 1500.0, None),
    ("Lanczos", "resampling", "opencv", 2.0, 34.5),
    ("Lanczos", "resampling", "pillow", 5.0, 34.3),
]


def report(ways: list[tuple[str, str, str, float, float | None]]) -> dict[str, Any]:
    """Return as much of a report as the chart reads."""
    names = [f"{method}, {runtime}" if kind == "resampling" else method for method, kind, runtime, *_ in ways]
    return {
        "timings": [
            {
                "scale": 2,
                "width": 640,
                "height": 360,
                "calls": 1,
                "ways": [
                    {"method": method, "kind": kind, "runtime": runtime, "cpu_ms": time}
                    for method, kind, runtime, time, _ in ways
                ],
            }
        ],
        "quality": {
            "2": {
                name: {"psnr_y": {"Set5": psnr}}
                for name, (*_, psnr) in zip(names, ways, strict=True)
                if psnr is not None
            }
        },
    }


def test_of_paragons_runtimes_the_fastest_counts() -> None:
    found = {point.label: point for point in points(report(WAYS), 2)}
    assert set(found) == {
        "realtime-2x",
        "realtime-2x, upstream's export",
        "Compact",
        "Lanczos, OpenCV",
        "Lanczos, Pillow",
    }
    assert found["realtime-2x"].fps == pytest.approx(10)
    assert [label for label, point in found.items() if point.ours] == ["realtime-2x"]
    assert [label for label, point in found.items() if point.psnr is None] == ["Compact"]


def test_each_method_is_named_once() -> None:
    root = ET.fromstring(draw(report(WAYS)))  # noqa: S314 - our own
    texts = [element.text for element in root.iter(f"{SPACE}text")]
    assert all(texts.count(point.label) == 1 for point in points(report(WAYS), 2))
    assert "Upscaling 640x360 by 2: speed and quality" in texts
    assert "no PSNR is published" in texts


def test_without_methods_of_unknown_quality_there_is_no_word_about_them() -> None:
    assert "no PSNR" not in draw(report([each for each in WAYS if each[4] is not None]))


@given(st.lists(st.tuples(st.floats(0.05, 9000), st.floats(20, 50)), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_places(values: list[tuple[float, float]]) -> None:
    ways = [(f"n{place}", "network", "openvino", time, psnr) for place, (time, psnr) in enumerate(values)]
    root = ET.fromstring(draw(report([*ways])))  # noqa: S314 - our own
    places = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in root.iter(f"{SPACE}circle")]
    assert len(places) == len(values)
    for (time, psnr), (x, y) in zip(values, places, strict=True):
        assert 0 <= x <= 720
        assert 0 <= y <= 500
        for (other_time, other_psnr), (other_x, other_y) in zip(values, places, strict=True):
            assert x <= other_x or time <= other_time
            assert y >= other_y or psnr >= other_psnr
