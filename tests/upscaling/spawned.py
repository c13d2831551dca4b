"""What a process that was started with the method "spawn" does with a model that it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paragon_core import Upscaler
from tests.random_models import random_image

if TYPE_CHECKING:
    from paragon_core.models.model import Model


def pixels(model: Model) -> bytes:
    """Return an image that the model made."""
    with Upscaler(model, backend="onnxruntime", precision="fp32") as upscaler:
        return upscaler(random_image(20, 30, 3)).tobytes()


def answer(model: Model) -> tuple[Model, bytes, bool]:
    """Return the model itself, an image that it made, and whether one of its arrays could be changed."""
    return model, pixels(model), any(array.flags.writeable for array in model.arrays.values())
