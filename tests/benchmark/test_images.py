from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paragon_core.benchmark.images import as_batch, like_a_photograph, middle, read_folder, read_rgb
from paragon_core.errors import InputError
from paragon_core.upscaling.trial_images import natural_image
from tests.random_models import random_image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SIDES = st.integers(1, 300)


@given(SIDES, SIDES)
def test_a_made_image_has_the_size_and_goes_on_as_it_begins(width: int, height: int) -> None:
    made = like_a_photograph(width, height)
    assert made.shape == (height, width, 3)
    assert made.dtype == np.uint8
    shown = made[:96, :96].transpose(2, 0, 1) / 255
    assert np.abs(shown - natural_image()[0, :, : min(height, 96), : min(width, 96)]).max() <= 0.5 / 255 + 1e-6


@given(st.integers(1, 256), st.integers(1, 256), st.integers(1, 128))
def test_the_middle_lies_in_the_middle(width: int, height: int, side: int) -> None:
    places = np.moveaxis(np.indices((height, width), dtype=np.uint8), 0, 2)
    rows, columns = np.moveaxis(middle(places, side).astype(int), 2, 0)
    for found, length in ((rows, height), (columns, width)):
        assert found.max() - found.min() + 1 == min(length, side)
        assert abs(int(found.min()) - (length - 1 - int(found.max()))) <= 1


@pytest.mark.parametrize(
    "stored",
    [random_image(6, 5), random_image(6, 5, 3), random_image(6, 5, 4), random_image(6, 5, dtype="uint16")],
    ids=["grey", "RGB", "alpha", "16 bits"],
)
def test_all_kinds_of_images_become_rgb(stored: npt.NDArray[Any], tmp_path: Path) -> None:
    Image.fromarray(stored).save(tmp_path / "a.png")
    colour = (stored if stored.dtype == np.uint8 else np.rint(stored / 257)).astype(np.uint8)
    colour = colour[:, :, :3] if colour.ndim == 3 else np.stack([colour] * 3, axis=2)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), colour)


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name, width in (("b.png", 4), ("a.bmp", 3), ("c.txt", 9)):
        Image.new("RGB", (width, 2)).save(tmp_path / name, format="BMP" if name.endswith("bmp") else "PNG")
    assert [read.shape for read in read_folder(tmp_path)] == [(2, 3, 3), (2, 4, 3)]
    for empty in (tmp_path / "none", tmp_path / "a.bmp"):
        with pytest.raises(InputError, match="holds no images"):
            read_folder(empty)


def test_a_batch_holds_the_same_values() -> None:
    pixels = random_image(4, 5, 3)
    batch = as_batch(pixels)
    assert batch.shape == (1, 3, 4, 5)
    assert batch.dtype == np.float32
    assert np.array_equal(np.rint(batch[0].transpose(1, 2, 0) * 255), pixels)
