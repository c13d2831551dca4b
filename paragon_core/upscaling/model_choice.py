"""Which model upscales an image or a video: the one that was asked for, or the bundled one that suits the size best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paragon_core.models import DEFAULT_MODEL
from paragon_core.models.model import Model, bundled, load
from paragon_core.upscaling.output_size import best_scale, needed_factor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from paragon_core.upscaling.output_size import OutputSize, Size


def suitable_models(
    model: Model | str | Path | None = None,
    size: OutputSize | None = None,
    *,
    upsampler_alpha: float | None = None,
    window_size: int | None = None,
) -> Mapping[int, Model]:
    """Return the models that may be needed, by their scales: one, unless each source's size decides which suits best.

    Args:
        model: the only one to use: a loaded model, or what `paragon_core.load` takes. None for bundled ones.
        size: the size that results shall have; None for the model's scale.
        upsampler_alpha: of models that are loaded here (`paragon_core.load`).
        window_size: likewise.

    Raises:
        InputError: there is no such model, or a setting is out of range.
        CheckpointError: the file is not a usable checkpoint.

    """
    if isinstance(model, Model):
        return {model.spec.scale: model}
    names: Sequence[str | Path] = [DEFAULT_MODEL if model is None else model]
    if model is None and size is not None:
        names = bundled()
    found: dict[int, Model] = {}
    for name in names:
        loaded = load(name, upsampler_alpha=upsampler_alpha, window_size=window_size)
        found.setdefault(loaded.spec.scale, loaded)  # of those with one scale the first suits best
    if model is not None or size is None or size.factor is None:
        return found
    scale = best_scale(size.factor, found)
    return {scale: found[scale]}


def scale_for(source: Size, size: OutputSize | None, models: Mapping[int, Model]) -> int:
    """Return the scale of the model that suits an image best.

    Args:
        source: width and height of the image in pixels.
        size: the size that the result shall have.
        models: from `suitable_models`.

    Raises:
        InputError: nothing fits into the box.
        UnsupportedSizeError: the result has more than 2^30 pixels.

    """
    if size is None or len(models) == 1:
        return next(iter(models))
    return best_scale(needed_factor(source, size.of(source)), models)
