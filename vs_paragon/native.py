"""Frames through the plugins of vs-mlrt, which run ONNX graphs without Python in the way."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import vapoursynth as vs

from paragon_core.backends import choose
from paragon_core.errors import (
    BackendUnavailableError,
    EngineError,
    InputError,
    NonFiniteError,
    ParagonError,
    UnsupportedFormatError,
)
from paragon_core.graph.export import onnx_bytes
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.border import Border
from paragon_core.upscaling.memory import default_limit, pixels_that_fit
from paragon_core.upscaling.tiling import choose_tile, cover
from vs_paragon import borders, engine_plugins, frames
from vs_paragon.engine_plugins import FLAVOURS
from vs_paragon.frame_choice import choose_by_frame
from vs_paragon.frames import PLUGINS, planes
from vs_paragon.modify_frames import modify_frames
from vs_paragon.runtime_choice import obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vs_paragon.frames import Settings

#: OpenVINO's names of precisions. Left to itself it takes bfloat16 where the processor has it.
_OPENVINO_PRECISIONS: Final = {"auto": "f32", "fp32": "f32", "fp16": "f16", "bf16": "bf16"}

_log = logging.getLogger(__name__)


def plugin_for(settings: Settings, size: tuple[int, int]) -> str | None:
    """Return the namespace of the vs-mlrt plugin that shall run the network, or None for frames through Python.

    Args:
        settings: model and runtime.
        size: width and height of the frames.

    Raises:
        BackendUnavailableError: a plugin was asked for by name and is not installed.
        InputError: it was asked for by name and cannot do what the settings want.

    """
    if settings.backend in PLUGINS:
        _refuse_impossible(settings)
        return settings.backend
    automatic = choose("auto", settings.device) if settings.backend == "auto" else None
    if (automatic.name if automatic else settings.backend) in {"tensorrt", *FLAVOURS}:
        return _engine_plugin(settings, size)
    if automatic is None or settings.precision not in {"auto", "fp32"} or obstacle(settings):
        return None
    if automatic.may_accelerate() and automatic.probe().accelerator:
        return None  # a graphics card through Python beats the processor without
    # Not only what `choose` chose: with its plugin in the process, Python's OpenVINO does not load.
    return next((namespace for namespace in PLUGINS if hasattr(vs.core, namespace)), None)


def enlarged(clips: Sequence[vs.VideoNode], settings: Settings, namespace: str) -> vs.VideoNode:
    """Enlarge an RGBS or GRAYS clip with a vs-mlrt plugin.

    Args:
        clips: the clip, and if there is a second one, what the detail path shall see instead of it.
        settings: model and runtime.
        namespace: of the plugin.

    """

    def exact() -> vs.VideoNode:
        return enlarged(clips, replace(settings, precision="fp32"), namespace)

    border = Border.of(settings.model.spec, settings.padding)
    seen = [borders.continued(clip, border) for clip in clips]
    if namespace in FLAVOURS:
        try:
            result = engine_plugins.enlarged(seen, settings, namespace)
        except EngineError as error:
            if settings.backend != "auto":
                raise
            _log.warning("frames pass through Python, because the plugin %s has no engine: %s", namespace, error)
            return frames.enlarged(clips, settings)
        is_exact = settings.precision == "fp32"
    else:
        result = _enlarged(seen, settings, namespace)
        is_exact = settings.precision in {"auto", "fp32"}
    result = borders.cropped(result, border, settings.model.spec.scale)
    return checked(result) if is_exact else checked(result, instead=exact)


def _enlarged(clips: Sequence[vs.VideoNode], settings: Settings, namespace: str) -> vs.VideoNode:
    grey = clips[0].format.color_family is vs.GRAY
    spec = GraphSpec(grey=grey, separate_detail=len(clips) > 1)
    network = onnx_bytes(settings.model, spec, merge_base=namespace == "ov", portable=False)
    run: Callable[..., Any] = getattr(vs.core, namespace).Model
    result: vs.VideoNode = run(
        list(clips),
        network_path=network,
        path_is_serialization=True,
        num_streams=settings.frames_at_once,
        **_windows(clips[0], settings),
        **_RUNTIME_ARGUMENTS[namespace](settings),
    )
    return result


def numbers_only(clip: vs.VideoNode) -> vs.VideoNode:
    """Return a float clip whose frames fail if they hold NaN or infinity: in integers these would become black."""

    def error(n: int) -> ParagonError:
        return UnsupportedFormatError(
            f"frame {n} contains values that are not numbers (NaN or infinity)",
            hint="look for the filter that makes them, or mend them with std.Expr",
        )

    return _numbers_or(error, clip)


def checked(clip: vs.VideoNode, *, instead: Callable[[], vs.VideoNode] | None = None) -> vs.VideoNode:
    """Return a plugin's float clip; frames that overflowed are taken from another clip, or else fail.

    Plugins look at no value, and the conversion to integers would make NaN black.

    Args:
        clip: what the plugin makes.
        instead: returns the same in fp32; called when it is first needed.

    """
    if instead is None:

        def error(n: int) -> ParagonError:
            return NonFiniteError(
                f"frame {n}: the network computed values that are not numbers, in fp32",
                hint="the checkpoint may be damaged: see paragon verify",
            )

        return _numbers_or(error, clip)

    make_exact = cache(instead)

    def choose_clip(n: int, frame: vs.VideoFrame) -> vs.VideoNode:
        if _holds_numbers(frame):
            return clip
        _log.warning("frame %d overflowed in the reduced precision: fp32 takes over for it", n)
        return make_exact()

    return choose_by_frame(clip, clip, choose_clip)


def _numbers_or(error: Callable[[int], ParagonError], clip: vs.VideoNode) -> vs.VideoNode:
    """Return a float clip; frames that hold NaN or infinity fail with the error for their number."""

    def check(n: int, inputs: list[vs.VideoFrame]) -> vs.VideoFrame:
        if not _holds_numbers(inputs[0]):
            raise error(n)
        return inputs[0]

    return modify_frames(clip, [clip], check)


def _holds_numbers(frame: vs.VideoFrame) -> bool:
    """Return whether no value is NaN or infinite; takes half a millisecond for a plane of 1280x720."""
    return all(np.isfinite(plane).all() for plane in planes(frame))


def _engine_plugin(settings: Settings, size: tuple[int, int]) -> str | None:
    """Return the first TensorRT plugin that suits; where none does, say why that is, for Paragon's executor to run."""
    by_name = settings.backend in FLAVOURS
    namespaces = [settings.backend] if by_name else list(FLAVOURS)
    size = Border.of(settings.model.spec, settings.padding).grown(size)
    obstacles = {namespace: engine_plugins.obstacle(settings, namespace, size) for namespace in namespaces}
    for namespace, reason in obstacles.items():
        if not reason:
            return namespace
    _log.log(
        logging.WARNING if by_name else logging.INFO, "frames pass through Python: %s", "; ".join(obstacles.values())
    )
    return None


