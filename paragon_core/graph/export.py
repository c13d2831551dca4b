"""A model as ONNX, for other programs: in memory or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.atomic_files import atomic_write, remove_leftovers
from paragon_core.errors import InputError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.onnx_graph import build

if TYPE_CHECKING:
    from paragon_core.graph.graph_spec import Io
    from paragon_core.graph.onnx_nodes import Precision
    from paragon_core.models.model import Model


def export_onnx(
    model: Model,
    path: str | Path,
    *,
    fused: bool = True,
    precision: Precision = "fp32",
    size: tuple[int, int] | None = None,
    io: Io = "float32",
    grey: bool = False,
) -> Path:
    """Write a model as ONNX and return the path; the file appears whole or not at all.

    The graph has the border of the author's network, which sees zeros beyond the image, and no option that changes it.

    Args:
        model: what to write.
        path: where to; any extension will do.
        fused: the fused form, else layer by layer as upstream.
        precision: "fp32" or "fp16" weights and arithmetic.
        size: (width, height) of the input for a graph of one size, None for any size.
        io: "float32" or "float16": NCHW of 0..1, the output not clipped; "uint8": NHWC of 0..255, rounded and clipped.
        grey: one channel instead of three: grey goes through the network as equal R, G and B, out comes their mean.

    Raises:
        InputError: for a combination that does not exist.
        MediaError: the file cannot be written.

    """
    path = Path(path)
    if path.is_dir():
        msg = f"{path} is a folder"
        raise InputError(msg, hint="give the name of the .onnx file")
    content = onnx_bytes(model, GraphSpec(fused=fused, io=io, grey=grey, size=size), precision=precision)
    remove_leftovers(path.parent)
    with atomic_write(path) as stream:
        stream.write(content)
    return path


def onnx_bytes(
    model: Model,
    spec: GraphSpec = GraphSpec(),  # noqa: B008 - frozen
    *,
    precision: Precision = "fp32",
    merge_base: bool = True,
    portable: bool = True,
) -> bytes:
    """Return the content of an ``.onnx`` file, for programs that take it from memory.

    Args:
        model: what to write.
        spec: in which form.
        precision: see `export_onnx`.
        merge_base: True for OpenVINO, False for ONNX Runtime, for speed; the pixels are the same.
        portable: whether every runtime takes the graph (`onnx_graph.build`).

    Raises:
        InputError: for a combination that does not exist.

    """
    graph = build(model, spec, precision=precision, merge_base=merge_base, portable=portable)
    content: bytes = graph.SerializeToString()
    return content
