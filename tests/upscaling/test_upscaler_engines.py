"""From an image through cache and engine to pixels, with the reference runtime in TensorRT's place."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core import Upscaler
from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.backends.engine_backend import SMALL_IMAGES, EngineBackend
from paragon_core.backends.tensorrt_build import graph_to_build
from paragon_core.engines import IMAGES, EngineCache, Profile, Target
from paragon_core.errors import (
    BackendUnavailableError,
    EngineBuildError,
    EngineCacheError,
    EngineRefusedError,
    InferenceError,
    OutOfMemoryError,
)
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling import session_pool
from tests.random_models import MODEL, batch, random_image, random_model, spec
from tests.reference_backend import MAGIC, Reference
from tests.upscalers import PRESENT_RUNTIMES, same, shared_upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from paragon_core.backends.engine_runtime import EngineDevice
    from paragon_core.backends.tensorrt_build import GraphToBuild
    from paragon_core.engines import BuildProgress, EngineKey
    from tests.reference_backend import ReferenceExecutor


class Counting(Reference):
    """Counts builds, and refuses or runs out of memory as often as it is told to."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.targets: list[Target] = []
        self.loads = 0
        self.refusals = 0
        self.build_error: Exception | None = None
        self.largest = float("inf")

    def build(self, graph: GraphToBuild, profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        if self.build_error:
            raise self.build_error
        self.built.append(profile.name)
        self.targets.append(key.target)
        return super().build(graph, profile, key, progress)

    def load(
        self, data: bytes, graph: GraphToBuild, profile: Profile, device: EngineDevice, options: SessionOptions
    ) -> ReferenceExecutor:
        self.loads += 1
        if self.refusals:
            self.refusals -= 1
            msg = "not for this driver"
            raise EngineRefusedError(msg)
        if profile.maximum[0] * profile.maximum[1] > self.largest:
            msg = "the device is full"
            raise OutOfMemoryError(msg)
        return super().load(data, graph, profile, device, options)


@pytest.fixture
def runtime() -> Counting:
    return Counting()


@pytest.fixture
def opened(tmp_path: Path, runtime: Counting) -> Iterator[Callable[..., Upscaler]]:
    made: list[Upscaler] = []

    def make(**options: Any) -> Upscaler:
        chosen: dict[str, Any] = {"model": MODEL, "backend": EngineBackend(runtime), "cache": tmp_path / "cache"}
        chosen["padding"] = "zero"  # so that engines have the sizes of images
        made.append(Upscaler(**(chosen | options)))
        return made[-1]

    yield make
    for upscaler in made:
        upscaler.close()


# --- pixels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [(), (3,), (4,)], ids=str)
@pytest.mark.parametrize("size", [(70, 90), (5, 40)], ids=str)
def test_pixels_are_those_of_onnx_runtime(
    opened: Callable[..., Upscaler], size: tuple[int, int], channels: tuple[int, ...], dtype: str
) -> None:
    image = random_image(*size, *channels, dtype=dtype)
    upscaler = opened()
    assert upscaler.backend == "reference"
    assert same(upscaler(image), shared_upscaler(padding="zero")(image))


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo"])
def test_every_family(opened: Callable[..., Upscaler], variant: str) -> None:
    model, image = random_model(spec(variant)), random_image(70, 81, 3)
    with Upscaler(model, backend="onnxruntime", padding="zero") as other:
        assert same(opened(model=model)(image), other(image))


def test_frames_use_an_engine_of_their_size(opened: Callable[..., Upscaler], runtime: Counting) -> None:
    planes = list(np.moveaxis(random_image(40, 50, 3, dtype="float32"), 2, 0))
    expected, result = ([np.empty((80, 100), np.float32) for _ in range(3)] for _ in range(2))
    shared_upscaler(padding="zero").upscale_planes(planes, expected)
    upscaler = opened()
    for _ in range(2):
        upscaler.upscale_planes(planes, result)
        assert same(np.array(result), np.array(expected))
    assert runtime.built == ["50x40"]


def test_images_share_one_engine_until_a_size_comes_very_often(
    opened: Callable[..., Upscaler], runtime: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscaler = opened()
    for height, width in ((64, 64), (70, 90), (100, 65)):
        upscaler(random_image(height, width, 3))
    assert runtime.built == [IMAGES.name]
    upscaler(random_image(20, 90, 3))
    upscaler(random_image(1, 1, 3))
    assert runtime.built == [IMAGES.name, SMALL_IMAGES.name]
    monkeypatch.setattr(session_pool, "PIXELS_WORTH_AN_ENGINE", 20_000)
    results = [upscaler(random_image(70, 90, 3)) for _ in range(4)]
    assert runtime.built[2:] == ["90x70"]
    assert all(np.array_equal(result, results[0]) for result in results)


def test_what_is_above_the_maximum_goes_through_in_tiles(
    opened: Callable[..., Upscaler], runtime: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paragon_core.backends import engine_backend  # noqa: PLC0415

    small = Profile(minimum=(64, 64), optimum=(64, 64), maximum=(96, 96))
    monkeypatch.setattr(engine_backend, "IMAGES", small)
    monkeypatch.setattr(EngineBackend, "largest_tile", small.maximum)
    image, steps = random_image(130, 250, 3), []
    result = opened()(image, progress=lambda done, total: steps.append((done, total)))
    assert same(result, shared_upscaler(padding="zero")(image))
    assert steps[-1] == (2 * 3, 2 * 3)
    assert runtime.built == [small.name]


def test_an_engine_made_for_a_large_image_takes_it_whole(
    opened: Callable[..., Upscaler], runtime: Counting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(EngineBackend, "largest_tile", (96, 96))
    prebuild(tmp_path / "cache", Profile.static((250, 130)), io="uint8")
    steps: list[int] = []
    opened()(random_image(130, 250, 3), progress=lambda _done, total: steps.append(total))
    assert steps[-1] == 1
    assert runtime.built == []


# --- which engine ------------------------------------------------------------------------------------------------


def prebuild(folder: Path, profile: Profile, io: Any = "uint8", target: Target | None = None) -> None:
    """Build as ``paragon engine build`` does."""
    runtime = Reference()
    device = runtime.device("auto")
    graph = graph_to_build(MODEL, GraphSpec(io=io), "fp32")
    key = runtime.key(MODEL.name, graph, "fp32", replace(device, target=target or device.target))
    cache = EngineCache(folder)
    cache.get_or_build(
        key, profile, lambda told: runtime.build(graph, profile, key, told), lambda engine: engine.close()
    )


@pytest.mark.parametrize("target", [Target(), Target.parse("sm_86,sm_89")], ids=["any", "two"])
def test_engines_built_for_more_gpus_are_used(
    opened: Callable[..., Upscaler], runtime: Counting, tmp_path: Path, target: Target
) -> None:
    prebuild(tmp_path / "cache", IMAGES, target=target)
    image = random_image(70, 90, 3)
    assert same(opened()(image), shared_upscaler(padding="zero")(image))
    assert runtime.built == []
    runtime.refusals = 1  # and if such a one must be built again, then for the same GPUs
    opened()(image)
    assert (runtime.built, runtime.targets) == ([IMAGES.name], [target])


def test_engines_built_for_another_gpu_are_not(
    opened: Callable[..., Upscaler], runtime: Counting, tmp_path: Path
) -> None:
    prebuild(tmp_path / "cache", IMAGES, target=Target.parse("sm_89"))
    opened()(random_image(70, 90, 3))
    assert runtime.built == [IMAGES.name]


def test_the_engine_of_exactly_the_size_comes_first(
    opened: Callable[..., Upscaler], runtime: Counting, tmp_path: Path
) -> None:
    for profile in (IMAGES, Profile.static((90, 70))):
        prebuild(tmp_path / "cache", profile)
    upscaler = opened()
    upscaler(random_image(70, 90, 3))
    used = [entry.files.name for entry in EngineCache(tmp_path / "cache").entries()]
    assert used == ["90x70", IMAGES.name]
    assert runtime.built == []


def test_engines_outlive_the_upscaler(opened: Callable[..., Upscaler], runtime: Counting) -> None:
    for _ in range(2):
        opened()(random_image(70, 90, 3))
    assert (runtime.built, runtime.loads) == ([IMAGES.name], 2)


# --- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["refused", "cut", "foreign"])
def test_an_engine_that_cannot_be_used_is_built_once_more(
    opened: Callable[..., Upscaler], runtime: Counting, tmp_path: Path, damage: str
) -> None:
    image = random_image(70, 90, 3)
    expected = opened()(image)
    (file,) = (tmp_path / "cache").rglob("*.engine")
    if damage == "refused":
        runtime.refusals = 1
    else:
        file.write_bytes(file.read_bytes()[:-9] if damage == "cut" else b"nonsense")
    assert np.array_equal(opened()(image), expected)
    assert len(runtime.built) == 2
    assert file.read_bytes().startswith(MAGIC)


@pytest.mark.parametrize("error", [EngineBuildError("no kernel"), EngineCacheError("not safe")], ids=["build", "cache"])
def test_by_name_an_error_is_an_error(opened: Callable[..., Upscaler], runtime: Counting, error: Exception) -> None:
    runtime.build_error = error
    upscaler = opened()
    for _ in range(2):
        with pytest.raises(type(error), match=str(error)):
            upscaler(random_image(70, 90, 3))
    assert upscaler.backend == "reference"
    runtime.build_error, runtime.refusals = None, 1
    with pytest.raises(EngineRefusedError):
        upscaler(random_image(70, 90, 3))
    upscaler(random_image(70, 90, 3))


class Fastest(EngineBackend):
    """First in the order, as TensorRT is where there is a GPU."""

    def may_accelerate(self) -> bool:
        return True

    def probe(self) -> Any:
        return replace(super().probe(), accelerator="cuda", streams=2)


def all_may_write(folder: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has other permissions")
    folder.mkdir()
    folder.chmod(0o777)


FAILURES: dict[str, Callable[[Counting, Path], object]] = {
    "build": lambda runtime, _: setattr(runtime, "build_error", EngineBuildError("no kernel")),
    "load": lambda runtime, _: setattr(runtime, "refusals", 1000),
    "cache": lambda _, folder: all_may_write(folder),
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_the_next_backend_takes_over_with_one_line(
    *,
    opened: Callable[..., Upscaler],
    runtime: Counting,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fail: Callable[[Counting, Path], object],
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(BACKENDS, "reference", Fastest(runtime))
    fail(runtime, tmp_path / "cache")
    upscaler = opened(backend="auto", precision="fp32")
    assert upscaler.backend == "reference"
    image = random_image(70, 90, 4)
    with caplog.at_level(logging.WARNING, logger="paragon_core"):
        results = [upscaler(image) for _ in range(2)]
    following = PRESENT_RUNTIMES[0]
    assert upscaler.backend == following
    with Upscaler(MODEL, backend=following, precision="fp32", padding="zero") as expected:
        assert all(np.array_equal(result, expected(image)) for result in results)
    lines = [record.message for record in caplog.records if "takes over" in record.message]
    assert len(lines) == 1
    assert lines[0].startswith(f"{following} takes over, because reference has no engine: ")


def test_a_full_device_gets_engines_of_one_size_then_smaller_ones(
    opened: Callable[..., Upscaler], runtime: Counting
) -> None:
    image = random_image(100, 130, 3)
    runtime.largest = 100 * 130
    assert same(opened()(image), shared_upscaler(padding="zero")(image))
    assert runtime.built == [IMAGES.name, "130x100"]
    runtime.largest = 70 * 70
    assert same(opened()(image), shared_upscaler(padding="zero")(image))


def test_a_build_tells_how_it_goes_and_can_be_stopped(opened: Callable[..., Upscaler], runtime: Counting) -> None:
    told: list[tuple[float, str]] = []
    opened(on_build_progress=lambda *both: told.append(both))(random_image(70, 90, 3))
    assert [share for share, _ in told] == [0.0, 1.0]

    def stop(_share: float, _doing: str) -> None:
        raise KeyboardInterrupt

    upscaler = opened(on_build_progress=stop)
    with pytest.raises(KeyboardInterrupt):
        upscaler(random_image(20, 90, 3))
    assert len(runtime.built) == 2


def test_bf16_and_closed_sessions_are_refused(opened: Callable[..., Upscaler], tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="bf16"):
        opened(precision="bf16")
    session = EngineBackend(Reference()).open(MODEL, GraphSpec(), SessionOptions(cache=tmp_path))
    session.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        session.run(batch(1, 8, 8))


# --- the rules that the reference runtime keeps ------------------------------------------------------------------


def executor(profile: Profile = IMAGES) -> ReferenceExecutor:
    runtime = Reference()
    device, graph = runtime.device("auto"), graph_to_build(MODEL, GraphSpec(), "fp32")
    key = runtime.key("mine", graph, "fp32", device)
    engine = runtime.build(graph, profile, key, lambda _share, _doing: None)
    for foreign in (b"", b"nonsense", engine[:-100], engine[: len(MAGIC) + 5], b"x" + engine):
        with pytest.raises(EngineRefusedError):
            runtime.load(foreign, graph, profile, device, SessionOptions())
    with pytest.raises(EngineRefusedError):
        runtime.load(engine, graph, profile, replace(device, capability="sm_89"), SessionOptions())
    with pytest.raises(EngineRefusedError):
        runtime.load(engine, replace(graph, io="uint8"), profile, device, SessionOptions())
    return runtime.load(engine, graph, profile, device, SessionOptions(streams=2))


def test_sizes_types_and_memory_are_as_strict_as_tensorrts() -> None:
    loaded = executor()
    with loaded.lend(batch(1, 64, 70)) as one, loaded.lend(batch(1, 64, 70, seed=1)) as other:
        assert one.shape == (1, 3, 128, 140)
        assert not np.shares_memory(one, other)
    with loaded.lend(batch(1, 64, 70)) as again:
        assert np.shares_memory(one, again) or np.shares_memory(other, again)
    for wrong in (
        batch(1, 63, 70),
        batch(1, 64, IMAGES.maximum[0] + 1),
        batch(2, 64, 64),
        batch(1, 64, 64, channels=1),
    ):
        with pytest.raises(InferenceError, match="does not take"), loaded.lend(wrong):
            pass
    for unfit in (batch(1, 64, 64).astype(np.float16), batch(1, 64, 65).transpose(0, 1, 3, 2)):
        with pytest.raises(InferenceError, match="contiguous float32"), loaded.lend(unfit):
            pass


def test_a_batch_of_several_has_an_engine_of_its_own(tmp_path: Path) -> None:
    session = EngineBackend(Reference()).open(MODEL, GraphSpec(), SessionOptions(cache=tmp_path))
    several = batch(3, 20, 30)
    together = session.run(several)
    apart = np.concatenate([session.run(several[index : index + 1]) for index in range(3)])
    assert same(together, apart)
    assert {path.stem for path in tmp_path.rglob("*.engine")} == {"30x20_b3", SMALL_IMAGES.name}
    session.close()
