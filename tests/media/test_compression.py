"""How strongly image files are compressed."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import InputError
from paragon_core.media.compression import SUBSAMPLINGS, ImageCompression
from paragon_core.media.formats import FORMATS
from paragon_core.media.images import LoadedImage, write_image
from tests.media import samples

if TYPE_CHECKING:
    from pathlib import Path


def loaded(*, lossless: bool = True) -> LoadedImage:
    return LoadedImage(array=samples.pixels(4, 48, 48, 3), format="png", lossless=lossless)


#: Formats that could hold the image of the test as it is.
_HOLD_ALL = [name for name, row in FORMATS.items() if row.writable and name not in {"gif", "exr"}]
_OWN_CHROMA = {"webp": "4:2:0", "jxl": "4:4:4"}


@pytest.mark.parametrize(
    ("name", "quality", "subsampling"), [*product(_HOLD_ALL, (None, 1, 100), (None, *SUBSAMPLINGS))]
)
def test_every_format_is_written_or_refused_before(
    tmp_path: Path, name: Any, quality: int | None, subsampling: Any
) -> None:
    compression = ImageCompression(quality=quality, subsampling=subsampling)
    target = FORMATS[name]
    if name == "jxl":
        pytest.importorskip("pillow_jxl")
    only = _OWN_CHROMA.get(name)
    if only is not None and subsampling not in {None, only}:
        with pytest.raises(InputError, match=only) as caught:
            compression.check(target)
        assert caught.value.hint
        return
    compression.check(target)
    path = tmp_path / f"a{target.extensions[0]}"
    write_image(path, loaded(), compression=compression)
    with Image.open(path) as image:
        error = np.abs(np.asarray(image.convert("RGB"), int) - loaded().array).mean()
    lossless = (
        not compression.applies_to(target)
        or (name in _OWN_CHROMA and quality is None)
        or (name, quality) == ("jxl", 100)
    )
    assert (error == 0) == lossless


def test_without_a_wish_files_are_as_ever(tmp_path: Path) -> None:
    for name, given in (("jpeg", 95), ("webp", 95), ("avif", 90)):
        extension = FORMATS[name].extensions[0]  # type: ignore[index]  # they are such names
        write_image(tmp_path / f"plain{extension}", loaded(lossless=False))
        write_image(tmp_path / f"given{extension}", loaded(lossless=False), compression=ImageCompression(quality=given))
        assert (tmp_path / f"plain{extension}").read_bytes() == (tmp_path / f"given{extension}").read_bytes()


@pytest.mark.parametrize("values", [{"quality": 0}, {"quality": 101}, {"subsampling": "4:1:1"}])
def test_what_is_no_compression_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        ImageCompression(**values)
    assert caught.value.hint
