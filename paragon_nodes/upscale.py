"""The node "Upscale Image (ParagonSR2)"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from paragon_nodes.frames import enlarge_all, paragon_model
from paragon_nodes.messages import explained

if TYPE_CHECKING:
    from paragon_nodes.upscale_model import UpscaleModel


def tile_input() -> io.Int.Input:
    """Return the input for the size of tiles, which several nodes have."""
    return io.Int.Input(
        "tile_size",
        default=0,
        min=0,
        max=8192,
        step=8,
        optional=True,
        tooltip="Pixels of the source along each side of a tile; 0 chooses by itself and takes smaller ones when "
        "memory runs out. Tiles overlap by as much as the network looks around, so they do not show; only photo and "
        "pro networks look further than any tile.",
    )


class ParagonUpscale(io.ComfyNode):
    """Enlarges pictures by the factor of the network."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonUpscale",
            display_name="Upscale Image (ParagonSR2)",
            category="image/upscaling",
            description="Enlarges pictures with a ParagonSR2 network, as often as the network enlarges. "
            "Transparency is kept.",
            search_aliases=["paragon", "super resolution", "enlarge image"],
            inputs=[
                io.UpscaleModel.Input("upscale_model", tooltip='From the node "Load ParagonSR2 Model".'),
                io.Image.Input("image", tooltip="One picture or several, with or without transparency."),
                tile_input(),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The enlarged pictures.")],
        )

    @classmethod
    def execute(cls, upscale_model: UpscaleModel, image: torch.Tensor, tile_size: int = 0) -> io.NodeOutput:
        """Enlarge them."""
        with explained():
            model = paragon_model(upscale_model)
            upscaler = model.upscaler(tile_size)
            size = image.shape[2] * model.scale, image.shape[1] * model.scale
            return io.NodeOutput(
                enlarge_all(
                    image, size, lambda picture, progress: torch.from_numpy(upscaler(picture, progress=progress))
                )
            )
