"""Frames through vs-mlrt's TensorRT plugins, with engines from Paragon's own cache."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import vapoursynth as vs
import vsutil

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.backends.tensorrt import TensorRtRuntime
from paragon_core.backends.tensorrt_build import TITLES, graph_to_build, installed_version
from paragon_core.engines import MOST_PIXELS, EngineCache, EngineRequest, Profile, provide
from paragon_core.errors import BackendUnavailableError, EngineCacheError, InputError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.precision import Precisions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.engines import Engine, Flavour
    from vs_paragon.frames import Settings

#: Namespaces, and the TensorRT that each has in it.
FLAVOURS: Final[dict[str, Flavour]] = {"trt_rtx": "tensorrt_rtx", "trt": "tensorrt"}

_STREAMS: Final = 2

_log = logging.getLogger(__name__)


def obstacle(settings: Settings, namespace: str, size: tuple[int, int]) -> str:
    """Say why a plugin cannot take the frames, which then go through Python; nothing if it can."""
    if not hasattr(vs.core, namespace):
        return f"the plugin {namespace} of vs-mlrt is not installed"
    flavour = FLAVOURS[namespace]
    try:
        ours = installed_version(flavour)
    except BackendUnavailableError as error:
        return str(error)
    theirs = _text(getattr(vs.core, namespace).Version()["tensorrt_version"])
    if plugin_number(ours) != plugin_number(theirs):
        return f"the plugin {namespace} has {TITLES[flavour]} {theirs}, Paragon has {ours}"
    if settings.reuse:
        return f"the plugin {namespace} cannot reuse what did not change"
    if settings.tile not in {"auto", "off"} or size[0] * size[1] > MOST_PIXELS:
        return f"the plugin {namespace} is used for whole frames only"
    return ""


def plugin_number(version: str) -> int:
    """Return a version as NVIDIA's headers number it: 10701 for 1.7.1.116, and for what is such a number already."""
    major, *rest = map(int, version.split("."))
    return major * 10_000 + rest[0] * 100 + rest[1] if rest else major


def enlarged(clips: Sequence[vs.VideoNode], settings: Settings, namespace: str) -> vs.VideoNode:
    """Enlarge an RGBS or GRAYS clip with a plugin, in an engine for exactly its size.

    Raises:
        BackendUnavailableError: there is no GPU for it.
        EngineError: there is no engine, or it cannot be kept where the plugin could read it.

    """
    runtime = TensorRtRuntime()
    device = runtime.device(settings.device)
    if device.flavour != FLAVOURS[namespace]:
        msg = f"the plugin {namespace} does not suit this GPU, for which Paragon uses {TITLES[device.flavour]}"
        raise BackendUnavailableError(msg, hint='use backend="tensorrt"')
    grey = clips[0].format.color_family is vs.GRAY
    precision = _precision(settings)
    graph = graph_to_build(settings.model, GraphSpec(grey=grey, separate_detail=len(clips) > 1), precision)
    key = runtime.key(settings.model.name, graph, precision, device)
    size = clips[0].width, clips[0].height
    request = EngineRequest(
        key=key,
        profile=Profile.static(size),
        size=size,
        only_static=True,
        capability=device.capability,
        notes=device.notes,
    )

    def load(engine: Engine) -> vs.VideoNode:
        if engine.path is None:
            msg = "the engine cannot be kept, so the plugin cannot read it"
            raise EngineCacheError(msg, hint='the line before this one in the log says why; or use backend="tensorrt"')
        try:
            return _model(clips, namespace, settings, engine_path=str(engine.path), device_id=device.index)
        finally:
            engine.close()  # the plugin has read it

    result: vs.VideoNode = provide(EngineCache(), request, partial(runtime.build, graph), load)
    return result


def _model(clips: Sequence[vs.VideoNode], namespace: str, settings: Settings, **options: Any) -> vs.VideoNode:  # noqa: ANN401
    model: Any = getattr(vs.core, namespace).Model
    streams = vsutil.fallback(settings.streams, _STREAMS)
    return model(list(clips), num_streams=streams, use_cuda_graph=True, **options)


def _precision(settings: Settings) -> Literal["fp32", "fp16"]:
    if settings.precision in {"fp32", "fp16"}:
        return "fp16" if settings.precision == "fp16" else "fp32"
    if settings.precision != "auto":
        raise InputError(f"TensorRT runs no {settings.precision}", hint="choose one of auto, fp32, fp16")
    precisions = Precisions("auto", BACKENDS["tensorrt"], settings.model, SessionOptions(device=settings.device))
    chosen = precisions.of("float32", settings.bits)[0]
    return "fp16" if chosen == "fp16" else "fp32"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
