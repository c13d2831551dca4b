"""What our UPSCALE_MODEL is: a ParagonSR2 model with a runtime, in the shape that core's nodes expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self

import comfy.utils
import numpy as np
import torch
from comfy import model_management

from paragon_core.backends import BACKENDS, choose
from paragon_core.border import Border
from paragon_core.interop.network import AutoFusedParagonSR2
from paragon_core.upscaler import Upscaler
from paragon_nodes.descriptor import Descriptor, RuntimeNetwork
from paragon_nodes.memory import DTYPES, ManagedTorch, patcher_for
from paragon_nodes.runtime_memory import RuntimePatcher

if TYPE_CHECKING:
    from paragon_core.backends import Backend, Precision
    from paragon_core.model import Model

_STEPS: Final = 1000


class UpscaleModel(Descriptor):
    """A model that our nodes run tile by tile, and that core's "Upscale Image (using Model)" and others can call."""

    def __init__(self, model: Model, *, backend: str, precision: Precision | Literal["auto"]) -> None:
        """Choose a runtime on ComfyUI's device.

        Raises:
            BackendUnavailableError: the backend or the precision does not work here.

        """
        self._asked = backend
        self._precision = precision
        self._backend, self._device = _runtime(backend)
        manages = isinstance(self._backend, ManagedTorch)
        super().__init__(model, (AutoFusedParagonSR2 if manages else RuntimeNetwork).from_model(model))
        self.patcher: Any = RuntimePatcher(_place(self._device), self.release)
        self._options = (0, True)
        self._upscaler = self._start(*self._options)
        if isinstance(self._backend, ManagedTorch):
            self.model.feature_dtype = DTYPES[self._upscaler.precision_of(np.float32)]
            self.patcher = patcher_for(self.model, self._backend.device)
        if isinstance(self.model, RuntimeNetwork):
            self.model.compute_with(self.compute)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a model with a runtime and parameters of its own."""
        twin = type(self)(self.paragon, backend=self._asked, precision=self._precision)
        twin.model.load_state_dict(self.model.state_dict())
        memo[id(self)] = twin.to(self.device, self.dtype).train(self.model.training)
        return twin

    def __repr__(self) -> str:
        """Tell what runs where."""
        precision = self._upscaler.precision_of(np.float32)
        return f"{self.paragon.name} ({self.scale}x, {self._upscaler.backend} {precision})"

    def upscaler(self, tile: int, *, clip: bool = True) -> Upscaler:
        """Return the upscaler for tiles of a size, halo included; 0 lets it choose. The last one is kept.

        Args:
            tile: pixels of the source.
            clip: to 0..1, as pictures in ComfyUI are.

        """
        if (tile, clip) != self._options:
            upscaler = self._start(tile, clip)
            self._upscaler.close()
            self._options, self._upscaler = (tile, clip), upscaler
        return self._upscaler

    def release(self) -> None:
        """Give back the memory of a runtime that ComfyUI does not manage; the next picture takes it anew."""
        self._upscaler.release()

    def compute(self, image: torch.Tensor) -> torch.Tensor:
        """Return [B, 3, H, W] upscaled; see `Descriptor.compute`."""
        if not isinstance(self.model, RuntimeNetwork):
            border = Border.of(self.paragon.spec, "auto")  # that of the other backends
            upscaled: torch.Tensor = border.cropped(self.model(border.continued(image)), self.scale)
            return upscaled
        pictures = image.detach().movedim(1, -1).float().cpu().numpy()
        results = [torch.from_numpy(self._upscaler(picture, progress=check_interrupt)) for picture in pictures]
        return torch.stack(results).movedim(-1, 1).to(image.device, image.dtype)

    def _start(self, tile: int, clip: bool) -> Upscaler:  # noqa: FBT001 - both in one tuple
        return Upscaler(
            self.paragon,
            backend=self._backend,
            precision=self._precision,
            device=self._device,
            tile=tile or "auto",
            clip=clip,
            building=BuildBar(),
            make_room=None if isinstance(self._backend, ManagedTorch) else self.patcher.make_room,
        )


class BuildBar:
    """Shows on a node how far the build of an engine is, and ends it if the user presses stop."""

    def __init__(self) -> None:
        self._bar = comfy.utils.ProgressBar(_STEPS)
        self._share = 0.0

    def __call__(self, share: float, doing: str) -> None:
        """Take a share from 0 to 1; what is being done has names of TensorRT's own, which tell a user nothing."""
        del doing
        check_interrupt()
        if share < self._share:  # the next build; a bar of ComfyUI does not go back
            self._bar = comfy.utils.ProgressBar(_STEPS)
        self._share = share
        self._bar.update_absolute(round(share * _STEPS))


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


def _place(device: str) -> torch.device:
    """Return where a runtime other than `ManagedTorch` keeps its memory."""
    return torch.device("cpu" if device == "auto" else device)
