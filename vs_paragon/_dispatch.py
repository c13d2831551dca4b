"""Where the plugin in C enters Python: `core.paragon.Upscale` calls `dispatch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vapoursynth as vs

from vs_paragon.messages import describe
from vs_paragon.upscale import upscale

if TYPE_CHECKING:
    from collections.abc import Mapping


def dispatch() -> None:
    """Hand the plugin the function that answers the call which is waiting on this thread."""
    vs.core.paragon.PyCall(_answer)


def _answer(**arguments: object) -> dict[str, vs.VideoNode | str]:
    """Call `vs_paragon.upscale.upscale`; an error goes back as a text, since VapourSynth adds a traceback."""
    try:
        return {"clip": upscale(**python_arguments(arguments))}
    except Exception as error:  # noqa: BLE001 - describe() separates expected errors from all others
        return {"error": describe(error)}


def python_arguments(arguments: Mapping[str, object]) -> dict[str, Any]:
    """Turn what VapourSynth's maps hold into what `vs_paragon.upscale.upscale` takes.

    Maps know no truth values, and hold a list for every value. `None` stands for an argument that was not given.
    Numbers of enums come as digits where names are taken as well, and stay so: "709" is a name.
    """
    converted: dict[str, Any] = {}
    for name, given in arguments.items():
        if given is None:
            continue
        values = list(given) if isinstance(given, list | tuple) else [given]
        values = [value.decode() if isinstance(value, bytes) else value for value in values]
        if name == "tile":
            converted[name] = values
        elif name in {"guess_matrix", "reuse"} and values[0] in {0, 1}:
            converted[name] = bool(values[0])
        else:
            converted[name] = values[0]
    return converted
