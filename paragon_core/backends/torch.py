"""PyTorch: for machines that have it anyway, on NVIDIA and AMD cards, on Apple's chips and on the CPU."""

from __future__ import annotations

import contextlib
import importlib.metadata
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends import torch_triton
from paragon_core.backends.base import Backend, BackendInfo, Precision, Session, SessionOptions
from paragon_core.backends.failures import failure, refuse_non_finite, unavailable
from paragon_core.backends.gpu_memory import LANES, TorchMemory
from paragon_core.errors import BackendUnavailableError, InferenceError, OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.backends.torch_network import TorchNetwork
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

NAME: Final = "torch"

_HINT: Final = "pip install torch (which wheel suits a graphics card: https://pytorch.org/get-started/locally)"
_LEVELS: Final = 255
_TRIAL_SIDE: Final = 8

#: Processor features, any of which makes torch fast at a reduced precision; without them it takes 10 to 30 times longer
#: than in fp32 (measured for fp16).
_INSTRUCTIONS: Final[dict[Precision, tuple[str, ...]]] = {
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "fp16": ("avx512_fp16", "amx_fp16", "fp16_arith"),
}


class CancellableLayers:
    """Ends a pass of a module on the CPU before its next layer, if it was cancelled; others are not waited for."""

    def __init__(self, module: torch.nn.Module, device: torch.device) -> None:
        """Have each layer ask."""
        self._pass = threading.local()
        for layer in module.modules() if device.type == "cpu" else ():
            if not list(layer.children()):
                layer.register_forward_pre_hook(self._check)

    @contextlib.contextmanager
    def heeding(self, cancellation: Cancellation | None) -> Iterator[None]:
        """Heed a cancellation in the passes that this thread makes during the block."""
        self._pass.cancellation = cancellation
        try:
            yield
        finally:
            self._pass.cancellation = None

    def _check(self, *_call: object) -> None:
        cancellation = getattr(self._pass, "cancellation", None)
        if cancellation and cancellation.cancelled:
            raise InferenceError("the run was cancelled")


class TorchSession(Session):
    """A network in torch, on any device but NVIDIA cards."""

    def __init__(self, model: Model, spec: GraphSpec, options: SessionOptions, device: torch.device) -> None:
        import torch  # noqa: PLC0415 - optional, and slow to import

        from paragon_core.backends.torch_network import TorchNetwork  # noqa: PLC0415 - imports torch

        self._as_bytes = spec.io == "uint8"
        self._device = device
        self._threads = options.threads
        self._threads_before = torch.get_num_threads()
        network = TorchNetwork(model, spec, precision=options.precision, device=device)
        self._network: TorchNetwork | None = network
        self._layers = CancellableLayers(network.module, device)

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        network = self._network
        if network is None:
            msg = "the session was closed"
            raise BackendUnavailableError(msg, hint="open a new Upscaler")
        import torch  # noqa: PLC0415 - optional, and slow to import

        try:
            with torch.inference_mode(), self._numerics():
                return self._run(network, batch)
        except Exception as error:  # torch raises RuntimeError for nearly everything
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise failure(NAME, error) from error
        # Outside the handler: the exception held the failed call's tensors, and smaller tiles will need their memory.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        msg = f"torch ran out of memory on {self._device}"
        raise OutOfMemoryError(msg, hint="use smaller tiles, or a smaller max_memory")

    @contextlib.contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch; see `Session.lend`."""
        with self._layers.heeding(cancellation):
            output = self.run(batch)
        yield output

    def close(self) -> None:
        """Drop the weights and what torch keeps for later on a graphics card."""
        import torch  # noqa: PLC0415 - optional, and slow to import

        self._network = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _run(self, network: TorchNetwork, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        import torch  # noqa: PLC0415 - optional, and slow to import

        image = torch.from_numpy(np.require(batch, requirements=["C", "W"])).to(self._device)
        if self._as_bytes:
            image = image.permute(0, 3, 1, 2).to(torch.float32) / _LEVELS
        output = network(image)
        if self._as_bytes:
            refuse_non_finite(NAME, output.mean(dim=(1, 2, 3)).cpu().numpy())
            output = output.mul_(_LEVELS).round_().clamp_(0, _LEVELS).to(torch.uint8).permute(0, 2, 3, 1)
        return output.contiguous().cpu().numpy()

    @contextlib.contextmanager
    def _numerics(self) -> Iterator[None]:
        """Hold torch to its threads on a CPU, and to the whole of float32 on a card."""
        import torch  # noqa: PLC0415 - optional, and slow to import

        from paragon_core.network.float32 import whole_float32  # noqa: PLC0415 - imports torch

        if self._device.type == "cpu":
            torch.set_num_threads(self._threads)
        try:
            with whole_float32(self._device):
                yield
        finally:
            if self._device.type == "cpu":
                torch.set_num_threads(self._threads_before)


class TorchBackend(Backend):
    """Runs the fused network in torch, or layer by layer as upstream."""

    name = NAME
    runs_on_cpu = True
    stores_attention = False
    compiles_slowly = False
    largest_tile = None
    takes_all_sizes = True

    def may_accelerate(self) -> bool:
        """Return whether torch is installed in a build that is not for the CPU only."""
        try:
            version = importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            return False
        return not version.endswith("+cpu")

    def probe(self) -> BackendInfo:
        """Find out whether torch works here, and on what."""
        try:
            torch = _import()
            device = _device(torch, "auto")
            reason = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
        except BackendUnavailableError as error:
            return BackendInfo(name=NAME, available=False, reason=str(error), hint=error.hint)
        except (RuntimeError, AssertionError) as error:  # a driver that does not suit the wheel
            return BackendInfo(name=NAME, available=False, reason=str(error).partition("\n")[0], hint=_HINT)
        triton = torch_triton.version() if is_nvidia(device) else ""
        return BackendInfo(
            name=NAME,
            available=True,
            reason=f"{reason}, Triton {triton}" if triton else reason,  # other kernels, other results of trials
            hint=torch_triton.HINT if is_nvidia(device) and not triton else "",
            version=str(torch.__version__),
            accelerator="" if device.type == "cpu" else device.type,
            streams=LANES if is_nvidia(device) else 1,
        )

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return fp16 and bf16 on graphics cards, and on processors what they have instructions for."""
        torch = _import()
        precisions: tuple[Precision, ...] = ("fp16", "bf16")
        if _device(torch, device).type != "cpu":
            return precisions
        return tuple(precision for precision in precisions if _has_instructions(torch, precision))

    def free_memory(self, device: str) -> int | None:
        """Return the free memory of an NVIDIA or AMD card, with what torch keeps for later; None elsewhere."""
        torch = _import()
        found = _device(torch, device)
        if found.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(found)
        return int(free + torch.cuda.memory_reserved(found) - torch.cuda.memory_allocated(found))

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Session:
        """Build a session and run a tiny image through it; see `Backend.open`."""
        torch = _import()
        device = _device(torch, options.device)
        if device.type == "cpu" and not _has_instructions(torch, options.precision):
            msg = f"this processor has no {options.precision} instructions that torch uses"
            raise BackendUnavailableError(msg, hint="use precision fp32 or auto")
        try:
            session = _open(torch, model, spec, options, device)
        except Exception as error:
            raise failure(NAME, error) from error
        side, channels = _TRIAL_SIDE, spec.channels
        shape = (1, side, side, channels) if spec.io == "uint8" else (1, channels, side, side)
        try:
            session.run(np.zeros(shape, dtype=spec.io))
        except Exception as error:
            session.close()
            if options.precision == "fp32":
                raise
            msg = f"torch does not run {options.precision} on {device}: {error}"
            raise BackendUnavailableError(msg, hint="use precision fp32 or auto") from error
        return session


