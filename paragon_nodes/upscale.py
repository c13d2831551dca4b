"""The node "Upscale Image (ParagonSR2)"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from paragon_nodes.frames import checked_images, enlarge_all, paragon_model
from paragon_nodes.messages import explained
from paragon_nodes.tiles import check_tile_size, tile_input

if TYPE_CHECKING:
    from typing import Literal

    from paragon_nodes.upscale_model import UpscaleModel


class ParagonUpscale(io.ComfyNode):
    """Upscales images by the factor of the network."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonUpscale",
            display_name="Upscale Image (ParagonSR2)",
            category="image/upscaling",
            description="Upscales images with a ParagonSR2 network, by the factor of the network. "
            "Transparency is kept.",
            search_aliases=["paragon", "super resolution", "enlarge image"],
            inputs=[
                io.UpscaleModel.Input("upscale_model", tooltip='From the node "Load ParagonSR2 Model".'),
                io.Image.Input("image", tooltip="One image or several, with or without transparency."),
                tile_input(),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The upscaled images.")],
        )

    @classmethod
    def validate_inputs(cls, tile_size: int | None = 0) -> Literal[True]:
        """Refuse what cannot be, before anything runs; the page shows the text of an exception, not of a result."""
        with explained():
            check_tile_size(tile_size)
        return True

    @classmethod
    def execute(cls, upscale_model: UpscaleModel, image: torch.Tensor, tile_size: int = 0) -> io.NodeOutput:
        """Upscale them."""
        with explained():
            model, images = paragon_model(upscale_model), checked_images(image)
            upscaler = model.upscaler(tile_size)
            size = images.shape[2] * model.scale, images.shape[1] * model.scale
            return io.NodeOutput(
                enlarge_all(
                    images, size, lambda pixels, progress: torch.from_numpy(upscaler(pixels, progress=progress))
                )
            )
