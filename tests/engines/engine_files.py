"""Keys, profiles and contents for tests of the cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from paragon_core.engines import BuildOptions, EngineKey, Profile, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.engines import Engine, Progress

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


def content(of: EngineKey, profile: Profile, size: int = 100_000) -> bytes:
    """Return the only right content of an engine."""
    seed = hashlib.sha256(f"{of.id} {profile.name}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Builder:
    """Builds engines and counts them."""

    def __init__(self, of: EngineKey, profile: Profile, size: int = 100_000) -> None:
        self.builds = 0
        self._data = content(of, profile, size)

    def __call__(self, progress: Progress) -> bytes:
        self.builds += 1
        progress(0.5, "building")
        return self._data


def loading(engine: Engine) -> bytes:
    """Load an engine as a runtime that takes all would do."""
    engine.close()
    return engine.data


def refusing(times: int, error: type[Exception]) -> Callable[[Engine], bytes]:
    """Return a runtime that refuses so many times."""
    refusals = iter(range(times))

    def load(engine: Engine) -> bytes:
        if next(refusals, None) is not None:
            msg = "not for this GPU"
            raise error(msg)
        return loading(engine)

    return load
