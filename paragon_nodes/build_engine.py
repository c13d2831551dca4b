"""The node "Build TensorRT Engine (ParagonSR2)"."""

from __future__ import annotations

import logging
from typing import Final, Literal, get_args

from comfy import model_management
from comfy_api.latest import io

from paragon_core.backends import choose
from paragon_core.backends.tensorrt import NAME, TensorRtRuntime, elsewhere
from paragon_core.backends.tensorrt_build import module
from paragon_core.engines import IMAGES, EngineCache, Profile, Target
from paragon_core.engines.profiles import LONGEST_SIDE
from paragon_core.errors import InputError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.prebuild import prebuild
from paragon_nodes import checkpoints
from paragon_nodes.messages import translate_errors
from paragon_nodes.upscale_model import BuildBar

Sizes = Literal["all pictures", "one size"]
Gpus = Literal["this one", "RTX 30 and newer"]
Precision = Literal["fp32", "fp16"]

_LOG: Final = logging.getLogger(__name__)


class ParagonBuildEngine(io.ComfyNode):
    """Builds an engine before a workflow needs it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonBuildEngine",
            display_name="Build TensorRT Engine (ParagonSR2)",
            category="utilities",
            description="Builds the engine that the backend tensorrt will want, ahead of its use. Engines that are "
            "missing are built anyway when an image comes; this does it earlier, or for one size, which is the "
            "fastest.",
            search_aliases=["paragon", "tensorrt", "compile", "engine"],
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=checkpoints.model_names(),
                    tooltip='The network, by the names of the node "Load ParagonSR2 Model".',
                ),
                io.Combo.Input(
                    "sizes",
                    options=list(get_args(Sizes)),
                    default="all pictures",
                    optional=True,
                    tooltip="all pictures: one engine from 64x64 to 1920x1920, larger ones go through it in tiles. "
                    "one size: for sources of exactly width and height, the fastest for a video or many such images.",
                ),
                _side("width", IMAGES.optimum[0], "Width of the sources, before they are upscaled, for one size."),
                _side("height", IMAGES.optimum[1], "Height of the sources, before they are upscaled, for one size."),
                io.Combo.Input(
                    "precision",
                    options=["auto", *reversed(get_args(Precision))],
                    default="auto",
                    optional=True,
                    advanced=True,
                    tooltip="As in the loader, where auto is fp32.",
                ),
                io.Combo.Input(
                    "gpus",
                    options=list(get_args(Gpus)),
                    default="this one",
                    optional=True,
                    tooltip="What it is to run on. For RTX 30 and newer it is built without a GPU, and runs on "
                    "other machines with the same version of TensorRT-RTX, too.",
                ),
            ],
            outputs=[io.String.Output(display_name="text", tooltip="Where the engine is, and how long it took.")],
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs: object) -> float:
        """Look each time whether it is still there."""
        return float("nan")

    @classmethod
    def validate_inputs(cls, gpus: str | None = "this one") -> Literal[True]:
        """Refuse what cannot be, before anything runs; see `ParagonUpscale.validate_inputs`."""
        with translate_errors():
            if gpus == "this one":
                choose(NAME)  # raises what is missing
            elif gpus in get_args(Gpus):
                module(elsewhere(Target()).flavour)  # likewise
            elif gpus is not None:
                raise InputError(f"there are no GPUs {gpus!r}", hint=f"choose one of {', '.join(get_args(Gpus))}")
        return True

    @classmethod
    def execute(
        cls,
        *,
        model_name: str,
        sizes: Sizes = "all pictures",
        width: int = IMAGES.optimum[0],
        height: int = IMAGES.optimum[1],
        precision: Precision | Literal["auto"] = "auto",
        gpus: Gpus = "this one",
    ) -> io.NodeOutput:
        """Build it, unless it is there."""
        with translate_errors():
            place = str(model_management.get_torch_device())
            runtime = TensorRtRuntime()
            if gpus == "this one":
                choose(NAME)  # raises what is missing
                device = runtime.device(place)
            else:
                device = elsewhere(Target())
            model = checkpoints.load_model(model_name)
            engine = prebuild(
                runtime,
                device,
                model,
                GraphSpec(),
                IMAGES if sizes == "all pictures" else Profile.static((width, height)),
                precision="fp32" if precision == "auto" else precision,
                cache=EngineCache(),
                progress=BuildBar(),
            )
            _LOG.info("%s", engine.summary)
            return io.NodeOutput(engine.summary, ui={"text": (engine.summary,)})


def _side(name: str, default: int, tooltip: str) -> io.Int.Input:
    return io.Int.Input(name, default=default, min=1, max=LONGEST_SIDE, optional=True, tooltip=tooltip)
