"""ONNX Runtime: on the CPU everywhere, on NVIDIA cards with the onnxruntime-gpu wheel, on others with WebGPU."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.backends import cuda_driver, onnxruntime_cuda, onnxruntime_webgpu
from paragon_core.backends.base import Backend, BackendInfo, Precision, Session, SessionOptions
from paragon_core.backends.cancellation import Cancellation
from paragon_core.backends.failures import failure, refuse_non_finite, unavailable
from paragon_core.backends.gpu_memory import LANES, memory_of
from paragon_core.backends.onnxruntime_execution import BoundRuns, BoundSession
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import onnxruntime

    from paragon_core.backends.gpu_memory import Memory
    from paragon_core.backends.onnxruntime_cuda import Settings
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

NAME: Final = "onnxruntime"

_HINT: Final = "pip install onnxruntime"
_CPU: Final = "CPUExecutionProvider"

_LOG = logging.getLogger(__name__)

_CUDA_HINT: Final = "pip uninstall onnxruntime; pip install 'onnxruntime-gpu[cuda,cudnn]'"


class OnnxRuntimeSession(Session):
    """A network in ONNX Runtime; concurrent calls each run on their caller's thread, and on others if so asked."""

    def __init__(
        self, session: onnxruntime.InferenceSession, new_options: Callable[[], onnxruntime.RunOptions]
    ) -> None:
        """Keep a session, and the class of what each run takes."""
        self._session: onnxruntime.InferenceSession | None = session
        self._new_options = new_options

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        return self._run(batch, Cancellation())

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch; see `Session.lend`."""
        yield self._run(batch, cancellation or Cancellation())

    def _run(self, batch: npt.NDArray[Any], cancellation: Cancellation) -> npt.NDArray[Any]:
        if self._session is None:
            raise _closed()
        options = self._new_options()
        try:
            with cancellation.ending(lambda: setattr(options, "terminate", True)):
                output, *check = self._session.run(None, {onnx_graph.INPUT: np.ascontiguousarray(batch)}, options)
            if check:
                refuse_non_finite(NAME, np.asarray(check[0]))
        except Exception as error:  # the runtime has no exception type of its own for this
            raise failure(NAME, error) from error
        return np.asarray(output)

    def close(self) -> None:
        """Drop the runtime's session."""
        self._session = None


class BoundOnnxRuntimeSession(Session):
    """A network in ONNX Runtime on a card, with memory that is bound."""

    def __init__(self, runs: BoundRuns) -> None:
        self._runs: BoundRuns | None = runs

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        with self.lend(batch) as output:
            return output.copy()

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch and lend the memory next to the card; see `Session.lend`."""
        if self._runs is None:
            raise _closed()
        with self._runs.lend(batch, cancellation) as output:
            yield output

    def close(self) -> None:
        """Drop the runtime's session and the memory."""
        if self._runs is not None:
            self._runs.close()
        self._runs = None


