"""The node "Upscale Image To (ParagonSR2)"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import torch
from comfy_api.latest import io

from paragon_core.output_size import OutputSize
from paragon_nodes.frames import enlarge_all, paragon_model
from paragon_nodes.messages import explained
from paragon_nodes.upscale import tile_input

if TYPE_CHECKING:
    from paragon_nodes.upscale_model import UpscaleModel

Mode = Literal["factor", "short edge", "long edge", "fit", "megapixels"]

MODES: Final[tuple[Mode, ...]] = get_args(Mode)

_LARGEST_EDGE = 32768


class ParagonUpscaleTo(io.ComfyNode):
    """Enlarges pictures to a size of the user's choice."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonUpscaleTo",
            display_name="Upscale Image To (ParagonSR2)",
            category="image/upscaling",
            description="Enlarges pictures with a ParagonSR2 network, more than once if that is needed, and resizes "
            "the result to exactly the size that you choose. The proportions stay.",
            search_aliases=["paragon", "super resolution", "upscale to size", "resize"],
            inputs=[
                io.UpscaleModel.Input("upscale_model", tooltip='From the node "Load ParagonSR2 Model".'),
                io.Image.Input("image", tooltip="One picture or several, with or without transparency."),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="factor",
                    optional=True,
                    tooltip="What decides about the size: factor, edge (short or long), fit into width and height, or "
                    "megapixels. The inputs of the other modes have no effect.",
                ),
                io.Float.Input(
                    "factor",
                    default=2.0,
                    min=0.05,
                    max=32.0,
                    step=0.05,
                    optional=True,
                    tooltip="Mode factor: how many times as wide and high.",
                ),
                _pixels("edge", 1080, "Modes short edge and long edge: its length in pixels."),
                _pixels("width", 1920, "Mode fit: the result is at most so wide."),
                _pixels("height", 1080, "Mode fit: the result is at most so high."),
                io.Float.Input(
                    "megapixels",
                    default=4.0,
                    min=0.01,
                    max=1000.0,
                    step=0.01,
                    optional=True,
                    tooltip="Mode megapixels: so many million pixels in all.",
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
                io.Image.Output(display_name="image", tooltip="The enlarged pictures."),
                io.Int.Output(display_name="width", tooltip="Their width in pixels."),
                io.Int.Output(display_name="height", tooltip="Their height in pixels."),
            ],
        )

    @classmethod
    def execute(
        cls,
        *,
        upscale_model: UpscaleModel,
        image: torch.Tensor,
        mode: Mode = "factor",
        factor: float = 2.0,
        edge: int = 1080,
        width: int = 1920,
        height: int = 1080,
        megapixels: float = 4.0,
        multiple_of: int = 1,
        tile_size: int = 0,
    ) -> io.NodeOutput:
        """Enlarge and resize them."""
        with explained():
            upscaler = paragon_model(upscale_model).upscaler(tile_size)
            values: dict[Mode, dict[str, Any]] = {
                "factor": {"factor": factor},
                "short edge": {"short_edge": edge},
                "long edge": {"long_edge": edge},
                "fit": {"fit": (width, height)},
                "megapixels": {"megapixels": megapixels},
            }
            size = OutputSize(**values[mode], multiple=multiple_of)
            target = size.of((image.shape[2], image.shape[1]))
            return io.NodeOutput(
                enlarge_all(
                    image,
                    target,
                    lambda picture, progress: torch.from_numpy(upscaler(picture, size=size, progress=progress)),
                ),
                *target,
            )


def _pixels(name: str, default: int, tooltip: str) -> io.Int.Input:
    return io.Int.Input(name, default=default, min=1, max=_LARGEST_EDGE, optional=True, tooltip=tooltip)
