from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import InputError, MediaError, UnsupportedSizeError
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.training.data import BORDER, PatchOptions, PatchSource, apply_symmetry, read_images

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Images = list[npt.NDArray[np.uint8]]

OPTIONS = PatchOptions(low_size=16, batch_size=5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_low_and_high_show_the_same_place(images: Images, scale: int) -> None:
    size = 96 // scale - 2 * BORDER - 1
    source = PatchSource([images], scale=scale, options=PatchOptions(low_size=size, batch_size=8))
    patches = source.draw(np.random.default_rng(0))
    assert patches.low.shape == (8, size, size, 3)
    assert patches.high.shape == (8, scale * size, scale * size, 3)
    inside = slice(BORDER, -BORDER)
    for low, high in zip(patches.low, patches.high, strict=True):
        reduced = round_to_uint8(resize(high, size, size))
        # Away from the patch's own border, reducing the patch and cutting the reduced image are the same.
        assert np.abs(reduced[inside, inside].astype(int) - low[inside, inside]).max() <= 1


def test_the_generator_alone_decides(images: Images) -> None:
    source = PatchSource([images], scale=2, options=OPTIONS)
    first, second = (source.draw(np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.low, second.low)
    assert np.array_equal(first.high, second.high)
    assert not np.array_equal(first.low, source.draw(np.random.default_rng(8)).low)


def test_no_patch_touches_the_border() -> None:
    image = np.full((64, 64, 3), 200, np.uint8)
    image[: 2 * BORDER], image[-2 * BORDER :], image[:, : 2 * BORDER], image[:, -2 * BORDER :] = 0, 0, 0, 0
    source = PatchSource([[image]], scale=2, options=OPTIONS)
    generator = np.random.default_rng(0)
    assert all((source.draw(generator).high == 200).all() for _ in range(30))


def test_the_eight_symmetries_differ_and_keep_the_middle(images: Images) -> None:
    views = [apply_symmetry(images[0][:15, :15], symmetry) for symmetry in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    assert {view[7, 7].tobytes() for view in views} == {images[0][7, 7].tobytes()}


def test_too_small_a_image_is_refused_with_the_size_that_would_do(images: Images) -> None:
    with pytest.raises(UnsupportedSizeError) as caught:
        PatchSource([[images[0][:39]]], scale=2, options=OPTIONS)
    assert "40 pixels" in caught.value.hint


def test_no_images_are_refused() -> None:
    nothing: tuple[list[Images], ...] = ([], [[]])
    for groups in nothing:
        with pytest.raises(InputError, match="no images"):
            PatchSource(groups, scale=2, options=OPTIONS)


def test_groups_are_drawn_from_in_their_shares() -> None:
    black, white = (np.full((40, 40, 3), level, np.uint8) for level in (0, 255))
    options = PatchOptions(low_size=16, batch_size=500, shares=(3, 1))
    drawn = PatchSource([[black], [white] * 5], scale=2, options=options).draw(np.random.default_rng(0))
    assert drawn.high.mean() / 255 == pytest.approx(0.25, abs=0.06)
    # Without shares every image counts alike.
    equal = PatchSource([[black], [white] * 5], scale=2, options=PatchOptions(low_size=16, batch_size=500))
    assert equal.draw(np.random.default_rng(0)).high.mean() / 255 == pytest.approx(5 / 6, abs=0.06)


def test_there_must_be_a_share_for_every_group(images: Images) -> None:
    with pytest.raises(InputError, match="2 shares"):
        PatchSource([images], scale=2, options=PatchOptions(low_size=16, shares=(1, 1)))


@pytest.mark.parametrize("shares", [(0.0, 0.0), (-1.0, 2.0), (float("nan"),), (float("inf"), 1.0)])
def test_impossible_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="shares"):
        PatchOptions(shares=shares)


def test_empty_patches_are_refused() -> None:
    with pytest.raises(InputError, match="low_size"):
        PatchOptions(low_size=0)
    with pytest.raises(InputError, match="batch_size"):
        PatchOptions(batch_size=0)


def test_images_are_read_in_order(images: Images, tmp_path: Path) -> None:
    for index, image in enumerate(images[:3]):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    read = list(read_images(tmp_path))
    assert all(np.array_equal(*pair) for pair in zip(read, images[:3], strict=True))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images"):
        list(read_images(tmp_path))


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(MediaError, match=r"broken\.png"):
        list(read_images(tmp_path))
