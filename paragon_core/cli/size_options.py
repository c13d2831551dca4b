"""Options of ``paragon upscale`` about the size of results, and the model that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.models.model import Model
    from paragon_core.upscaling.output_size import OutputSize, Size

_WAYS: Final = ("scale", "width", "height", "fit", "megapixels")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options; one of them is given, or width and height."""
    size = parser.add_argument_group(
        "size of the result",
        "By default the model's scale. Any other size is reached by running the model as often as needed and resizing "
        "the result; proportions stay. Sizes are those of the image or video as it is viewed.",
    )
    size.add_argument(
        "--scale",
        type=options.positive,
        metavar="N",
        help="how many times as wide and high, such as 3 or 1.5; without --model, the bundled model that suits best",
    )
    size.add_argument("--width", type=options.count, metavar="PIXELS", help="width; the height follows")
    size.add_argument(
        "--height", type=options.count, metavar="PIXELS", help="height; with --width, the proportions may change"
    )
    size.add_argument(
        "--fit", type=options.image_size, metavar="WxH", help="as large as fits into a box, such as 3840x2160"
    )
    size.add_argument("--megapixels", type=options.positive, metavar="N", help="millions of pixels in all, such as 8")


def wanted_size(arguments: argparse.Namespace) -> OutputSize | None:
    """Return the size that the options ask for; None for the model's scale.

    Raises:
        InputError: they contradict each other.

    """
    from paragon_core.upscaling.output_size import OutputSize

    given = [name for name in _WAYS if getattr(arguments, name) is not None]
    if len(given) > 1 and given != ["width", "height"]:
        names = " and ".join(f"--{name}" for name in given)
        raise InputError(f"{names} contradict each other", hint="give one; only --width and --height go together")
    if not given:
        return None
    return OutputSize(**{"factor" if name == "scale" else name: getattr(arguments, name) for name in given})


def suitable_models(arguments: argparse.Namespace, size: OutputSize | None) -> Mapping[int, Model]:
    """Return the models that may be needed, by their scales: one, unless each file's size decides which suits best.

    Raises:
        InputError: there is no such model, or a setting is out of range.
        CheckpointError: the file is not a usable checkpoint.

    """
    from paragon_core.models.model import bundled, load
    from paragon_core.upscaling.output_size import best_scale

    if arguments.model is not None or size is None:
        names = [arguments.model or options.DEFAULT_MODEL]
    else:
        others = sorted(name for name in bundled() if name != options.DEFAULT_MODEL)
        of_scale: dict[int, str] = {}
        for name in (options.DEFAULT_MODEL, *others):
            of_scale.setdefault(load(name).spec.scale, name)
        names = list(of_scale.values())
        if size.factor is not None:
            names = [of_scale[best_scale(size.factor, of_scale)]]
    models = (options.load_model(name, arguments) for name in names)
    return {model.spec.scale: model for model in models}


def scale_for(source: Size, size: OutputSize | None, models: Mapping[int, Model]) -> int:
    """Return the scale of the model that suits an image of a size best."""
    from paragon_core.upscaling.output_size import best_scale, needed_factor

    if size is None or len(models) == 1:
        return next(iter(models))
    return best_scale(needed_factor(source, size.of(source)), models)


def scale_for_video(
    source: Path,
    encoding: VideoEncoding,
    size: OutputSize | None,
    models: Mapping[int, Model],
    *,
    keep_damaged: bool = False,
) -> int:
    """Return the scale of the model that suits a video best."""
    from paragon_core.media.video.jobs import look_ahead_at_scales

    if size is None or len(models) == 1:
        return next(iter(models))
    found = look_ahead_at_scales(source, encoding, scales=models, size=size, keep_damaged=keep_damaged)
    return min(models, key=lambda scale: (scale ** found[scale].runs, found[scale].runs))
