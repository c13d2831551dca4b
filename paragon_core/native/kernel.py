"""Run the compiled kernel on arrays."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InferenceError
from paragon_core.native.interface import ParagonImage, ParagonPiece, ParagonPlane, Sample, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.native.library import NativeLibrary
    from paragon_core.native.packing import PackedNetwork

Array = npt.NDArray[Any]

_SAMPLES: Final = {"uint8": Sample.UINT8, "uint16": Sample.UINT16, "float32": Sample.FLOAT32}


class Kernel:
    """A network in the kernel; calls may come from several threads at once, each with a piece of its own.

    Its memory is given back once nobody refers to it any more, so never during a call.
    """

    def __init__(self, library: NativeLibrary, packed: PackedNetwork) -> None:
        """Hand a network to the library.

        Raises:
            InferenceError: the library refuses it, or memory ran out.

        """
        self._functions = library.functions
        self._handle = self._functions.paragon_create(
            ctypes.byref(packed.fields),
            packed.weights.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            packed.weights.size,
            library.instructions.encode("ascii"),
        )
        if not self._handle:
            raise InferenceError(
                "the native kernel refused the network", hint="use another backend; please report this"
            )

    def __del__(self) -> None:
        """Give its memory back."""
        if getattr(self, "_handle", None):
            self._functions.paragon_destroy(self._handle)
            self._handle = None

    def working_memory(self, width: int, height: int, *, separate_detail: bool) -> int:
        """Return the bytes that `upscale` takes for a piece of a size at most."""
        return int(self._functions.paragon_working_memory(self._handle, width, height, separate_detail))

    def upscale(self, image: ParagonImage, piece: ParagonPiece, cancelled: ctypes.c_int32) -> Status:
        """Upscale a piece of an image; setting ``cancelled`` to 1 ends it soon."""
        arguments = ctypes.byref(image), ctypes.byref(piece), ctypes.byref(cancelled)
        return Status(self._functions.paragon_upscale(self._handle, *arguments))


def takes(dtype: np.dtype[Any]) -> bool:
    """Return whether the kernel reads and writes such samples."""
    return dtype.name in _SAMPLES and dtype.isnative


def peak_of(dtype: np.dtype[Any]) -> int:
    """Return the value that stands for white."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def reads(plane: Array) -> bool:
    """Return whether the kernel reads a plane where it is."""
    return takes(plane.dtype) and plane.flags.aligned


def writes(out: Sequence[Array]) -> bool:
    """Return whether the kernel writes to planes where they are.

    Samples of a row are next to each other: either those of one plane, or those of all planes pixel by pixel.
    """
    first, size = out[0], out[0].dtype.itemsize
    if not all(reads(plane) and plane.flags.writeable for plane in out):
        return False
    if all(plane.strides[1] == size for plane in out):
        return True
    return all(
        plane.strides == (first.strides[0], len(out) * size) and plane.ctypes.data == first.ctypes.data + place * size
        for place, plane in enumerate(out)
    )


def image(
    planes: Sequence[Array],
    out: Sequence[ParagonPlane],
    detail: Sequence[Array],
    *,
    columns: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    margin: int,
    clip: bool,
) -> ParagonImage:
    """Return the description of an image; it keeps none of the arrays alive.

    Args:
        planes: 1 or 3 planes [h, w] that the kernel `reads`.
        out: where their results begin (`plane`).
        detail: planes like these for the detail path; empty if that sees ``planes``.
        columns: which column of the image stands at each place of the continued one: w + 2 margin numbers.
        rows: the same for rows: h + 2 margin numbers.
        margin: pixels by which the image is continued on each side.
        clip: whether floats are clipped; integers always are.

    """
    height, width = planes[0].shape
    described = ParagonImage(
        width=width,
        height=height,
        margin=margin,
        sample=_SAMPLES[planes[0].dtype.name],
        clip=clip,
        columns=columns.ctypes.data,
        rows=rows.ctypes.data,
    )
    for place, target in enumerate(out):
        described.planes[place] = plane(planes[place])
        described.out[place] = target
        if detail:
            described.detail[place] = plane(detail[place])
    return described


def plane(array: Array, *, row: int = 0, column: int = 0) -> ParagonPlane:
    """Return the description of a plane [h, w] whose first sample is the array's at (row, column), maybe outside."""
    down, across = array.strides
    return ParagonPlane(data=array.ctypes.data + row * down + column * across, row=down, column=across)
