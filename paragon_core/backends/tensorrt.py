"""TensorRT and TensorRT-RTX: what works here, which engine is needed, who builds and who runs it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from paragon_core.backends import cuda_driver, tensorrt_build
from paragon_core.backends.base import BackendInfo, Precision
from paragon_core.backends.engine_runtime import EngineDevice
from paragon_core.backends.gpu_memory import CUDA_CORE
from paragon_core.backends.tensorrt_execution import TensorRtExecutor
from paragon_core.engines import BuildProgress, EngineKey, Flavour, Profile, Target
from paragon_core.errors import BackendUnavailableError, InputError

if TYPE_CHECKING:
    from paragon_core.backends.base import SessionOptions
    from paragon_core.backends.cuda_driver import Driver, Gpu
    from paragon_core.backends.tensorrt_build import GraphToBuild

NAME: Final = "tensorrt"

#: The one that is installed and knows the GPU; the one that builds faster comes first.
_FLAVOURS: Final[tuple[Flavour, ...]] = ("tensorrt_rtx", "tensorrt")

#: Drivers of this number on know this CUDA.
_DRIVERS: Final = {13: 580, 12: 525}
_OLDER_CUDA: Final = 12

_PIP_LINE: Final = "pip install tensorrt-rtx-cu13==1.7.1.116 cuda-core 'cuda-bindings==13.*'"


class TensorRtRuntime:
    """Builds and runs engines with TensorRT-RTX or full TensorRT.

    NVIDIA's driver is asked before either is loaded: without one, their runtimes may crash the process.
    """

    name = NAME
    reduced_precisions: tuple[Precision, ...] = ("fp16",)

    def may_accelerate(self) -> bool:
        """Return whether one of them is installed."""
        return any(map(_installed, _FLAVOURS))

    def probe(self) -> BackendInfo:
        """Find out whether one of them works here, and on what; see `Backend.probe`."""
        if not self.may_accelerate():
            reason, hint = "neither TensorRT-RTX nor TensorRT is installed", f"for NVIDIA cards: {_PIP_LINE}"
            return BackendInfo(name=NAME, available=False, reason=reason, hint=hint)
        try:
            driver = cuda_driver.find()
            gpu = _gpu(driver, "auto")
            flavour, version = _flavour(driver, gpu)
        except BackendUnavailableError as error:
            return BackendInfo(name=NAME, available=False, reason=str(error), hint=error.hint)
        return BackendInfo(
            name=NAME,
            available=True,
            reason=f"{gpu.name} ({gpu.capability}), {tensorrt_build.TITLES[flavour]}",
            version=version,
            accelerator="cuda",
            streams=2,  # one copies while the other computes
        )

    def device(self, name: str) -> EngineDevice:
        """Return a GPU; see `Runtime.device`."""
        driver = cuda_driver.find()
        gpu = _gpu(driver, name)
        flavour, _ = _flavour(driver, gpu)
        full = f"{gpu.name}, {gpu.multiprocessors} SM" if flavour == "tensorrt" else ""
        return EngineDevice(
            index=gpu.index,
            capability=gpu.capability,
            flavour=flavour,
            target=Target(capabilities=(gpu.capability,), device=full),
            notes={"gpu": gpu.name, "driver_cuda": ".".join(map(str, driver.cuda))},
        )

    def key(
        self, model: str, graph: GraphToBuild, precision: Literal["fp32", "fp16"], device: EngineDevice
    ) -> EngineKey:
        """Return the key of the engines of a graph; see `Runtime.key`."""
        return tensorrt_build.engine_key(model, graph, precision, target=device.target, flavour=device.flavour)

    def build(self, graph: GraphToBuild, profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        """Build an engine; see `Runtime.build`."""
        return tensorrt_build.build(
            graph, profile, target=key.target, flavour=key.flavour, options=key.options, progress=progress
        )

    def load(
        self, data: bytes, graph: GraphToBuild, profile: Profile, device: EngineDevice, options: SessionOptions
    ) -> TensorRtExecutor:
        """Load an engine; see `Runtime.load`."""
        return TensorRtExecutor(
            tensorrt_build.module(device.flavour),
            data,
            graph,
            profile,
            device=device.index,
            lanes=options.streams,
            on_device_time=options.on_device_time,
        )


def elsewhere(target: Target) -> EngineDevice:
    """Return GPUs that need not be here, for which TensorRT-RTX can build all the same."""
    return EngineDevice(index=0, capability="", flavour="tensorrt_rtx", target=target)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # a package that hides, or was taken apart
        return False


def _gpu(driver: Driver, name: str) -> Gpu:
    kind, _, number = name.partition(":")
    if kind not in {"auto", "cuda"} or not (number or "0").isdecimal():
        msg = f"TensorRT has no device {name!r}"
        raise BackendUnavailableError(msg, hint="use auto, cuda, or cuda:1 (the second card)")
    index = int(number or "0")
    if index >= len(driver.gpus):
        msg = f"NVIDIA's driver finds no {name} here: the cards that it finds are {len(driver.gpus)}"
        raise BackendUnavailableError(msg, hint="use cuda")
    return driver.gpus[index]


def _flavour(driver: Driver, gpu: Gpu) -> tuple[Flavour, str]:
    """Return the TensorRT that is installed and works with a driver and a GPU, and its version.

    Raises:
        BackendUnavailableError: there is none.

    """
    if not any(map(_installed, ("cuda.core", "torch"))):
        raise BackendUnavailableError("cuda-core, which reaches the GPU's memory, is not installed", hint=CUDA_CORE)
    reasons = []
    for flavour in filter(_installed, _FLAVOURS):
        try:
            version = tensorrt_build.installed_version(flavour)
            tensorrt_build.check_target(flavour, Target(capabilities=(gpu.capability,)))
            _check_driver(driver, flavour)
        except (BackendUnavailableError, InputError) as error:
            reasons.append(error)
        else:
            return flavour, version
    hint = reasons[0].hint if reasons else tensorrt_build.PIP_LINE
    raise BackendUnavailableError("; ".join(map(str, reasons)) or "no TensorRT is installed", hint=hint)


def _check_driver(driver: Driver, flavour: Flavour) -> None:
    needed = tensorrt_build.cuda_major(flavour)
    if driver.cuda[0] < needed:
        known = ".".join(map(str, driver.cuda))
        msg = f"NVIDIA's driver knows CUDA {known}, the installed {tensorrt_build.TITLES[flavour]} needs {needed}"
        other = f", or: {tensorrt_build.PIP_LINE_CUDA_12}" if driver.cuda[0] == _OLDER_CUDA else ""
        raise BackendUnavailableError(msg, hint=f"install a driver from version {_DRIVERS[needed]} on{other}")
