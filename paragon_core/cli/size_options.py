"""Options of ``paragon upscale`` about the size of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse

    from paragon_core.upscaling.output_size import OutputSize

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
