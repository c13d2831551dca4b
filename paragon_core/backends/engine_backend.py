"""A backend that runs engines from the cache, and builds those that are missing."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.backends.base import Backend, BackendInfo, Precision, Session, SessionOptions
from paragon_core.backends.failures import non_finite
from paragon_core.backends.tensorrt_build import GraphToBuild, graph_to_build
from paragon_core.engines import IMAGES, EngineCache, EngineRequest, Profile, choose, provide
from paragon_core.errors import BackendUnavailableError, EngineBuildError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.backends.engine_runtime import Executor, Runtime
    from paragon_core.engines import Engine
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

#: Images with a side that is too short for `IMAGES`.
SMALL_IMAGES: Final = Profile(minimum=(1, 1), optimum=(64, 64), maximum=IMAGES.maximum)


class EngineBackend(Backend):
    """Runs our graphs as engines of a runtime."""

    runs_on_cpu = False
    stores_attention = True
    compiles_slowly = True
    largest_tile = IMAGES.maximum

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def name(self) -> str:
        """Name as the ``backend`` argument takes it."""
        return self._runtime.name

    def may_accelerate(self) -> bool:
        """Return whether the runtime could work here."""
        return self._runtime.may_accelerate()

    def probe(self) -> BackendInfo:
        """Find out whether the runtime works here; see `Backend.probe`."""
        return self._runtime.probe()

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return the precisions below fp32 that may be faster; see `Backend.reduced_precisions`."""
        self._runtime.device(device)
        return self._runtime.reduced_precisions

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> EngineSession:
        """Prepare a session; engines are got when it is known for which size. See `Backend.open`."""
        if options.precision == "bf16":
            msg = f"{self.name} does not run bf16"
            raise BackendUnavailableError(msg, hint="use precision fp16, fp32 or auto")
        return EngineSession(self._runtime, model, spec, options)


class EngineSession(Session):
    """A network in engines: one of exactly its size, or for any size those in the cache that take it."""

    def __init__(self, runtime: Runtime, model: Model, spec: GraphSpec, options: SessionOptions) -> None:
        self._runtime = runtime
        self._options = options
        self._device = runtime.device(options.device)
        precision: Literal["fp32", "fp16"] = "fp16" if options.precision == "fp16" else "fp32"
        self._graph: Final[GraphToBuild] = graph_to_build(model, spec, precision)
        self._key = runtime.key(model.name, self._graph, precision, self._device)
        self._cache = EngineCache(options.cache)
        self._static = spec.size is not None
        self._loaded: dict[Profile, _LoadedEngine] = {}
        self._lock = threading.Lock()
        self._open = True
        if spec.size is not None:
            self.prepare(spec.size)

    def prepare(self, size: tuple[int, int]) -> None:
        """Get the engine for a size; see `Session.prepare`."""
        self._for(size, 1)

    def has(self, size: tuple[int, int]) -> bool:
        """Whether the cache has an engine that takes this size; see `Session.has`."""
        return self._cache.find(self._key, size, capability=self._device.capability) is not None

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        with self.lend(batch) as output:
            return output.copy()

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch and lend the runtime's own memory; see `Session.lend`. Not cancelled: it takes a moment."""
        del cancellation
        count, *rest = batch.shape
        height, width = rest[:2] if self._graph.io == "uint8" else rest[1:]
        executor = self._for((width, height), count).executor
        with executor.lend(np.ascontiguousarray(batch)) as output:
            if self._graph.io != "uint8":
                yield output
                return
            if output[:, -1].any():
                raise non_finite(self._runtime.name)
            yield output[:, :-1]

    def close(self) -> None:
        """Release the engines."""
        with self._lock:
            self._open = False
            for loaded in self._loaded.values():
                loaded.executor.close()
                loaded.engine.close()
            self._loaded.clear()

    def _for(self, size: tuple[int, int], batch: int) -> _LoadedEngine:
        with self._lock:
            if not self._open:
                msg = "the session was closed"
                raise BackendUnavailableError(msg, hint="open a new Upscaler")
            profile = choose(self._loaded, size, batch=batch)
            if profile is None:
                loaded = self._get(size, batch)
                profile = loaded.engine.manifest.profile
                self._loaded[profile] = loaded
            return self._loaded[profile]

    def _get(self, size: tuple[int, int], batch: int) -> _LoadedEngine:
        """Return an engine that takes a size: one that is in the cache, or one to build."""
        try:
            request = EngineRequest(
                key=self._key,
                profile=self._to_build(size, batch),
                size=size,
                batch=batch,
                only_static=self._static,
                capability=self._device.capability,
                fallback=Profile.static(size, batch=batch),
                notes=self._device.notes,
            )
        except InputError as error:
            raise EngineBuildError(f"no engine can be built: {error}", hint=error.hint) from error

        def load(engine: Engine) -> _LoadedEngine:
            profile = engine.manifest.profile
            executor = self._runtime.load(engine.data, self._graph, profile, self._device, self._options)
            return _LoadedEngine(engine, executor)

        build = partial(self._runtime.build, self._graph)
        return provide(self._cache, request, build, load, progress=self._options.on_build_progress)

    def _to_build(self, size: tuple[int, int], batch: int) -> Profile:
        if not self._static and batch == 1:
            for profile in (IMAGES, SMALL_IMAGES):
                if profile.covers(size):
                    return profile
        return Profile.static(size, batch=batch)


class _LoadedEngine:
    """An engine and what runs it."""

    def __init__(self, engine: Engine, executor: Executor) -> None:
        self.engine = engine  # while it is held, the cache keeps its file
        self.executor = executor
