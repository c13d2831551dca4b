"""The transparency that comes in the frame property _Alpha."""

from __future__ import annotations

import numpy as np
import pytest
import vapoursynth as vs

from tests.vs_paragon.clips import clip_of, natural_yuv, planes_of


def with_alpha(plane: np.ndarray[tuple[int, int], np.dtype[np.number]], format_id: int) -> vs.VideoNode:
    clip = natural_yuv(width=plane.shape[1], height=plane.shape[0])
    return clip.std.ClipToProp(clip_of([[plane]] * clip.num_frames, format_id))


def alpha_of(clip: vs.VideoNode) -> np.ndarray[tuple[int, int], np.dtype[np.number]]:
    return planes_of(clip.std.PropToClip("_Alpha"), 1)[0]


@pytest.mark.parametrize(("format_id", "peak"), [(vs.GRAY8, 255), (vs.GRAY10, 1023), (vs.GRAY16, 65535), (vs.GRAYS, 1)])
@pytest.mark.parametrize("backend", ["ov", "onnxruntime"])
def test_comes_back_larger(format_id: int, peak: int, backend: str) -> None:
    plane = np.zeros((44, 60))
    plane[:, 30:] = peak
    result = alpha_of(vs.core.paragon.Upscale(with_alpha(plane, format_id), backend=backend, precision="fp32"))
    assert result.shape == (88, 120)
    assert (result[:, :50] == 0).all()
    assert (result[:, 70:] == peak).all()
    assert 0 < result[40, 59:61].mean() < peak


def test_opaque_stays_opaque() -> None:
    result = vs.core.paragon.Upscale(with_alpha(np.full((44, 60), 255), vs.GRAY8), precision="fp32")
    assert (alpha_of(result) == 255).all()


def test_colours_are_those_without_it() -> None:
    clip = with_alpha(np.full((44, 60), 99), vs.GRAY8)
    plain = vs.core.paragon.Upscale(clip.std.RemoveFrameProps("_Alpha"), precision="fp32")
    for got, wanted in zip(planes_of(vs.core.paragon.Upscale(clip, precision="fp32")), planes_of(plain), strict=True):
        assert np.array_equal(got, wanted)


def test_one_that_does_not_fit_is_told() -> None:
    small = vs.core.std.BlankClip(format=vs.GRAY8, width=20, height=20, length=5)
    with pytest.raises(vs.Error, match=r"^paragon\.Upscale: the transparency \(20x20 Gray8\)"):
        vs.core.paragon.Upscale(natural_yuv().std.ClipToProp(small))
