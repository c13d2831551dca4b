"""A ParagonSR2 model that core's own "Load Upscale Model" opened, as our nodes take it."""

from __future__ import annotations

import warnings
from dataclasses import replace

from paragon_core.errors import AssumptionWarning
from paragon_core.interop.network import AutoFusedParagonSR2
from paragon_core.interop.state_dicts import model_of
from paragon_nodes import checkpoints
from paragon_nodes.upscale_model import UpscaleModel


def from_core(descriptor: object) -> UpscaleModel | None:
    """Return the model of a descriptor of spandrel in the fastest runtime; None if it holds no ParagonSR2 network.

    It has the weights as they are now, also where a node has changed them.

    Raises:
        CheckpointError: the weights are damaged.
        BackendUnavailableError: no runtime works here.

    """
    network = getattr(descriptor, "model", None)
    if not isinstance(network, AutoFusedParagonSR2):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)  # the network knows what its tensors do not say
        model = model_of(network.state_dict(), checkpoints.files())
    return UpscaleModel(replace(model, spec=network.spec), backend="auto", precision="auto")
