"""The node "Upscale Image To (ParagonSR2)"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from paragon_nodes.frames import checked_images, paragon_model, upscale_all
from paragon_nodes.messages import translate_errors
from paragon_nodes.target_size import check_option, output_size, size_options
from paragon_nodes.tiles import check_tile_size, tile_input

if TYPE_CHECKING:
    from typing import Literal

    import torch

    from paragon_nodes.upscale_model import UpscaleModel


class ParagonUpscaleTo(io.ComfyNode):
    """Upscales images to a size of the user's choice."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonUpscaleTo",
            display_name="Upscale Image To (ParagonSR2)",
            category="image/upscaling",
            description="Upscales images with a ParagonSR2 network, more than once if that is needed, and resizes "
            "the result to exactly the size that you choose. The proportions stay.",
            search_aliases=["paragon", "super resolution", "upscale to size", "resize"],
            accept_all_inputs=True,  # see execute
            inputs=[
                io.UpscaleModel.Input(
                    "upscale_model",
                    tooltip='From the node "Load ParagonSR2 Model", or core\'s "Load Upscale Model".',
                ),
                io.Image.Input("image", tooltip="One image or several, with or without transparency."),
                io.DynamicCombo.Input(
                    "mode",
                    options=size_options(),
                    optional=True,
                    tooltip="What decides the size: a factor, the short or the long edge, a box of width and height to "
                    "fit into, or megapixels.",
                ),
                io.Int.Input(
                    "multiple_of",
                    default=1,
                    min=1,
                    max=256,
                    optional=True,
                    tooltip="Width and height become multiples of this; video encoders want 2, many image models 8.",
                ),
                tile_input(),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The upscaled images."),
                io.Int.Output(display_name="width", tooltip="Their width in pixels."),
                io.Int.Output(display_name="height", tooltip="Their height in pixels."),
            ],
        )

    @classmethod
    def validate_inputs(cls, mode: object = None, tile_size: int | None = 0) -> Literal[True]:
        """Refuse what cannot be, before anything runs; see `ParagonUpscale.validate_inputs`."""
        with translate_errors():
            check_option(mode, size_options())
            check_tile_size(tile_size)
        return True

    @classmethod
    def execute(
        cls,
        *,
        upscale_model: UpscaleModel,
        image: torch.Tensor,
        mode: dict[str, Any] | str = "factor",
        multiple_of: int = 1,
        tile_size: int = 0,
        **older: Any,  # noqa: ANN401 - whatever is queued
    ) -> io.NodeOutput:
        """Upscale and resize them.

        Workflows that were saved for the queue by release 0.1 name the mode alone, and all sizes next to it.
        """
        with translate_errors():
            model, images = paragon_model(upscale_model), checked_images(image)
            chosen = mode if isinstance(mode, dict) else {"mode": mode}
            values = older | {name: value for name, value in chosen.items() if value is not None}
            size = output_size(chosen["mode"], values, multiple=multiple_of)
            target = size.of((images.shape[2], images.shape[1]))
            return io.NodeOutput(upscale_all(images, target, model.upscaler(tile_size), size=size), *target)
