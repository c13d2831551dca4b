"""The node "ParagonSR2 Info"."""

from __future__ import annotations

import platform

import torch
from comfy import model_management
from comfy_api.latest import io

from paragon_core import __version__
from paragon_core.backends import available_backends
from paragon_core.engines import EngineCache
from paragon_nodes import checkpoints


class ParagonInfo(io.ComfyNode):
    """Reports what works here."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonInfo",
            display_name="ParagonSR2 Info",
            category="utilities",
            description="Shows versions, which backends work here and why others do not, the models that were found "
            "and the TensorRT engines that are kept.",
            search_aliases=["paragon", "backends", "version"],
            is_output_node=True,
            inputs=[],
            outputs=[io.String.Output(display_name="text", tooltip="The report.")],
        )

    @classmethod
    def fingerprint_inputs(cls) -> float:
        """Look again each time."""
        return float("nan")

    @classmethod
    def execute(cls) -> io.NodeOutput:
        """Write the report."""
        text = report()
        return io.NodeOutput(text, ui={"text": (text,)})


def report() -> str:
    """Return what works here, as text."""
    lines = [
        f"Paragon {__version__}, Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}",
        f"ComfyUI computes on {model_management.get_torch_device()}",
        "",
        "Backends, fastest first:",
    ]
    for info in available_backends():
        name = f"{info.name} {info.version}".rstrip()
        if info.available:
            lines.append(f"  {name}: works" + f" ({info.reason})" * bool(info.reason))
        else:
            lines.append(f"  {name}: off, because {info.reason}" + f"; {info.hint}" * bool(info.hint))
    lines += ["", "Models: " + ", ".join(checkpoints.model_names()), ""]
    cache = EngineCache()
    entries = cache.entries()
    size = sum(entry.size for entry in entries) / 2**20
    lines.append(
        f"TensorRT engines: {len(entries)} ({size:.0f} MiB) in {cache.folder}; PARAGON_CACHE names another folder"
    )
    return "\n".join(lines)
