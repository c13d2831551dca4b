"""Build engines ahead of their use: exactly those that a backend will ask for later."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from paragon_core.backends.tensorrt_build import graph_to_build
from paragon_core.engines import IMAGES, BuildProgress, EngineRequest, Profile, ignore_progress, provide
from paragon_core.errors import EngineCacheError
from paragon_core.upscaling.border import Border

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.backends.engine_runtime import EngineDevice, Runtime
    from paragon_core.engines import EngineCache, EngineKey
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model
    from paragon_core.upscaling.border import Padding


@dataclass(frozen=True, kw_only=True)
class Prebuilt:
    """An engine that is in the cache now."""

    path: Path
    """Its file."""
    profile: Profile
    """For which sizes."""
    size: int
    """Bytes."""
    sha256: str
    """Hex digest of the file."""
    built: bool
    """Whether it was built just now; else it was there already."""
    seconds: float
    """What that took."""

    @property
    def summary(self) -> str:
        """A line for people."""
        how = f"built in {self.seconds:.1f} s" if self.built else "there already"
        return f"{self.path}: {self.size / 1e6:.2f} MB, {how}"


def prebuild(
    runtime: Runtime,
    device: EngineDevice,
    model: Model,
    spec: GraphSpec,
    profile: Profile,
    *,
    precision: Literal["fp32", "fp16"],
    cache: EngineCache,
    padding: Padding | Literal["auto"] = "auto",
    progress: BuildProgress = ignore_progress,
) -> Prebuilt:
    """Build an engine unless the cache has it, as `EngineBackend` would on that device.

    Args:
        runtime: who builds.
        device: where it will run; `tensorrt.elsewhere` returns GPUs that are not here.
        model: the checkpoint.
        spec: in which form it runs.
        profile: for which sizes of images; those of the network are larger by the margin of ``padding``, but for
            `engines.IMAGES`, whose engine takes tiles.
        precision: of weights and arithmetic.
        cache: where it is kept.
        padding: that of the `Upscaler` which is to use it.
        progress: called with how far it is; an exception from it ends the build, is raised, and nothing is kept.

    Raises:
        BackendUnavailableError: the builder is not installed.
        EngineBuildError: it refused the graph or the sizes.
        EngineCacheError: the engine cannot be kept.
        InputError: it knows no such GPU, or there is no such graph.

    """
    if profile != IMAGES:
        profile = profile.with_margin(Border.of(model.spec, padding).margin)
    graph = graph_to_build(model, spec, precision)
    key = runtime.key(model.name, graph, precision, device)
    built = False

    def build(profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        nonlocal built
        built = True
        return runtime.build(graph, profile, key, progress)

    start = time.perf_counter()
    request = EngineRequest(key=key, profile=profile, notes=device.notes)
    engine = provide(cache, request, build, lambda engine: engine, progress=progress)
    seconds = time.perf_counter() - start
    engine.close()
    if engine.path is None:
        msg = f"the engine was built, but cannot be kept in {cache.folder}"
        raise EngineCacheError(
            msg, hint="a warning before this one says why; the variable PARAGON_CACHE names another folder"
        )
    return Prebuilt(
        path=engine.path,
        profile=engine.manifest.profile,
        size=len(engine.data),
        sha256=engine.manifest.sha256,
        built=built,
        seconds=seconds,
    )
