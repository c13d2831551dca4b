"""OpenEXR: linear light goes through the network in coded values and comes back as light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

OpenEXR = pytest.importorskip("OpenEXR")

from paragon_core.errors import MediaError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.images import read_header, read_image
from paragon_core.media.linear_light import BRIGHTEST, LinearLight
from tests.media.stand_in_upscaling import twice, upscale

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.loaded_image import Array

ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)


def save(path: Path, channels: dict[str, Array], **header: Any) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(header, channels).write(str(path))
    return path


def light(seed: int, peak: float, channels: str) -> Array:
    """Mostly dark, up to a peak; colours multiplied by alpha."""
    random = np.random.default_rng(seed)
    pixels = (random.random((7, 9, len(channels))) ** 4 * peak).astype(np.float32)
    pixels[0, 0] = peak
    if "A" in channels:
        pixels[..., -1] = random.choice([0.25, 1], (7, 9))
        pixels[..., :-1] *= pixels[..., -1:]
    return pixels


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    peak=st.sampled_from([0.2, 1.0, 3.0, 900.0, 60000.0]),
    channels=st.sampled_from(["RGB", "RGBA", "Y", "YA"]),
    half=st.booleans(),
)
def test_light_stays(
    tmp_path_factory: pytest.TempPathFactory, *, seed: int, peak: float, channels: str, half: bool
) -> None:
    folder = tmp_path_factory.mktemp("exr")
    pixels = light(seed, peak, channels).astype(np.float16 if half else np.float32)
    save(folder / "a.exr", {name: np.ascontiguousarray(pixels[..., n]) for n, name in enumerate(channels)})
    result = upscale(folder / "a.exr", folder / "b.exr")
    assert result.error is None
    assert result.notes == ()
    with OpenEXR.File(str(folder / "b.exr"), separate_channels=True) as file:
        made = np.stack([file.channels()[name].pixels for name in channels], axis=2)
    assert made.dtype == pixels.dtype
    # Coded values are single floats, which tell lights apart that differ by some millionths.
    expected = twice(pixels).astype(np.float64)
    bound = expected * (2**-10 if half else 1e-5) + peak * 1e-9
    assert (np.abs(made.astype(np.float64) - expected) <= bound + (6e-8 if half else 1e-9)).all()


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_codings_turn_back(value: float, peak: float) -> None:
    value = min(value, peak)
    coding = LinearLight.fitting(peak, half=False, chromaticities=None)
    coded = coding.coded(np.array([value]))
    assert 0 <= coded[0] <= 1
    assert coding.light(coded)[0] == pytest.approx(value, rel=1e-4, abs=peak * 1e-8)


def test_codings_are_the_standards() -> None:
    srgb = LinearLight(curve="srgb")
    assert srgb.coded(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.7353569, 1], abs=1e-6)
    pq = LinearLight(curve="pq")
    # 203 and 100 cd/m2 are 58 % and 51 % (ITU-R BT.2408, BT.2390); 10,000 are all.
    assert pq.coded(np.array([1.0, 100 / 203, BRIGHTEST])) == pytest.approx([0.5807, 0.5081, 1], abs=1e-4)


def test_a_png_says_what_its_values_mean(tmp_path: Path) -> None:
    pixels = light(1, 4.0, "RGB")
    save(tmp_path / "a.exr", {"RGB": pixels}, chromaticities=BT2020)
    assert upscale(tmp_path / "a.exr", tmp_path / "b.png").error is None
    loaded = read_image(tmp_path / "b.png")
    assert loaded.array.dtype == np.uint16
    assert (b"cICP", bytes([9, 16, 0, 1])) in loaded.png_colour
    save(tmp_path / "a.exr", {"RGB": pixels / 4})
    assert upscale(tmp_path / "a.exr", tmp_path / "b.jpg").error is None
    assert upscale(tmp_path / "a.exr", tmp_path / "b.png").error is None
    shown = read_image(tmp_path / "b.png")
    expected = LinearLight(curve="srgb").coded(twice(pixels / 4))
    assert np.abs(shown.array / 65535 - expected).max() < 1e-4


def test_what_would_be_shown_wrong_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.exr", {"RGB": light(1, 4.0, "RGB")})
    result = upscale(tmp_path / "a.exr", tmp_path / "b.jpg")
    assert isinstance(result.error, UnsupportedFormatError)
    assert "brighter than white" in str(result.error)
    save(tmp_path / "a.exr", {"RGB": light(1, 1.0, "RGB")}, chromaticities=ACES)
    assert isinstance(upscale(tmp_path / "a.exr", tmp_path / "b.png").error, UnsupportedFormatError)
    assert upscale(tmp_path / "a.exr", tmp_path / "b.exr").error is None
    with OpenEXR.File(str(tmp_path / "b.exr")) as file:
        assert file.header()["chromaticities"] == pytest.approx(ACES, abs=1e-6)
    upscale(tmp_path / "a.exr", tmp_path / "b.exr")
    save(tmp_path / "dim.exr", {"RGB": light(1, 1.0, "RGB")})
    upscale(tmp_path / "dim.exr", tmp_path / "c.png")
    assert "only OpenEXR" in str(upscale(tmp_path / "c.png", tmp_path / "d.exr").error)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    pixels = light(1, 1.0, "RGB")
    channels = {"RGB": pixels, "Z": pixels[..., 0].copy(), "diffuse.R": pixels[..., 1].copy()}
    pixels[0, 0, 0] = -1
    save(tmp_path / "a.exr", channels, pixelAspectRatio=2.0)
    notes = " ".join(read_image(tmp_path / "a.exr").notes)
    for words in ("Z, diffuse.R were left out", "negative", "not square"):
        assert words in notes


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_values_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    pixels = light(1, 1.0, "RGB")
    pixels[2, 2, 1] = value
    with pytest.raises(UnsupportedFormatError, match="infinite or no numbers"):
        read_image(save(tmp_path / "a.exr", {"RGB": pixels}))


def test_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="channels that are not handled"):
        read_image(save(tmp_path / "a.exr", {"Z": light(1, 1.0, "Y")[..., 0]}))
    with pytest.raises(UnsupportedSizeError, match="limit"):
        read_image(save(tmp_path / "a.exr", {"Y": light(1, 1.0, "Y")[..., 0]}), max_pixels=10)
    assert read_header(tmp_path / "a.exr").size == (9, 7)
    data = (tmp_path / "a.exr").read_bytes()
    for cut in (20, 200, len(data) - 9):
        (tmp_path / "a.exr").write_bytes(data[:cut])
        with pytest.raises(MediaError):
            read_image(tmp_path / "a.exr")
