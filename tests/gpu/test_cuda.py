"""torch and ONNX Runtime on an NVIDIA card: pixels, threads, memory and speed; README.md says how to run this."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core import Upscaler
from paragon_core.backends import BACKENDS, SessionOptions, cuda_driver
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import bundled, load
from paragon_core.upscaling.trial_images import trial_images
from tests.gpu.photographs import photograph, psnr, reference
from tests.random_models import batch, overflowing_model, random_image, random_model, spec

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gpu

EXACT = 1e-4
SECONDS = 2.0
MODELS = {variant: random_model(spec(variant)) for variant in ("realtime", "stream", "photo", "pro")}


@pytest.fixture(params=["torch", "onnxruntime"])
def name(request: pytest.FixtureRequest) -> str:
    found = BACKENDS[request.param].probe()
    if found.accelerator != "cuda":
        pytest.skip(f"{found.reason} ({found.hint})")
    return str(request.param)


# --- pixels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("variant", list(MODELS))
def test_fp32_is_the_reference(name: str, variant: str, *, fused: bool) -> None:
    image = random_image(130, 97, 3, dtype="float32")
    model = MODELS[variant]
    with Upscaler(model, backend=name, device="cuda", precision="fp32", fused=fused, clip=False) as upscaler:
        result = upscaler(image)
    expected = reference(image, model, clip=False)
    assert np.abs(result - expected).max() <= EXACT * max(1, float(np.abs(expected).max()))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("model", ["realtime-2x", "realtime-4x"])
def test_fp16_is_close(name: str, model: str, dtype: str) -> None:
    image = photograph(dtype, 300, 411)
    with Upscaler(model, backend=name, device="cuda", precision="fp16") as upscaler:
        result = upscaler(image)
    expected = reference(image, model)
    assert psnr(result, expected) >= (60 if dtype == "float32" else 50)
    assert np.abs(result.astype(np.float64) - expected).max() <= (1 / 255 if dtype == "float32" else 1)


@pytest.mark.parametrize("model", list(bundled()))
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_hard_images_are_within_a_level(name: str, model: str, precision: Any) -> None:
    """In whatever precision "auto" takes after its trials."""
    with Upscaler(model, backend=name, device="cuda", precision=precision) as upscaler:
        results = {title: upscaler(image) for title, image in trial_images().items()}
    for title, image in trial_images().items():
        difference = np.abs(results[title].astype(int) - reference(image, model))
        assert difference.max() <= 1, title


def test_what_overflows_in_fp16_is_computed_in_fp32(name: str) -> None:
    image = trial_images()["checkers"]
    model = overflowing_model()
    with Upscaler(model, backend=name, device="cuda", precision="fp16") as upscaler:
        result = upscaler(image)
    assert psnr(result, reference(image, model)) >= 30  # not a number would be black


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (5, 3), (63, 64), (720, 1280), (1500, 1001)], ids=str)
def test_any_size(name: str, size: tuple[int, int]) -> None:
    image = photograph("uint8", *size)
    with Upscaler("realtime-2x", backend=name, device="cuda", precision="fp32") as upscaler:
        result = upscaler(image)
    difference = np.abs(result.astype(int) - reference(image))
    assert difference.max() <= 1
    assert difference.mean() < 0.01


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_every_kind_of_image(name: str, dtype: str, channels: tuple[int, ...]) -> None:
    image = random_image(70, 90, *channels, dtype=dtype)
    with Upscaler("realtime-2x", backend=name, device="cuda", precision="fp32") as upscaler:
        result = upscaler(image)
    peak = np.iinfo(dtype).max if dtype.startswith("uint") else 1
    allowed = 1 if dtype == "uint8" else peak * (1e-3 if dtype == "float16" else EXACT) + (dtype == "uint16")
    assert np.abs(result.astype(np.float64) - reference(image)).max() <= allowed


def test_tiles_are_the_whole_image(name: str) -> None:
    image = photograph("float32", 400, 500)
    results = []
    for tile in ("auto", 200):
        with Upscaler("stream-2x", backend=name, device="cuda", precision="fp32", tile=tile) as upscaler:
            results.append(upscaler(image))
            assert (upscaler.tiles_computed == 1) == (tile == "auto")
    assert np.abs(results[0] - results[1]).max() <= EXACT


def test_a_frame_of_4k_goes_through_as_a_whole(name: str) -> None:
    free = cuda_driver.free_memory(0)
    if free is None or free < 10 * 2**30:
        pytest.skip("needs a card with 10 GiB of free memory")
    with Upscaler("realtime-2x", backend=name, device="cuda", precision="fp32") as upscaler:
        upscaler(photograph("uint8", 2160, 3840))
        assert upscaler.tiles_computed == 1


# --- frames and threads ----------------------------------------------------------------------------------------------


def test_frames_are_the_same_every_time(name: str) -> None:
    """From the third on they come from a CUDA graph."""
    first, other = (list(np.moveaxis(random_image(270, 480, 3, dtype="float32", seed=seed), 2, 0)) for seed in (0, 1))
    with Upscaler("realtime-2x", backend=name, device="cuda", precision="fp32", concurrency=2) as upscaler:
        results = []
        for planes in [first, other] * 9:
            out = [np.empty((540, 960), np.float32) for _ in range(3)]
            upscaler.upscale_planes(planes, out)
            results.append(np.array(out))
    for index, result in enumerate(results):
        assert np.abs(result - results[index % 2]).max() <= EXACT
    expected = reference(np.moveaxis(np.array(first), 0, 2))
    assert np.abs(np.moveaxis(results[-2], 0, 2) - expected).max() <= EXACT


@pytest.mark.parametrize("size", [None, (160, 120)], ids=["any size", "one size"])
def test_many_threads_do_not_mix_their_pixels(name: str, size: tuple[int, int] | None) -> None:
    session = BACKENDS[name].open(MODELS["realtime"], GraphSpec(size=size), SessionOptions(streams=3, device="cuda"))
    images = [batch(1, 120, 160, seed=seed) for seed in range(4)]
    expected = [session.run(each) for each in images]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            results = list(pool.map(session.run, images))
            assert all(np.abs(a - b).max() <= EXACT for a, b in zip(results, expected, strict=True))
    session.close()
    assert np.abs(expected[0] - expected[1]).max() > EXACT


def test_fp32_stays_so_next_to_other_threads_and_leaves_their_tf32_alone() -> None:
    if BACKENDS["torch"].probe().accelerator != "cuda":
        pytest.skip("needs a torch with CUDA")
    torch = pytest.importorskip("torch")
    session = BACKENDS["torch"].open(MODELS["stream"], GraphSpec(), SessionOptions(streams=2, device="cuda"))
    value = batch(1, 200, 300)
    expected = reference(np.moveaxis(value[0], 0, 2), MODELS["stream"], clip=False, padding="zero")
    stop = threading.Event()
    switches = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [each.allow_tf32 for each in switches]

    def host() -> None:
        """Do what a program around us might do."""
        image, weight = (torch.rand(shape, device="cuda") for shape in ((1, 16, 64, 64), (16, 16, 3, 3)))
        while not stop.is_set():
            for each in switches:
                each.allow_tf32 = True
            torch.nn.functional.conv2d(image, weight)
            assert all(each.allow_tf32 for each in switches)

    try:
        with ThreadPoolExecutor(3) as pool:
            program = pool.submit(host)
            results = list(pool.map(session.run, [value] * 40))
            stop.set()
            program.result()
    finally:
        for each, kept in zip(switches, before, strict=True):
            each.allow_tf32 = kept
    for result in results:
        error = np.abs(np.moveaxis(result[0], 0, 2) - expected).max()
        assert error <= EXACT * max(1, float(np.abs(expected).max()))


class StoppedError(Exception):
    """Raised by a user's interrupt."""


