"""ParagonSR2 for spandrel, the library with which ComfyUI, chaiNNer and others load upscalers.

`register` adds the architecture to spandrel's registry; from then on `spandrel.ModelLoader` opens ParagonSR2 files::

    from paragon_core.interop.spandrel import register
    import spandrel

    register()
    model = spandrel.ModelLoader().load_from_file("2xParagonSR2_Stream_fidelity.safetensors")
"""

from __future__ import annotations

try:
    from spandrel import (
        MAIN_REGISTRY,
        Architecture,
        ArchRegistry,
        ArchSupport,
        ImageModelDescriptor,
        ModelTiling,
        SizeRequirements,
    )
except ImportError as error:
    from paragon_core.errors import BackendUnavailableError

    raise BackendUnavailableError(f"spandrel cannot be used: {error}", hint="pip install spandrel") from error

from typing import TYPE_CHECKING, Any

from paragon_core.interop.network import AutoFusedParagonSR2
from paragon_core.interop.state_dicts import is_paragon, model_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from paragon_core.models.model import Model

    Files = Callable[[], Iterable[Path]]

ARCHITECTURE_ID = "ParagonSR2"


class ParagonSR2Arch(Architecture[AutoFusedParagonSR2]):
    """All ParagonSR2 networks that Paragon knows."""

    def __init__(self) -> None:
        super().__init__(id=ARCHITECTURE_ID, detect=is_paragon)
        self._files: list[Files] = []

    def add_files(self, files: Files) -> None:
        """Look for the file of a state dict among these, too; see `register`."""
        if files not in self._files:
            self._files.append(files)

    def load(self, state_dict: dict[str, Any]) -> ImageModelDescriptor[AutoFusedParagonSR2]:
        """Return the model of a state dict.

        Raises:
            CheckpointError: its weights are damaged, or it is another network.

        """
        return describe(model_of(state_dict, (path for files in self._files for path in files())), self)


def register(*, registry: ArchRegistry | None = None, files: Files | None = None) -> ParagonSR2Arch:
    """Add the architecture to spandrel's registry, unless it is there, and return it.

    ``upsampler_alpha`` and ``window_size`` are in no tensor. For a state dict, they are those of a file with the same
    weights: an official release, a bundled model, one in the folders that Paragon searches, or one of ``files``.

    Args:
        registry: where to add it; None means spandrel's main one.
        files: returns further checkpoints; called when a state dict is loaded that is no official release.

    """
    registry = MAIN_REGISTRY if registry is None else registry
    if ARCHITECTURE_ID not in registry:
        # First: it fires for nothing but all tensors of such a network in their shapes, while others go by a few names.
        before = tuple(each.architecture.id for each in registry)
        registry.add(ArchSupport.from_architecture(ParagonSR2Arch(), before=before), ignore_duplicates=True)
    architecture = registry[ARCHITECTURE_ID].architecture
    assert isinstance(architecture, ParagonSR2Arch)  # noqa: S101 - the identifier is ours
    if files is not None:
        architecture.add_files(files)
    return architecture


def describe(
    model: Model,
    architecture: ParagonSR2Arch | None = None,
    network: AutoFusedParagonSR2 | None = None,
) -> ImageModelDescriptor[AutoFusedParagonSR2]:
    """Return spandrel's descriptor of a model.

    Args:
        model: a loaded checkpoint.
        architecture: the registered one; None makes one.
        network: the model's network; None makes one on the CPU, in float32.

    """
    spec = model.spec
    network = AutoFusedParagonSR2.from_model(model) if network is None else network
    return ImageModelDescriptor(
        network,
        network.state_dict(),
        architecture=ParagonSR2Arch() if architecture is None else architecture,
        purpose="SR",
        tags=[spec.variant, f"{spec.channels}nf", f"{spec.groups}x{spec.blocks}"],
        supports_half=True,
        supports_bfloat16=True,
        scale=spec.scale,
        input_channels=3,
        output_channels=3,
        size_requirements=SizeRequirements(),  # any size: the network pads inside
        # Attention and means over the whole image differ from tile to tile; all other networks look a few pixels far.
        tiling=ModelTiling.SUPPORTED if spec.receptive_radius is not None else ModelTiling.DISCOURAGED,
    )
