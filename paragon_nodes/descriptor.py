"""The members that nodes use of core's upscale models, which are descriptors of the library spandrel."""

from __future__ import annotations

import copy
import weakref
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.interop.network import AutoFusedParagonSR2
from paragon_nodes.messages import translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.models.model import Model

_AXES: Final = 4
_CHANNELS: Final = 3


class Descriptor:
    """A model in the shape of spandrel's ``ImageModelDescriptor``, whatever computes it.

    It takes and returns tensors [B, 3, H, W] of any floating type; other than spandrel's, also of another type than the
    parameters have.
    """

    input_channels: Final = _CHANNELS
    output_channels: Final = _CHANNELS
    supports_half: Final = True
    supports_bfloat16: Final = True

    def __init__(self, model: Model, network: AutoFusedParagonSR2) -> None:
        """Describe a model.

        Args:
            model: the checkpoint.
            network: its parameters in torch, for nodes that move, cast or call them.

        """
        self.paragon = model
        self.model = network
        self.scale = model.spec.scale

    @abstractmethod
    def compute(self, image: torch.Tensor) -> torch.Tensor:
        """Return [B, 3, H, W] upscaled; of the same type, on the same device, not clipped."""

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return [B, 3, H, W] of 0..1 upscaled, clipped to 0..1, for nodes that cut their own tiles."""
        if self.model.training:
            self.model.eval()
        with translate_errors():
            _check(image)
            if not image.shape[0]:
                return image.new_empty((0, _CHANNELS, *(self.scale * side for side in image.shape[2:])))
            return self.compute(image).clamp_(0, 1)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return next(self.model.parameters()).dtype

    @property
    def architecture(self) -> Any:  # noqa: ANN401 - spandrel's class; without spandrel nobody asks
        """The architecture as spandrel knows it."""
        return self._described.architecture

    @property
    def purpose(self) -> str:
        """Super resolution."""
        return "SR"

    @property
    def tags(self) -> list[str]:
        """Variant and size of the network."""
        return list(self._described.tags)

    @property
    def tiling(self) -> Any:  # noqa: ANN401 - likewise
        """Whether tiles show."""
        return self._described.tiling

    @property
    def size_requirements(self) -> Any:  # noqa: ANN401 - likewise
        """Every size will do."""
        return self._described.size_requirements

    def to(self, *args: Any, **kwargs: Any) -> Self:  # noqa: ANN401 - torch's signature
        """Move or cast the parameters as `torch.nn.Module.to`."""
        self.model.to(*args, **kwargs)
        return self

    def half(self) -> Self:
        """Cast the parameters to float16."""
        return self.to(torch.float16)

    def bfloat16(self) -> Self:
        """Cast the parameters to bfloat16."""
        return self.to(torch.bfloat16)

    def float(self) -> Self:
        """Cast the parameters to float32."""
        return self.to(torch.float32)

    def cpu(self) -> Self:
        """Move the parameters to the CPU."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> Self:
        """Move the parameters to a CUDA device."""
        self.model.cuda(device)
        return self

    def eval(self) -> Self:
        """Leave training mode."""
        return self.train(mode=False)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Enter or leave training mode; being called leaves it."""
        self.model.train(mode)
        return self

    @cached_property
    def _described(self) -> Any:  # noqa: ANN401 - likewise
        from paragon_core.interop.spandrel import describe, register  # noqa: PLC0415 - ComfyUI could do without it

        return describe(self.paragon, register(), copy.deepcopy(self.model))


class RuntimeNetwork(AutoFusedParagonSR2):
    """Parameters in torch of a network that another runtime computes; a copy computes in torch."""

    _runtime: weakref.WeakMethod[Callable[[torch.Tensor], torch.Tensor]] | None = None

    def compute_with(self, runtime: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Compute with a method of an object, as long as that is there; it may hold this network."""
        self._runtime = weakref.WeakMethod(runtime)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the network's signature
        """Upscale in the runtime, unless it is asked for more than an image."""
        runtime = self._runtime() if self._runtime else None
        if runtime is None or args or kwargs or self.keeps_parameters(x):
            return super().forward(x, *args, **kwargs)
        return runtime(x)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies hold."""
        return super().__getstate__() | {"_runtime": None}


def _check(image: torch.Tensor) -> None:
    if image.ndim != _AXES or image.shape[1] != _CHANNELS or not image.is_floating_point():
        raise UnsupportedFormatError(
            f"an upscale model got a tensor of shape {tuple(image.shape)} and type {image.dtype}",
            hint="the node that calls it must give floats of shape [B, 3, H, W]",
        )
    if 0 in image.shape[2:]:
        raise UnsupportedSizeError(
            f"{image.shape[3]}x{image.shape[2]} pixels are no image", hint="see what the node before makes"
        )
    if not bool(torch.isfinite(image).all()):
        raise UnsupportedFormatError(
            "the image contains values that are not numbers (NaN or infinity)",
            hint="the node that makes the image is at fault: where that is VAE Decode, start ComfyUI with --fp32-vae",
        )
