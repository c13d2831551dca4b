"""What our UPSCALE_MODEL is: a ParagonSR2 model with a runtime, in the shape that core's nodes expect."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self, get_args

import comfy.utils
import numpy as np
import torch
from comfy import model_management

from paragon_core.backends import BACKENDS, Precision, choose
from paragon_core.backends.torch_network import DTYPES
from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.interop.network import AutoFusedParagonSR2
from paragon_core.upscaling import memory
from paragon_core.upscaling.border import Border
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.upscaler import Upscaler
from paragon_nodes.descriptor import Descriptor, RuntimeNetwork
from paragon_nodes.interrupts import Interrupt, check_interrupt
from paragon_nodes.memory import ManagedTorch, patcher_for
from paragon_nodes.runtime_memory import RuntimePatcher
from paragon_nodes.tiles import check_tile_size, least_tile, quick_area

if TYPE_CHECKING:
    from paragon_core.backends import Backend
    from paragon_core.models.model import Model
    from paragon_core.models.spec import ModelSpec
    from paragon_core.upscaling.options import PaddingChoice, PrecisionChoice

_STEPS: Final = 1000


class UpscaleModel(Descriptor):
    """A model that our nodes run tile by tile, and that core's "Upscale Image (using Model)" and others can call."""

    def __init__(self, model: Model, *, backend: str, precision: PrecisionChoice) -> None:
        """Choose a runtime on ComfyUI's device.

        Raises:
            BackendUnavailableError: the backend or the precision does not work here.

        """
        self._asked = backend
        runtime, device = _runtime(backend, model.spec, precision)
        self.interrupt = Interrupt()
        manages = isinstance(runtime, ManagedTorch)
        super().__init__(model, (AutoFusedParagonSR2 if manages else RuntimeNetwork).from_model(model))
        self.patcher: Any = RuntimePatcher(_place(device), self.release)
        options = UpscaleOptions(
            backend=runtime,
            precision=precision,
            device=device,
            tile_area=quick_area(model.spec) if _is_on_cpu(runtime, device) else math.inf,
            interrupt=self.interrupt,
            on_build_progress=BuildBar(),
            reserve_memory=None if manages else self.patcher.reserve_memory,
        )
        self._upscaler = Upscaler(model, options)
        if isinstance(runtime, ManagedTorch):
            self.model.feature_dtype = DTYPES[self._upscaler.precision_of(np.float32)]
            self.patcher = patcher_for(self.model, runtime.device)
        if isinstance(self.model, RuntimeNetwork):
            self.model.compute_with(self.compute)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a model with a runtime and parameters of its own."""
        twin = type(self)(self.paragon, backend=self._asked, precision=self._upscaler.options.precision)
        twin.model.load_state_dict(self.model.state_dict())
        memo[id(self)] = twin.to(self.device, self.dtype).train(self.model.training)
        return twin

    def __repr__(self) -> str:
        """Return what runs where."""
        precision = self._upscaler.precision_of(np.float32)
        return f"{self.paragon.name} ({self.scale}x, {self._upscaler.backend} {precision})"

    def upscaler(self, tile: int, *, clip: bool = True, padding: PaddingChoice = "auto") -> Upscaler:
        """Return the upscaler for tiles of a size, halo included; 0 lets it choose. The last one is kept.

        It ends its work with ComfyUI's own exception if the user presses stop from now on.

        Args:
            tile: pixels of the source; at least as many as the network needs to be no slower than without tiles.
            clip: to 0..1, as images in ComfyUI are.
            padding: what the network sees beyond the border.

        Raises:
            InputError: there are no tiles of that size.

        """
        check_tile_size(tile)
        self.interrupt.renew()
        tile = tile and max(tile, least_tile(self.paragon.spec))
        options = replace(self._upscaler.options, tile=tile or "auto", clip=clip, padding=padding)
        if options != self._upscaler.options:
            upscaler = Upscaler(self.paragon, options)
            self._upscaler.close()
            self._upscaler = upscaler
        return self._upscaler

    def on_card(self, image: torch.Tensor, padding: PaddingChoice) -> torch.Tensor | None:
        """Return [H, W, 3] of 0..1 upscaled without leaving the card that it is on.

        ComfyUI keeps images there with --gpu-only. None where that is not the network's place, where the image needs
        tiles or a path of its own for transparency, and where values are not numbers: then it goes the usual way.
        """
        runtime = self._upscaler.options.backend
        if not isinstance(runtime, ManagedTorch) or image.device.type == "cpu" or image.device != runtime.device:
            return None
        height, width, channels = image.shape
        border = Border.of(self.paragon.spec, padding)
        pixels = math.prod(border.grown((width, height)))
        needed = pixels * memory.bytes_per_pixel(self.paragon.spec, stores_attention=False)
        limit = memory.default_limit(self.paragon.spec, on_card=runtime.free_memory("auto"))
        if channels != self.input_channels or needed > limit:
            return None
        model_management.load_models_gpu([self.patcher], memory_required=needed, force_full_load=True)
        try:
            return self.upscale_where_it_is(image, border)
        except torch.OutOfMemoryError:
            pass
        model_management.soft_empty_cache()  # outside the handler: the exception held the tensors
        return None

    @torch.inference_mode()
    def upscale_where_it_is(self, image: torch.Tensor, border: Border) -> torch.Tensor | None:
        """Return [H, W, 3] upscaled and clipped, on the device of the image; None if it has values beyond numbers."""
        margin, scale = border.margin, self.scale
        rows, columns = (
            torch.from_numpy(border.places(-margin, side + margin, side)).to(image.device) for side in image.shape[:2]
        )
        seen = image.index_select(0, rows).index_select(1, columns).movedim(-1, 0)[None]
        output = self.model.to(image.device)(seen.float())[0]
        inside = output[:, margin * scale :, margin * scale :][:, : image.shape[0] * scale, : image.shape[1] * scale]
        if not bool(torch.isfinite(inside).all()):
            return None
        result: torch.Tensor = inside.clamp(0, 1).movedim(0, -1).to(image.dtype)
        return result

    def release(self) -> None:
        """Give back the memory of a runtime that ComfyUI does not manage; the next image takes it again."""
        self._upscaler.release()

    def compute(self, image: torch.Tensor) -> torch.Tensor:
        """Return [B, 3, H, W] upscaled, with the author's border; see `Descriptor.compute`."""
        if not isinstance(self.model, RuntimeNetwork):
            upscaled: torch.Tensor = self.model(image)
            return upscaled
        upscaler = self.upscaler(0, padding="zero")
        images = image.detach().movedim(1, -1).float().cpu().numpy()
        results = [torch.from_numpy(upscaler(each)) for each in images]
        return torch.stack(results).movedim(-1, 1).to(image.device, image.dtype)


