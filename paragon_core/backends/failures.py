"""Turn what runtimes throw into our errors."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from paragon_core.errors import (
    BackendError,
    BackendUnavailableError,
    InferenceError,
    NonFiniteError,
    OutOfMemoryError,
)
from paragon_core.low_memory import HINT, is_low_memory

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.backends.base import Backend, Precision
    from paragon_core.models.spec import ModelSpec

_LONGEST = 300


def failure(backend: str, error: Exception) -> BackendError:
    """Return our error for a runtime's exception; its text shows whether memory ran out."""
    if isinstance(error, BackendError):
        return error
    text = str(error).strip() or type(error).__name__
    if is_low_memory(error):
        return OutOfMemoryError(f"{backend} ran out of memory", hint="use smaller tiles, or a smaller max_memory")
    lines = [line.strip() for line in text.splitlines()]
    said = " ".join(line for line in lines if line and not line.startswith("Exception from")) or text  # OpenVINO's C++
    other = "openvino" if backend == "onnxruntime" else "onnxruntime"
    hint = f"try another backend, for example --backend {other}; if it works there, please report this"
    return InferenceError(f"{backend} failed: {shorten(said, _LONGEST)}", hint=hint)


def refuse_non_finite(backend: str, check: npt.NDArray[Any]) -> None:
    """Raise an error if the second output of a graph (`onnx_graph.CHECK`) says that the first one holds no image.

    Raises:
        NonFiniteError: values are NaN or infinite.

    """
    if not np.isfinite(check).all():
        raise non_finite(backend)


def non_finite(backend: str) -> NonFiniteError:
    """Return the error to raise where an output holds NaN or infinity."""
    msg = f"{backend} computed values that are not numbers"
    return NonFiniteError(msg, hint="use precision fp32; if it happens there too, the checkpoint is damaged")


def refuse_obstacle(backend: Backend, spec: ModelSpec, *, fused: bool, precision: Precision | Literal["auto"]) -> None:
    """Raise an error if a backend does not run a network in this form and precision.

    Raises:
        BackendUnavailableError: it does not.

    """
    if not (obstacle := backend.obstacle(spec, fused=fused, precision=precision)):
        return
    is_precision = not backend.obstacle(spec, fused=fused, precision="fp32")
    hint = "use precision fp32, or backend auto" if is_precision else "use backend auto, which takes another for this"
    raise BackendUnavailableError(obstacle, hint=hint)


def unavailable(title: str, error: Exception, *, hint: str) -> BackendUnavailableError:
    """Return our error for a runtime that cannot be imported: it is missing or broken, or memory is too low for it."""
    reason = " ".join(str(error).split())
    if is_low_memory(error):
        return BackendUnavailableError(f"there is not enough memory to load {title} ({reason})", hint=HINT)
    return BackendUnavailableError(f"{title} is not installed or does not load ({reason})", hint=hint)
