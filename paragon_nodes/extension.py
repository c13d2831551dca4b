"""What ComfyUI asks a pack for: its nodes."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from paragon_nodes.build_engine import ParagonBuildEngine
from paragon_nodes.checkpoints import register_folders
from paragon_nodes.core_loader import register_architecture
from paragon_nodes.info import ParagonInfo
from paragon_nodes.load_model import ParagonLoadModel
from paragon_nodes.upscale import ParagonUpscale
from paragon_nodes.upscale_to import ParagonUpscaleTo
from paragon_nodes.upscale_video import ParagonUpscaleVideo


class ParagonExtension(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return the nodes."""
        return [
            ParagonLoadModel,
            ParagonUpscale,
            ParagonUpscaleTo,
            ParagonUpscaleVideo,
            ParagonBuildEngine,
            ParagonInfo,
        ]


async def comfy_entrypoint() -> ParagonExtension:
    """Return the pack; ComfyUI calls it by this name, once."""
    register_folders()
    register_architecture()
    return ParagonExtension()
