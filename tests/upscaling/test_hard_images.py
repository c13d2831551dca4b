"""Patterns of single pixels, text, screens and noise, in every bundled model, runtime and precision that works here."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from paragon_core.backends import BACKENDS
from paragon_core.models.model import bundled
from paragon_core.quality.hard_images import Deviation, hard_images, measure, worst
from paragon_core.upscaling.trial_images import trial_images
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from paragon_core.backends import Precision

#: Kinds of images that a model does not keep to: excess and shift of the worst (`Deviation`), in levels. The entry of a
#: kind that a new file keeps to is to be removed; a test says so. More than `RUNS_AWAY` is no figure to compare with.
KNOWN: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "realtime-2x": {
        "lines": (66, 12.0),
        "single lines": (46, 0.4),
        "checkers": (57, 3.0),
        "dots": (51, 7.1),
        "halftones": (67, 0.9),
        "1-bit text": (72, 3.1),
        "dither": (68, 0.7),
        "noise": (134, 1.5),
        "flat fields": (81, 0.1),
        "single pixels": (59, 4.6),
    },
    "realtime-4x": {
        "lines": (68, 13.6),
        "single lines": (77, 0.5),
        "checkers": (63, 0.7),
        "dots": (51, 8.6),
        "halftones": (70, -0.4),
        "1-bit text": (91, 3.8),
        "dither": (89, 1.2),
        "noise": (143, 1.4),
        "flat fields": (58, 0.2),
        "single pixels": (77, 5.2),
    },
    "realtime-video-2x": {
        "lines": (68, 8.0),
        "single lines": (64, 0.5),
        "checkers": (58, 0.9),
        "dots": (54, 7.6),
        "halftones": (78, 0.2),
        "1-bit text": (92, -2.7),
        "dither": (105, -0.2),
        "noise": (193, 1.3),
        "flat fields": (70, -0.4),
        "single pixels": (54, 4.2),
    },
    "stream-2x": {
        "lines": (5e25, 87.6),
        "single lines": (1e22, 54.8),
        "checkers": (3e36, -11.0),
        "dots": (2e22, 122.1),
        "halftones": (4e15, 1.6),
        "1-bit text": (5e30, -36.0),
        "dither": (3e36, -3.7),
        "noise": (2e31, -2.7),
        "flat fields": (3e09, -0.0),
        "single pixels": (9e26, 101.3),
    },
}

RUNS_AWAY = 1000.0

KINDS = tuple(hard_images())


def ways() -> list[tuple[str, Precision]]:
    found: list[tuple[str, Precision]] = []
    for name in ("openvino", "onnxruntime", "torch"):
        if BACKENDS[name].probe().available:
            found += [(name, precision) for precision in ("fp32", *BACKENDS[name].reduced_precisions("cpu"))]
    return found


@cache
def deviations(model: str, backend: str, precision: Precision) -> dict[str, Deviation]:
    """Return the worst of each kind."""
    with Upscaler(model, backend=backend, precision=precision, device="cpu", streams=1, clip=False) as upscaler:
        return {
            kind: worst(measure(image, upscaler(image.astype(np.float32) / 255)) for image in images.values())
            for kind, images in hard_images().items()
        }


@pytest.mark.parametrize(("backend", "precision"), [way for way in ways() if way[1] != "bf16"])
@pytest.mark.parametrize("model", bundled())
def test_nothing_runs_away(model: str, backend: str, precision: Precision) -> None:
    for kind, found in deviations(model, backend, precision).items():
        excess, shift = KNOWN.get(model, {}).get(kind, (0.0, 0.0))
        known = kind in KNOWN.get(model, {}) and (
            excess > RUNS_AWAY or (found.excess <= excess + 2 and abs(found.shift) <= abs(shift) + 0.5)
        )
        assert found.allowed or known, f"{kind}: {found}"


@pytest.mark.parametrize("model", bundled())
def test_what_is_known_to_run_away_does(model: str) -> None:
    kept = {kind for kind, found in deviations(model, *ways()[0]).items() if found.allowed}
    assert not kept & KNOWN.get(model, {}).keys(), "take these kinds out of KNOWN"
    assert KNOWN.get(model, {}).keys() <= set(KINDS)


def test_only_bundled_models_are_known() -> None:
    assert set(KNOWN) <= set(bundled())


@pytest.mark.parametrize(("backend", "precision"), ways())
@pytest.mark.parametrize("name", bundled())
def test_nothing_is_black(name: str, backend: str, precision: Precision) -> None:
    with Upscaler(name, backend=backend, precision=precision, device="cpu", streams=1) as upscaler:
        for kind in ("checkers", "one-pixel lines", "1-bit text", "dots", "flat fields"):
            image = trial_images()[kind]
            assert upscaler(image).astype(float).std() > 0.2 * image.std(), kind


@pytest.mark.parametrize("name", bundled())
def test_what_auto_takes_is_within_one_level_of_fp32(name: str) -> None:
    with (
        Upscaler(name, device="cpu", streams=1) as chosen,
        Upscaler(name, device="cpu", streams=1, precision="fp32") as exact,
    ):
        for image in trial_images().values():
            assert np.abs(chosen(image).astype(int) - exact(image)).max() <= 1
