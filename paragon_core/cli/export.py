"""``paragon export``: write a checkpoint as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.exit_codes import OK
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse

    from paragon_core.cli.console import Console


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "export", help="write a checkpoint as ONNX", description="Write a checkpoint as an ONNX graph, fused for speed."
    )
    parser.add_argument(
        "file", metavar="FILE", help="a checkpoint (.safetensors, .pth) or a model (see: paragon models)"
    )
    parser.add_argument("-o", "--output", required=True, metavar="X.onnx", help="the file to write")
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "fp16"), help="of weights and arithmetic [fp32]"
    )
    parser.add_argument(
        "--io",
        default="float32",
        choices=("float32", "float16", "uint8"),
        help="input and output: float NCHW of 0..1 (not clipped), or uint8 NHWC of 0..255 [float32]",
    )
    parser.add_argument(
        "--size", type=options.image_size, metavar="WxH", help="size of the input, for a graph of that size only"
    )
    parser.add_argument(
        "--grey", action="store_true", help="one channel in and out, for programs that upscale the luma only"
    )
    parser.add_argument("--plain", action="store_true", help="layer by layer as upstream, not fused")
    options.add_model_settings(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.graph.export import export_onnx

    output = Path(arguments.output)
    if output.suffix.lower() != ".onnx":
        msg = f"{output} does not end in .onnx"
        raise InputError(msg, hint="the file would be taken for something else: give a name such as model.onnx")
    model = options.load_model(arguments.file, arguments)
    export_onnx(
        model,
        output,
        fused=not arguments.plain,
        precision=arguments.precision,
        io=arguments.io,
        size=arguments.size,
        grey=arguments.grey,
    )
    console.say(f"{model.name} -> {output} ({output.stat().st_size / 1e6:.2f} MB)")
    return OK
