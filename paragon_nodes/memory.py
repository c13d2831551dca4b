"""Torch as a backend whose weights ComfyUI manages: it decides when they are on the device and when they must go."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import comfy.model_patcher
import torch
from comfy import model_management

from paragon_core.backends import BACKENDS, Backend, BackendInfo, PlaneSession, Precision, Session, SessionOptions
from paragon_core.backends.failures import failure
from paragon_core.backends.gpu_memory import LANES, TorchMemory
from paragon_core.backends.torch import CancellableLayers, is_nvidia
from paragon_core.backends.torch_cuda import CudaFrames, upscale_batch
from paragon_core.backends.torch_network import DTYPES, apply, on_samples
from paragon_core.errors import BackendUnavailableError, OutOfMemoryError
from paragon_core.graph.torch_fused import FusedParagonSR2
from paragon_core.network.float32 import whole_float32
from paragon_core.upscaling.memory import bytes_per_pixel

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from paragon_core.backends import ImageInPlace, Piece
    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model


def patcher_for(module: torch.nn.Module, device: torch.device) -> Any:  # noqa: ANN401 - the class's name varies
    """Return what ComfyUI's model management moves between ``device`` and where models wait."""
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return patcher(module, load_device=device, offload_device=_waiting_place(device))


class ManagedSession(Session):
    """A network in torch."""

    def __init__(self, model: Model, spec: GraphSpec, options: SessionOptions, device: torch.device) -> None:
        self.module = FusedParagonSR2.from_model(
            model, spec, dtype=DTYPES[options.precision], device=_waiting_place(device)
        )
        self._layers = CancellableLayers(self.module, device)
        self.patcher = patcher_for(self.module, device)
        self._device = device
        self._management = threading.Lock()  # ComfyUI's is made for one thread; frames of videos come from several
        self._separate_detail = spec.separate_detail
        self._threads = options.threads
        self._bytes_per_pixel = options.streams * bytes_per_pixel(model.spec, stores_attention=False)

    def prepare(self, size: tuple[int, int]) -> None:
        """Have ComfyUI make room for tiles of this size, and bring the weights."""
        needed = size[0] * size[1] * self._bytes_per_pixel
        with self._management:
            model_management.load_models_gpu([self.patcher], memory_required=needed, force_full_load=True)
            # Dynamic memory management leaves the weights of modules behind that are not made of ComfyUI's own layers.
            self.module.to(self._device)

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        threads = torch.get_num_threads()
        try:
            if self._device.type == "cpu":
                torch.set_num_threads(self._threads)
            with torch.inference_mode(), whole_float32(self._device):
                return self._run(batch)
        except Exception as error:
            found = failure("torch", error)
            if not isinstance(found, OutOfMemoryError):
                raise found from error
        finally:
            if self._device.type == "cpu":
                torch.set_num_threads(threads)
        # Outside the handler: the exception held the failed call's tensors, and smaller tiles will need their memory.
        model_management.soft_empty_cache()
        raise OutOfMemoryError(f"torch ran out of memory on {self._device}", hint="choose smaller tiles in the node")

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch; see `Session.lend`."""
        with self._layers.heeding(cancellation):
            output = self.run(batch)
        yield output

    def close(self) -> None:
        """Do nothing: ComfyUI frees the weights once nobody holds this session."""

    def _run(self, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        image = torch.from_numpy(batch).to(self._device)
        output = apply(self.module.to(self._device), image, separate_detail=self._separate_detail)
        result: npt.NDArray[np.float32] = output.contiguous().cpu().numpy()
        return result


class ManagedCudaSession(ManagedSession, PlaneSession):
    """The same on an NVIDIA card: copies overlap with computing, and the card checks, clips and converts.

    Without CUDA graphs: ComfyUI moves the weights.
    """

    def __init__(
        self, model: Model, spec: GraphSpec, options: SessionOptions, device: torch.device, memory: TorchMemory
    ) -> None:
        super().__init__(model, spec, options, device)
        self._spec = spec
        self._scale = model.spec.scale
        self._memory = memory
        self._bytes_per_pixel = bytes_per_pixel(model.spec, stores_attention=False)  # one tile is computed at a time
        work = on_samples(self._compute, device)
        self._frames = CudaFrames(work, memory, device, scale=self._scale, lanes=options.streams, records=False)

    def prepare(self, size: tuple[int, int]) -> None:
        """Have ComfyUI make room for tiles of this size, and bring the weights."""
        super().prepare(size)
        self._memory.settle()

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        return upscale_batch(self, batch, self._spec, scale=self._scale)

    def upscale(self, image: ImageInPlace, piece: Piece, cancellation: Cancellation | None = None) -> None:
        """Upscale a tile; see `PlaneSession.upscale`. Not cancelled: it takes a moment."""
        del cancellation
        self._frames.upscale(image, piece)

    def _compute(self, image: torch.Tensor) -> torch.Tensor:
        return apply(self.module.to(self._device), image, separate_detail=self._separate_detail)


class ManagedTorch(Backend):
    """Torch on ComfyUI's device, for images in floats and fused networks: those are all that the nodes have."""

    name = "torch"
    runs_on_cpu = True
    stores_attention = False
    compiles_slowly = False
    largest_tile = None
    takes_all_sizes = True

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def may_accelerate(self) -> bool:
        """Return whether ComfyUI uses more than the CPU."""
        return self.device.type != "cpu"

    def probe(self) -> BackendInfo:
        """Return the device."""
        accelerator = "" if self.device.type == "cpu" else self.device.type
        version = str(torch.__version__)
        return BackendInfo(
            name=self.name,
            available=True,
            reason=str(self.device),
            version=version,
            accelerator=accelerator,
            streams=LANES if is_nvidia(self.device) else 1,
        )

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return what ComfyUI thinks is faster than fp32 on its device; on a CPU, what torch says."""
        if self.device.type == "cpu":
            return BACKENDS["torch"].reduced_precisions(device)
        fast: dict[Precision, bool] = {
            "fp16": model_management.should_use_fp16(self.device),
            "bf16": model_management.should_use_bf16(self.device),
        }
        return tuple(precision for precision, is_fast in fast.items() if is_fast)

    def free_memory(self, device: str) -> int | None:
        """Return the memory of a card, all of it: before a run ComfyUI makes room. None for the machine's own."""
        del device
        if self.device.type not in {"cuda", "xpu"}:
            return None
        total: int = model_management.get_total_memory(self.device)
        return total

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> ManagedSession:
        """Build a session; see `Backend.open`."""
        precision = options.precision
        if self.device.type == "cpu" and precision not in {"fp32", *self.reduced_precisions("cpu")}:
            raise BackendUnavailableError(f"this processor is slow at {precision}", hint="use precision fp32 or auto")
        if not is_nvidia(self.device):
            return ManagedSession(model, spec, options, self.device)
        index = torch.cuda.current_device() if self.device.index is None else self.device.index
        return ManagedCudaSession(model, spec, options, self.device, TorchMemory(torch, index))


def _waiting_place(device: torch.device) -> torch.device:
    place: torch.device = device if device.type == "cpu" else model_management.unet_offload_device()
    return place