class BuildBar:
    """Shows on a node how far the build of an engine is, and ends it if the user presses stop."""

    def __init__(self) -> None:
        self._bar = comfy.utils.ProgressBar(_STEPS)
        self._share = 0.0

    def __call__(self, share: float, doing: str) -> None:
        """Take a share from 0 to 1; what is being done has names of TensorRT's own, which mean nothing to a user."""
        del doing
        check_interrupt()
        if share < self._share:  # the next build; a bar of ComfyUI does not go back
            self._bar = comfy.utils.ProgressBar(_STEPS)
        self._share = share
        self._bar.update_absolute(round(share * _STEPS))


def check_runtime(backend: str, precision: str) -> None:
    """Check that a backend and a precision of `UpscaleModel` work here, without loading a model.

    Raises:
        InputError: there is no such backend or precision.
        BackendUnavailableError: it does not work here.

    """
    if backend == "auto" and precision in {"auto", "fp32"}:
        return  # without loading runtimes to find out which one it is
    if backend not in {"auto", "torch"}:
        choose(backend)
    runtime, device = _runtime(backend)
    if isinstance(runtime, str):
        runtime = choose(runtime, device)
    if precision not in {"auto", *get_args(Precision)}:
        raise InputError(f"there is no precision {precision!r}", hint=f"choose one of {', '.join(get_args(Precision))}")
    if _is_on_cpu(runtime, device) and precision not in {"auto", "fp32", *runtime.reduced_precisions("cpu")}:
        raise BackendUnavailableError(
            f"{runtime.name} does not run {precision} on this processor", hint="choose precision auto or fp32"
        )


def _runtime(
    name: str, spec: ModelSpec | None = None, precision: PrecisionChoice = "auto"
) -> tuple[str | Backend, str]:
    """Return what `Upscaler` takes as ``backend`` and ``device`` for a network, so that it runs where ComfyUI does."""
    device = model_management.get_torch_device()
    known = device.type in {"cpu", "cuda", "mps"}
    if name == "auto" and known:
        name = choose("auto", str(device), spec=spec, precision=precision).name
        if name != "torch":
            return "auto", str(device)  # not that name: another takes over where an engine cannot be had
    if name in {"auto", "torch"}:
        return ManagedTorch(device), "auto"
    found = BACKENDS[name].probe()
    return name, str(device) if found.accelerator == device.type else "cpu"


def _is_on_cpu(backend: str | Backend, device: str) -> bool:
    """Return whether what `_runtime` found computes on the processor."""
    return backend.device.type == "cpu" if isinstance(backend, ManagedTorch) else _place(device).type == "cpu"


def _place(device: str) -> torch.device:
    """Return where a runtime other than `ManagedTorch` keeps its memory."""
    return torch.device("cpu" if device == "auto" else device)
