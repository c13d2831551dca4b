"""Patterns of single pixels, text, screens and noise, in every bundled model, runtime and precision that works here."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from paragon_core.backends import BACKENDS
from paragon_core.models.model import bundled
from paragon_core.quality.hard_images import SIDE, Deviation, hard_images, measure, worst
from paragon_core.upscaling.trial_images import trial_images
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from paragon_core.backends import Precision

#: Kinds of images that a model does not keep to: excess and shift of the worst (`Deviation`), in levels. The entry of a
#: kind that a new file keeps to is to be removed; a test says so.
KNOWN: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "photo-2x": {
        "noise": (41, -0.1),
        "single pixels": (31, 0.1),
    },
    "realtime-2x": {
        "noise": (51, 0.0),
    },
    "realtime-box-2x": {
        "noise": (44, 0.0),
    },
    "realtime-lanczos-2x": {
        "noise": (45, 0.0),
    },
    "realtime-3x": {
        "single lines": (72, 0.2),
        "noise": (51, 0.1),
        "flat fields": (26, 0.0),
        "single pixels": (79, 0.6),
    },
    "realtime-4x": {
        "single lines": (62, 0.3),
        "noise": (52, -0.1),
        "single pixels": (87, 0.7),
    },
    "realtime-video-2x": {
        "noise": (43, 0.0),
        "flat fields": (27, 0.0),
    },
    "stream-web-2x": {
        "noise": (30, 0.0),
    },
    "realtime-web-2x": {
        "noise": (50, 0.0),
        "flat fields": (28, -0.1),
    },
    "stream-4x": {
        "single lines": (69, 0.1),
        "noise": (42, 0.0),
        "single pixels": (41, 0.3),
    },
    "stream-4x-sharp": {
        "single lines": (74, 0.1),
        "1-bit text": (27, 0.3),
        "dither": (25, 0.2),
        "noise": (88, 0.2),
        "flat fields": (32, 0.0),
        "single pixels": (86, 0.6),
    },
}

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
        known = found.excess <= excess + 2 and abs(found.shift) <= abs(shift) + 0.5
        assert found.allowed or known, f"{kind}: {found}"


@pytest.mark.parametrize("model", bundled())
def test_an_area_of_one_colour_comes_out_as_that_colour(model: str) -> None:
    pure = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    mixed = np.random.default_rng(3).integers(0, 256, (5, 3))
    with Upscaler(model, backend="onnxruntime", precision="fp32", device="cpu", streams=1) as upscaler:
        for colour in np.array([*pure, *mixed], np.uint8):
            made = upscaler(np.broadcast_to(colour, (SIDE, SIDE, 3)))
            quarter = len(made) // 4  # what photo makes of the edge is another matter
            assert (made[quarter:-quarter, quarter:-quarter] == colour).all(), colour


@pytest.mark.parametrize("model", bundled())
def test_what_is_known_not_to_hold_does_not(model: str) -> None:
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