class OnnxRuntimeBackend(Backend):
    """Runs our ONNX graphs in ONNX Runtime."""

    name = NAME
    runs_on_cpu = True
    stores_attention = True
    compiles_slowly = False
    largest_tile = None
    named_devices = (onnxruntime_webgpu.DEVICE,)

    def may_accelerate(self) -> bool:
        """Return whether the wheel with CUDA is installed."""
        return _installed("onnxruntime-gpu")

    def probe(self) -> BackendInfo:
        """Find out whether ONNX Runtime works here, and on what."""
        try:
            runtime = _import()
        except BackendUnavailableError as error:
            return BackendInfo(name=NAME, available=False, reason=str(error), hint=error.hint)
        version = str(runtime.__version__)
        if not self._lacks_cuda:
            return BackendInfo(
                name=NAME,
                available=True,
                reason=f"CUDA, {_first_gpu()}",
                version=version,
                accelerator="cuda",
                streams=LANES,
            )
        is_built_for_it = onnxruntime_cuda.PROVIDER in runtime.get_available_providers()
        return BackendInfo(
            name=NAME,
            available=True,
            reason=f"CPU; CUDA does not work: {self._lacks_cuda}" if is_built_for_it else "CPU",
            hint=f"for NVIDIA cards: {_CUDA_HINT}",
            version=version,
        )

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return fp16 on CUDA and WebGPU; its CPU kernels are fp32 only."""
        if onnxruntime_webgpu.is_meant(device):
            onnxruntime_webgpu.find(_import(), device)
            return ("fp16",)
        return ("fp16",) if self._wants_cuda(device) else ()

    def free_memory(self, device: str) -> int | None:
        """Return the free memory of an NVIDIA card; WebGPU does not say it. See `Backend.free_memory`."""
        if onnxruntime_webgpu.is_meant(device):
            return None
        return cuda_driver.free_memory(_number(device)) if self._wants_cuda(device) else None

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Session:
        """Build a session; see `Backend.open`."""
        runtime = _import()
        if onnxruntime_webgpu.is_meant(options.device):
            return onnxruntime_webgpu.open_session(runtime, model, spec, options)
        cuda = self._wants_cuda(options.device)
        if options.precision != "fp32" and not (cuda and options.precision == "fp16"):
            msg = f"ONNX Runtime on {'CUDA' if cuda else 'the CPU'} does not run {options.precision}"
            raise BackendUnavailableError(msg, hint="use precision fp32, or another backend")
        precision: Literal["fp32", "fp16"] = "fp16" if options.precision == "fp16" else "fp32"
        graph = onnx_graph.build(model, spec, precision=precision, merge_base=False, check=spec.io == "uint8")
        given = runtime.SessionOptions()
        given.intra_op_num_threads = options.threads
        given.inter_op_num_threads = 1
        given.log_severity_level = onnxruntime_cuda.SILENT
        data = graph.SerializeToString()

        def new_session(*providers: Any) -> Any:  # noqa: ANN401 - of a module that is imported late
            # The fallback prints to standard output, and computes elsewhere.
            return runtime.InferenceSession(data, given, providers=[*providers, _CPU], enable_fallback=0)

        if cuda:
            return self._open_on_card(model, spec, options, new_session)
        try:
            session = new_session()
        except Exception as error:  # as in run
            raise failure(NAME, error) from error
        return OnnxRuntimeSession(session, runtime.RunOptions)

    def _open_on_card(
        self, model: Model, spec: GraphSpec, options: SessionOptions, new_session: Callable[[Any], Any]
    ) -> Session:
        """Return a session on a card, with the first settings that this ONNX Runtime takes."""
        number = _number(options.device)
        memory = _memory(number)
        # Only to take the time: no card was available to find out whether a given stream costs anything.
        compute = None if memory is None or options.on_device_time is None else memory.stream()

        def open_with(settings: Settings) -> Session:
            session, new_options = new_session(settings.provider), _import().RunOptions
            if onnxruntime_cuda.PROVIDER not in session.get_providers():
                msg = f"ONNX Runtime could not start its CUDA provider on {options.device}"
                raise BackendUnavailableError(msg, hint=_CUDA_HINT)
            if memory is None:
                return OnnxRuntimeSession(session, new_options)
            bound = BoundSession(
                session=session,
                new_options=new_options,
                spec=spec,
                scale=model.spec.scale,
                device=("cuda", number),
                is_graph=settings.is_graph,
                compute=None if settings.stream is None else compute,
                on_device_time=options.on_device_time,
            )
            runs = BoundRuns(bound, memory, lanes=options.streams, one_at_a_time=self._one_at_a_time)
            return BoundOnnxRuntimeSession(runs)

        may_be_graph = memory is not None and spec.size is not None
        *better, plain = onnxruntime_cuda.settings(
            number,
            precision=options.precision,
            may_be_graph=may_be_graph,
            stream=None if compute is None else compute.handle,
        )
        for settings in better:
            try:
                return open_with(settings)
            except Exception as error:  # noqa: BLE001 - the runtime has no exception type of its own
                _LOG.info("ONNX Runtime on CUDA does without %s: %s", settings, " ".join(str(error).split()))
        try:
            return open_with(plain)
        except Exception as error:
            raise failure(NAME, error) from error

    @cached_property
    def _one_at_a_time(self) -> threading.Lock:
        """Held while a session runs on a card."""
        return threading.Lock()

    @cached_property
    def _lacks_cuda(self) -> str:
        """Why there is no CUDA here, empty if there is; found out once, because it loads all of CUDA."""
        return onnxruntime_cuda.obstacle(_import())

    def _wants_cuda(self, device: str) -> bool:
        """Return whether a device is an NVIDIA card.

        Raises:
            BackendUnavailableError: there is no such device here.

        """
        if device == "cpu":
            return False
        if device == "auto":
            return not self._lacks_cuda
        if not device.startswith("cuda"):
            msg = f"ONNX Runtime has no device {device!r}"
            raise BackendUnavailableError(msg, hint="use cpu, cuda or webgpu")
        if self._lacks_cuda:
            msg = f"ONNX Runtime does not run on {device}: {self._lacks_cuda}"
            raise BackendUnavailableError(msg, hint=_CUDA_HINT)
        return True


def _import() -> Any:  # noqa: ANN401 - the module is imported late, so its type is not known here
    try:
        import onnxruntime  # noqa: PLC0415 - optional, and slow to import
    except Exception as error:  # noqa: BLE001 - not only ImportError: broken installations raise whatever they run into
        raise unavailable("ONNX Runtime", error, hint=_HINT) from None
    if not hasattr(onnxruntime, "InferenceSession"):  # what is left behind when two of its wheels were mixed
        found = [name for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml") if _installed(name)]
        msg = f"the ONNX Runtime installation is broken (wheels: {', '.join(found) or 'none'})"
        raise BackendUnavailableError(msg, hint=f"pip uninstall {' '.join(found)}; {_HINT}")
    return onnxruntime


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _first_gpu() -> str:
    return cuda_driver.find().gpus[0].name


def _number(device: str) -> int:
    """Return the number of a card: 1 of "cuda:1", by default 0."""
    number = device.partition(":")[2] or "0"
    if not number.isdecimal():
        raise BackendUnavailableError(f"ONNX Runtime has no device {device!r}", hint="use cpu, cuda or cuda:1")
    return int(number)


def _memory(number: int) -> Memory | None:
    """Return the memory of a card, or None where nothing is installed that gives it."""
    try:
        return memory_of(number)
    except BackendUnavailableError as error:
        _LOG.info("ONNX Runtime copies through memory of its own: %s (%s)", error, error.hint)
        return None


def _closed() -> BackendUnavailableError:
    return BackendUnavailableError("the session was closed", hint="open a new Upscaler")
