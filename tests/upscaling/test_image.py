"""`paragon_core.upscale`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import paragon_core as paragon
from paragon_core.errors import InputError, ParagonError, UnsupportedFormatError
from tests.docstring_examples import run_examples
from tests.media.samples import pixels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def test_the_examples() -> None:
    run_examples(paragon.upscale)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,)])
def test_the_pixels_are_those_of_an_upscaler(dtype: type[np.generic], channels: tuple[int, ...]) -> None:
    image = pixels(0, 9, 12, *channels, dtype=np.uint8)
    image = (image / np.float32(255)).astype(dtype) if np.dtype(dtype).kind == "f" else image.astype(dtype)
    larger = paragon.upscale(image)
    assert larger.dtype == dtype
    with paragon.Upscaler("realtime-2x") as upscaler:
        np.testing.assert_array_equal(larger, upscaler(image))


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({}, "realtime-2x"),
        ({"scale": 2}, "realtime-2x"),
        ({"scale": 1.5}, "realtime-2x"),
        ({"scale": 3}, "realtime-3x"),
        ({"size": paragon.OutputSize(width=48)}, "realtime-4x"),
        ({"size": paragon.OutputSize(height=18)}, "realtime-2x"),
    ],
)
def test_the_bundled_model_that_suits_best_is_taken(wanted: dict[str, Any], name: str) -> None:
    image = pixels(1, 9, 12, 3)
    size = paragon.OutputSize(factor=wanted["scale"]) if "scale" in wanted else wanted.get("size")
    with paragon.Upscaler(name) as upscaler:
        np.testing.assert_array_equal(paragon.upscale(image, **wanted), upscaler(image, size=size))


def test_a_model_can_be_named_loaded_or_a_path(tmp_path: Any) -> None:
    image = pixels(2, 9, 12, 3)
    model = paragon.load("stream-2x")
    larger = paragon.upscale(image, model="stream-2x")
    np.testing.assert_array_equal(larger, paragon.upscale(image, model=model))
    assert not np.array_equal(larger, paragon.upscale(image))
    assert paragon.upscale(image, model=model, scale=4).shape == (36, 48, 3)
    with pytest.raises(ParagonError, match=r"missing\.safetensors"):
        paragon.upscale(image, model=tmp_path / "missing.safetensors")


def test_options_are_those_of_the_upscaler() -> None:
    image = np.full((9, 12, 3), 200, np.uint8)
    dark = paragon.upscale(image, padding="zero", backend="onnxruntime", precision="fp32", tile=64)
    assert dark[0, 0, 0] < paragon.upscale(image)[0, 0, 0]
    unknown: Any = {"precision": "fp64"}, {"tiles": 1}
    with pytest.raises(InputError, match="precision"):
        paragon.upscale(image, **unknown[0])
    with pytest.raises(TypeError, match="tiles"):
        paragon.upscale(image, **unknown[1])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_an_image_of_pillow_is_its_array(mode: str) -> None:
    with Image.new(mode, (12, 9), 7 if mode in {"L", "I;16"} else tuple(range(50, 50 + len(mode)))) as image:
        np.testing.assert_array_equal(paragon.upscale(image), paragon.upscale(np.asarray(image)))


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "HSV", "F"])
def test_an_image_of_pillow_whose_values_mean_something_else_is_refused(mode: str) -> None:
    with Image.new(mode, (12, 9)) as image, pytest.raises(UnsupportedFormatError, match=mode) as caught:
        paragon.upscale(image)
    assert "convert" in caught.value.hint


@pytest.mark.parametrize("image", [[[1], [1, 2]], [[0, 1], [2, 3]], 5, "photo.jpg", np.zeros((2, 2, 5), np.uint8)])
def test_what_is_no_image_is_refused(image: ArrayLike) -> None:
    with pytest.raises(InputError):
        paragon.upscale(image, size=paragon.OutputSize(width=48))


def test_scale_and_size_contradict_each_other() -> None:
    with pytest.raises(InputError, match="contradict"):
        paragon.upscale(pixels(0, 4, 4), scale=2, size=paragon.OutputSize(width=8))
