"""Compute small images with ONNX Runtime on WebGPU and on the processor, and print how far the results lie apart.

Prints JSON: a name of each comparison, and the largest difference in levels of 255, of bytes without those whose value
before rounding is halfway between two levels, as far as 0.001 levels go.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.backends import BACKENDS, Session, SessionOptions
from paragon_core.backends.onnxruntime_webgpu import WebGpuSession
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from paragon_core.upscaling.trial_images import natural_image
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.graph.graph_spec import Io
    from paragon_core.models.model import Model

    Array = npt.NDArray[Any]

BACKEND = BACKENDS["onnxruntime"]
HEIGHT, WIDTH = 18, 26
BYTES = np.rint(natural_image()[:, :, :HEIGHT, : 2 * WIDTH].transpose(0, 2, 3, 1) * 255).astype(np.uint8)
FLOATS = np.ascontiguousarray(BYTES.transpose(0, 3, 1, 2) / np.float32(255), np.float32)


def opened(model: Model, io: Io, device: str, size: tuple[int, int] | None) -> Session:
    return BACKEND.open(model, GraphSpec(io=io, size=size), SessionOptions(device=device))


def apart(model: Model, io: Io, size: tuple[int, int] | None) -> float:
    """Return the largest difference in two images: what was recorded with the first is played back for the second."""
    card, exact = opened(model, io, "webgpu", size), opened(model, "float32", "cpu", None)
    assert isinstance(card, WebGpuSession)
    worst = 0.0
    for left in (0, WIDTH):
        inside = slice(left, left + WIDTH)
        expected = exact.run(FLOATS[..., inside]) * np.float64(255)
        if io == "float32":
            worst = max(worst, float(np.abs(card.run(FLOATS[..., inside]) * np.float64(255) - expected).max()))
            continue
        expected = expected.transpose(0, 2, 3, 1)
        differences = np.abs(card.run(BYTES[:, :, inside]) - np.rint(expected).clip(0, 255))
        halfway = np.abs(np.abs(expected - np.rint(expected)) - 0.5) < 1e-3
        worst = max(worst, float(differences[~halfway].max()), float((differences[halfway] > 1).any()))
    card.close()
    return worst


def beside_each_other() -> float:
    """Return the largest difference between what two sessions compute in four threads, and one alone."""
    model = load("realtime-2x")
    sessions = [opened(model, "float32", "webgpu", size) for size in ((WIDTH, HEIGHT), None)]
    image = FLOATS[..., :WIDTH]
    expected = opened(model, "float32", "cpu", None).run(image)
    found: list[float] = []

    def work(session: Session) -> None:
        found.extend(float(np.abs(session.run(image) - expected).max() * 255) for _ in range(2))

    threads = [threading.Thread(target=work, args=(session,)) for session in sessions * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    return max(found)


def whole_upscaler() -> float:
    image = BYTES[0, :, :WIDTH]
    results = []
    for device in ("cpu", "webgpu"):
        with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", device=device) as upscaler:
            results.append(upscaler(image).astype(int))
    return float(np.abs(results[1] - results[0]).max())


results: dict[str, float] = {}
for name in ("realtime-2x", "realtime-4x", "stream-2x"):
    for size in ((WIDTH, HEIGHT), None):
        results[f"{name} float32 {size}"] = apart(load(name), "float32", size)
        results[f"{name} uint8 {size}"] = apart(load(name), "uint8", size)
for variant in ("photo", "pro"):
    for size in ((WIDTH, HEIGHT), None):
        results[f"{variant} float32 {size}"] = apart(random_model(spec(variant)), "float32", size)
results["threads"] = beside_each_other()
results["upscaler"] = whole_upscaler()
print(json.dumps(results))
