"""The ways in which users choose the size of a result: each shows the inputs that it needs, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from comfy_api.latest import io

from paragon_core.errors import InputError
from paragon_core.upscaling.output_size import OutputSize

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_EDGE: Final = 32768

#: Values of inputs that are left out.
_DEFAULTS: Final[dict[str, Any]] = {"factor": 2.0, "edge": 1080, "width": 1920, "height": 1080, "megapixels": 4.0}


def size_options() -> list[io.DynamicCombo.Option]:
    """Return the options of an input for the size, each with its own inputs."""
    return [
        io.DynamicCombo.Option(
            "factor",
            [_decimal("factor", 0.05, 32.0, 0.05, "How many times as wide and high.")],
        ),
        io.DynamicCombo.Option("short edge", [_pixels("edge", "Length of the shorter side in pixels.")]),
        io.DynamicCombo.Option("long edge", [_pixels("edge", "Length of the longer side in pixels.")]),
        io.DynamicCombo.Option(
            "fit",
            [
                _pixels("width", "The result is at most this wide, in pixels."),
                _pixels("height", "The result is at most this high, in pixels."),
            ],
        ),
        io.DynamicCombo.Option(
            "megapixels", [_decimal("megapixels", 0.01, 1000.0, 0.01, "Pixels of the result in all, in millions.")]
        ),
    ]


def check_option(chosen: object, options: list[io.DynamicCombo.Option]) -> None:
    """Check a value of an input with options, as it is queued; None stands for one that is left out.

    Raises:
        InputError: there is no such option.

    """
    keys = [option.key for option in options]
    name = next(iter(chosen.values())) if isinstance(chosen, dict) else chosen
    if name is not None and name not in keys:
        raise InputError(f"there is no size by {name!r}", hint=f"choose one of {', '.join(keys)}")


def output_size(mode: str, values: Mapping[str, Any], *, multiple: int = 1) -> OutputSize:
    """Return the size that an option of `size_options` and the values of its inputs stand for.

    Raises:
        InputError: a value is not positive.

    """
    given = _DEFAULTS | {name: value for name, value in values.items() if value is not None}
    sizes: dict[str, dict[str, Any]] = {
        "factor": {"factor": given["factor"]},
        "short edge": {"short_edge": given["edge"]},
        "long edge": {"long_edge": given["edge"]},
        "fit": {"fit": (given["width"], given["height"])},
        "megapixels": {"megapixels": given["megapixels"]},
    }
    return OutputSize(**sizes[mode], multiple=multiple)


def _pixels(name: str, tooltip: str) -> io.Int.Input:
    return io.Int.Input(name, default=_DEFAULTS[name], min=1, max=_LARGEST_EDGE, optional=True, tooltip=tooltip)


def _decimal(name: str, least: float, most: float, step: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=_DEFAULTS[name], min=least, max=most, step=step, optional=True, tooltip=tooltip)
