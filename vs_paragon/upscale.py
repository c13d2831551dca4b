"""The filter: checks what it was given and lays out the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vapoursynth as vs

from paragon_core import temporal as smoothing_rules
from paragon_core.errors import InputError, ParagonError
from paragon_core.model import load
from paragon_core.precision import FLOAT_BITS
from vs_paragon import alpha, colour, frames, native, smoothing
from vs_paragon.messages import describe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paragon_core.model import Model

_INTERLACED = (vs.FIELD_BOTTOM, vs.FIELD_TOP)


def upscale(  # noqa: PLR0917 - so may those of every filter
    clip: vs.VideoNode,
    model: str | Path | None = None,
    scale: int | None = None,
    backend: str = "auto",
    precision: str = "auto",
    tile: int | Sequence[int] | None = None,
    num_streams: int | None = None,
    matrix: str | int | None = None,
    range: str | int | None = None,  # noqa: A002 - VapourSynth's own name for it
    chroma_loc: str | int | None = None,
    guess_matrix: bool = False,  # noqa: FBT001, FBT002 - scripts give all arguments of filters by position, too
    upsampler_alpha: float | None = None,
    temporal: float = 0.0,
    reuse: bool = False,  # noqa: FBT001, FBT002
    device: str = "auto",
    padding: str = "auto",
) -> vs.VideoNode:
    """Enlarge a clip; the same as ``core.paragon.Upscale``.

    Colours go through the network as RGB, grey clips as luma, and the transparency in the frame property ``_Alpha``
    as a plane of its own. Frame n depends on the clip alone: seeking and trimming change no pixel.

    Args:
        clip: YUV with any subsampling, grey or RGB; integers of 8 to 16 bits, half or single floats; one format and
            one size.
        model: name of a boxed model, or path of a checkpoint; by default realtime-2x, or the one for ``scale``.
        scale: 2 or another; chooses the boxed realtime model, or checks what ``model`` makes.
        backend: "auto" (vs-mlrt's plugin for the fastest runtime where it is installed and can do what is asked, else
            the fastest of the following), "tensorrt", "openvino", "onnxruntime", "torch" (frames pass through Python),
            or the namespace of a vs-mlrt plugin: "ov", "ort", "trt_rtx", "trt". The latter two get engines from
            Paragon's cache, and are used where they have the same TensorRT as Paragon.
        precision: "fp32", "fp16", "bf16", or "auto" (fp32 unless a faster one was measured to give the same to
            the depth of the clip).
        tile: size of a window in pixels of the clip, one number or width and height; 0 for the whole frame. Windows
            overlap by as much as the network looks around, so that they give the same pixels.
        num_streams: frames computed at once; by default one for each core.
        matrix: of a YUV clip, as in ``resize.Bicubic(matrix_s=...)`` or its number; by default the frame property.
        range: "limited" or "full"; by default the frame property, else limited for YUV and grey, full for RGB.
        chroma_loc: where chroma sits, as in ``resize.Bicubic(chromaloc_s=...)``; by default the frame property.
        guess_matrix: go by the size of the frame where neither ``matrix`` nor the property says it.
        upsampler_alpha: of a checkpoint that does not say it; above 0 it softens the picture. Official models want 0.
        temporal: 0 to 0.9; smooths the detail over time. The upstream's video mode has 0.2.
        reuse: compute only what changed since the frame before; the pixels are the same. For screen recordings and
            cartoons; frames pass through Python.
        device: the runtime's name of a device, such as "cpu" or "cuda:1".
        padding: what the network sees beyond the border of a frame: "zero" as the author's network, "edge",
            "symmetric", "wrap" (for textures without a seam); "auto" is "symmetric", but "zero" for photo and pro.

    Returns:
        A clip of the same family, subsampling, depth, length and frame rate, ``scale`` times as wide and high.

    Raises:
        vapoursynth.Error: "paragon.Upscale: <what> (<hint>)" for anything that cannot be done.

    """
    try:
        colour.refuse_unsupported(clip)
        smoothing_rules.check_strength(temporal)
        if num_streams is not None and num_streams < 1:
            raise InputError(f"num_streams must be at least 1, not {num_streams}", hint="leave it out for one a core")
        chosen = _load(model, scale, upsampler_alpha)
        with clip.get_frame(0) as first:
            properties = dict(first.props)
        _refuse_interlaced(properties)
        description = colour.describe(
            clip,
            properties,
            matrix=matrix,
            range_=range,
            chroma_location=chroma_loc,
            guess_matrix=guess_matrix,
        )
        settings = frames.Settings(
            model=chosen,
            backend=backend,
            precision=precision,
            tile=_tile(tile),
            padding=padding,
            streams=num_streams,
            reuse=bool(reuse),
            device=device,
            bits=clip.format.bits_per_sample if clip.format.sample_type is vs.INTEGER else FLOAT_BITS,
        )
        source = colour.to_network(clip, description)
        clips = [source, smoothing.smoothed(source, temporal)] if temporal else [source]
        plugin = native.plugin_for(settings, (clip.width, clip.height))
        if plugin:
            if clip.format.sample_type is vs.FLOAT:
                clips = [native.numbers_only(each) for each in clips]
            enlarged = native.enlarged(clips, settings, plugin)
        else:
            enlarged = frames.enlarged(clips, settings)
        result = colour.from_network(enlarged, clip, description)
        if alpha.PROPERTY in properties:
            result = alpha.with_enlarged_alpha(result, clip, settings)
    except ParagonError as error:
        raise vs.Error(describe(error)) from None
    return result


def _load(model: str | Path | None, scale: int | None, upsampler_alpha: float | None) -> Model:
    chosen = load(f"realtime-{scale or 2}x" if model is None else model, upsampler_alpha=upsampler_alpha)
    if scale is not None and chosen.spec.scale != scale:
        raise InputError(
            f"{chosen.name} enlarges {chosen.spec.scale} times, not {scale} times",
            hint="leave scale out, or choose another model",
        )
    return chosen


def _tile(tile: int | Sequence[int] | None) -> Any:  # noqa: ANN401 - what Upscaler takes
    sizes = [] if tile is None else [tile] if isinstance(tile, int) else list(tile)
    if sizes == [0]:
        return "off"
    if len(sizes) > 2 or any(size < 1 for size in sizes):  # noqa: PLR2004 - width and height
        raise InputError(f"tile cannot be {tile}", hint="give one size, width and height, or 0 for the whole frame")
    return "auto" if not sizes else sizes[0] if len(sizes) == 1 else tuple(sizes)


def _refuse_interlaced(properties: dict[str, Any]) -> None:
    if properties.get("_FieldBased") in _INTERLACED:
        raise InputError(
            "the clip is interlaced",
            hint="deinterlace it first; if its frames are whole and only marked so, clip.std.SetFieldBased(0) helps",
        )
