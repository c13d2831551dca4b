"""The filter as a whole: formats, properties, accuracy, errors."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import vapoursynth as vs

import vs_paragon
from paragon_core.backends import BACKENDS as RUNTIMES
from paragon_core.upscaling.upscaler import Upscaler
from tests.vs_paragon.clips import clip_of, digest, digests, natural_clip, natural_yuv, planes_of

if TYPE_CHECKING:
    from collections.abc import Callable

BACKENDS = ("openvino", "onnxruntime", "ov", "ort")

FORMATS = (
    *(vs.YUV420P8, vs.YUV420P10, vs.YUV422P8, vs.YUV422P16, vs.YUV440P8, vs.YUV410P8, vs.YUV411P8),
    *(vs.YUV444P8, vs.YUV444P12, vs.YUV444P16, vs.YUV444PH, vs.YUV444PS, vs.YUV420PS),
    *(vs.GRAY8, vs.GRAY10, vs.GRAY16, vs.GRAYH, vs.GRAYS),
    *(vs.RGB24, vs.RGB30, vs.RGB48, vs.RGBH, vs.RGBS),
)

#: Peaks of 8-bit samples; others scale with them.
_PEAK = 255


def upscale(clip: vs.VideoNode, **arguments: Any) -> vs.VideoNode:
    """Call the filter in fp32, unless told otherwise: what "auto" computes in depends on the processor."""
    return vs.core.paragon.Upscale(clip, **({"precision": "fp32"} | arguments))


def named(format_id: int) -> str:
    return str(vs.core.get_video_format(format_id).name)


def in_format(format_id: int, **size: int) -> vs.VideoNode:
    if vs.core.get_video_format(format_id).color_family is vs.RGB:
        return natural_clip(**size).resize.Bicubic(format=format_id)
    return natural_yuv(format_id, **size)


def eight_bit(clip: vs.VideoNode, n: int = 0) -> list[Any]:
    """Return the planes of a frame in units of 8-bit levels."""
    bits = clip.format.bits_per_sample
    unit = _PEAK if clip.format.sample_type is vs.FLOAT else 1 / 2 ** (bits - 8)
    return [plane.astype(np.float64) * unit for plane in planes_of(clip, n)]


def tolerance(video_format: vs.VideoFormat) -> float:
    """Return how far the same values may lie apart after rounding in turns that differ, in 8-bit levels."""
    if video_format.sample_type is vs.FLOAT:
        return 0.5 if video_format.bits_per_sample == 16 else 0.01
    return 1


def largest_difference(first: vs.VideoNode, second: vs.VideoNode, n: int = 0) -> float:
    pairs = zip(eight_bit(first, n), eight_bit(second, n), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("format_id", FORMATS, ids=named)
def test_same_format_comes_back_larger(format_id: int) -> None:
    clip = in_format(format_id).std.AssumeFPS(fpsnum=24000, fpsden=1001)
    for backend in ("onnxruntime", "ov"):
        result = upscale(clip, backend=backend)
        assert result.format.id == format_id
        assert (result.width, result.height) == (2 * clip.width, 2 * clip.height)
        assert (result.num_frames, result.fps) == (clip.num_frames, clip.fps)
        assert dict(result.get_frame(1).props) == dict(clip.get_frame(1).props)


@pytest.mark.processor
@pytest.mark.parametrize("format_id", FORMATS, ids=named)
def test_content_is_the_networks(format_id: int) -> None:
    clip = in_format(format_id)
    result = upscale(clip, backend="openvino")
    if clip.format.color_family is vs.GRAY:
        shown = clip.resize.Bicubic(format=vs.GRAYS)
        back: dict[str, Any] = {"range": 0}
    else:
        shown = clip.resize.Bicubic(format=vs.RGBS)
        back = {} if clip.format.color_family is vs.RGB else {"matrix_s": "709"}
    with Upscaler("realtime-2x", backend="openvino", precision="fp32", clip=False) as upscaler:
        upscaled = upscaler(np.stack(planes_of(shown), axis=-1))
    network = clip_of([list(np.moveaxis(upscaled, -1, 0))], shown.format.id)
    wanted = network if shown.format.id == format_id else network.resize.Bicubic(format=format_id, **back)
    assert largest_difference(result, wanted) <= tolerance(clip.format)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("format_id", [vs.YUV420P8, vs.YUV444P16, vs.GRAY8, vs.RGB24], ids=named)
def test_all_ways_give_the_same_pixels(backend: str, format_id: int) -> None:
    clip = in_format(format_id)
    result, wanted = (upscale(clip, backend=each) for each in (backend, "openvino"))
    for n in (0, clip.num_frames - 1):
        assert largest_difference(result, wanted, n) <= 1


@pytest.mark.parametrize("backend", ["openvino", "ov", "ort"])
@pytest.mark.parametrize("tile", [40, [48, 36], [0]])
def test_tiles_change_nothing(backend: str, tile: int | list[int]) -> None:
    clip = natural_clip(length=2)
    tiles = upscale(clip, backend=backend, tile=tile)
    assert largest_difference(tiles, upscale(clip, backend=backend)) < 0.01


@pytest.mark.processor
@pytest.mark.parametrize("backend", ["openvino", "ov"])
def test_the_precision_that_auto_takes_is_close_to_fp32(backend: str) -> None:
    clip = natural_yuv()
    automatic, exact = (upscale(clip, backend=backend, precision=precision) for precision in ("auto", "fp32"))
    # "auto" takes what is off by a level at most, here on the image that it tries; another one comes from rounding.
    assert largest_difference(automatic, exact) <= 2


def test_auto_is_the_kernel_or_else_a_plugin() -> None:
    clip = natural_yuv()
    automatic = upscale(clip)
    chosen = upscale(clip, backend="native" if RUNTIMES["native"].probe().available else "ov")
    assert digests(automatic, [2]) == digests(chosen, [2])


# --- frame accuracy ---------------------------------------------------------------------------------------------------

WAYS: dict[str, dict[str, Any]] = {
    "openvino": {"backend": "openvino"},
    "ort": {"backend": "ort"},
    "temporal": {"temporal": 0.4},
    "temporal through Python": {"temporal": 0.4, "backend": "onnxruntime", "num_streams": 3},
    "reuse": {"reuse": True},
    "reuse and temporal": {"reuse": True, "temporal": 0.4},
}


@pytest.mark.parametrize("arguments", WAYS.values(), ids=WAYS.keys())
def test_a_frame_depends_on_the_clip_alone(arguments: dict[str, Any]) -> None:
    clip = natural_yuv(length=8)
    clip = clip + clip.std.Invert()  # with a cut

    def upscaled(source: vs.VideoNode) -> vs.VideoNode:
        return upscale(source, **arguments)

    linear = list(digests(upscaled(clip), range(clip.num_frames)).values())
    order = random.Random(0).sample(range(clip.num_frames), clip.num_frames)  # noqa: S311 - no secret
    assert digests(upscaled(clip), order) == dict(enumerate(linear))
    in_flight = [frame.result() for frame in [upscaled(clip).get_frame_async(n) for n in order]]
    assert len(in_flight) == len(order)
    assert digests(upscaled(clip)[5:11], range(6)) == dict(enumerate(linear[5:11]))
    assert digests(upscaled(clip).std.SelectEvery(5, [1, 3]), [4]) == {4: linear[11]}
    assert digests(upscaled(clip).std.Reverse(), [0]) == {0: linear[-1]}


@pytest.mark.parametrize("backend", ["openvino", "ov"])
def test_trimming_before_the_filter_changes_nothing(backend: str) -> None:
    clip = natural_yuv()
    whole = upscale(clip, backend=backend)
    assert digest(upscale(clip[3:], backend=backend), 0) == digest(whole, 3)


@pytest.mark.parametrize("arguments", WAYS.values(), ids=WAYS.keys())
def test_eight_threads_hammering_get_the_same_frames(arguments: dict[str, Any]) -> None:
    clip = natural_yuv(length=4)
    wanted = digests(upscale(clip, **arguments), range(4))
    hammered = upscale(clip, **arguments)
    hammered.std.SetVideoCache(mode=0)
    before = vs.core.num_threads
    vs.core.num_threads = 8
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda job: (job % 4, digest(hammered, job % 4)), range(32)))
    finally:
        vs.core.num_threads = before
    assert all(wanted[n] == pixels for n, pixels in found)


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["openvino", "ov"])
def test_properties_come_through(backend: str) -> None:
    clip = natural_yuv(vs.YUV420P10).std.SetFrameProps(
        _Matrix=9,
        _Range=1,
        _ChromaLocation=2,
        _Transfer=16,
        _Primaries=9,
        _FieldBased=0,
        _SARNum=4,
        _SARDen=3,
        _DurationNum=1,
        _DurationDen=50,
        MasteringDisplayMaxLuminance=1000.0,
        MasteringDisplayPrimariesX=[0.1, 0.2, 0.3],
        ContentLightLevelMax=900,
        _PictType="B",
    )
    result = upscale(clip, backend=backend)
    assert dict(result.get_frame(2).props) == dict(clip.get_frame(2).props)


def test_arguments_stand_in_for_missing_properties() -> None:
    bare = natural_yuv().std.RemoveFrameProps(["_Matrix", "_Range", "_ChromaLocation"])
    result = upscale(bare, matrix="170m", range="full", chroma_loc="top_left")
    properties = result.get_frame(0).props
    assert (properties["_Matrix"], properties["_Range"], properties["_ChromaLocation"]) == (6, 1, 2)
    same = upscale(bare, matrix=vs.MATRIX_ST170_M, range=1, chroma_loc=vs.CHROMA_TOP_LEFT)
    assert digests(same, [0]) == digests(result, [0])


@pytest.mark.parametrize("location", ["left", "center", "top_left", "top", "bottom_left", "bottom"])
def test_chroma_stays_where_it_sits(location: str) -> None:
    ramp = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32), (48, 1))
    grey = np.full_like(ramp, 0.5)
    image = clip_of([[ramp, grey, ramp.max() - ramp + 0.2]], vs.RGBS)
    stored = {"format": vs.YUV420P16, "matrix_s": "709", "chromaloc_s": location}
    clip = image.resize.Bicubic(**stored)
    large = np.tile(np.interp(np.arange(128) / 2 - 0.25, np.arange(64), ramp[0]).astype(np.float32), (96, 1))
    wanted = clip_of([[large, np.full_like(large, 0.5), large.max() - large + 0.2]], vs.RGBS).resize.Bicubic(**stored)
    result = upscale(clip, backend="ov")
    for got, expected in zip(eight_bit(result), eight_bit(wanted), strict=True):
        assert np.abs(got - expected)[12:-12, 12:-12].max() <= 0.75


# --- what goes wrong --------------------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[], vs.VideoNode], dict[str, Any], str]] = {
    "no such matrix": (natural_yuv, {"matrix": "710"}, "choose one of rgb, 709"),
    "rgb matrix": (natural_yuv, {"matrix": "rgb"}, "cannot have the matrix rgb"),
    "no such range": (natural_yuv, {"range": 3}, "choose one of limited, full"),
    "no such location": (natural_yuv, {"chroma_loc": "middle"}, "top_left"),
    "model": (natural_yuv, {"model": "best-ever"}, "realtime-2x"),
    "scale": (natural_yuv, {"model": "realtime-2x", "scale": 4}, "leave scale out"),
    "no model for the scale": (natural_yuv, {"scale": 7}, "realtime-4x"),
    "backend": (natural_yuv, {"backend": "abacus"}, "openvino"),
    "precision": (natural_yuv, {"precision": "fp5"}, "fp32"),
    "precision of a plugin": (natural_yuv, {"precision": "fp5", "backend": "ov"}, "fp32"),
    "half in ort": (natural_yuv, {"precision": "fp16", "backend": "ort"}, 'backend="onnxruntime"'),
    "device": (natural_yuv, {"device": "tpu:0", "backend": "ort"}, "cuda"),
    "tile": (natural_yuv, {"tile": [1, 2, 3]}, "width and height"),
    "negative tile": (natural_yuv, {"tile": -5}, "width and height"),
    "small tile": (natural_yuv, {"tile": 9}, "at least"),
    "small tile in Python": (natural_yuv, {"tile": 9, "backend": "onnxruntime"}, "at least"),
    "small tile in a plugin": (natural_yuv, {"tile": 9, "backend": "ov"}, "at least"),
    "streams": (natural_yuv, {"num_streams": 0}, "leave it out"),
    "streams of a plugin": (natural_yuv, {"num_streams": -1, "backend": "ov"}, "leave it out"),
    "too many streams": (natural_yuv, {"num_streams": 10_000}, "num_streams must be 1 to "),
    "temporal": (natural_yuv, {"temporal": 0.95}, "0.9"),
    "reuse in a plugin": (natural_yuv, {"reuse": True, "backend": "ov"}, "leave backend out"),
    "32 bits": (lambda: vs.core.std.BlankClip(format=vs.GRAY32, width=16, height=16), {}, "8 to 16 bits"),
    "sizes": (
        lambda: vs.core.std.Splice([natural_yuv(), natural_yuv(width=40)], mismatch=True),
        {},
        "changes its format or size",
    ),
    "formats": (
        lambda: vs.core.std.Splice([natural_yuv(), natural_clip()], mismatch=True),
        {},
        "changes its format or size",
    ),
}


@pytest.mark.parametrize(("clip", "arguments", "part"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_told_when_the_script_is_read(
    clip: Callable[[], vs.VideoNode], arguments: dict[str, Any], part: str
) -> None:
    for function in (vs.core.paragon.Upscale, vs_paragon.upscale):
        with pytest.raises(vs.Error) as caught:
            function(clip(), **arguments)
        text = str(caught.value)
        assert text.startswith("paragon.Upscale: ")
        assert text.count("paragon.Upscale") == 1
        assert part in text
        assert "Traceback" not in text


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("format_id", [vs.RGBS, vs.GRAYS, vs.YUV444PH], ids=named)
def test_nan_is_told_not_shown(backend: str, format_id: int) -> None:
    clip = in_format(format_id)

    def spoil(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        if n == 3:
            np.asarray(frame[0])[5, 5] = np.nan
        return frame

    result = upscale(clip.std.ModifyFrame(clip, spoil), backend=backend)
    result.get_frame(0)
    with pytest.raises(vs.Error, match="not numbers") as caught:
        result.get_frame(3)
    assert "Traceback" not in str(caught.value)


def test_a_larger_scale() -> None:
    clip = natural_yuv()
    result = upscale(clip, scale=4)
    assert (result.width, result.height) == (4 * clip.width, 4 * clip.height)
    assert digests(result, [1]) == digests(upscale(clip, model="realtime-4x"), [1])
