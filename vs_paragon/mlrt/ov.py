"""The plugin ``ov``: OpenVINO, the fastest on processors."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import vapoursynth as vs

from paragon_core.errors import BackendUnavailableError, InputError
from vs_paragon.mlrt.base import OnnxPlugin, decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vs_paragon.frames import Settings

#: OpenVINO's names of precisions. Left to itself it takes bfloat16 where the processor has it.
_PRECISIONS: Final = {"auto": "f32", "fp32": "f32", "fp16": "f16", "bf16": "bf16"}

#: Devices that OpenVINO makes out of others; a colon and their names follow.
_COMBINED: Final = frozenset({"auto", "hetero", "multi", "batch"})

#: Devices that other runtimes have as well.
_SHARED: Final = frozenset({"cpu", "cuda"})


class OpenVinoPlugin(OnnxPlugin):
    """OpenVINO in VapourSynth."""

    namespace = "ov"
    merges_base = True

    def arguments(self, settings: Settings) -> dict[str, Any]:
        """See `OnnxPlugin.arguments`."""
        if settings.precision not in _PRECISIONS:
            raise InputError(
                f"there is no precision {settings.precision!r}", hint="choose one of auto, fp32, fp16, bf16"
            )
        precision = _PRECISIONS[settings.precision]
        device = "CPU" if settings.device == "auto" else settings.device.upper()
        device = re.sub(r"^(\w+):(\d+)$", r"\1.\2", device)  # its second card is GPU.1
        return {"device": device, "config": lambda: {"INFERENCE_PRECISION_HINT": precision}}

    def device(self, name: str) -> str:
        """See `Plugin.device`; OpenVINO's own name is the same."""
        return name

    def alone_has(self, device: str) -> bool:
        """Return whether no other runtime knows a device, such as GPU and NPU of Intel; False without the plugin."""
        kind, _, rest = device.partition(":")
        if kind in _SHARED or device == "auto" or self.missing:
            return False
        if kind in _COMBINED:
            return bool(rest)
        found = self.functions.AvailableDevices()
        names = found if isinstance(found, list | tuple) else [found]  # VapourSynth unpacks lists of one
        return any(decoded(name).lower().partition(".")[0] == kind.partition(".")[0] for name in names)


@contextmanager
def conflict_named(backend: str) -> Iterator[None]:
    """Say why the backend "openvino" does not load: the plugin has a copy of OpenVINO of its own.

    Raises:
        BackendUnavailableError: within the context, one was raised.

    """
    try:
        yield
    except BackendUnavailableError as error:
        if backend == "openvino" and hasattr(vs.core, "ov"):
            message = "Python's OpenVINO does not load next to vs-mlrt's plugin ov, which has a copy of its own"
            raise BackendUnavailableError(message, hint='use backend="ov"') from error
        raise
