"""Arguments of the filter: their types and bounds are checked before anything is made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import vapoursynth as vs
import vsutil

from paragon_core.cores import usable_cores
from paragon_core.errors import InputError, UnsupportedFormatError

#: More frames at once than this, or than there are cores, only cost memory: no graphics card gains from them, either.
_MOST_STREAMS: Final = 32

#: Bits of the deepest integers.
_DEEPEST: Final = 16


def check_clip(clip: object) -> None:
    """Check that something is a clip of one size, in a format that can be upscaled.

    Raises:
        InputError: it is no video clip.
        UnsupportedFormatError: it is one of another kind.

    """
    if not isinstance(clip, vs.VideoNode):
        hint = "pass what a source filter returns, for example core.bs.VideoSource(path)"
        raise InputError(f"clip must be a video clip, not {_kind(clip)}", hint=hint)
    # Not vsutil.disallow_variable_format: in its time such clips had no format, now they have an undefined one.
    if clip.format.color_family is vs.UNDEFINED or not clip.width or not clip.height:
        raise UnsupportedFormatError(
            "the clip changes its format or size on the way",
            hint="cut it into parts, or bring it to one with core.resize first",
        )
    if clip.format.sample_type is vs.INTEGER and vsutil.get_depth(clip) > _DEEPEST:
        raise UnsupportedFormatError(
            f"{clip.format.name} is not supported", hint="integers of 8 to 16 bits, half and single floats are"
        )


def model(value: object) -> str | Path | None:
    """Return the name or the path of a model; None for the default.

    Raises:
        InputError: it is neither.

    """
    if value is None or isinstance(value, str | Path):
        return value
    raise InputError(f"model must be a name or a path, not {_kind(value)}", hint="paragon models lists the names")


def name(argument: str, value: object) -> str:
    """Return the name of a device, a backend or a precision in lower case.

    Raises:
        InputError: it is no text.

    """
    if not isinstance(value, str):
        raise InputError(f"{argument} must be a name, not {_kind(value)}", hint='leave it out, which means "auto"')
    return value.strip().lower()


def whole_number(argument: str, value: object) -> int:
    """Return a number without fraction.

    Raises:
        InputError: it is something else.

    """
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise InputError(f"{argument} must be a whole number, not {_kind(value)}", hint="leave it out for the default")


def number(argument: str, value: object) -> float:
    """Return a number.

    Raises:
        InputError: it is something else.

    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise InputError(f"{argument} must be a number, not {_kind(value)}", hint="leave it out for the default")


def switch(argument: str, value: object) -> bool:
    """Return True or False; VapourSynth's own filters take 1 and 0.

    Raises:
        InputError: it is something else.

    """
    if value not in {0, 1} if isinstance(value, int | float) else True:
        raise InputError(f"{argument} must be True or False, not {_kind(value)}", hint="leave it out for the default")
    return bool(value)


def streams(value: object) -> int | None:
    """Return the number of frames computed at once; None for the default.

    Raises:
        InputError: it is no whole number, or out of bounds.

    """
    if value is None:
        return None
    count = whole_number("num_streams", value)
    most = max(_MOST_STREAMS, usable_cores())
    if not 1 <= count <= most:
        raise InputError(f"num_streams must be 1 to {most}, not {count}", hint="leave it out for one a core")
    return count


def tile(value: object) -> Any:  # noqa: ANN401 - what Upscaler takes
    """Return "auto", "off", a size or a pair of sizes.

    Raises:
        InputError: it is nothing of this.

    """
    sizes: list[int] = []
    if value is not None:
        several = value if isinstance(value, list | tuple) else [value]
        sizes = [whole_number("tile", size) for size in several]
    if sizes == [0]:
        return "off"
    if len(sizes) > 2 or any(size < 1 for size in sizes):  # noqa: PLR2004 - width and height
        raise InputError(f"tile cannot be {value}", hint="give one size, width and height, or 0 for the whole frame")
    return "auto" if not sizes else sizes[0] if len(sizes) == 1 else tuple(sizes)


def _kind(value: object) -> str:
    """Return a value as people wrote it, or its type where that is long."""
    text = repr(value)
    short = isinstance(value, str | int | float | bytes) and len(text) < 40  # noqa: PLR2004 - characters of a line
    return text if short or value is None else type(value).__name__
