"""What the filter asks of a plugin of vs-mlrt, and what plugins share that run ONNX graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import vapoursynth as vs

from paragon_core.graph.export import onnx_bytes
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.memory import default_limit, pixels_that_fit
from paragon_core.upscaling.tiling import choose_tile, cover

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vs_paragon.frames import Settings


class Plugin(ABC):
    """One plugin of vs-mlrt."""

    namespace: str
    """Its name in VapourSynth, and as the argument ``backend``."""

    @property
    def functions(self) -> Any:  # noqa: ANN401 - VapourSynth has no types for plugins
        """The plugin's functions; None where it is not installed."""
        return getattr(vs.core, self.namespace, None)

    @property
    def missing(self) -> str:
        """The message for a plugin that is not installed; empty where it is."""
        return "" if self.functions is not None else f"the plugin {self.namespace} of vs-mlrt is not installed"

    @abstractmethod
    def obstacle(self, settings: Settings, size: tuple[int, int]) -> str:
        """Return why an installed plugin cannot take frames of a width and height, border included; empty if it can."""

    @abstractmethod
    def run(self, clips: Sequence[vs.VideoNode], settings: Settings) -> vs.VideoNode:
        """Return an RGBS or GRAYS clip upscaled; the detail path sees the second clip, if there is one.

        Raises:
            InputError: the plugin lacks the precision or the device.
            BackendUnavailableError: the device does not work here.
            EngineError: there is no engine for the plugin.

        """

    @abstractmethod
    def is_exact(self, precision: str) -> bool:
        """Return whether a precision means float32."""

    @abstractmethod
    def in_python(self, settings: Settings) -> Settings:
        """Return the settings with which Paragon's own runtimes do the same: for transparency, among others."""

    def device(self, name: str) -> str:
        """Return what the plugin calls a device; "gpu" and "gpu:1" are any graphics card."""
        return name.replace("gpu", "cuda", 1) if name.partition(":")[0] == "gpu" else name


class OnnxPlugin(Plugin):
    """A plugin that runs ONNX graphs."""

    merges_base: ClassVar[bool] = False
    """Whether the graph is faster with the base path merged into the network's last layer."""
    is_portable: ClassVar[bool] = False
    """Whether it needs the graph with operators that every runtime has."""
    is_automatic: ClassVar[bool] = True
    """Whether "auto" takes it; else it must be named."""

    @abstractmethod
    def arguments(self, settings: Settings) -> dict[str, Any]:
        """Return the arguments for precision and device.

        Raises:
            InputError: the plugin lacks one of them.

        """

    def obstacle(self, settings: Settings, size: tuple[int, int]) -> str:
        """See `Plugin.obstacle`; any size will do, and tiles are cut by the plugin."""
        del size
        if settings.reuse:
            return f"the plugin {self.namespace} cannot reuse what did not change"
        if settings.model.spec.receptive_radius is None:  # sizes must be multiples of its attention windows
            return f"the plugin {self.namespace} cannot run a {settings.model.spec.variant} network"
        return ""

    def run(self, clips: Sequence[vs.VideoNode], settings: Settings) -> vs.VideoNode:
        """See `Plugin.run`; the plugin cuts tiles of the wanted size, or of one that fits into memory."""
        spec = GraphSpec(grey=clips[0].format.color_family is vs.GRAY, separate_detail=len(clips) > 1)
        network = onnx_bytes(settings.model, spec, merge_base=self.merges_base, portable=self.is_portable)
        result: vs.VideoNode = self.functions.Model(
            list(clips),
            network_path=network,
            path_is_serialization=True,
            num_streams=self.streams(settings),
            **tile_arguments((clips[0].width, clips[0].height), settings),
            **self.arguments(settings),
        )
        return result

    def streams(self, settings: Settings) -> int:
        """Return the number of frames that are computed at once."""
        return settings.frames_at_once

    def is_exact(self, precision: str) -> bool:
        """See `Plugin.is_exact`; these plugins compute in fp32 unless they are told otherwise."""
        return precision in {"auto", "fp32"}

    def in_python(self, settings: Settings) -> Settings:
        """See `Plugin.in_python`; what the plugin can do, Python's runtimes may not."""
        return replace(
            settings,
            backend="auto",
            precision="fp32" if settings.precision == "fp32" else "auto",
            device="cpu" if settings.device == "cpu" else "auto",
        )


def tile_arguments(size: tuple[int, int], settings: Settings) -> dict[str, list[int]]:
    """Return the arguments for tiles of the wanted size, or of one that fits into memory; none for whole frames.

    Args:
        size: width and height of the frames that the plugin gets.
        settings: model and runtime.

    Raises:
        InputError: the overlap leaves nothing of the tiles.

    """
    spec = settings.model.spec
    # The plugins step on by a tile less twice the overlap, but cut it off the output in its larger pixels (measured
    # with 17.1): only an overlap of scale times the halo hides all of the tile's edge.
    overlap = (spec.receptive_radius or 0) * spec.scale
    tile = settings.tile_size
    if tile == "off":
        return {}
    if tile == "auto":
        allowed = pixels_that_fit(spec, default_limit(spec), streams=settings.frames_at_once, stores_attention=False)
        if size[0] * size[1] <= allowed:
            return {}
        tile = choose_tile(size, halo=overlap, streams=1, largest_area=allowed)
    for length, side in zip(size, tile, strict=True):
        cover(length, side, halo=overlap)  # refuses what leaves nothing between the overlaps
    width, height = min(tile[0], size[0]), min(tile[1], size[1])
    return {
        "tilesize": [width, height],
        "overlap": [overlap if width < size[0] else 0, overlap if height < size[1] else 0],
    }


def decoded(value: str | bytes) -> str:
    """Return a text of a plugin, which older versions of VapourSynth give as bytes."""
    return value.decode() if isinstance(value, bytes) else value
