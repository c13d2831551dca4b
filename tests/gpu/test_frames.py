"""Frames and threads on graphics cards, in every runtime; README.md says how to run it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from paragon_core.upscaling.upscaler import Upscaler
from tests.gpu.cards import MODELS
from tests.gpu.photographs import EXACT, photograph, reference
from tests.random_models import batch, random_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gpu.cards import Card

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("size", [(27, 48), pytest.param((270, 480), marks=pytest.mark.slow)], ids=str)
def test_frames_are_the_same_every_time(card: Card, size: tuple[int, int]) -> None:
    """From the third on, or earlier, they come from what was recorded."""
    first, other = (list(np.moveaxis(random_image(*size, 3, dtype="float32", seed=seed), 2, 0)) for seed in (0, 1))
    with card.upscaler("realtime-2x", precision="fp32", concurrency=2) as upscaler:
        results = []
        for planes in [first, other] * 9:
            out = [np.empty((2 * size[0], 2 * size[1]), np.float32) for _ in range(3)]
            upscaler.upscale_planes(planes, out)
            results.append(np.array(out))
    for index, result in enumerate(results):
        assert np.abs(result - results[index % 2]).max() <= EXACT
    expected = reference(np.moveaxis(np.array(first), 0, 2))
    assert np.abs(np.moveaxis(results[-2], 0, 2) - expected).max() <= EXACT


@pytest.mark.parametrize(
    ("width", "height", "rounds"), [(40, 30, 5), pytest.param(160, 120, 50, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("fixed", [False, True], ids=["any size", "one size"])
def test_many_threads_do_not_mix_their_pixels(card: Card, width: int, height: int, rounds: int, *, fixed: bool) -> None:
    """Not to the bit: TensorRT-RTX makes better kernels for a size while it runs with others."""
    session = card.open(MODELS["realtime"], GraphSpec(size=(width, height) if fixed else None), streams=3)
    images = [batch(1, height, width, seed=seed) for seed in range(4)]
    expected = [session.run(each) for each in images]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(rounds):
            results = list(pool.map(session.run, images))
            assert all(np.abs(a - b).max() <= EXACT for a, b in zip(results, expected, strict=True))
    session.close()
    assert np.abs(expected[0] - expected[1]).max() > EXACT


class StoppedError(Exception):
    """Raised by a user's interrupt."""


def test_an_interrupt_leaves_a_session_that_runs_on(card: Card) -> None:
    stop = [True]

    def interrupt() -> None:
        if stop[0]:
            raise StoppedError

    image = photograph("uint8", 70, 90)
    with card.upscaler("realtime-2x", precision="fp32", tile=48, interrupt=interrupt) as upscaler:
        with pytest.raises(StoppedError):
            upscaler(image)
        stop[0] = False
        assert np.abs(upscaler(image).astype(int) - reference(image)).max() <= 1


@pytest.mark.parametrize("size", [(51, 37), pytest.param((640, 360), marks=pytest.mark.slow)], ids=str)
def test_a_whole_video_is_that_of_the_processor(card: Card, tmp_path: Path, size: tuple[int, int]) -> None:
    pytest.importorskip("av")
    from tests.media.video import videos  # noqa: PLC0415 - imports PyAV

    source = videos.make(tmp_path / "a.mkv", size=size)
    lossless = VideoEncoding(codec="ffv1")
    with (
        card.upscaler("realtime-2x", precision="fp32", concurrency=2) as upscaler,
        Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", device="cpu") as exact,
    ):
        made = upscale_video(source, tmp_path / "card.mkv", upscaler, encoding=lossless)
        upscale_video(source, tmp_path / "processor.mkv", exact, encoding=lossless)
    assert made.frames == 8
    pairs = zip(*(videos.frames_of(tmp_path / name) for name in ("card.mkv", "processor.mkv")), strict=True)
    for result, expected in pairs:
        for plane, wanted in zip(videos.samples_of(result), videos.samples_of(expected), strict=True):
            assert np.abs(plane.astype(int) - wanted).max() <= 1


def test_fp32_stays_so_next_to_other_threads_and_leaves_their_tf32_alone() -> None:
    torch = pytest.importorskip("torch")
    if BACKENDS["torch"].probe().accelerator != "cuda":
        pytest.skip("needs a torch with CUDA")
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
