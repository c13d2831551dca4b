"""The filter: checks what it was given and lays out the graph."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, cast

import vapoursynth as vs
import vsutil

from paragon_core.errors import InputError, ParagonError
from paragon_core.models.model import load
from paragon_core.upscaling import temporal as smoothing_rules
from paragon_core.upscaling.precision import FLOAT_BITS
from vs_paragon import alpha, arguments, colour, conversion, finite, frames, mlrt, runtime_choice, smoothing
from vs_paragon.frame_choice import choose_by_frame
from vs_paragon.messages import describe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paragon_core.models.model import Model
    from paragon_core.upscaling.options import PaddingChoice, PrecisionChoice


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
    guess_matrix: bool = True,  # noqa: FBT001, FBT002 - scripts give all arguments of filters by position, too
    upsampler_alpha: float | None = None,
    temporal: float = 0.0,
    reuse: bool = False,  # noqa: FBT001, FBT002
    device: str = "auto",
    padding: str = "auto",
) -> vs.VideoNode:
    """Upscale a clip; the same as ``core.paragon.Upscale``.

    Colours go through the network as RGB, grey clips as luma, and the transparency in the frame property ``_Alpha``
    as a plane of its own. Frame n depends on the clip alone: seeking and trimming change no pixel.

    Args:
        clip: YUV with any subsampling, grey or RGB; integers of 8 to 16 bits, half or single floats; one format and
            one size.
        model: name of a bundled model, or path of a checkpoint; by default realtime-2x, or the one for ``scale``.
        scale: 2 or another; chooses the bundled realtime model, or checks what ``model`` makes.
        backend: "auto" (vs-mlrt's plugin for the fastest runtime where it is installed and can do what is asked, else
            the fastest of the following), "tensorrt", "openvino", "onnxruntime", "torch" (frames pass through Python),
            or the namespace of a vs-mlrt plugin: "ov", "ort", "trt_rtx", "trt". The latter two get engines from
            Paragon's cache, and are used where they have the same TensorRT as Paragon.
        precision: "fp32", "fp16", "bf16", or "auto" (fp32 unless a faster one was measured to give the same to
            the depth of the clip).
        tile: size of a tile in pixels of the clip, one number or width and height; 0 for the whole frame. Tiles
            overlap by as much as the network looks around, so that they give the same pixels.
        num_streams: frames computed at once, 1 to 32 or the number of cores; by default one for each core.
        matrix: of a YUV clip, as in ``resize.Bicubic(matrix_s=...)`` or its number; by default the property of each
            frame. This and the following two win over frame properties, and the result is labelled as they say.
        range: "limited" or "full"; by default the frame property, else limited for YUV and grey, full for RGB.
        chroma_loc: where chroma is, as in ``resize.Bicubic(chromaloc_s=...)``; by default the frame property.
        guess_matrix: where neither ``matrix`` nor the property says it, convert with the matrix that is usual for the
            size of the frame, in both directions, and leave the result without label; False makes it an error.
        upsampler_alpha: of a checkpoint that does not say it; above 0 it softens the image. Official models want 0.
        temporal: 0 to 0.9; smooths the detail over time. The upstream's video mode has 0.2.
        reuse: compute only what changed since the frame before; the pixels are the same. For screen recordings and
            cartoons; frames pass through Python.
        device: "cpu", "gpu", or the runtime's name of a device, such as "cuda:1".
        padding: what the network sees beyond the border of a frame: "zero" as the author's network, "edge",
            "symmetric", "wrap" (for textures without a seam); "auto" is "symmetric", but "zero" for photo and pro.

    Returns:
        A clip of the same family, subsampling, depth, length and frame rate, ``scale`` times as wide and high.

    Raises:
        vapoursynth.Error: "paragon.Upscale: <what> (<hint>)" for anything that cannot be done. What only a frame can
            tell, such as that it is interlaced, is an error of that frame.

    """
    try:
        arguments.check_clip(clip)
        strength = arguments.number("temporal", temporal)
        smoothing_rules.check_strength(strength)
        colours = colour.read_arguments(
            clip.format.color_family,
            matrix=matrix,
            range_=range,
            chroma_location=chroma_loc,
            guess_matrix=arguments.switch("guess_matrix", guess_matrix),
        )
        streams = arguments.streams(num_streams)
        settings = frames.Settings(
            model=_load(model, scale, upsampler_alpha),
            backend=arguments.name("backend", backend),
            precision=cast("PrecisionChoice", arguments.name("precision", precision)),
            tile=arguments.tile(tile),
            padding=cast("PaddingChoice", arguments.name("padding", padding)),
            streams=streams,
            reuse=arguments.switch("reuse", reuse),
            device=arguments.name("device", device),
            bits=vsutil.get_depth(clip) if clip.format.sample_type is vs.INTEGER else FLOAT_BITS,
        )
        settings = runtime_choice.suited(settings, (clip.width, clip.height))
        return _upscaled(clip, settings, colours, strength)
    except (ParagonError, vs.Error) as error:
        raise vs.Error(describe(error)) from None


def _upscaled(
    clip: vs.VideoNode, settings: frames.Settings, colours: colour.ColourArguments, strength: float
) -> vs.VideoNode:
    """Lay out the graph. No frame is requested: programs may have none yet, or only a dummy."""
    source = conversion.to_network(clip, colours)
    clips = [source, smoothing.smoothed(source, strength)] if strength else [source]
    plugin = runtime_choice.plugin_for(settings, (clip.width, clip.height))
    if plugin:
        if clip.format.sample_type is vs.FLOAT:
            clips = [finite.required(each) for each in clips]
        network = mlrt.upscaled(clips, settings, plugin)
    else:
        frames.check_tile(settings, (clip.width, clip.height))
        is_integer = clip.format.sample_type is vs.INTEGER
        network = frames.upscaled(clips, mlrt.python_upscaler(settings), bits=settings.bits, finite=is_integer)
    alpha_upscaler = cache(partial(mlrt.python_upscaler, settings))

    @cache
    def opaque(found: colour.FrameColour) -> vs.VideoNode:
        return conversion.from_network(network, clip, found, colours)

    @cache
    def transparent(found: colour.FrameColour) -> vs.VideoNode:
        return alpha.with_upscaled_alpha(opaque(found), clip, alpha_upscaler())

    def choose(n: int, frame: vs.VideoFrame) -> vs.VideoNode:
        found = colour.read_frame(n, frame, colours)
        return transparent(found) if alpha.PROPERTY in frame.props else opaque(found)

    template = clip.std.BlankClip(width=network.width, height=network.height, keep=True)
    return choose_by_frame(template, clip, choose)


def _load(model: str | Path | None, scale: int | None, upsampler_alpha: float | None) -> Model:
    wanted = None if scale is None else arguments.whole_number("scale", scale)
    strength = None if upsampler_alpha is None else arguments.number("upsampler_alpha", upsampler_alpha)
    named = arguments.model(model)
    chosen = load(f"realtime-{wanted or 2}x" if named is None else named, upsampler_alpha=strength)
    if wanted is not None and chosen.spec.scale != wanted:
        raise InputError(
            f"{chosen.name} upscales {chosen.spec.scale} times, not {wanted} times",
            hint="leave scale out, or choose another model",
        )
    return chosen
