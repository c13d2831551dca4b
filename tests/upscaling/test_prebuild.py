"""What is built ahead is what is asked for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from paragon_core import Upscaler
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.engines import IMAGES, EngineCache, Profile
from paragon_core.errors import EngineCacheError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.prebuild import prebuild
from tests.random_models import MODEL, RADIUS, random_image
from tests.reference_backend import Reference

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.backends.tensorrt_build import GraphToBuild
    from paragon_core.engines import BuildProgress, EngineKey


class Counting(Reference):
    def __init__(self) -> None:
        self.built: list[str] = []

    def build(self, graph: GraphToBuild, profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        self.built.append(profile.name)
        return super().build(graph, profile, key, progress)


@pytest.mark.parametrize("profile", [IMAGES, Profile.static((90, 70))])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_an_upscaler_uses_it(tmp_path: Path, profile: Profile, dtype: str) -> None:
    runtime = Counting()
    spec = GraphSpec(io="uint8" if dtype == "uint8" else "float32")
    made = [
        prebuild(runtime, runtime.device("auto"), MODEL, spec, profile, precision="fp32", cache=EngineCache(tmp_path))
        for _ in range(2)
    ]
    assert [engine.built for engine in made] == [True, False]
    assert made[0].path == made[1].path
    assert made[0].path.stat().st_size == made[0].size
    assert "built in" in made[0].summary
    assert "there already" in made[1].summary
    with Upscaler(MODEL, backend=EngineBackend(runtime), cache=tmp_path) as upscaler:
        upscaler(random_image(70, 90, 3, dtype=dtype))
    grown = Profile.static((90 + 2 * RADIUS, 70 + 2 * RADIUS))  # by the margin that the upscaler adds to an image
    assert runtime.built == [IMAGES.name if profile == IMAGES else grown.name]


def test_an_exception_from_the_progress_ends_the_build_and_nothing_is_kept(tmp_path: Path) -> None:
    def stop(*_progress: object) -> None:
        raise KeyboardInterrupt

    runtime, cache = Reference(), EngineCache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        prebuild(
            runtime,
            runtime.device("auto"),
            MODEL,
            GraphSpec(),
            IMAGES,
            precision="fp32",
            cache=cache,
            progress=stop,
        )
    assert cache.entries() == []


def test_what_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    runtime, cache = Reference(), EngineCache(tmp_path / "file" / "cache")
    with pytest.raises(EngineCacheError, match="cannot be kept") as caught:
        prebuild(runtime, runtime.device("auto"), MODEL, GraphSpec(), IMAGES, precision="fp32", cache=cache)
    assert "PARAGON_CACHE" in caught.value.hint
