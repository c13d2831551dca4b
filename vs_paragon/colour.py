"""From whatever a clip holds to the 0..1 RGB (or grey) that the network takes, and back to the same format.

Conversions are those of VapourSynth's own resizer (zimg), by the format's own metadata: frame properties, or arguments
where these are missing. Both directions use the same description, so that what the network leaves alone comes back as
it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import vapoursynth as vs

from paragon_core.errors import InputError, UnsupportedFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names as in ``resize.Bicubic(matrix_s=...)`` and its siblings, with the numbers of H.273.
MATRICES: Final = {
    "rgb": 0,
    "709": 1,
    "unspec": 2,
    "fcc": 4,
    "470bg": 5,
    "170m": 6,
    "240m": 7,
    "ycgco": 8,
    "2020ncl": 9,
    "2020cl": 10,
    "chromancl": 12,
    "chromacl": 13,
    "ictcp": 14,
}
RANGES: Final = {"limited": 0, "full": 1}
CHROMA_LOCATIONS: Final = {"left": 0, "center": 1, "top_left": 2, "top": 3, "bottom_left": 4, "bottom": 5}

_RGB: Final = MATRICES["rgb"]
_UNSPECIFIED: Final = MATRICES["unspec"]

#: Largest width and height of standard definition; 576 lines tell the European kind.
_STANDARD_DEFINITION: Final = (1024, 576)

_DEEPEST: Final = 16

#: Properties that say how the samples are to be read; a conversion sets them.
_COLOUR_PROPERTIES: Final = ("_Matrix", "_Range", "_ChromaLocation")


@dataclass(frozen=True, kw_only=True)
class Colour:
    """How the samples of a clip are to be read, in numbers of H.273."""

    matrix: int
    """From YUV to RGB; 0 for RGB itself."""
    range: int
    """0 limited, 1 full."""
    chroma_location: int
    """Where chroma samples sit in subsampled formats."""


def describe(
    clip: vs.VideoNode,
    properties: Mapping[str, object],
    *,
    matrix: str | int | None,
    range_: str | int | None,
    chroma_location: str | int | None,
    guess_matrix: bool,
) -> Colour:
    """Find out how a clip is to be read: from the arguments, else from the properties of its first frame.

    A missing range is limited for YUV and grey and full for RGB, a missing chroma location is left, as everywhere in
    VapourSynth. A missing matrix is not guessed unless ``guess_matrix``: a wrong one changes every colour of the clip.

    Raises:
        InputError: an argument has no such value, or a YUV clip does not say its matrix.

    """
    family = clip.format.color_family
    chosen = _number("matrix", matrix, MATRICES, properties.get("_Matrix"))
    if family is not vs.YUV:
        chosen = _RGB
    elif chosen == _RGB:
        raise InputError("a YUV clip cannot have the matrix rgb", hint="leave matrix out, or name the clip's own")
    elif chosen in {None, _UNSPECIFIED}:
        if not guess_matrix:
            raise InputError(
                "the clip does not say which matrix its colours have (no frame property _Matrix)",
                hint='name it, for example matrix="709" (HD) or "170m" (DVD), or let guess_matrix=True go by the size',
            )
        chosen = _guess(clip.width, clip.height)
    default_range = RANGES["full" if family is vs.RGB else "limited"]
    range_number = _number("range", range_, RANGES, properties.get("_Range"))
    location = _number("chroma_loc", chroma_location, CHROMA_LOCATIONS, properties.get("_ChromaLocation"))
    return Colour(
        matrix=_UNSPECIFIED if chosen is None else chosen,
        range=default_range if range_number is None else range_number,
        chroma_location=CHROMA_LOCATIONS["left"] if location is None else location,
    )


def refuse_unsupported(clip: vs.VideoNode) -> None:
    """Check that a clip has one size and a format that can be enlarged.

    Raises:
        UnsupportedFormatError: otherwise.

    """
    if clip.format.color_family is vs.UNDEFINED or not clip.width or not clip.height:
        raise UnsupportedFormatError(
            "the clip changes its format or size on the way",
            hint="cut it into parts, or bring it to one with core.resize first",
        )
    if clip.format.sample_type is vs.INTEGER and clip.format.bits_per_sample > _DEEPEST:
        raise UnsupportedFormatError(
            f"{clip.format.name} is not supported", hint="integers of 8 to 16 bits, half and single floats are"
        )


def to_network(clip: vs.VideoNode, colour: Colour) -> vs.VideoNode:
    """Return a clip as RGBS, grey as GRAYS, both 0..1. Every frame is taken as a whole one, whatever it says."""
    grey = clip.format.color_family is vs.GRAY
    target = vs.GRAYS if grey else vs.RGBS
    if clip.format.id == target:
        return clip
    return clip.std.SetFieldBased(0).resize.Bicubic(
        format=target,
        # zimg wants to know a matrix even where no colour is converted.
        matrix_in=MATRICES["709"] if grey else colour.matrix,
        range_in=colour.range,
        **_location("chromaloc_in", clip.format, colour),
    )


def from_network(enlarged: vs.VideoNode, clip: vs.VideoNode, colour: Colour) -> vs.VideoNode:
    """Return the network's output in the format of ``clip``, with the properties of its frames."""
    converted = enlarged
    if clip.format.id != enlarged.format.id:
        grey = clip.format.color_family is vs.GRAY
        converted = enlarged.std.SetFieldBased(0).resize.Bicubic(
            format=clip.format.id,
            matrix_in=MATRICES["709"] if grey else _RGB,
            range_in=RANGES["full"],
            matrix=MATRICES["709"] if grey else colour.matrix,
            range=colour.range,
            **_location("chromaloc", clip.format, colour),
        )
    result = converted.std.CopyFrameProps(clip)
    if clip.format.color_family is not vs.YUV:
        return result
    return result.std.CopyFrameProps(converted, props=list(_COLOUR_PROPERTIES))


def _location(name: str, video_format: vs.VideoFormat, colour: Colour) -> dict[str, int]:
    subsampled = video_format.subsampling_w or video_format.subsampling_h
    return {name: colour.chroma_location} if subsampled else {}


def _guess(width: int, height: int) -> int:
    if width > _STANDARD_DEFINITION[0] or height > _STANDARD_DEFINITION[1]:
        return MATRICES["709"]
    return MATRICES["470bg" if height == _STANDARD_DEFINITION[1] else "170m"]


def _number(name: str, argument: str | int | None, names: Mapping[str, int], found: object) -> int | None:
    """Return the number of a name or a number; that of the frame property where the argument is missing."""
    if argument is None:
        return int(found) if isinstance(found, int) else None
    text = str(argument).strip().lower()  # 709 is a name as well, whichever way it was typed
    value = names.get(text, int(text) if text.isdecimal() else None)
    if value not in names.values():
        raise InputError(f"{name} cannot be {argument!r}", hint=f"choose one of {', '.join(names)}")
    return value
