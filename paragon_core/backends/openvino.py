"""OpenVINO: the fastest runtime on processors after the native kernel, and one for Intel's graphics cards."""

from __future__ import annotations

import ctypes
import functools
import os
import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends.base import Backend, BackendInfo, Precision, Session, SessionOptions
from paragon_core.backends.cancellation import Cancellation
from paragon_core.backends.failures import failure, refuse_non_finite, unavailable
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

NAME: Final = "openvino"

_HINT: Final = "pip install openvino"
_GPU_HINT: Final = "install Intel's driver for computing (Debian, Ubuntu: intel-opencl-icd); or use device cpu"
_CPU: Final = "CPU"
_GPU: Final = "gpu"
_HINTS: Final[dict[Precision, str]] = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
_CAPABILITIES: Final[dict[Precision, str]] = {"fp16": "FP16", "bf16": "BF16"}

#: This variable limits oneDNN, which computes for OpenVINO, but not what OpenVINO believes to have: limited to one of
#: these, its first run in bfloat16 would fail.
_ONEDNN_LIMIT: Final = "ONEDNN_MAX_CPU_ISA"
_WITHOUT_BF16: Final = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"})


class OpenVinoSession(Session):
    """A network in OpenVINO: one infer request a stream, handed out to whoever runs."""

    def __init__(self, compiled: Any, streams: int) -> None:  # noqa: ANN401 - the module is imported late
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._open = True
        self._checked = len(compiled.outputs) > 1
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        with self.lend(batch) as output:
            return output.copy()  # the next run reuses the request's memory

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch and lend the request's own memory; see `Session.lend`."""
        if not self._open:
            msg = "the session was closed"
            raise BackendUnavailableError(msg, hint="open a new Upscaler")
        request = self._requests.get()
        try:
            try:
                # Not infer(): where memory runs out it returns as if all were well, with the result of the call before.
                request.start_async([np.ascontiguousarray(batch)], share_inputs=True)
                with (cancellation or Cancellation()).ending(request.cancel):
                    request.wait()
                output = np.asarray(request.get_output_tensor(0).data)
                if self._checked:
                    refuse_non_finite(NAME, np.asarray(request.get_output_tensor(1).data))
            except Exception as error:  # the runtime raises RuntimeError for everything
                raise failure(NAME, error) from error
            yield output
        finally:
            self._requests.put(request)

    def close(self) -> None:
        """Drop the requests, and with them the compiled network."""
        self._open = False
        self._requests = queue.SimpleQueue()


