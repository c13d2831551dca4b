"""What the network sees beyond the border of a frame is the same through Python and through plugins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.upscaling.border import Border
from tests.upscalers import ROUNDING
from tests.vs_paragon.clips import clip_of, natural_clip, planes_of
from vs_paragon import upscale
from vs_paragon.borders import continued, cropped

PADDINGS = ("edge", "symmetric", "wrap")


@given(
    width=st.integers(1, 12),
    height=st.integers(1, 12),
    margin=st.integers(0, 9),
    padding=st.sampled_from(PADDINGS),
)
def test_a_frame_is_continued_as_numpy_pads(width: int, height: int, margin: int, padding: Any) -> None:
    image = np.random.default_rng(0).random((3, height, width), dtype=np.float32)
    clip = clip_of([list(image)], vs.RGBS).std.SetFrameProps(_Matrix=0)
    border = Border(padding=padding, margin=margin)
    wide = continued(clip, border)
    expected = [np.pad(plane, margin, mode=padding) for plane in image]
    assert np.array_equal(planes_of(wide), expected)
    assert wide.get_frame(0).props["_Matrix"] == 0
    assert np.array_equal(planes_of(cropped(wide, border, 1)), image)


@pytest.mark.parametrize("padding", ["auto", "zero", *PADDINGS])
@pytest.mark.parametrize("options", [{}, {"temporal": 0.3}], ids=["still", "smoothed"])
def test_plugins_see_what_python_sees(padding: str, options: dict[str, Any]) -> None:
    if not hasattr(vs.core, "ort"):
        pytest.skip("needs vapoursynth-mlrt-ort")
    clip = natural_clip(width=40, height=30, length=2)
    found, expected = (
        planes_of(upscale(clip, backend=backend, precision="fp32", padding=padding, **options), 1)
        for backend in ("ort", "onnxruntime")
    )
    assert np.abs(np.stack(found) - np.stack(expected)).max() <= ROUNDING


def test_white_stays_white_up_to_the_border() -> None:
    white = vs.core.std.BlankClip(format=vs.RGB24, width=32, height=24, length=1, color=[255] * 3)
    assert np.stack(planes_of(vs.core.paragon.Upscale(white, padding="edge", backend="onnxruntime"))).min() >= 254
    assert np.stack(planes_of(vs.core.paragon.Upscale(white, padding="zero", backend="onnxruntime"))).min() < 240


def test_another_padding_is_refused() -> None:
    with pytest.raises(vs.Error, match=r"paragon.Upscale: there is no padding 'mirror' \(choose one of auto, zero"):
        upscale(natural_clip(length=1), padding="mirror")
