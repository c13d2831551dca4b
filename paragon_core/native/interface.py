"""The structures and functions of ``source/paragon_native.h`` for ctypes."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Final

#: ``PARAGON_NATIVE_VERSION`` of the header that this file follows.
VERSION: Final = 3

MOST_PLANES: Final = 3
MOST_FACTOR: Final = 4
MOST_TAPS: Final = 17


class Status(IntEnum):
    """What `upscale` returned."""

    DONE = 0
    OUT_OF_MEMORY = 1
    NOT_FINITE = 2
    CANCELLED = 3
    REFUSED = 4


class BlockKind(IntEnum):
    """What the body's blocks are."""

    NANO_GELU = 0
    NANO_HARDSWISH = 1
    STREAM = 2
    STREAM_CLAMPED = 3


class Sample(IntEnum):
    """Type of the samples of planes."""

    UINT8 = 0
    UINT16 = 1
    FLOAT32 = 2


class Matrix(IntEnum):
    """What a pixel of a video is made of."""

    PLAIN = 0
    YUV = 1
    YCGCO = 2


class ParagonNetwork(ctypes.Structure):
    """A network; see the header, as for the others."""

    _fields_ = (
        ("block", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("blocks", ctypes.c_int32),
        ("group", ctypes.c_int32),
        ("scale", ctypes.c_int32),
        ("planes", ctypes.c_int32),
        ("softening", ctypes.c_float),
        ("peak", ctypes.c_float),
    )


class ParagonPlane(ctypes.Structure):
    """A plane of samples."""

    _fields_ = (("data", ctypes.c_void_p), ("row", ctypes.c_int64), ("column", ctypes.c_int64))


class ParagonImage(ctypes.Structure):
    """An image and the place for its result."""

    _fields_ = (
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("margin", ctypes.c_int32),
        ("sample", ctypes.c_int32),
        ("clip", ctypes.c_int32),
        ("columns", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("planes", ParagonPlane * MOST_PLANES),
        ("detail", ParagonPlane * MOST_PLANES),
        ("out", ParagonPlane * MOST_PLANES),
    )


class ParagonPiece(ctypes.Structure):
    """A rectangle of an image."""

    _fields_ = (
        ("left", ctypes.c_int32),
        ("top", ctypes.c_int32),
        ("right", ctypes.c_int32),
        ("bottom", ctypes.c_int32),
    )


class ParagonSpan(ctypes.Structure):
    """Samples and the floats that they stand for."""

    _fields_ = (("scale", ctypes.c_float), ("inverse", ctypes.c_float), ("zero", ctypes.c_float))


class ParagonTaps(ctypes.Structure):
    """A filter."""

    _fields_ = (("first", ctypes.c_int32), ("count", ctypes.c_int32), ("weights", ctypes.c_float * MOST_TAPS))


class ParagonColour(ctypes.Structure):
    """How samples of a video are to be read or written."""

    _fields_ = (
        ("sample", ctypes.c_int32),
        ("matrix", ctypes.c_int32),
        ("down", ctypes.c_int32),
        ("across", ctypes.c_int32),
        ("peak", ctypes.c_float),
        ("luma", ParagonSpan),
        ("chroma", ParagonSpan),
        ("to_rgb", ctypes.c_float * 4),
        ("from_rgb", ctypes.c_float * 5),
        ("up_rows", ParagonTaps * MOST_FACTOR),
        ("up_columns", ParagonTaps * MOST_FACTOR),
        ("down_rows", ParagonTaps),
        ("down_columns", ParagonTaps),
    )


def declare(library: ctypes.CDLL) -> None:
    """Tell ctypes the types of the library's functions, `ParagonNetwork` and so on.

    Raises:
        AttributeError: it has no such function.

    """
    pointer = ctypes.POINTER
    conversion = (
        pointer(ParagonColour),
        ctypes.c_int32,
        ctypes.c_int32,
        pointer(ParagonPlane),
        pointer(ParagonPlane),
        ctypes.c_char_p,
    )
    for name, result, arguments in (
        (
            "paragon_create",
            ctypes.c_void_p,
            (pointer(ParagonNetwork), pointer(ctypes.c_float), ctypes.c_int64, ctypes.c_char_p),
        ),
        ("paragon_destroy", None, (ctypes.c_void_p,)),
        ("paragon_instructions", ctypes.c_char_p, ()),
        (
            "paragon_upscale",
            ctypes.c_int32,
            (ctypes.c_void_p, pointer(ParagonImage), pointer(ParagonPiece), pointer(ctypes.c_int32)),
        ),
        (
            "paragon_working_memory",
            ctypes.c_int64,
            (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32),
        ),
        ("paragon_to_floats", ctypes.c_int32, conversion),
        ("paragon_to_samples", ctypes.c_int32, conversion),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
