"""How the samples of a frame are to be read: by the script's arguments, else by the frame's own properties.

Properties belong to frames, not to clips: they may change midway. So each frame is asked, and none before it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import vapoursynth as vs

from paragon_core.errors import InputError
from paragon_core.media.video.colour import guess_matrix

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

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

RGB: Final = MATRICES["rgb"]

#: The number of H.273 for what is not known, in matrices, transfers and primaries alike.
UNSPECIFIED: Final = 2

#: Frame properties, and the arguments that take their place.
_ARGUMENTS: Final[Mapping[str, tuple[str, Mapping[str, int]]]] = {
    "_Matrix": ("matrix", MATRICES),
    "_Range": ("range", RANGES),
    "_ChromaLocation": ("chroma_loc", CHROMA_LOCATIONS),
}

_INTERLACED: Final = (vs.FIELD_BOTTOM, vs.FIELD_TOP)

_2020: Final = 9  # primaries
_2020_10_BIT, _PQ, _HLG = 14, 16, 18  # transfers
_LINEAR: Final = 8

#: Transfers that zimg converts with where the matrix depends on them (all of them tried with R81).
_TRANSFERS: Final[Mapping[int, Container[int]]] = {
    MATRICES["2020cl"]: (1, 6, 7, _2020_10_BIT, 15),
    MATRICES["chromacl"]: {1, *range(4, 19)} - {_LINEAR},
    MATRICES["ictcp"]: (_PQ, _HLG),
}

#: Primaries from which zimg derives the matrices that are derived from primaries.
_PRIMARIES: Final[Mapping[int, Container[int]]] = dict.fromkeys(
    (MATRICES["chromancl"], MATRICES["chromacl"]), (1, 4, 5, 6, 7, 8, 9, 11, 12, 22)
)


@dataclass(frozen=True, kw_only=True)
class ColourArguments:
    """What a script says about the colours of a clip; it wins over frame properties."""

    matrix: int | None
    """From YUV to RGB, as a number of H.273; None for that of the frame."""
    range: int | None
    """0 limited, 1 full; None for that of the frame."""
    chroma_location: int | None
    """Where chroma samples are in subsampled formats; None for that of the frame."""
    guess_matrix: bool
    """Whether the size of a frame decides where nothing else says its matrix."""


@dataclass(frozen=True, kw_only=True)
class FrameColour:
    """How the samples of a frame are to be read, in numbers of H.273."""

    matrix: int
    """From YUV to RGB; 0 for RGB itself, 2 (unspecified) for grey."""
    range: int
    """0 limited, 1 full."""
    chroma_location: int
    """Where chroma samples are in subsampled formats."""
    transfer: int
    """The transfer function if the matrix depends on it, else 2."""
    primaries: int
    """The primaries if the matrix depends on them, else 2."""


def read_arguments(
    family: vs.ColorFamily,
    *,
    matrix: str | int | None,
    range_: str | int | None,
    chroma_location: str | int | None,
    guess_matrix: bool,
) -> ColourArguments:
    """Turn names and numbers into numbers.

    Raises:
        InputError: an argument has no such value, or the matrix does not suit the colour family.

    """
    number = _number("matrix", matrix, MATRICES)
    if family is vs.YUV and number == RGB:
        raise InputError("a YUV clip cannot have the matrix rgb", hint="leave matrix out, or name the clip's own")
    return ColourArguments(
        matrix=None if number == UNSPECIFIED else number,
        range=_number("range", range_, RANGES),
        chroma_location=_number("chroma_loc", chroma_location, CHROMA_LOCATIONS),
        guess_matrix=guess_matrix,
    )


def read_frame(n: int, frame: vs.VideoFrame, arguments: ColourArguments) -> FrameColour:
    """Find out how frame ``n`` is to be read.

    A missing range is limited for YUV and grey and full for RGB, a missing chroma location is left, as everywhere in
    VapourSynth.

    Raises:
        InputError: the frame is interlaced, its properties make no sense, or a matrix that must not be guessed is
            missing. The message names the frame.

    """
    properties = frame.props
    family = frame.format.color_family
    if properties.get("_FieldBased") in _INTERLACED:
        raise InputError(
            f"frame {n} is interlaced",
            hint="deinterlace the clip first; if only its label is wrong, clip.std.SetFieldBased(0) helps",
        )
    range_ = _chosen(n, arguments.range, properties, "_Range")
    location = None
    if frame.format.subsampling_w or frame.format.subsampling_h:
        location = _chosen(n, arguments.chroma_location, properties, "_ChromaLocation")
    matrix = UNSPECIFIED if family is vs.GRAY else RGB
    transfer = primaries = UNSPECIFIED
    if family is vs.YUV:
        matrix = _matrix(n, frame, arguments)
        transfer, primaries = _transfer_and_primaries(n, matrix, properties, guess=arguments.guess_matrix)
    return FrameColour(
        matrix=matrix,
        range=RANGES["full" if family is vs.RGB else "limited"] if range_ is None else range_,
        chroma_location=CHROMA_LOCATIONS["left"] if location is None else location,
        transfer=transfer,
        primaries=primaries,
    )


def _matrix(n: int, frame: vs.VideoFrame, arguments: ColourArguments) -> int:
    matrix = _chosen(n, arguments.matrix, frame.props, "_Matrix")
    if matrix == RGB:
        raise InputError(
            f"frame {n} is YUV, but its property _Matrix says RGB",
            hint='name the right one, for example matrix="709"',
        )
    if matrix is not None and matrix != UNSPECIFIED:
        return matrix
    if not arguments.guess_matrix:
        raise InputError(
            f"frame {n} does not say which matrix its colours have (no frame property _Matrix)",
            hint='name it, for example matrix="709" (HD) or "170m" (DVD), or leave guess_matrix at True',
        )
    return guess_matrix(frame.width, frame.height)


def _transfer_and_primaries(n: int, matrix: int, properties: Mapping[str, object], *, guess: bool) -> tuple[int, int]:
    """Return what a matrix depends on, where it does: nothing else may hang on properties that change no pixel."""
    transfer = primaries = UNSPECIFIED
    if matrix in _TRANSFERS:
        usual = _PQ if matrix == MATRICES["ictcp"] else _2020_10_BIT
        transfer = _needed(n, matrix, properties, "_Transfer", _TRANSFERS[matrix], usual=usual, guess=guess)
        primaries = _2020
    if matrix in _PRIMARIES:
        primaries = _needed(n, matrix, properties, "_Primaries", _PRIMARIES[matrix], usual=_2020, guess=guess)
    return transfer, primaries


def _needed(
    n: int,
    matrix: int,
    properties: Mapping[str, object],
    name: str,
    possible: Container[int],
    *,
    usual: int,
    guess: bool,
) -> int:
    """Return a property on which the matrix depends; the usual one where it is missing and may be guessed."""
    value = properties.get(name, UNSPECIFIED)
    title = next(title for title, number in MATRICES.items() if number == matrix)
    if value == UNSPECIFIED:
        if guess:
            return usual
        raise InputError(
            f"frame {n} does not have the property {name}, on which the matrix {title} depends",
            hint=f"set it, for example clip.std.SetFrameProps({name}={usual}), or leave guess_matrix at True",
        )
    if not isinstance(value, int) or value not in possible:
        raise InputError(
            f"frame {n}: the matrix {title} cannot be converted with {name}={_shown(value)}",
            hint=f"set the right one, for example clip.std.SetFrameProps({name}={usual}), or name another matrix",
        )
    return int(value)


def _chosen(n: int, argument: int | None, properties: Mapping[str, object], name: str) -> int | None:
    """Return the argument; where it is missing the property, and None if that is missing, too."""
    if argument is not None:
        return argument
    value = properties.get(name)
    if value is None:
        return None
    argument_name, names = _ARGUMENTS[name]
    if not isinstance(value, int) or value not in names.values():
        raise InputError(
            f"frame {n} has the property {name}={_shown(value)}, which cannot be converted",
            hint=f"name the right {argument_name}: one of {', '.join(names)}",
        )
    return int(value)


def _shown(value: object) -> str:
    return str(int(value)) if isinstance(value, int) else repr(value)


def _number(name: str, argument: str | int | None, names: Mapping[str, int]) -> int | None:
    """Return the number of a name or a number."""
    if argument is None:
        return None
    text = str(argument).strip().lower()  # 709 is a name as well, whichever way it was typed
    value = names.get(text, int(text) if text.isdecimal() else None)
    if value not in names.values():
        raise InputError(f"{name} cannot be {argument!r}", hint=f"choose one of {', '.join(names)}")
    return value
