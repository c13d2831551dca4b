"""The plugins of vs-mlrt, which run the network without Python in the way: one file each, shared steps here."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from paragon_core.errors import EngineError
from paragon_core.upscaling.border import Border
from vs_paragon import borders, finite, frames
from vs_paragon.mlrt.ncnn import NcnnPlugin
from vs_paragon.mlrt.ort import OnnxRuntimePlugin
from vs_paragon.mlrt.ov import OpenVinoPlugin, conflict_named
from vs_paragon.mlrt.trt import TensorRtPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import vapoursynth as vs

    from paragon_core.upscaling.upscaler import Upscaler
    from vs_paragon.frames import Settings
    from vs_paragon.mlrt.base import OnnxPlugin, Plugin

_log = logging.getLogger(__name__)

OV: Final = OpenVinoPlugin()

#: Plugins that run ONNX graphs, by namespace; the fastest first.
ONNX_PLUGINS: Final[Mapping[str, OnnxPlugin]] = {
    plugin.namespace: plugin for plugin in (OV, OnnxRuntimePlugin(), NcnnPlugin())
}

#: Plugins that run engines of TensorRT, by namespace; in the order of choice.
ENGINE_PLUGINS: Final[Mapping[str, Plugin]] = {
    plugin.namespace: plugin
    for plugin in (TensorRtPlugin("trt_rtx", "tensorrt_rtx"), TensorRtPlugin("trt", "tensorrt"))
}

PLUGINS: Final[Mapping[str, Plugin]] = {**ONNX_PLUGINS, **ENGINE_PLUGINS}


def upscaled(clips: Sequence[vs.VideoNode], settings: Settings, plugin: Plugin) -> vs.VideoNode:
    """Upscale an RGBS or GRAYS clip with a plugin; Paragon's executor takes over if it was chosen by "auto" and fails.

    Args:
        clips: the clip, and if there is a second one, what the detail path shall see instead of it.
        settings: model and runtime.
        plugin: one that has no obstacle for these settings.

    Raises:
        InputError: the plugin lacks the precision or the device.
        EngineError: there is no engine for it.

    """

    def exact() -> vs.VideoNode:
        return upscaled(clips, replace(settings, precision="fp32"), plugin)

    border = Border.of(settings.model.spec, settings.padding)
    try:
        result = plugin.run([borders.continued(clip, border) for clip in clips], settings)
    except EngineError as error:
        if settings.backend != "auto":
            raise
        _log.warning("frames pass through Python, because the plugin %s has no engine: %s", plugin.namespace, error)
        return frames.upscaled(clips, python_upscaler(settings), bits=settings.bits)
    result = borders.cropped(result, border, settings.model.spec.scale)
    return finite.checked(result, instead=None if plugin.is_exact(settings.precision) else exact)


def python_upscaler(settings: Settings) -> Upscaler:
    """Return Paragon's own upscaler for what the settings describe, also where they name a plugin.

    Raises:
        ParagonError: it does not work here.

    """
    plugin = PLUGINS.get(settings.backend)
    with conflict_named(settings.backend):
        return frames.upscaler(plugin.in_python(settings) if plugin else settings)
