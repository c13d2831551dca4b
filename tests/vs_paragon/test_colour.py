"""How frames are read: arguments win over properties, and each frame has properties of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vs_paragon.clips import natural_clip, natural_yuv, planes_of
from tests.vs_paragon.vspipe import vspipe
from vs_paragon.colour import CHROMA_LOCATIONS, MATRICES, read_arguments, read_frame

LABELS = ["_Matrix", "_Range", "_ChromaLocation"]

#: All that can be converted to RGB.
YUV_MATRICES = {name: number for name, number in MATRICES.items() if name not in {"rgb", "unspec"}}

#: What zimg needs to know besides, for matrices that depend on it.
COMPANIONS = {"2020cl": {"_Transfer": 14}, "chromancl": {}, "chromacl": {"_Transfer": 1}, "ictcp": {"_Transfer": 16}}
PRIMARIES = {"chromancl": 1, "chromacl": 1, "2020cl": 9, "ictcp": 9}


def upscale(clip: vs.VideoNode, **arguments: Any) -> vs.VideoNode:
    return vs.core.paragon.Upscale(clip, **({"precision": "fp32", "backend": "ov"} | arguments))


def same(first: vs.VideoNode, second: vs.VideoNode, n: int = 0, within: int = 0) -> bool:
    pairs = zip(planes_of(first, n), planes_of(second, n), strict=True)
    return all(np.abs(a.astype(float) - b.astype(float)).max() <= within for a, b in pairs)


def flat(format_id: int, *values: int) -> vs.VideoNode:
    """Return a clip of one colour: what the network makes of it is the same colour, but for rounding."""
    return vs.core.std.BlankClip(format=format_id, width=64, height=48, length=1, color=list(values))


def labelled(clip: vs.VideoNode, matrix: str) -> vs.VideoNode:
    companions = {"_Primaries": PRIMARIES[matrix], **COMPANIONS[matrix]} if matrix in PRIMARIES else {}
    return clip.std.SetFrameProps(_Matrix=MATRICES[matrix], **companions)


@pytest.mark.parametrize("backend", ["ov", "onnxruntime"])
@pytest.mark.parametrize("matrix", YUV_MATRICES)
def test_every_matrix_brings_colours_back(backend: str, matrix: str) -> None:
    clip = labelled(flat(vs.YUV444P16, 100 << 8, 118 << 8, 140 << 8), matrix)
    result = upscale(clip, backend=backend)
    for plane, wanted in zip(planes_of(result), (100, 118, 140), strict=True):
        assert np.abs(plane[20:-20, 20:-20] / 256 - wanted).max() < 0.3
    assert dict(result.get_frame(0).props) == dict(clip.get_frame(0).props)


@pytest.mark.parametrize("backend", ["ov", "onnxruntime"])
@pytest.mark.parametrize("wrong", [{}, {"_Matrix": 10}, {"_Matrix": 0}, {"_Matrix": 3}, {"_Range": 9}])
def test_arguments_win_over_properties(wrong: dict[str, int], backend: str) -> None:
    right = natural_yuv(length=1).std.SetFrameProps(_Matrix=6, _Range=0, _ChromaLocation=2)
    mistaken = right.std.SetFrameProps(**{"_Matrix": 1, "_Range": 1, "_ChromaLocation": 0} | wrong)
    result = upscale(mistaken, backend=backend, matrix="170m", range="limited", chroma_loc="top_left")
    assert same(result, upscale(right, backend=backend))
    assert [result.get_frame(0).props[name] for name in LABELS] == [6, 0, 2]


@pytest.mark.parametrize("format_id", [vs.GRAY8, vs.RGB24])
@pytest.mark.parametrize("range_", [0, 1])
def test_the_range_wins_for_grey_and_rgb(format_id: int, range_: int) -> None:
    clip = natural_clip(length=1).resize.Bicubic(
        format=format_id, range=range_, **({"matrix_s": "709"} if format_id == vs.GRAY8 else {})
    )
    wanted = upscale(clip.std.SetFrameProps(_Range=range_))
    result = upscale(clip.std.SetFrameProps(_Range=1 - range_), range=range_)
    assert same(result, wanted)
    assert result.get_frame(0).props["_Range"] == range_
    assert not same(result, upscale(clip.std.SetFrameProps(_Range=1 - range_)))


@pytest.mark.parametrize("stale", [1, 14, 3])
@pytest.mark.parametrize("format_id", [vs.GRAY8, vs.RGB24])
def test_a_matrix_means_nothing_without_chroma(format_id: int, stale: int) -> None:
    clip = natural_clip(length=1).resize.Bicubic(
        format=format_id, **({"matrix_s": "709"} if format_id == vs.GRAY8 else {})
    )
    assert same(upscale(clip.std.SetFrameProps(_Matrix=stale)), upscale(clip))


@pytest.mark.parametrize(("size", "fits"), [((64, 48), "170m"), ((72, 576), "470bg"), ((1280, 72), "709")])
@pytest.mark.parametrize("unknown", [None, 2])
def test_without_a_matrix_the_one_that_fits_the_size_is_used_and_not_written(
    size: tuple[int, int], fits: str, unknown: int | None
) -> None:
    blank = vs.core.std.BlankClip(format=vs.YUV420P8, width=size[0], height=size[1], length=1, color=[100, 110, 170])
    clip = blank if unknown is None else blank.std.SetFrameProps(_Matrix=unknown)
    result = upscale(clip)
    assert same(result, upscale(clip, matrix=fits))
    assert dict(result.get_frame(0).props) == dict(clip.get_frame(0).props)


def test_guessing_can_be_forbidden() -> None:
    clip = natural_yuv(length=2)
    result = upscale(clip.std.RemoveFrameProps("_Matrix"), guess_matrix=False)
    with pytest.raises(vs.Error, match=r'^paragon\.Upscale: frame 1 does not say which matrix.*matrix="709"'):
        result.get_frame(1)
    assert same(upscale(clip, guess_matrix=False), upscale(clip))
    assert same(upscale(clip.std.RemoveFrameProps("_Matrix"), guess_matrix=False, matrix=1), upscale(clip))


@pytest.mark.parametrize("backend", ["ov", "onnxruntime"])
def test_properties_may_change_midway(backend: str) -> None:
    clip = natural_yuv(length=2)
    kinds = [{"_Matrix": 1}, {"_Matrix": 6, "_Range": 1}, {"_Matrix": 1, "_ChromaLocation": 1}, {"_Matrix": 2}]
    parts = [clip.std.SetFrameProps(**kind) for kind in kinds]
    result = upscale(vs.core.std.Splice(parts), backend=backend)
    for index, part in enumerate(parts):
        alone = upscale(part, backend=backend)
        assert same(result[2 * index : 2 * index + 2], alone, 1)
        assert dict(result.get_frame(2 * index + 1).props) == dict(alone.get_frame(1).props)


#: Properties with which a frame cannot be converted, and what is said of it.
IMPOSSIBLE = {
    "interlaced": ({"_FieldBased": 1}, "frame 2 is interlaced"),
    "rgb": ({"_Matrix": 0}, "frame 2 is YUV, but its property _Matrix says RGB"),
    "reserved": ({"_Matrix": 3}, "frame 2 has the property _Matrix=3"),
    "range": ({"_Range": 7}, "frame 2 has the property _Range=7"),
    "text": ({"_ChromaLocation": "left"}, "frame 2 has the property _ChromaLocation="),
    "transfer": ({"_Matrix": 14, "_Transfer": 1}, "the matrix ictcp cannot be converted with _Transfer=1"),
    "primaries": ({"_Matrix": 13, "_Transfer": 1, "_Primaries": 10}, "chromacl cannot be converted with _Primaries=10"),
}


@pytest.mark.parametrize(("properties", "text"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
@pytest.mark.parametrize("temporal", [0, 0.3])
def test_what_cannot_be_converted_fails_for_its_frames_alone(
    properties: dict[str, Any], text: str, temporal: float
) -> None:
    clip = natural_yuv(length=2)
    result = upscale(clip + clip.std.SetFrameProps(**properties), temporal=temporal)
    result.get_frame(0)
    with pytest.raises(vs.Error) as caught:
        result.get_frame(2)
    assert str(caught.value).startswith("paragon.Upscale: ")
    assert text in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_what_changes_no_pixel_does_no_harm() -> None:
    clip = natural_yuv(length=1)
    odd = clip.std.SetFrameProps(_Transfer=3, _Primaries=3)  # reserved
    assert same(upscale(odd), upscale(clip))
    assert upscale(odd).get_frame(0).props["_Transfer"] == 3


@settings(max_examples=40, deadline=None)
@given(
    properties=st.dictionaries(st.sampled_from(LABELS), st.integers(0, 14)),
    matrix=st.none() | st.sampled_from(sorted(YUV_MATRICES)),
    range_=st.none() | st.sampled_from([0, 1]),
    location=st.none() | st.sampled_from(sorted(CHROMA_LOCATIONS)),
)
def test_arguments_leave_nothing_to_properties(
    properties: dict[str, int], matrix: str | None, range_: int | None, location: str | None
) -> None:
    frame = vs.core.create_video_frame(vs.YUV420P8, 16, 16)
    arguments = read_arguments(vs.YUV, matrix=matrix, range_=range_, chroma_location=location, guess_matrix=True)
    if matrix is not None and range_ is not None and location is not None:
        bare = read_frame(0, frame, arguments)
        frame.props.update(properties)
        assert read_frame(0, frame, arguments) == bare
    for name, value in (("matrix", matrix), ("range", range_), ("chroma_location", location)):
        assert (getattr(arguments, name) is None) == (value is None)


SCRIPT = """
import vapoursynth as vs
core = vs.core
bare = core.std.BlankClip(format=vs.YUV444P8, width=64, height=48, length=1, color=[100, 118, 140])
cases = [
    (bare.std.SetFrameProps(_Matrix=1), {}),
    (bare.std.SetFrameProps(_Matrix=9), dict(matrix="709")),
    (bare, {}),
    (bare.std.SetFrameProps(_Matrix=10, _Transfer=14, _Primaries=9), {}),
    (bare.std.SetFrameProps(_Matrix=13, _Transfer=1, _Primaries=1), {}),
    (bare.std.SetFrameProps(_Matrix=14, _Transfer=16, _Primaries=9), {}),
    (bare.std.SetFrameProps(_Matrix=1, _Range=1), dict(range="limited")),
]
core.std.Splice([core.paragon.Upscale(clip, **how) for clip, how in cases]).set_output()
"""


def test_vspipe_writes_the_colours_that_were_there(tmp_path: Any) -> None:
    done = vspipe(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stderr
    frames = np.frombuffer(done.stdout, np.uint8).reshape(7, 3, 96, 128)[:, :, 30:-30, 30:-30].astype(int)
    assert (np.abs(frames - np.array([100, 118, 140])[:, None, None]) <= 1).all()


def test_vspipe_names_the_frame_that_changes(tmp_path: Any) -> None:
    script = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=1)
vs.core.paragon.Upscale(clip + clip.std.SetFieldBased(2)).set_output()
"""
    done = vspipe(tmp_path, script)
    assert done.returncode == 1
    first = done.stderr.decode().splitlines()[0]
    assert first.startswith(
        "Error: Failed to retrieve frame 1 with error: paragon.Upscale: frame 1 is interlaced (dein"
    )
