"""The node "Load ParagonSR2 Model"."""

from __future__ import annotations

from typing import Literal, get_args

from comfy_api.latest import io

from paragon_core.backends import BACKENDS, Precision
from paragon_core.models.purposes import PURPOSES
from paragon_nodes import checkpoints
from paragon_nodes.messages import translate_errors
from paragon_nodes.upscale_model import UpscaleModel, check_runtime


class ParagonLoadModel(io.ComfyNode):
    """Loads a ParagonSR2 network into a runtime."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node."""
        return io.Schema(
            node_id="ParagonLoadModel",
            display_name="Load ParagonSR2 Model",
            category="model/loaders",
            description="Loads a ParagonSR2 network. The result works in the ParagonSR2 nodes, which are exact at the "
            'edges of tiles and keep transparency, and in "Upscale Image (using Model)" and similar nodes.',
            search_aliases=["paragon", "super resolution", "upscale model"],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=checkpoints.model_names(),
                    tooltip="Names without an extension come with Paragon. The others are the ParagonSR2 networks "
                    "among the files in models/upscale_models and models/paragon.\n"
                    + "".join(f"\n{purpose.source}: {purpose.model}" for purpose in PURPOSES),
                ),
                io.Combo.Input(
                    "backend",
                    options=["auto", *BACKENDS],
                    default="auto",
                    optional=True,
                    tooltip="What computes. auto takes the fastest that works here; the node ParagonSR2 Info shows "
                    "which do, and why others do not.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", *get_args(Precision)],
                    default="auto",
                    optional=True,
                    advanced=True,
                    tooltip="Arithmetic of the network. auto is fp32. fp16 and bf16 are faster on most graphics cards, "
                    "and differ by a few levels of 255 on the hardest edges.",
                ),
            ],
            outputs=[
                io.UpscaleModel.Output(display_name="upscale_model", tooltip="The network, ready to upscale images."),
                io.String.Output(
                    display_name="model_name",
                    tooltip="The model's name without folder and extension, for names of files.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model_name: str, **_others: str) -> str:
        """Load again when the file is another."""
        return checkpoints.fingerprint(model_name)

    @classmethod
    def validate_inputs(
        cls, model_name: str | None = None, backend: str | None = "auto", precision: str | None = "auto"
    ) -> Literal[True]:
        """Refuse what is missing, damaged or does not work here before anything runs; None stands for a linked input.

        It replaces ComfyUI's own check against the list, to which the same model in a folder, saved in a workflow with
        the other kind of slash, is a stranger. The page shows the text of an exception, not of a result.
        """
        with translate_errors():
            if model_name is not None:
                checkpoints.check(str(model_name))
            check_runtime(backend or "auto", precision or "auto")
        return True

    @classmethod
    def execute(
        cls, model_name: str, backend: str = "auto", precision: Precision | Literal["auto"] = "auto"
    ) -> io.NodeOutput:
        """Load it."""
        with translate_errors():
            model = checkpoints.load_model(model_name)
            return io.NodeOutput(UpscaleModel(model, backend=backend, precision=precision), model.name)
