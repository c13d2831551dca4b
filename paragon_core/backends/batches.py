"""Batches as `Session.run` takes them, for sessions that upscale images where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends.base import ImageInPlace
from paragon_core.errors import InferenceError

if TYPE_CHECKING:
    from paragon_core.graph.graph_spec import GraphSpec

_AXES: Final = 4


def as_images(
    batch: npt.NDArray[Any], spec: GraphSpec, *, scale: int, name: str
) -> tuple[npt.NDArray[Any], list[ImageInPlace]]:
    """Return a new array for the results of a batch, and its images, each with its place there.

    Args:
        batch: of the type and layout that the spec says.
        spec: of the session.
        scale: of the network.
        name: of the backend, for the error.

    Raises:
        InferenceError: the batch is of another type or shape than the spec says.

    """
    _check(batch, spec, name)
    is_bytes = spec.io == "uint8"
    count, *rest = batch.shape
    height, width = rest[:2] if is_bytes else rest[1:]
    upscaled, channels = (scale * height, scale * width), 1 if spec.grey else 3
    output = np.empty((count, *upscaled, channels) if is_bytes else (count, channels, *upscaled), batch.dtype)
    images = []
    for image, result in zip(batch, output, strict=True):
        planes, out = (tuple(np.moveaxis(array, -1, 0) if is_bytes else array) for array in (image, result))
        images.append(
            ImageInPlace(
                planes=planes[:channels],
                detail=planes[channels:],
                out=out,
                columns=np.arange(width, dtype=np.int32),
                rows=np.arange(height, dtype=np.int32),
                clip=False,
            )
        )
    return output, images


def _check(batch: npt.NDArray[Any], spec: GraphSpec, name: str) -> None:
    """Refuse a batch that the graph would not take."""
    if batch.ndim == _AXES and 0 not in batch.shape:
        is_bytes = spec.io == "uint8"
        height, width = batch.shape[1:3] if is_bytes else batch.shape[2:]
        channels = batch.shape[3 if is_bytes else 1]
        fits = spec.size is None or (width, height, len(batch)) == (*spec.size, 1)
        if batch.dtype == np.dtype(spec.io) and channels == spec.channels and fits:
            return
    raise InferenceError(
        f"{name} takes no batch of shape {batch.shape} and type {batch.dtype} for this network",
        hint="give what the GraphSpec of the session says",
    )
