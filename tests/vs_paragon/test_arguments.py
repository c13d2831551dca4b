"""Arguments of wrong types and beyond their bounds, and those that mean the same."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
import vapoursynth as vs

import vs_paragon
from paragon_core.cores import usable_cores
from paragon_core.errors import InputError
from tests.vs_paragon.clips import natural_yuv
from tests.vs_paragon.vspipe import vspipe
from vs_paragon import arguments
from vs_paragon.fallback import Namespace

if TYPE_CHECKING:
    from pathlib import Path

WRONG_TYPES = {
    "model": 5,
    "scale": "two",
    "backend": 3,
    "precision": 16,
    "tile": "big",
    "num_streams": 1.5,
    "matrix": 1.5,
    "range": 2.5,
    "chroma_loc": object(),
    "guess_matrix": "no",
    "upsampler_alpha": "soft",
    "temporal": Fraction(1, 2),
    "reuse": "yes",
    "device": 0,
}


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES.items())
def test_a_wrong_type_is_an_error_in_words(name: str, value: Any) -> None:
    for function in (vs_paragon.upscale, Namespace().Upscale):
        with pytest.raises(vs.Error) as caught:
            function(natural_yuv(length=1), **{name: value})
        text = str(caught.value)
        assert text.startswith("paragon.Upscale: ")
        assert text.endswith(")"), "what to do"
        assert name in text
        assert "foresee" not in text


@pytest.mark.parametrize("clip", [None, 7, "video.mkv", [], vs.core.std.BlankAudio(length=100)])
def test_what_is_no_clip_is_named(clip: Any) -> None:
    with pytest.raises(vs.Error, match=r"^paragon\.Upscale: clip must be a video clip, not .*VideoSource"):
        vs_paragon.upscale(clip)


@pytest.mark.parametrize("count", [-1, 0, max(32, usable_cores()) + 1, 10**12])
def test_streams_have_bounds(count: int) -> None:
    with pytest.raises(InputError, match="num_streams must be 1 to "):
        arguments.streams(count)


def test_what_means_the_same_is_the_same() -> None:
    assert arguments.name("device", " CUDA:1") == arguments.name("device", "cuda:1")
    assert arguments.whole_number("scale", 2.0) == 2
    assert [arguments.switch("reuse", value) for value in (0, 1, True, False)] == [False, True, True, False]
    assert [arguments.tile(value) for value in (None, 0, 64, [64], (64, 32))] == ["auto", "off", 64, 64, (64, 32)]


def test_vspipe_shows_one_line(tmp_path: Path) -> None:
    script = """
import vapoursynth as vs
from vs_paragon import upscale
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=1)
upscale(clip, backend="ONNXRuntime", device="CPU", precision="FP32", num_streams=4)
upscale(clip, num_streams="many").set_output()
"""
    done = vspipe(tmp_path, script)
    assert done.returncode == 1
    last = done.stderr.decode().strip().splitlines()[-1]
    text = "num_streams must be a whole number, not 'many' (leave it out for the default)"
    assert last == f"vapoursynth.Error: paragon.Upscale: {text}"
