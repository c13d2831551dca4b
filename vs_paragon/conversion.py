"""From whatever a clip holds to the 0..1 RGB (or grey) that the network takes, and back to the same format.

Conversions are those of VapourSynth's own resizer (zimg). To that, frame properties count more than arguments: so each
frame is labelled first with what it is to be read as. Both directions use the same description, so that what the
network leaves alone comes back as it was.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import vapoursynth as vs
import vsutil

from vs_paragon.colour import RANGES, RGB, read_frame
from vs_paragon.frame_choice import choose_by_frame

if TYPE_CHECKING:
    from vs_paragon.colour import ColourArguments, FrameColour

_SINGLE: Final = 32


def to_network(clip: vs.VideoNode, arguments: ColourArguments) -> vs.VideoNode:
    """Return a clip as RGBS, grey as GRAYS, both 0..1, each frame read as its properties and the arguments say."""
    target = vs.GRAYS if clip.format.color_family is vs.GRAY else vs.RGBS
    if clip.format.id == target:
        return clip

    @cache
    def converted(colour: FrameColour) -> vs.VideoNode:
        labelled = clip.std.SetFrameProps(
            _FieldBased=vs.FIELD_PROGRESSIVE,
            _Matrix=colour.matrix,
            _Range=colour.range,
            _ChromaLocation=colour.chroma_location,
            _Transfer=colour.transfer,
            _Primaries=colour.primaries,
        )
        if clip.format.color_family is vs.YUV:
            return labelled.resize.Bicubic(format=target)
        return vsutil.depth(labelled, _SINGLE)

    def choose(n: int, frame: vs.VideoFrame) -> vs.VideoNode:
        return converted(read_frame(n, frame, arguments))

    return choose_by_frame(clip.std.BlankClip(format=target, keep=True), clip, choose)


def from_network(
    upscaled: vs.VideoNode, clip: vs.VideoNode, colour: FrameColour, arguments: ColourArguments
) -> vs.VideoNode:
    """Return the network's output in the format of ``clip``, with the properties of its frames.

    Frames keep their labels, also where there are none; those that the arguments name are set.
    """
    converted = upscaled
    video_format = clip.format
    if video_format.id != upscaled.format.id:
        if video_format.color_family is vs.YUV:
            labelled = upscaled.std.SetFrameProps(
                _Matrix=RGB, _Range=RANGES["full"], _Transfer=colour.transfer, _Primaries=colour.primaries
            )
            location = {"chromaloc": colour.chroma_location} if is_subsampled(clip) else {}
            converted = labelled.resize.Bicubic(
                format=video_format.id, matrix=colour.matrix, range=colour.range, **location
            )
        else:
            # Not dithered: what is even stays even.
            converted = vsutil.depth(
                upscaled,
                vsutil.get_depth(clip),
                video_format.sample_type,
                range=colour.range,
                dither_type=vsutil.Dither.NONE,
            )
    return converted.std.CopyFrameProps(_as_named(clip, arguments))


def is_subsampled(clip: vs.VideoNode) -> bool:
    """Return whether chroma has fewer samples than luma."""
    # Not vsutil.get_subsampling, which knows six kinds and refuses others that VapourSynth has.
    return bool(vsutil.get_plane_size(clip, 1) != vsutil.get_plane_size(clip, 0))


def _as_named(clip: vs.VideoNode, arguments: ColourArguments) -> vs.VideoNode:
    """Return a clip with the labels that the arguments name, as far as they make sense for its format."""
    labels = {"_Range": arguments.range}
    if clip.format.color_family is not vs.RGB:
        labels["_Matrix"] = arguments.matrix
    if is_subsampled(clip):
        labels["_ChromaLocation"] = arguments.chroma_location
    named = {name: number for name, number in labels.items() if number is not None}
    return clip.std.SetFrameProps(**named) if named else clip
