"""What only an NVIDIA GPU can show; tests/gpu/README.md tells how to run it and what to report."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core import Upscaler
from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.backends.engine_backend import SMALL_IMAGES
from paragon_core.engines import IMAGES, EngineCache
from paragon_core.errors import EngineError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from tests.gpu.photographs import photograph, psnr, reference
from tests.random_models import batch, random_image, random_model, spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.gpu

TENSORRT = BACKENDS["tensorrt"]
EXACT = 1e-4
FRAMES = 300

MODELS = {variant: random_model(spec(variant)) for variant in ("realtime", "stream", "photo")}


@pytest.fixture(autouse=True)
def _card() -> None:
    info = TENSORRT.probe()
    if not info.available:
        pytest.skip(f"{info.reason} ({info.hint})")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.mark.parametrize("variant", list(MODELS))
def test_fp32_is_the_reference(variant: str, cache: Path) -> None:
    image = random_image(130, 97, 3, dtype="float32")
    model = MODELS[variant]
    with Upscaler(model, backend="tensorrt", precision="fp32", cache=cache, clip=False) as upscaler:
        result = upscaler(image)
    assert np.abs(result - reference(image, model, clip=False)).max() < EXACT


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("model", ["realtime-2x", "realtime-4x"])
def test_fp16_is_close(model: str, dtype: str, cache: Path) -> None:
    image = photograph(dtype, 300, 411)
    with Upscaler(model, backend="tensorrt", precision="fp16", cache=cache) as upscaler:
        result = upscaler(image)
    expected = reference(image, model)
    assert psnr(result, expected) >= (60 if dtype == "float32" else 50)
    assert np.abs(result.astype(np.float64) - expected).max() <= (1 / 255 if dtype == "float32" else 1)


@pytest.mark.parametrize("size", [(1, 1), (5, 700), (63, 64), (64, 64), (720, 1280), (1500, 1000)], ids=str)
def test_any_size(size: tuple[int, int], cache: Path) -> None:
    image = photograph("uint8", *size)
    with Upscaler("realtime-2x", backend="tensorrt", precision="fp32", cache=cache) as upscaler:
        result = upscaler(image)
    difference = np.abs(result.astype(int) - reference(image))
    assert difference.max() <= 1
    assert difference.mean() < 0.01
    names = {entry.files.name for entry in EngineCache(cache).entries()}
    assert names & {IMAGES.name, SMALL_IMAGES.name}


def test_what_is_larger_than_the_engine_goes_through_in_tiles(cache: Path) -> None:
    image = photograph("uint8", 1100, 4100)
    steps: list[int] = []
    with Upscaler("realtime-2x", backend="tensorrt", precision="fp32", cache=cache) as upscaler:
        result = upscaler(image, progress=lambda _done, total: steps.append(total))
    assert steps[-1] == 3
    assert np.abs(result.astype(int) - reference(image)).max() <= 1


def test_frames_with_a_cuda_graph_are_the_same_every_time(cache: Path) -> None:
    first, other = (list(np.moveaxis(random_image(270, 480, 3, dtype="float32", seed=seed), 2, 0)) for seed in (0, 1))
    with Upscaler("realtime-2x", backend="tensorrt", precision="fp32", cache=cache, concurrency=2) as upscaler:
        results = []
        for planes in [first, other, first, other, first, other] * 3:  # from the third on, the graph
            out = [np.empty((540, 960), np.float32) for _ in range(3)]
            upscaler.upscale_planes(planes, out)
            results.append(np.array(out))
    for index, result in enumerate(results):
        assert np.array_equal(result, results[index % 2])
    expected = reference(np.moveaxis(np.array(first), 0, 2))
    assert np.abs(np.moveaxis(results[0], 0, 2) - expected).max() < EXACT


@pytest.mark.parametrize("size", [None, (160, 120)], ids=["dynamic", "static"])
def test_many_threads_do_not_mix_their_pixels(cache: Path, size: tuple[int, int] | None) -> None:
    session = TENSORRT.open(MODELS["realtime"], GraphSpec(size=size), SessionOptions(streams=2, cache=cache))
    images = [batch(1, 120, 160, seed=seed) for seed in range(4)]
    expected = [session.run(each) for each in images]
    wrong: list[int] = []

    def work(seed: int) -> None:
        # Not to the bit: TensorRT-RTX makes better kernels for a size while it runs with others.
        wrong.extend(turn for turn in range(200) if np.abs(session.run(images[seed]) - expected[seed]).max() > EXACT)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert wrong == []
    assert np.abs(expected[0] - expected[1]).max() > EXACT


def test_damaged_engines_are_built_again(cache: Path) -> None:
    image = photograph()
    with Upscaler("realtime-2x", backend="tensorrt", precision="fp32", cache=cache) as upscaler:
        expected = upscaler(image)
    for entry in EngineCache(cache).entries():
        entry.files.engine.write_bytes(b"nonsense")
    with Upscaler("realtime-2x", backend="tensorrt", precision="fp32", cache=cache) as upscaler:
        assert np.abs(upscaler(image).astype(int) - expected).max() <= 1


def test_foreign_bytes_are_an_error_of_ours_and_no_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from paragon_core.backends import tensorrt_build  # noqa: PLC0415

    monkeypatch.setattr(tensorrt_build, "build", lambda *_all, **_named: b"nonsense" * 1000)
    with (
        Upscaler("realtime-2x", backend="tensorrt", precision="fp32", cache=tmp_path) as upscaler,
        pytest.raises(EngineError),
    ):
        upscaler(photograph())


def test_memory_is_given_back(cache: Path) -> None:
    core = pytest.importorskip("cuda.core")
    driver = pytest.importorskip("cuda.bindings.driver")

    def free() -> int:
        core.Device(0).set_current()
        _, available, _ = driver.cuMemGetInfo()
        return int(available)

    def use() -> None:
        with Upscaler("realtime-2x", backend="tensorrt", precision="fp16", cache=cache) as upscaler:
            upscaler(photograph("uint8", 720, 1280))

    use()
    before = free()
    for _ in range(5):
        use()
    assert before - free() < 64 * 2**20


def test_nothing_is_written_to_stdout(cache: Path) -> None:
    code = f"""
import numpy as np
from pathlib import Path
from paragon_core import Upscaler
with Upscaler("realtime-2x", backend="tensorrt", cache=Path({str(cache)!r})) as upscaler:
    upscaler(np.zeros((96, 96, 3), np.uint8))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == ""


def test_speed(cache: Path, record_property: Callable[[str, object], None]) -> None:
    """Nothing is asked of it but to be told: copies included, uint8 in and out."""
    for height, width in ((720, 1280), (1080, 1920)):
        wanted = GraphSpec(io="uint8", size=(width, height))
        settings = SessionOptions(precision="fp16", streams=2, cache=cache)
        session = TENSORRT.open(load("realtime-2x"), wanted, settings)
        frame = photograph("uint8", height, width)[None]

        def work(session: Any = session, frame: np.ndarray = frame) -> None:
            for _ in range(FRAMES // 2):
                with session.lend(frame):
                    pass

        work()
        threads = [threading.Thread(target=work) for _ in range(2)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        speed = FRAMES / (time.perf_counter() - start)
        record_property(f"frames per second, {width}x{height}", round(speed, 1))
        print(f"realtime-2x fp16 {width}x{height}: {speed:.1f} frames per second")  # noqa: T201 - shown with -s
        session.close()
