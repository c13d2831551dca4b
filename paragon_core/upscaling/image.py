"""One image in, one larger image out, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, Unpack

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, UnsupportedFormatError
from paragon_core.upscaling.model_choice import scale_for, suitable_models
from paragon_core.upscaling.output_size import OutputSize
from paragon_core.upscaling.planes import split
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from paragon_core.models.model import Model
    from paragon_core.upscaling.options import UpscaleKeywords

    class ArrayInterface(Protocol):
        """What numpy reads as an array, such as an image of Pillow."""

        @property
        def __array_interface__(self) -> dict[str, Any]:
            """Shape, data type and data."""


#: What stands for the bundled model that suits the size best.
AUTO: Final = "auto"

#: Modes of images of Pillow whose values are grey or RGB, with or without alpha; others hold indices or other colours.
_PILLOW_MODES: Final = frozenset({"L", "LA", "RGB", "RGBA", "I;16"})


def upscale(
    image: npt.ArrayLike | ArrayInterface,
    *,
    model: Model | str | Path = AUTO,
    scale: float | None = None,
    size: OutputSize | None = None,
    **options: Unpack[UpscaleKeywords],
) -> npt.NDArray[Any]:
    """Upscale one image.

    Each call loads the model and starts the runtime. For many images, hold an `Upscaler` as a context manager instead:
    it does that once.

    Args:
        image: [h, w] or [h, w, 1] grey, [h, w, 2] grey and alpha, [h, w, 3] RGB, [h, w, 4] RGB and alpha; uint8,
            uint16, or float16 and float32 of 0..1: a numpy array, or what `numpy.asarray` makes one of. Images of
            Pillow in the modes L, LA, RGB, RGBA and I;16; their EXIF orientation is not applied.
        model: a loaded model, the name of one, or the path of a checkpoint. "auto" is the bundled model that suits the
            size best, as on the command line; without ``scale`` and ``size``, realtime-2x.
        scale: how many times as wide and high, such as 3 or 1.5; by default the model's scale.
        size: any other size, instead of ``scale``.
        **options: the fields of `UpscaleOptions`, such as ``backend``, ``precision``, ``tile`` or ``padding``.

    Returns:
        A new array with the data type and the channels of the image.

    Raises:
        InputError: the image or an option is not of such a kind, or both ``scale`` and ``size`` are given.
        UnsupportedSizeError: the result would have more than 2^30 pixels.
        CheckpointError: the model cannot be loaded.
        BackendUnavailableError: the backend, device or precision does not work here.
        OutOfMemoryError: it does not fit, even in small tiles.
        InferenceError: the runtime failed.

    Examples:
        >>> image = np.zeros((120, 160, 3), np.uint8)
        >>> paragon.upscale(image).shape
        (240, 320, 3)
        >>> paragon.upscale(image, scale=4).shape
        (480, 640, 3)
        >>> paragon.upscale(image, model="stream-2x", size=paragon.OutputSize(width=400)).shape
        (300, 400, 3)

    """
    wanted = wanted_size(scale, size)
    array = _array(image)
    split(array)  # refuses what is no image
    models = models_for(model, wanted)
    suitable = models[scale_for((array.shape[1], array.shape[0]), wanted, models)]
    with Upscaler(suitable, **options) as upscaler:
        return upscaler(array, size=wanted)


def wanted_size(scale: float | None, size: OutputSize | None) -> OutputSize | None:
    """Return the size that a caller asks for in one of two ways; None for the model's scale.

    Raises:
        InputError: in both ways, or the scale is not positive.

    """
    if scale is None:
        return size
    if size is not None:
        raise InputError("scale and size contradict each other", hint="give one of them")
    return OutputSize(factor=scale)


def models_for(model: Model | str | Path, size: OutputSize | None) -> Mapping[int, Model]:
    """Return the models that may be needed, by their scales; raises what `suitable_models` does."""
    return suitable_models(None if isinstance(model, str) and model == AUTO else model, size)


def _array(image: object) -> npt.NDArray[Any]:
    mode = getattr(image, "mode", None)
    if isinstance(mode, str) and mode not in _PILLOW_MODES:
        raise UnsupportedFormatError(
            f"images of Pillow in mode {mode} are not supported", hint='convert it first: image.convert("RGB")'
        )
    try:
        return np.asarray(image)
    except (TypeError, ValueError) as error:  # lists of unequal length, tensors on a graphics card
        raise InputError(
            f"numpy makes no array of {type(image).__name__}: {error}", hint="give height x width x channels"
        ) from error
