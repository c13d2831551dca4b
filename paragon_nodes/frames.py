"""A batch of images, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import comfy.utils
import torch
from comfy import model_management

from paragon_core.errors import (
    InputError,
    NonFiniteError,
    OutOfMemoryError,
    UnsupportedFormatError,
    UnsupportedSizeError,
)
from paragon_nodes.from_core import from_core
from paragon_nodes.interrupts import check_interrupt
from paragon_nodes.upscale_model import UpscaleModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.upscaling.output_size import OutputSize, Size
    from paragon_core.upscaling.upscaler import Upscaler

_AXES: Final = 4
_NOT_NUMBERS_HELP: Final = (
    "the node that makes it is at fault: where that is VAE Decode, start ComfyUI with --fp32-vae; where it is a "
    "sampler, try another seed, or --force-upcast-attention"
)


def paragon_model(upscale_model: object) -> UpscaleModel:
    """Return the model if it is one of ours, from our loader or from core's.

    Raises:
        InputError: it is another network.
        CheckpointError: its weights are damaged.

    """
    model = upscale_model if isinstance(upscale_model, UpscaleModel) else from_core(upscale_model)
    if model is None:
        raise InputError(
            "the upscale model is no ParagonSR2 network",
            hint='load a ParagonSR2 file, or use the node "Upscale Image (using Model)", which takes any network',
        )
    return model


def checked_images(images: Any) -> torch.Tensor:  # noqa: ANN401 - whatever a node hands on as IMAGE
    """Return images [B, H, W, 1 to 4] if they are such.

    Raises:
        UnsupportedFormatError: they have other axes.
        UnsupportedSizeError: there are none, or they have no pixels.

    """
    if not isinstance(images, torch.Tensor) or images.ndim != _AXES or not 1 <= images.shape[3] <= _AXES:
        shape = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
        raise UnsupportedFormatError(
            f"the image input got no images but {shape}",
            hint="connect an output of type IMAGE; for a mask, use Convert Mask to Image in between",
        )
    if 0 in images.shape:
        count, height, width, _ = images.shape
        raise UnsupportedSizeError(
            f"{width}x{height} pixels are no image" if count else "the batch has no images",
            hint="see what the node before makes",
        )
    return images


def check_numbers(image: torch.Tensor, name: str) -> None:
    """Check that all values of an image are numbers.

    Raises:
        InputError: some are NaN or infinite; the text begins with ``name``.

    """
    if not bool(torch.isfinite(image).all()):
        raise InputError(f"{name} has values that are not numbers (NaN or infinite)", hint=_NOT_NUMBERS_HELP)


def upscale_all(
    images: torch.Tensor,
    target: Size,
    upscaler: Upscaler,
    *,
    size: OutputSize | None = None,
    on_card: Callable[[torch.Tensor], torch.Tensor | None] | None = None,
) -> torch.Tensor:
    """Return [B, H, W, C] upscaled into one tensor that is there from the start.

    Args:
        images: [B, h, w, C].
        target: width and height of the results.
        upscaler: computes one image after another.
        size: the size that leads to ``target``; None for the scale of the network.
        on_card: upscales an image without taking it from its card, or returns None if ``upscaler`` is to do it.

    Raises:
        InputError: an image has values that are not numbers.
        NonFiniteError: the network makes such of it.
        OutOfMemoryError: there is no room for the results.

    """
    count, channels = images.shape[0], images.shape[3]
    out = _room((count, target[1], target[0], channels), images.dtype)
    is_direct = out.device.type == "cpu"
    bar = comfy.utils.ProgressBar(count)
    for index, image in enumerate(images):
        check_interrupt()

        def progress(done: int, total: int, index: int = index) -> None:
            bar.update_absolute(index * total + done, count * total)

        name = f"image {index + 1} of {count}" if count > 1 else "the image"
        check_numbers(image, name)
        if on_card is not None and (upscaled := on_card(image)) is not None:
            out[index] = upscaled
            bar.update_absolute(index + 1, count)
            continue
        pixels = image if image.dtype in {torch.float32, torch.float16} else image.float()
        try:
            place = out[index].numpy() if is_direct and out.dtype == pixels.dtype else None
            result = upscaler(pixels.cpu().numpy(), size=size, progress=progress, out=place)
            if place is None:
                out[index] = torch.from_numpy(result)
        except NonFiniteError as error:
            raise NonFiniteError(f"{name}: {error}", hint=error.hint) from error
    return out


def _room(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return memory where ComfyUI keeps images between nodes."""
    if hasattr(model_management, "intermediate_dtype"):  # since 0.16
        dtype = model_management.intermediate_dtype()
    try:
        return torch.empty(shape, dtype=dtype, device=model_management.intermediate_device())
    except RuntimeError as error:  # torch has a class of its own for graphics cards only
        size = torch.Size(shape).numel() * dtype.itemsize / 2**30
        raise OutOfMemoryError(
            f"there is no memory for {shape[0]} images of {shape[2]}x{shape[1]} ({size:.1f} GiB)",
            hint="upscale fewer at once",
        ) from error
