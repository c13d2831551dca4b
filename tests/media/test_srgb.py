"""Profiles are judged by what they do to colours, not by their names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.icc import code_points, profile_of
from paragon_core.media.srgb import in_srgb, is_srgb, srgb_profile
from tests.media import samples

UTF16 = "utf-16-be"


def test_srgb_is_srgb_under_any_name() -> None:
    icc = srgb_profile()
    assert is_srgb(icc, grey=False)
    assert is_srgb(icc.replace("sRGB".encode(UTF16), "none".encode(UTF16)), grey=False)


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 13), (1, 8), (1, 4), (9, 1)])
@pytest.mark.parametrize("grey", [False, True])
def test_others_are_not_even_if_they_say_so(primaries: int, transfer: int, grey: bool) -> None:
    icc = profile_of(code_points(primaries, transfer), grey=grey)
    assert icc is not None
    icc = icc.replace("H.27".encode(UTF16), "sRGB".encode(UTF16)).replace(b"H.27", b"sRGB")
    assert b"sRGB" in icc.replace(b"\0", b"")
    assert is_srgb(icc, grey=grey) == (grey and transfer == 13)


def test_colours_move_as_the_profile_says() -> None:
    icc = profile_of(code_points(12, 13), grey=False)
    assert icc is not None
    found = np.asarray(in_srgb(Image.fromarray(np.full((1, 1, 3), (200, 100, 100), np.uint8)), icc))[0, 0]
    assert np.abs(found.astype(int) - (215, 93, 97)).max() <= 2  # from Display P3, by the matrices of CSS Color 4


def test_damaged_profiles_are_refused_in_words() -> None:
    image = Image.fromarray(samples.pixels(0, 3, 4, 3))
    for icc in (b"", b"junk", srgb_profile()[:200], ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()):
        with pytest.raises(UnsupportedFormatError, match="sRGB"):
            in_srgb(image, icc)
