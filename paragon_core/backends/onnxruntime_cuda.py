"""ONNX Runtime's CUDA provider: whether it computes here, and with which settings.

That a wheel has the provider says little: its libraries of CUDA and cuDNN are other packages, and where they are
missing ONNX Runtime computes on the processor without an error.
"""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from paragon_core.backends import cuda_driver
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.onnx_nodes import IR_VERSION, OPSET

if TYPE_CHECKING:
    from paragon_core.backends.base import Precision

PROVIDER: Final = "CUDAExecutionProvider"

#: Severity of messages that are not shown, not even errors: they are raised, and we report them.
SILENT: Final = 4

#: Settings of the provider for all sessions: fp32 is fp32; kernels are chosen, not tried, which took seconds for every
#: new size; and memory is taken as needed, not in powers of two.
_SETTINGS: Final = {
    "use_tf32": "0",
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
}

_SIDE: Final = 8
_LIBRARIES_MISSING: Final = "its CUDA or cuDNN libraries are missing or do not load"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the provider runs a session."""

    number: int
    """Which card."""
    prefers_nhwc: bool = False
    """Whether channels come last: what the matrix units of cards want in half precision."""
    is_graph: bool = False
    """Whether runs are recorded as a CUDA graph."""
    stream: int | None = None
    """CUDA's handle of the stream in which it computes; None for one of its own, which nobody else reaches."""

    @property
    def provider(self) -> tuple[str, dict[str, str]]:
        """The provider with its options, as `onnxruntime.InferenceSession` takes it."""
        chosen = {"device_id": str(self.number), **_SETTINGS}
        if self.prefers_nhwc:
            chosen["prefer_nhwc"] = "1"
        if self.is_graph:
            chosen["enable_cuda_graph"] = "1"
        if self.stream is not None:
            chosen["user_compute_stream"] = str(self.stream)
        return PROVIDER, chosen

    def __str__(self) -> str:
        """Return what it has, for people."""
        given_stream = self.stream is not None
        names = ["a CUDA graph"] * self.is_graph + ["channels last"] * self.prefers_nhwc
        return " and ".join(names + ["a given stream"] * given_stream)


def settings(number: int, *, precision: Precision, may_be_graph: bool, stream: int | None = None) -> list[Settings]:
    """Return settings for a session, in the order in which to try them; the last ones are plain.

    Not measured: no card was available. Channels come last in half precision only, because depthwise convolutions in
    fp32 have no fast kernel for that.

    Args:
        number: which card.
        precision: that of the session.
        may_be_graph: whether it is for one size, and its memory bound.
        stream: where it should compute, so that its time can be taken there; given up last.

    """
    nhwc = precision != "fp32"
    wanted = dict.fromkeys([(nhwc, may_be_graph), (nhwc, False), (False, False)])
    return [
        Settings(number=number, prefers_nhwc=channels_last, is_graph=is_graph, stream=where)
        for where in dict.fromkeys([stream, None])
        for channels_last, is_graph in wanted
    ]


def obstacle(runtime: Any) -> str:  # noqa: ANN401 - the module is imported late, so its type is not known here
    """Return why the CUDA provider of this ONNX Runtime does not compute here; empty if it does.

    The driver is asked, the libraries of CUDA and cuDNN that pip installed are loaded, and a convolution is run.
    """
    if PROVIDER not in runtime.get_available_providers():
        return "this ONNX Runtime was built without CUDA"
    try:
        cuda_driver.find()
    except BackendUnavailableError as error:
        return str(error)
    preload(runtime)
    return _failure_of_a_convolution(runtime)


def preload(runtime: Any) -> None:  # noqa: ANN401 - as in obstacle
    """Load the libraries of CUDA and cuDNN that pip installed: the wheel itself does not look for them.

    What ONNX Runtime prints about those that are missing goes to the log.
    """
    load = getattr(runtime, "preload_dlls", None)  # since 1.21
    if load is None:
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):  # standard output may be a pipe full of pixels
            load()
    except Exception as error:  # noqa: BLE001 - what it lacks shows when a session is opened
        _LOG.debug("libraries of CUDA are not loaded in advance: %s", error)
    if said.getvalue():
        _LOG.debug("%s", said.getvalue().strip())


def _failure_of_a_convolution(runtime: Any) -> str:  # noqa: ANN401 - as in obstacle
    """Run a convolution, which needs cuDNN, on the CUDA provider alone; return why that fails, or nothing."""
    options = runtime.SessionOptions()
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        # Without the fallback, which prints to standard output and computes on the processor.
        session = runtime.InferenceSession(_convolution(), options, providers=[PROVIDER], enable_fallback=0)
        if PROVIDER not in session.get_providers():
            return _LIBRARIES_MISSING
        (output,) = session.run(None, {"x": np.ones((1, 1, _SIDE, _SIDE), np.float32)})
    except Exception as error:  # noqa: BLE001 - the runtime has no exception type of its own
        text = " ".join(str(error).split()) or type(error).__name__
        return _LIBRARIES_MISSING if "assigned to the default CPU EP" in text else text
    return "" if np.array_equal(output, np.full((1, 1, _SIDE, _SIDE), 2, np.float32)) else "it computes wrong values"


def _convolution() -> bytes:
    """Return a graph that doubles an image by a convolution."""
    shape = [1, 1, _SIDE, _SIDE]
    weight = np.zeros((1, 1, 3, 3), np.float32)
    weight[0, 0, 1, 1] = 2
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])],
        "trial",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())