def test_an_interrupt_leaves_a_session_that_runs_on(name: str) -> None:
    stop = [True]

    def interrupt() -> None:
        if stop[0]:
            raise StoppedError

    image = photograph("uint8", 400, 500)
    with Upscaler(
        "realtime-2x", backend=name, device="cuda", precision="fp32", tile=100, interrupt=interrupt
    ) as upscaler:
        with pytest.raises(StoppedError):
            upscaler(image)
        stop[0] = False
        assert np.abs(upscaler(image).astype(int) - reference(image)).max() <= 1


# --- memory, quiet, speed --------------------------------------------------------------------------------------------


def test_memory_is_given_back(name: str) -> None:
    def use() -> None:
        with Upscaler("realtime-2x", backend=name, device="cuda", precision="fp16") as upscaler:
            for _ in range(4):
                upscaler(photograph("uint8", 720, 1280))

    use()
    before = cuda_driver.free_memory(0)
    for _ in range(5):
        use()
    after = cuda_driver.free_memory(0)
    assert before is not None
    assert after is not None
    assert before - after < 64 * 2**20


def test_nothing_is_written_to_stdout(name: str) -> None:
    code = f"""
import numpy as np
from paragon_core import Upscaler
with Upscaler("realtime-2x", backend={name!r}, device="cuda") as upscaler:
    for _ in range(4):
        upscaler(np.zeros((96, 96, 3), np.uint8))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == ""


@pytest.mark.parametrize("callers", [1, 3])
@pytest.mark.parametrize("model", ["realtime-2x", "stream-2x"])
def test_speed(name: str, model: str, callers: int, record_property: Callable[[str, object], None]) -> None:
    """Nothing is asked of it but to be told: from bytes to bytes in the processor's memory."""
    loaded = load(model)
    for height, width in ((360, 640), (1080, 1920)):
        frame = photograph("uint8", height, width)
        with Upscaler(
            loaded, backend=name, device="cuda", precision="fp16", concurrency=callers, streams=callers
        ) as upscaler:

            def frames(until: float, upscaler: Upscaler = upscaler, frame: Any = frame) -> int:
                done = 0
                while time.perf_counter() < until:
                    upscaler(frame)
                    done += 1
                return done

            with ThreadPoolExecutor(callers) as pool:
                list(pool.map(frames, [time.perf_counter() + SECONDS / 2] * callers))
                start = time.perf_counter()
                done = sum(pool.map(frames, [start + SECONDS] * callers))
                speed = done / (time.perf_counter() - start)
        what = f"{name}, {model} fp16 {width}x{height}, {callers} at once"
        record_property(what, round(speed, 1))
        print(f"{what}: {speed:.1f} frames per second")  # noqa: T201 - shown with -s
        assert done > 0
