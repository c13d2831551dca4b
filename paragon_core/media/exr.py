"""OpenEXR, through the package of its makers: linear light without bounds, read to coded values and written back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import OpenEXR
from PIL import ImageFile

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.linear_light import LinearLight
from paragon_core.media.loaded_image import Array, LoadedImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paragon_core.media.compression import ImageCompression

_PQ, _SRGB = 16, 13
#: Types of channels that are read, by their numbers.
_TYPES = {1: np.float16, 2: np.float32}
_HINT = "save it with half or single floats in channels R, G, B and A, or in Y"


class ExrImageFile(ImageFile.ImageFile):
    """The header of an OpenEXR file for Pillow, which has no mode for its pixels: `decode_exr` reads them."""

    format = "EXR"
    format_description = "OpenEXR"

    def _open(self) -> None:
        self._size = _size(_header(self.fp)[0])
        self._mode = "F"


def decode_exr(stream: BinaryIO) -> LoadedImage:
    """Read an image, coded by `linear_light`; of several parts, the first.

    Raises:
        UnsupportedFormatError: its channels are of another kind.
        OSError: it is damaged.

    """
    header, parts = _header(stream)
    _check_kind(header)
    # Not File, which prints on stdout what it cannot read.
    stream.seek(0)
    file = OpenEXR.InputFile(stream)
    kinds = {name: channel.type.v for name, channel in file.header()["channels"].items()}
    names = next((names for names in (("R", "G", "B"), ("Y",)) if set(names) <= kinds.keys()), None)
    if names is None or any(kinds[name] not in _TYPES for name in names):
        msg = f"it is an OpenEXR image of channels that are not handled ({', '.join(kinds)})"
        raise UnsupportedFormatError(msg, hint=_HINT)
    notes = _notes(header, kinds, names, parts=parts)
    width, height = _size(header)
    channels = {
        name: np.frombuffer(file.channel(name), _TYPES[kinds[name]]).reshape(height, width)
        for name in (*names, "A")
        if kinds.get(name) in _TYPES
    }
    half = _TYPES[kinds[names[0]]] is np.float16
    light = np.stack([channels[name].astype(np.float32) for name in names], axis=2)
    alpha = channels.get("A")
    if alpha is not None:
        alpha = np.clip(np.nan_to_num(alpha.astype(np.float32)), 0, 1)[..., np.newaxis]
        light = np.divide(light, alpha, out=np.zeros_like(light), where=alpha > 0)  # it was multiplied by it
    if not np.isfinite(light).all():
        msg = "it holds values that are infinite or no numbers"
        raise UnsupportedFormatError(msg, hint="replace these pixels first, or render it again")
    if light.min() < 0:
        notes.append("negative values became 0")
    chromaticities = _chromaticities(header)
    coding = LinearLight.fitting(float(light.max()), half=half, chromaticities=chromaticities)
    array = coding.coded(np.maximum(light, 0))
    if alpha is not None:
        array = np.concatenate([array, alpha], axis=2)
    return LoadedImage(
        array=array[..., 0] if array.shape[2] == 1 else array,
        format="exr",
        lossless=True,
        linear=coding,
        png_colour=_colour(coding),
        notes=tuple(notes),
    )


def encode_exr(image: LoadedImage, _compression: ImageCompression) -> tuple[bytes, tuple[str, ...]]:
    """Write an image that `decode_exr` has read, back in linear light.

    Args:
        image: HxW, HxWx2, HxWx3 or HxWx4, with its coding.

    Returns:
        The bytes of the file, and no notes.

    """
    coding = image.linear
    assert coding is not None, "`encoding.fit` lets no other through"  # noqa: S101 - told to mypy
    array: Array = image.array[..., np.newaxis] if image.array.ndim == 2 else image.array  # noqa: PLR2004 - axes
    light = coding.light(array[..., :-1] if image.has_alpha else array)
    planes = [light[..., index] for index in range(light.shape[2])]
    if image.has_alpha:
        alpha = np.clip(array[..., -1].astype(np.float32), 0, 1)
        planes = [*(plane * alpha for plane in planes), alpha]
    dtype = np.float16 if coding.half else np.float32
    if coding.half:
        planes = [np.minimum(plane, np.finfo(np.float16).max) for plane in planes]
    names = ("Y",) if image.is_grey else ("R", "G", "B")
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if coding.chromaticities is not None:
        header["chromaticities"] = coding.chromaticities
    channels = {
        name: np.ascontiguousarray(plane, dtype)
        for name, plane in zip((*names, "A")[: len(planes)], planes, strict=True)
    }
    stream = io.BytesIO()
    OpenEXR.File(header, channels).write(stream)
    return stream.getvalue(), ()


def _header(stream: Any) -> tuple[dict[str, Any], int]:  # noqa: ANN401 - Pillow's type for streams is wider
    """Return the header of the first part, and the number of parts."""
    stream.seek(0)
    try:
        file = OpenEXR.File(stream, header_only=True)
        header: dict[str, Any] = file.header()
    except (RuntimeError, ValueError, TypeError) as error:
        raise OSError(str(error)) from error
    return header, len(file.parts)


def _size(header: dict[str, Any]) -> tuple[int, int]:
    (left, top), (right, bottom) = (tuple(map(int, corner)) for corner in header["dataWindow"])
    return right - left + 1, bottom - top + 1


def _check_kind(header: dict[str, Any]) -> None:
    if header.get("type") in {OpenEXR.deepscanline, OpenEXR.deeptile}:
        msg = "it is a deep OpenEXR image, which has several samples a pixel"
        raise UnsupportedFormatError(msg, hint="flatten it first")
    if any(channel.xSampling != 1 or channel.ySampling != 1 for channel in header["channels"]):
        msg = "it is an OpenEXR image with chroma at a lower resolution"
        raise UnsupportedFormatError(msg, hint=_HINT)


def _notes(header: dict[str, Any], channels: Iterable[str], names: Sequence[str], *, parts: int) -> list[str]:
    notes = []
    if parts > 1:
        notes.append(f"only the first of its {parts} parts is used")
    if others := sorted(set(channels) - {*names, "A"}):
        notes.append(f"its channels {', '.join(others[:8])}{' and others' if len(others) > 8 else ''} were left out")  # noqa: PLR2004 - enough to tell
    if any((one != other).any() for one, other in zip(header["dataWindow"], header["displayWindow"], strict=True)):
        notes.append("its display window was left out: the pixels fill the image")
    if header.get("pixelAspectRatio", 1.0) != 1.0:
        notes.append(f"its pixels are not square ({header['pixelAspectRatio']:.3g}), which was left out")
    return notes


def _chromaticities(header: dict[str, Any]) -> tuple[float, ...] | None:
    values = header.get("chromaticities")
    if values is None or len(values) != 8:  # noqa: PLR2004 - four points
        return None
    return tuple(float(value) for value in values)


def _colour(coding: LinearLight) -> tuple[tuple[bytes, bytes], ...]:
    """Return the chunk that says in a PNG what the coded values mean; none for sRGB."""
    primaries = coding.primaries
    if primaries is None or (primaries == 1 and coding.curve == "srgb"):
        return ()
    return ((b"cICP", bytes([primaries, _PQ if coding.curve == "pq" else _SRGB, 0, 1])),)
