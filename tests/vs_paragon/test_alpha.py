"""The transparency that comes in the frame property _Alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import vapoursynth as vs

from tests.vs_paragon.clips import clip_of, natural_yuv, planes_of
from tests.vs_paragon.vspipe import vspipe

if TYPE_CHECKING:
    from pathlib import Path

#: Values that are opaque, and their formats.
LEVELS = ((255, vs.GRAY8), (65535, vs.GRAY16))


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


@pytest.mark.parametrize("format_id", [vs.GRAY8, vs.GRAY10, vs.GRAYH])
@pytest.mark.parametrize("label", [0, 1])
def test_its_label_changes_no_value(format_id: int, label: int) -> None:
    plane = np.tile(np.linspace(0, 1, 60), (44, 1)) * (1 if format_id == vs.GRAYH else 255)
    plain, labelled = (
        clip.std.ClipToProp(alpha)
        for clip in [natural_yuv(width=60, height=44, length=1)]
        for bare in [clip_of([[plane]], format_id)]
        for alpha in (bare, bare.std.SetFrameProps(_Range=label))
    )
    results = [vs.core.paragon.Upscale(clip, backend="ov", range="limited") for clip in (plain, labelled)]
    first, second = (planes_of(result.std.PropToClip("_Alpha"))[0] for result in results)
    assert np.array_equal(first, second)
    assert dict(results[1].get_frame(0).props["_Alpha"].props)["_Range"] == label


@pytest.mark.parametrize("backend", ["ov", "onnxruntime"])
def test_it_may_begin_change_and_end_midway(backend: str) -> None:
    """The format of the transparency is that of each frame as well."""
    clip = natural_yuv(width=60, height=44, length=2)
    opaque8, half = (clip.std.ClipToProp(clip_of([[np.full((44, 60), value)]] * 2, form)) for value, form in LEVELS)
    result = vs.core.paragon.Upscale(clip + opaque8 + half + clip, backend=backend, precision="fp32")
    found = [frame.props.get("_Alpha") for frame in result.frames()]
    assert [alpha is None for alpha in found] == [True, True, False, False, False, False, True, True]
    for alpha, (value, form) in zip(found[2:6:2], LEVELS, strict=True):
        assert (alpha.format.id, alpha.width, alpha.height) == (form, 120, 88)
        assert (np.asarray(alpha[0]) == value).all()


def test_one_that_does_not_fit_fails_for_its_frames_alone() -> None:
    clip = natural_yuv(length=2)
    small = vs.core.std.BlankClip(format=vs.GRAY8, width=20, height=20, length=2)
    result = vs.core.paragon.Upscale(clip + clip.std.ClipToProp(small), backend="ov")
    result.get_frame(1)
    with pytest.raises(vs.Error, match=r"^paragon\.Upscale: frame 2: the transparency \(20x20 Gray8\)"):
        result.get_frame(2)


def test_vspipe_writes_alpha_that_begins_midway(tmp_path: Path) -> None:
    script = """
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=2)
mask = core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=2, color=77)
result = core.paragon.Upscale(clip + clip.std.ClipToProp(mask))
assert result.num_frames == 4
result[2:].std.PropToClip("_Alpha").set_output()
result[:2].set_output(1)
"""
    done = vspipe(tmp_path, script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == bytes([77]) * (2 * 128 * 96)
    assert len(vspipe(tmp_path, script, "--outputindex", "1").stdout) == 2 * 128 * 96 * 3 // 2