def _refuse_impossible(settings: Settings) -> None:
    namespace = settings.backend
    if not hasattr(vs.core, namespace):
        raise BackendUnavailableError(
            f"the plugin {namespace} of vs-mlrt is not installed", hint=f"pip install vapoursynth-mlrt-{namespace}"
        )
    impossible = obstacle(settings)
    if impossible:
        raise InputError(
            f"the plugin {namespace} cannot do {impossible}", hint='leave backend out, or use backend="onnxruntime"'
        )


def _windows(clip: vs.VideoNode, settings: Settings) -> dict[str, list[int]]:
    """Return the arguments for windows of the wanted size, or of one that fits into memory; none for whole frames."""
    spec = settings.model.spec
    # The plugins step on by a window less twice the overlap, but cut it off the output as so many of its larger pixels
    # (measured with 17.1): only an overlap of scale times the halo hides all of the window's edge.
    overlap = (spec.receptive_radius or 0) * spec.scale
    if settings.tile == "off":
        return {}
    if settings.tile == "auto":
        allowed = pixels_that_fit(spec, default_limit(spec), streams=settings.frames_at_once, stores_attention=False)
        if clip.width * clip.height <= allowed:
            return {}
        window = choose_tile((clip.width, clip.height), halo=overlap, streams=1, largest_area=allowed)
    else:
        window = (settings.tile, settings.tile) if isinstance(settings.tile, int) else settings.tile
    for length, size in zip((clip.width, clip.height), window, strict=True):
        cover(length, size, halo=overlap)  # refuses what leaves nothing between the overlaps
    width, height = min(window[0], clip.width), min(window[1], clip.height)
    overlaps = [overlap if width < clip.width else 0, overlap if height < clip.height else 0]
    return {"tilesize": [width, height], "overlap": overlaps}


def _openvino(settings: Settings) -> dict[str, Any]:
    if settings.precision not in _OPENVINO_PRECISIONS:
        raise InputError(f"there is no precision {settings.precision!r}", hint="choose one of auto, fp32, fp16, bf16")
    hint = _OPENVINO_PRECISIONS[settings.precision]
    device = "CPU" if settings.device == "auto" else settings.device.upper()
    device = re.sub(r"^(\w+):(\d+)$", r"\1.\2", device)  # its second card is GPU.1
    return {"device": device, "config": lambda: {"INFERENCE_PRECISION_HINT": hint}}


def _onnxruntime(settings: Settings) -> dict[str, Any]:
    kind, _, number = settings.device.partition(":")
    if kind not in {"auto", "cpu", "cuda"} or (number and not number.isdecimal()):
        raise InputError(f"the plugin ort knows no device {settings.device!r}", hint="cpu, cuda, or cuda:1")
    if settings.precision not in {"auto", "fp32"}:
        raise InputError(
            f"the plugin ort runs no {settings.precision} here", hint='use precision="fp32", or backend="onnxruntime"'
        )
    return {"provider": "CUDA", "device_id": int(number or 0)} if kind == "cuda" else {}


_RUNTIME_ARGUMENTS: Final = {"ov": _openvino, "ort": _onnxruntime}
