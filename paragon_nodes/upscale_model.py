"""What our UPSCALE_MODEL is: a ParagonSR2 model with a runtime, in the shape that core's nodes expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from comfy import model_management

from paragon_core.backends import BACKENDS, Network, RunSettings, choose
from paragon_core.upscaler import Upscaler
from paragon_nodes.memory import ManagedTorch, patcher_for

if TYPE_CHECKING:
    from paragon_core.backends import Backend, Precision
    from paragon_core.model import Model
    from paragon_nodes.memory import ManagedSession


class UpscaleModel:
    """A model that our nodes run tile by tile, and that core's "Upscale Image (using Model)" and others can call."""

    def __init__(self, model: Model, *, backend: str, precision: Precision | Literal["auto"]) -> None:
        """Choose a runtime on ComfyUI's device.

        Raises:
            BackendUnavailableError: the backend or the precision does not work here.

        """
        self.paragon = model
        self.scale = model.spec.scale
        self._precision = precision
        self._backend, self._device = _runtime(backend)
        self._tile = 0
        self._upscaler = self._start(self._tile)
        self._session: ManagedSession | None = None
        # For other runtimes, ComfyUI gets a module without weights: it cannot move theirs.
        self.model: torch.nn.Module = torch.nn.Identity()
        if isinstance(self._backend, ManagedTorch):
            settings = RunSettings(precision=self._upscaler.precision)
            self._session = self._backend.open(Network(model=model), settings)
            self.model = self._session.module
        self.patcher = self._session.patcher if self._session else patcher_for(self.model, torch.device("cpu"))

    def __repr__(self) -> str:
        """Tell what runs where."""
        return f"{self.paragon.name} ({self.scale}x, {self._upscaler.backend} {self._upscaler.precision})"

    def upscaler(self, tile: int) -> Upscaler:
        """Return the upscaler for tiles of a size, halo included; 0 lets it choose. The last one is kept."""
        if tile != self._tile:
            upscaler = self._start(tile)
            self._upscaler.close()
            self._tile, self._upscaler = tile, upscaler
        return self._upscaler

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return [B, 3, H, W] of 0..1 enlarged, for nodes that cut their own tiles."""
        if self._session is not None:
            return self._session.forward(image)
        pictures = image.movedim(1, -1).float().cpu().numpy()
        enlarged = [torch.from_numpy(self._upscaler(picture, progress=check_interrupt)) for picture in pictures]
        return torch.stack(enlarged).movedim(-1, 1).to(image.device, image.dtype)

    def to(self, *_place: Any, **_more: Any) -> Self:  # noqa: ANN401 - torch's signature
        """Return itself: the patcher moves the weights."""
        return self

    def cpu(self) -> Self:
        """Return itself."""
        return self

    def eval(self) -> Self:
        """Return itself."""
        return self

    def _start(self, tile: int) -> Upscaler:
        return Upscaler(
            self.paragon, backend=self._backend, precision=self._precision, device=self._device, tile=tile or "auto"
        )


def check_interrupt(*_progress: int) -> None:
    """Leave with ComfyUI's own exception if the user pressed stop."""
    model_management.throw_exception_if_processing_interrupted()


def _runtime(name: str) -> tuple[str | Backend, str]:
    """Return what `Upscaler` takes as ``backend`` and ``device``, so that it runs where ComfyUI does."""
    device = model_management.get_torch_device()
    known = device.type in {"cpu", "cuda", "mps"}
    if name == "auto" and known:
        name = choose("auto", str(device)).name
        if name != "torch":
            return "auto", str(device)  # not that name: another takes over where an engine cannot be had
    if name in {"auto", "torch"}:
        return ManagedTorch(device), "auto"
    found = BACKENDS[name].probe()
    return name, str(device) if found.accelerator == device.type else "cpu"
