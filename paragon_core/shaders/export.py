"""A model as a user shader, for video players: as text or as a file."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

import paragon_core
from paragon_core.atomic_files import atomic_write, remove_leftovers
from paragon_core.errors import InputError
from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.models.model import bundled, load
from paragon_core.printable import printable
from paragon_core.shaders.passes import passes, spell_out, template

if TYPE_CHECKING:
    from paragon_core.models.model import Model
    from paragon_core.models.spec import ModelSpec
    from paragon_core.shaders.passes import Precision

#: Features of a pixel: those of every published realtime network. They travel as 2x2 texels of four values.
CHANNELS: Final = 16
#: From 8 on, a thread would have to hold 64 pixels of the output.
SCALES: Final = (2, 3, 4)

_ARITHMETIC: Final = {
    "fp32": "single precision; features between passes and in shared memory are halves",
    "fp16": "half precision where the player's compiler knows it, else single; GELU, base path and border: single",
}


def export_shader(model: Model, path: str | Path, *, luma: bool = False, precision: Precision = "fp32") -> Path:
    """Write a model as a user shader (GLSL) for mpv and libplacebo and return the path.

    The file appears whole or not at all. The shader's pixels are within one level of 255 of those of the model with
    ``padding="zero"``, as players do not continue the image beyond its border.

    Args:
        model: what to write: a realtime network.
        path: where to; players want the extension ``.glsl``.
        luma: upscale the luma of YUV video only (hook ``LUMA``), which costs less; else RGB (hook ``MAIN``), images
            included.
        precision: "fp32", or "fp16" for half precision where the player's compiler knows it.

    Raises:
        InputError: the model has no form as a shader.
        MediaError: the file cannot be written.

    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="give the name of the .glsl file")
    content = shader_text(model, luma=luma, precision=precision).encode()
    remove_leftovers(path.parent)
    with atomic_write(path) as stream:
        stream.write(content)
    return path


def shader_text(model: Model, *, luma: bool = False, precision: Precision = "fp32") -> str:
    """Return the content of the file that `export_shader` writes: the same for the same model and arguments.

    Raises:
        InputError: the model has no form as a shader.

    """
    check(model.spec)
    network = fuse_arrays(model.spec, for_grey(model.arrays) if luma else model.arrays)
    texts = [spell_out(each, network, name=_shown(model), precision=precision) for each in passes(network)]
    return "\n".join([_head(model, luma=luma, precision=precision), *texts])


def check(spec: ModelSpec) -> None:
    """Refuse networks that have no form as a shader.

    Raises:
        InputError: saying why.

    """
    reason = _obstacle(spec)
    if reason:
        raise InputError(
            f"{reason} has no form as a shader",
            hint="shaders are for realtime networks: realtime-video-2x, realtime-2x and realtime-4x are some",
        )


def _shown(model: Model) -> str:
    """Return a model's name as text that players do not read as one of their lines."""
    return printable(model.name).replace("//!", "...")


def _obstacle(spec: ModelSpec) -> str:
    """Return what it is in a network that shaders do not have, or nothing."""
    if spec.variant != "realtime":
        return f"a {spec.variant} network"
    if spec.revision == "v6":
        return "a realtime network of revision v6"
    if spec.channels != CHANNELS:
        return f"a realtime network with {spec.channels} instead of {CHANNELS} channels"
    if spec.scale not in SCALES:
        return f"a network for scale {spec.scale}"
    if spec.softens:
        return "a network whose upsampler_alpha is not 0"
    return ""


def _head(model: Model, *, luma: bool, precision: Precision) -> str:
    """Return the comment at the top: what this is, where it came from, and the licence."""
    ours = model.name in bundled() and load(model.name).sha256 == model.sha256
    fields = {
        "name": _shown(model),
        "scale": {2: "two", 3: "three", 4: "four"}[model.spec.scale],
        "input": "the luma of video" if luma else "video and images (RGB)",
        "version": paragon_core.__version__,
        "variant": model.spec.variant,
        "weights": "bundled with Paragon, same licence" if ours else "from a file, under the licence of its author",
        "sha256": model.sha256,
        "arithmetic": _ARITHMETIC[precision],
    }
    text = Template(template("head.txt")).substitute(fields) + template("licence.txt")
    return "".join(f"// {line}".rstrip() + "\n" for line in text.splitlines())
