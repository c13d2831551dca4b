"""Keys, profiles, contents and places for tests of the cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from paragon_core.engines import BuildOptions, EngineCache, EngineKey, Profile, Target
from paragon_core.engines.files import EngineFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.engines import BuildProgress, Engine

FULL_HD = Profile.static((1920, 1080))
HD = Profile.static((1280, 720))


def key(**changes: Any) -> EngineKey:
    fields: dict[str, Any] = {
        "model": "realtime-2x",
        "onnx_sha256": "0" * 64,
        "flavour": "tensorrt_rtx",
        "version": "1.7.1.116",
        "target": Target(capabilities=("sm_86", "sm_89")),
        "platform": "linux-x86_64",
        "cuda_major": 13,
        "precision": "fp16",
        "options": BuildOptions(),
    }
    return EngineKey(**(fields | changes))


KEY = key()


def content(of: EngineKey, profile: Profile, size: int = 100_000) -> bytes:
    """Return the only right content of an engine."""
    seed = hashlib.sha256(f"{of.id} {profile.name}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Builder:
    """Builds engines and counts them."""

    def __init__(self, of: EngineKey, profile: Profile, size: int = 100_000) -> None:
        self.builds = 0
        self._data = content(of, profile, size)

    def __call__(self, progress: BuildProgress) -> bytes:
        self.builds += 1
        progress(0.5, "building")
        return self._data


def loading(engine: Engine) -> bytes:
    """Load an engine as a runtime that takes all would do."""
    engine.close()
    return engine.data


def refusing(times: int, error: type[Exception]) -> Callable[[Engine], bytes]:
    """Return a runtime that refuses ``times`` times."""
    refusals = iter(range(times))

    def load(engine: Engine) -> bytes:
        if next(refusals, None) is not None:
            msg = "not for this GPU"
            raise error(msg)
        return loading(engine)

    return load


def files_of(cache: EngineCache, of: EngineKey = KEY, profile: Profile = FULL_HD) -> EngineFiles:
    return EngineFiles(folder=cache.folder / of.folder, name=profile.name)


def get(cache: EngineCache, of: EngineKey = KEY, profile: Profile = FULL_HD, size: int = 100_000) -> int:
    """Get an engine, see that it is the right one, and return how many builds it took."""
    builder = Builder(of, profile, size)
    assert cache.get_or_build(of, profile, builder, loading) == content(of, profile, size)
    return builder.builds


def names(cache: EngineCache) -> list[str]:
    return [entry.files.name for entry in cache.entries()]
