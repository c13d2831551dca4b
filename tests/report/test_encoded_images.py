from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from paragon_core.report.contents import Version
from paragon_core.report.encoded_images import crops, thumbnail, whole
from paragon_core.report.places import Place

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (300, 400, 3)).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def version(pixels: np.ndarray, icc: bytes | None = None) -> Version:
    return Version(name="x", pixels=pixels, icc=icc)


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"))


def test_small_images_are_whole_and_lossless() -> None:
    found = whole([version(NOISE), version(255 - NOISE)], most_bytes=10**7)
    assert (found.side, found.quality, found.words) == (None, None, "at full size, lossless")
    np.testing.assert_array_equal(decoded(found.images[1].data), 255 - NOISE)
    assert found.images[0].size == (400, 300)
    kind, _, text = found.images[0].url.partition(",")
    assert kind == "data:image/webp;base64"
    assert base64.b64decode(text) == found.images[0].data


@pytest.mark.parametrize("most_bytes", [200_000, 120_000])
def test_what_does_not_fit_is_compressed_or_shrunk_all_alike(most_bytes: int) -> None:
    found = whole([version(NOISE), version(NOISE // 2)], most_bytes=most_bytes)
    assert found.quality is not None
    assert sum(len(each.data) for each in found.images) <= most_bytes
    assert len({decoded(each.data).shape for each in found.images}) == 1


def test_what_never_fits_is_as_small_as_can_be() -> None:
    found = whole([version(NOISE.repeat(4, axis=0).repeat(4, axis=1))], most_bytes=1)
    assert (found.side, found.images[0].size) == (480, (480, 360))
    assert found.words == "at 480 x 360, WebP of quality 50"


def test_crops_are_pixel_for_pixel() -> None:
    places = [Place(left=3, top=5, width=20, height=10), Place(left=100, top=50, width=20, height=10)]
    found = crops([version(NOISE), version(255 - NOISE)], places, most_bytes=10**6)
    assert found.quality is None
    np.testing.assert_array_equal(decoded(found.images[3].data), 255 - NOISE[50:60, 100:120])
    smaller = crops([version(NOISE)], places, most_bytes=1)
    assert smaller.quality == 60
    assert smaller.images[0].size == (20, 10)


def test_colour_profiles_are_kept_unless_they_are_large() -> None:
    kept, left_out = whole([version(NOISE, PROFILE), version(NOISE, PROFILE * 20)], most_bytes=10**7).images
    with Image.open(io.BytesIO(kept.data)) as image:
        assert image.info["icc_profile"] == PROFILE
    with Image.open(io.BytesIO(left_out.data)) as image:
        assert "icc_profile" not in image.info


def test_thumbnails_are_small_and_never_larger_than_the_frame() -> None:
    assert thumbnail("a", NOISE).size == (280, 210)
    small = thumbnail("a", NOISE[:20, :30])
    assert small.size == (30, 20)
    assert decoded(small.data).shape == (20, 30, 3)
