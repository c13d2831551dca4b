"""A batch of pictures, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import comfy.utils
import numpy.typing as npt
import torch
from comfy import model_management

from paragon_core.errors import InputError, OutOfMemoryError
from paragon_nodes.upscale_model import UpscaleModel, check_interrupt

if TYPE_CHECKING:
    from paragon_core.upscaler import Progress

Enlarge = Callable[[npt.NDArray[Any], "Progress"], torch.Tensor]


def paragon_model(upscale_model: object) -> UpscaleModel:
    """Return the model if it is one of ours.

    Raises:
        InputError: it comes from another loader.

    """
    if not isinstance(upscale_model, UpscaleModel):
        raise InputError(
            "the upscale model is not a ParagonSR2 network",
            hint='connect the node "Load ParagonSR2 Model", or use "Upscale Image (using Model)" for this model',
        )
    return upscale_model


def enlarge_all(images: torch.Tensor, size: tuple[int, int], enlarge: Enlarge) -> torch.Tensor:
    """Return [B, H, W, C] enlarged to ``size`` (width, height) into one tensor that is there from the start.

    ``enlarge`` gets a picture [h, w, C] and a function for its progress, and returns [H, W, C].

    Raises:
        OutOfMemoryError: there is no room for the results.

    """
    count, channels = images.shape[0], images.shape[3]
    out = _room((count, size[1], size[0], channels), images.dtype)
    bar = comfy.utils.ProgressBar(count)
    for index, image in enumerate(images):
        check_interrupt()

        def progress(done: int, total: int, index: int = index) -> None:
            check_interrupt()
            bar.update_absolute(index * total + done, count * total)

        pixels = image if image.dtype in {torch.float32, torch.float16} else image.float()
        out[index] = enlarge(pixels.cpu().numpy(), progress)
    return out


def _room(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return memory where ComfyUI keeps pictures between nodes."""
    if hasattr(model_management, "intermediate_dtype"):  # since 0.16
        dtype = model_management.intermediate_dtype()
    try:
        return torch.empty(shape, dtype=dtype, device=model_management.intermediate_device())
    except RuntimeError as error:  # torch has a class of its own for graphics cards only
        size = torch.Size(shape).numel() * dtype.itemsize / 2**30
        raise OutOfMemoryError(
            f"there is no memory for {shape[0]} pictures of {shape[2]}x{shape[1]} ({size:.1f} GiB)",
            hint="enlarge fewer at once",
        ) from error
