"""``paragon export``: write a checkpoint as ONNX, or as a shader for video players."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.cli.exit_codes import OK
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from paragon_core.cli.console import Console
    from paragon_core.models.model import Model

#: Options that one kind of file has and the other has not, with what they are without being given.
_ONNX_ONLY: Final = {"io": "float32", "size": None, "grey": False, "plain": False}
_SHADER_ONLY: Final = {"luma": False}


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "export",
        help="write a checkpoint as ONNX, or as a shader for video players",
        description="Write a checkpoint, fused for speed, as an ONNX graph (.onnx), or as a user shader for mpv and "
        "other players with libplacebo (.glsl).",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a checkpoint (.safetensors, .pth) or a model (see: paragon models)"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="X.onnx|X.glsl", help="the file to write; its extension decides"
    )
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "fp16"), help="of weights and arithmetic [fp32]"
    )
    onnx = parser.add_argument_group("options of ONNX graphs")
    onnx.add_argument(
        "--io",
        default=_ONNX_ONLY["io"],
        choices=("float32", "float16", "uint8"),
        help="input and output: float NCHW of 0..1 (not clipped), or uint8 NHWC of 0..255 [float32]",
    )
    onnx.add_argument(
        "--size", type=options.image_size, metavar="WxH", help="size of the input, for a graph of that size only"
    )
    onnx.add_argument(
        "--grey", action="store_true", help="one channel in and out, for programs that upscale the luma only"
    )
    onnx.add_argument("--plain", action="store_true", help="layer by layer as upstream, not fused")
    shader = parser.add_argument_group("options of shaders")
    shader.add_argument("--luma", action="store_true", help="the luma of video only, which costs less; without it, RGB")
    options.add_model_settings(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    output = Path(arguments.output)
    write = {".onnx": _write_onnx, ".glsl": _write_shader}.get(output.suffix.lower())
    if write is None:
        msg = f"{output} ends in neither .onnx nor .glsl"
        raise InputError(msg, hint="the file would be taken for something else: give a name such as model.onnx")
    if write is _write_onnx:
        _refuse(arguments, _SHADER_ONLY, "an ONNX graph", "for one channel in and out, use --grey")
    else:
        _refuse(arguments, _ONNX_ONLY, "a shader", "leave it out; shaders take any size, and luma alone with --luma")
    model = options.load_model(arguments.file, arguments)
    write(model, output, arguments)
    console.say(f"{model.name} -> {output} ({output.stat().st_size / 1e6:.2f} MB)")
    return OK


def _refuse(arguments: argparse.Namespace, defaults: Mapping[str, object], kind: str, hint: str) -> None:
    """Refuse options that the file to be written does not have.

    Raises:
        InputError: naming the first.

    """
    for name, default in defaults.items():
        if getattr(arguments, name) != default:
            msg = f"{kind} has no option --{name}"
            raise InputError(msg, hint=hint)


def _write_onnx(model: Model, output: Path, arguments: argparse.Namespace) -> Path:
    from paragon_core.graph.export import export_onnx

    return export_onnx(
        model,
        output,
        fused=not arguments.plain,
        precision=arguments.precision,
        io=arguments.io,
        size=arguments.size,
        grey=arguments.grey,
    )


def _write_shader(model: Model, output: Path, arguments: argparse.Namespace) -> Path:
    from paragon_core.shaders.export import export_shader

    return export_shader(model, output, luma=arguments.luma, precision=arguments.precision)