def _open(torch: Any, model: Model, spec: GraphSpec, options: SessionOptions, device: torch.device) -> Session:  # noqa: ANN401 - as in _import
    """Return the kind of session that suits a device."""
    if not is_nvidia(device):
        return TorchSession(model, spec, options, device)
    from paragon_core.backends.torch_cuda import CudaFrames, CudaSession  # noqa: PLC0415 - imports torch
    from paragon_core.backends.torch_network import TorchNetwork, Work, on_samples  # noqa: PLC0415 - imports torch

    memory = TorchMemory(torch, torch.cuda.current_device() if device.index is None else device.index)
    work: Work
    if program := torch_triton.find_program(model, spec, options.precision, device):
        work = program.upscale
    else:
        levels = spec.fused and spec.io == "uint8"
        network = TorchNetwork(model, spec, precision=options.precision, device=device, levels=levels)
        work = on_samples(network, device, levels=levels)
    memory.settle()
    frames = CudaFrames(
        work,
        memory,
        device,
        scale=model.spec.scale,
        lanes=options.streams,
        on_device_time=options.on_device_time,
    )
    return CudaSession(frames, spec, scale=model.spec.scale, trim=memory.trim)


def is_nvidia(device: torch.device) -> bool:
    """Return whether a device is an NVIDIA card; torch calls those of AMD cuda as well."""
    import torch  # noqa: PLC0415 - optional, and slow to import

    return device.type == "cuda" and torch.version.hip is None


def _import() -> Any:  # noqa: ANN401 - the module is imported late, so its type is not known here
    try:
        import torch  # noqa: PLC0415 - optional, and slow to import
    except (ImportError, OSError) as error:  # OSError: one of its libraries does not load
        raise unavailable("torch", error, hint=_HINT) from None
    return torch


def find_device(name: str) -> torch.device:
    """Return the device that torch calls ``name``: cpu, mps, cuda or cuda:1; auto is the first of CUDA, MPS and CPU.

    Raises:
        BackendUnavailableError: if torch or that device is not here.

    """
    return _device(_import(), name)


def _has_instructions(torch: Any, precision: Precision) -> bool:  # noqa: ANN401 - as in _import
    """Return whether the processor computes in that precision; a torch too old to say counts as no."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return precision == "fp32" or any(capabilities.get(name) for name in _INSTRUCTIONS[precision])


def _device(torch: Any, name: str) -> torch.device:  # noqa: ANN401 - as in _import
    """Return the device of that name; auto is the first of CUDA (which is also ROCm's name here), MPS and CPU."""
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cards else "mps" if apple else "cpu"
    kind, _, number = name.partition(":")
    if kind not in {"cuda", "mps", "cpu"} or not (number or "0").isdecimal():
        msg = f"torch has no device {name!r}"
        raise BackendUnavailableError(msg, hint="use cpu, cuda, cuda:1 (the second card) or mps")
    present = {"cuda": cards, "mps": int(apple), "cpu": 1}[kind]
    if int(number or "0") >= present:
        msg = f"torch finds no {name} here: {present} of that kind are usable"
        raise BackendUnavailableError(msg, hint=f"use cpu, or {_HINT}" if kind == "cuda" else "use cpu")
    return torch.device(name)  # type: ignore[no-any-return]
