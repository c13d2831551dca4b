"""The node "Upscale Image (ParagonSR2)"."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from comfy_api.latest import io

from paragon_core.upscaling.border import Padding
from paragon_nodes.frames import checked_images, paragon_model, upscale_all
from paragon_nodes.messages import translate_errors
from paragon_nodes.tiles import check_tile_size, tile_input

if TYPE_CHECKING:
    import torch

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
                io.UpscaleModel.Input(
                    "upscale_model",
                    tooltip='From the node "Load ParagonSR2 Model", or core\'s "Load Upscale Model".',
                ),
                io.Image.Input("image", tooltip="One image or several, with or without transparency."),
                tile_input(),
                io.Combo.Input(
                    "padding",
                    options=["auto", *get_args(Padding)],
                    default="auto",
                    optional=True,
                    advanced=True,
                    tooltip="What the network sees beyond the border of the image: symmetric mirrors it, edge repeats "
                    "the outermost pixels, wrap continues with the opposite side, for seamless textures, and zero is "
                    "black, as for the author. auto is symmetric, and zero for photo and pro networks.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The upscaled images.")],
        )

    @classmethod
    def validate_inputs(cls, tile_size: int | None = 0) -> Literal[True]:
        """Refuse what cannot be, before anything runs; the page shows the text of an exception, not of a result."""
        with translate_errors():
            check_tile_size(tile_size)
        return True

    @classmethod
    def execute(
        cls,
        upscale_model: UpscaleModel,
        image: torch.Tensor,
        tile_size: int = 0,
        padding: Padding | Literal["auto"] = "auto",
    ) -> io.NodeOutput:
        """Upscale them."""
        with translate_errors():
            model, images = paragon_model(upscale_model), checked_images(image)
            target = images.shape[2] * model.scale, images.shape[1] * model.scale
            upscaler = model.upscaler(tile_size, padding=padding)
            on_card = None if tile_size else partial(model.on_card, padding=padding)
            return io.NodeOutput(upscale_all(images, target, upscaler, on_card=on_card))
