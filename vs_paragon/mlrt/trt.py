"""The plugins ``trt_rtx`` and ``trt``: TensorRT-RTX and TensorRT, with engines from Paragon's own cache."""

from __future__ import annotations

from dataclasses import replace
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
from vs_paragon.mlrt.base import Plugin, decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.engines import Engine, Flavour
    from vs_paragon.frames import Settings

_STREAMS: Final = 2


class TensorRtPlugin(Plugin):
    """TensorRT in VapourSynth, for whole frames of one size."""

    def __init__(self, namespace: str, flavour: Flavour) -> None:
        """Take the namespace, and which TensorRT it has in it."""
        self.namespace = namespace
        self.flavour = flavour

    def obstacle(self, settings: Settings, size: tuple[int, int]) -> str:
        """See `Plugin.obstacle`; an engine runs in the version of TensorRT only that built it."""
        try:
            ours = installed_version(self.flavour)
        except BackendUnavailableError as error:
            return str(error)
        theirs = decoded(self.functions.Version()["tensorrt_version"])
        if plugin_number(ours) != plugin_number(theirs):
            return f"the plugin {self.namespace} has {TITLES[self.flavour]} {theirs}, Paragon has {ours}"
        if settings.reuse:
            return f"the plugin {self.namespace} cannot reuse what did not change"
        if settings.tile not in {"auto", "off"} or size[0] * size[1] > MOST_PIXELS:
            return f"the plugin {self.namespace} is used for whole frames only"
        return ""

    def run(self, clips: Sequence[vs.VideoNode], settings: Settings) -> vs.VideoNode:
        """See `Plugin.run`; the engine is for exactly the clip's size, and is built if there is none."""
        runtime = TensorRtRuntime()
        device = runtime.device(settings.device)
        if device.flavour != self.flavour:
            title = TITLES[device.flavour]
            msg = f"the plugin {self.namespace} does not suit this GPU, for which Paragon uses {title}"
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
                hint = 'the line before this one in the log says why; or use backend="tensorrt"'
                raise EngineCacheError(msg, hint=hint)
            try:
                return self._model(clips, settings, engine_path=str(engine.path), device_id=device.index)
            finally:
                engine.close()  # the plugin has read it

        result: vs.VideoNode = provide(EngineCache(), request, partial(runtime.build, graph), load)
        return result

    def is_exact(self, precision: str) -> bool:
        """See `Plugin.is_exact`; "auto" may be fp16."""
        return precision == "fp32"

    def in_python(self, settings: Settings) -> Settings:
        """See `Plugin.in_python`."""
        return replace(settings, backend="tensorrt")

    def _model(self, clips: Sequence[vs.VideoNode], settings: Settings, **options: Any) -> vs.VideoNode:  # noqa: ANN401 - of another function
        streams = vsutil.fallback(settings.streams, _STREAMS)
        result: vs.VideoNode = self.functions.Model(list(clips), num_streams=streams, use_cuda_graph=True, **options)
        return result


def plugin_number(version: str) -> int:
    """Return a version as NVIDIA's headers number it: 10701 for 1.7.1.116, and for what is such a number already."""
    major, *rest = map(int, version.split("."))
    return major * 10_000 + rest[0] * 100 + rest[1] if rest else major


def _precision(settings: Settings) -> Literal["fp32", "fp16"]:
    if settings.precision in {"fp32", "fp16"}:
        return "fp16" if settings.precision == "fp16" else "fp32"
    if settings.precision != "auto":
        raise InputError(f"TensorRT runs no {settings.precision}", hint="choose one of auto, fp32, fp16")
    precisions = Precisions("auto", BACKENDS["tensorrt"], settings.model, SessionOptions(device=settings.device))
    chosen = precisions.of("float32", settings.bits)[0]
    return "fp16" if chosen == "fp16" else "fp32"
