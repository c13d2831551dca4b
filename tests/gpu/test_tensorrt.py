"""What only TensorRT has on an NVIDIA card: engines. README.md says how to run it; the other files test it as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.backends import tensorrt_build
from paragon_core.backends.engine_backend import SMALL_IMAGES
from paragon_core.engines import IMAGES, EngineCache
from paragon_core.errors import EngineError
from tests.gpu.cards import card_of
from tests.gpu.photographs import photograph, reference

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gpu.cards import Card

pytestmark = pytest.mark.gpu


@pytest.fixture
def tensorrt(tmp_path: Path) -> Card:
    """Return TensorRT with a cache that is empty."""
    return card_of("tensorrt", tmp_path)


@pytest.mark.parametrize("size", [(1, 1), (5, 700), (63, 64), (64, 64)], ids=str)
def test_an_image_takes_an_engine_for_many_sizes(tensorrt: Card, tmp_path: Path, size: tuple[int, int]) -> None:
    with tensorrt.upscaler("realtime-2x", precision="fp32") as upscaler:
        upscaler(photograph("uint8", *size))
    names = {entry.files.name for entry in EngineCache(tmp_path).entries()}
    assert names & {IMAGES.name, SMALL_IMAGES.name}


def test_what_is_larger_than_the_engine_goes_through_in_tiles(tensorrt: Card) -> None:
    image = photograph("uint8", 1100, 4100)
    steps: list[int] = []
    with tensorrt.upscaler("realtime-2x", precision="fp32") as upscaler:
        result = upscaler(image, progress=lambda _done, total: steps.append(total))
    assert steps[-1] == 3
    assert np.abs(result.astype(int) - reference(image)).max() <= 1


def test_damaged_engines_are_built_again(tensorrt: Card, tmp_path: Path) -> None:
    image = photograph()
    with tensorrt.upscaler("realtime-2x", precision="fp32") as upscaler:
        expected = upscaler(image)
    for entry in EngineCache(tmp_path).entries():
        entry.files.engine.write_bytes(b"nonsense")
    with tensorrt.upscaler("realtime-2x", precision="fp32") as upscaler:
        assert np.abs(upscaler(image).astype(int) - expected).max() <= 1


def test_foreign_bytes_are_an_error_of_ours_and_no_crash(monkeypatch: pytest.MonkeyPatch, tensorrt: Card) -> None:
    monkeypatch.setattr(tensorrt_build, "build", lambda *_all, **_named: b"nonsense" * 1000)
    with tensorrt.upscaler("realtime-2x", precision="fp32") as upscaler, pytest.raises(EngineError):
        upscaler(photograph())