class OpenVinoBackend(Backend):
    """Runs our ONNX graphs in OpenVINO's plugins for the CPU and, by name, for Intel's graphics cards."""

    name = NAME
    runs_on_cpu = True
    stores_attention = False
    compiles_slowly = False
    largest_tile = None
    named_devices = (_GPU,)

    def may_accelerate(self) -> bool:
        """Return False: on graphics cards it was not measured, so they are taken by name only."""
        return False

    def probe(self) -> BackendInfo:
        """Find out whether OpenVINO works here."""
        try:
            core, version = _core()
            name = str(core.get_property(_CPU, "FULL_DEVICE_NAME"))
        except BackendUnavailableError as error:
            return BackendInfo(name=NAME, available=False, reason=str(error), hint=error.hint)
        except RuntimeError as error:
            return BackendInfo(name=NAME, available=False, reason=str(error).splitlines()[0], hint=_HINT)
        return BackendInfo(name=NAME, available=True, reason=name, version=version)

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return the reduced precisions that this processor, or graphics card, has instructions for."""
        core, _ = _core()
        name = _device(core, device)
        capabilities = set(core.get_property(name, "OPTIMIZATION_CAPABILITIES"))
        if name == _CPU and os.environ.get(_ONEDNN_LIMIT, "").upper() in _WITHOUT_BF16:
            capabilities.discard("BF16")
        return tuple(precision for precision, mark in _CAPABILITIES.items() if mark in capabilities)

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> OpenVinoSession:
        """Build a session; see `Backend.open`.

        The precision is always spelled out: left alone, OpenVINO computes in bfloat16 where the processor can.
        """
        core, _ = _core()
        device = _device(core, options.device)
        if options.precision not in ("fp32", *self.reduced_precisions(options.device)):
            processor = "processor" if device == _CPU else "graphics card"
            msg = f"this {processor} has no {options.precision} instructions for OpenVINO"
            raise BackendUnavailableError(msg, hint="use precision fp32 or auto")
        graph = onnx_graph.build(
            model,
            spec,
            # In bfloat16 a merged result would be rounded to 8 bits; a base path of its own is added in float32, which
            # takes the error on a photograph from 1.2 levels to 0.8 and from 61 to 70 dB.
            merge_base=options.precision != "bf16",
            check=spec.io == "uint8",
        )
        given: dict[str, str | bool] = {
            "INFERENCE_PRECISION_HINT": _HINTS[options.precision],
            "NUM_STREAMS": str(options.streams),
        }
        if device == _CPU:
            given |= {
                "INFERENCE_NUM_THREADS": str(options.streams * options.threads),
                "ENABLE_CPU_PINNING": False,
            }
        try:
            compiled = core.compile_model(core.read_model(graph.SerializeToString()), device, given)
        except Exception as error:  # as in run
            raise failure(NAME, error) from error
        return OpenVinoSession(compiled, options.streams)


def _core() -> tuple[Any, str]:
    """Return OpenVINO's core, the only one of this process, and its version.

    On Linux, each core has signal handlers run on a stack of its own, and when it goes, it gives back the stack that
    was there before. Of two cores that live side by side, the one that goes last gives back the stack of the other,
    which is gone by then: the next Ctrl-C ends the process with SIGSEGV. So the core stays to the end.

    Raises:
        BackendUnavailableError: OpenVINO is not installed, does not load, or was loaded before this process was forked.

    """
    core, version, process = _loaded()
    if process != os.getpid():
        msg = "OpenVINO was loaded before this process was forked, and its threads were not forked"
        raise BackendUnavailableError(msg, hint="start processes by spawn (see multiprocessing), or use onnxruntime")
    return core, version


@functools.cache  # an error is not kept: its cause may be fixed
def _loaded() -> tuple[Any, str, int]:
    """Return the core, the version and the number of the process that loaded it."""
    try:
        import openvino  # noqa: PLC0415 - optional, and slow to import

        # The first call fills a table under a lock that it does not give back while it waits for the interpreter's:
        # made by two streams at once it hangs the process, so it is made here.
        openvino.Type.f32.to_dtype()
        core = openvino.Core()
    except Exception as error:  # noqa: BLE001 - not only ImportError: broken installations raise whatever they run into
        raise unavailable("OpenVINO", error, hint=_HINT) from None
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(core))  # lest a forked process free it, and wait for its threads
    return core, str(openvino.__version__).split("-")[0], os.getpid()


def _device(core: Any, name: str) -> str:  # noqa: ANN401 - the module is imported late
    """Return what OpenVINO calls a device; its second graphics card, "gpu:1", is GPU.1.

    Raises:
        BackendUnavailableError: there is no such device.

    """
    if name in {"auto", "cpu"}:
        return _CPU
    kind, _, number = name.partition(":")
    if kind != _GPU or not (number or "0").isdecimal():
        msg = f"Paragon runs OpenVINO on processors and on Intel's graphics cards, not on {name!r}"
        raise BackendUnavailableError(msg, hint="use cpu, gpu or gpu:1 (the second card)")
    device = f"GPU.{int(number)}" if number else "GPU"
    try:
        core.get_property(device, "FULL_DEVICE_NAME")
    except RuntimeError as error:
        msg = f"OpenVINO finds no graphics card {name!r} of Intel here"
        raise BackendUnavailableError(msg, hint=_GPU_HINT) from error
    return device
