"""Encoders: those of software write what they should, and those of hardware, none of which is here, fall back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError, UnsupportedFormatError
from paragon_core.media.video import encoders
from paragon_core.media.video.formats import CODECS, ENCODERS, PRESETS
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from paragon_core.media.video.upscale import VideoEncoding, VideoResult, upscale_video
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

HARDWARE = [kind for kind in ENCODERS if kind not in {"software", "auto"}]


def upscale(source: Path, target: Path, **encoding: Any) -> VideoResult:
    return upscale_video(source, target, shared_upscaler(clip=False), encoding=VideoEncoding(**encoding))


def needs(encoder: str) -> None:
    if encoder not in av.codecs_available:
        pytest.skip(f"this PyAV has no {encoder}")


def stored(path: Path) -> tuple[str, str, str]:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.codec.canonical_name, context.pix_fmt, str(context.profile)


@pytest.mark.parametrize(
    ("pixel_format", "profile", "made_format", "name"),
    [
        ("yuv420p", None, "yuv422p10le", "HQ"),
        ("yuv422p10le", "proxy", "yuv422p10le", "Proxy"),
        ("yuv420p", "lt", "yuv422p10le", "LT"),
        ("yuv420p", "standard", "yuv422p10le", "Standard"),
        ("yuv444p", None, "yuv444p", "4444"),
        ("gbrp10le", None, "yuv444p", "4444"),
        ("yuv420p", "4444xq", "yuv444p", "XQ"),
    ],
)
def test_prores(tmp_path: Path, pixel_format: str, profile: Any, made_format: str, name: str) -> None:
    needs("prores_ks")
    source = videos.make(tmp_path / "a.mkv", pixel_format=pixel_format, colorspace=0 if "gbr" in pixel_format else 1)
    result = upscale(source, tmp_path / "b.mov", codec="prores", profile=profile)
    assert (result.frames, result.size) == (8, (128, 96))
    codec, made, written = stored(tmp_path / "b.mov")
    assert codec == "prores"
    assert made.startswith(made_format)
    assert name in written
    with pytest.raises(UnsupportedFormatError, match="mp4 does not hold prores") as caught:
        upscale(source, tmp_path / "b.mp4", codec="prores")
    assert ".mov" in caught.value.hint


@pytest.mark.parametrize("extension", [".webm", ".mkv", ".mp4"])
def test_vp9_and_its_sound(tmp_path: Path, extension: str) -> None:
    needs("libvpx-vp9")
    source = videos.make(tmp_path / "a.mkv", sound=("aac",))
    codec = None if extension == ".webm" else "vp9"
    targets = [tmp_path / f"{name}{extension}" for name in "bc"]
    result, again = (upscale(source, target, codec=codec, preset="fast") for target in targets)
    assert result == again
    assert result.frames == 8
    assert stored(targets[0])[0] == "vp9"
    assert targets[0].read_bytes() == targets[1].read_bytes()
    sound = "opus" if extension == ".webm" else "aac"
    with av.open(str(targets[0])) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == sound
    assert any("encoded as Opus" in note for note in result.notes) == (extension == ".webm")
    assert [round(float(time), 3) for time in videos.times_of(targets[0])] == [
        round(float(time), 3) for time in videos.times_of(source)
    ]


def test_webm_holds_subtitles_as_its_own_kind(tmp_path: Path) -> None:
    needs("libvpx-vp9")
    source = videos.make(tmp_path / "a.mkv", subtitles=("subrip",), metadata={"title": "Cats"})
    upscale(source, tmp_path / "b.webm", preset="fast")
    with av.open(str(tmp_path / "b.webm")) as container:
        assert [each.codec_context.name for each in container.streams.subtitles] == ["webvtt"]
        assert container.metadata["title"] == "Cats"
    with pytest.raises(UnsupportedFormatError, match="webm does not hold h264"):
        upscale(source, tmp_path / "c.webm", codec="h264")


@pytest.mark.parametrize("kind", HARDWARE)
def test_hardware_that_does_not_work_leaves_it_to_software(tmp_path: Path, kind: Any) -> None:
    encoder = encoders.encoder_of("h264", kind)
    assert encoder is not None
    if not (reason := encoders.why_not(encoder, 8)):
        pytest.skip(f"{encoder.name} works here")
    source = videos.make(tmp_path / "a.mkv")
    result = upscale(source, tmp_path / "b.mp4", encoder=kind)
    (note,) = [note for note in result.notes if "libx264 encoded it" in note]
    assert f"{encoder.name} does not work here ({reason})" in note
    upscale(source, tmp_path / "c.mp4")
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()


def test_a_codec_without_hardware_and_no_hardware_at_all_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = videos.make(tmp_path / "a.mkv")
    result = upscale(source, tmp_path / "b.mkv", codec="ffv1", encoder="nvenc")
    assert "nvenc has no encoder for ffv1, and ffv1 encoded it" in result.notes
    monkeypatch.setattr("paragon_core.media.video.encoding.why_not", lambda *_a, **_k: "none here")
    result = upscale(source, tmp_path / "c.mp4", encoder="auto")
    assert "no hardware here encodes h264 (see: paragon doctor), and libx264 encoded it" in result.notes


def test_an_encoder_that_wants_other_pixel_formats_gets_the_same_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As hardware does: nv12 for 8 bits. Here it is x264, which takes both."""
    software = encoders.encoder_of("h264")
    assert software is not None
    stand_in = replace(software, takes={8: "nv12"})
    monkeypatch.setattr(
        "paragon_core.media.video.encoding.encoder_of",
        lambda codec, kind="software": stand_in if kind == "nvenc" else encoders.encoder_of(codec),
    )
    source = videos.make(tmp_path / "a.mkv")
    result = upscale(source, tmp_path / "b.mkv", encoder="nvenc", crf=1.0)
    assert "it was encoded by libx264" in result.notes
    upscale(source, tmp_path / "c.mkv", crf=1.0)
    made, wanted = videos.frames_of(tmp_path / "b.mkv"), videos.frames_of(tmp_path / "c.mkv")
    for first, second in zip(made, wanted, strict=True):
        pairs = zip(videos.samples_of(first), videos.samples_of(second), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


@given(
    st.sampled_from(CODECS),
    st.sampled_from(ENCODERS),
    st.floats(1, 63, allow_subnormal=False),
    st.sampled_from(PRESETS),
)
def test_every_encoder_gets_texts_for_every_quality(codec: Any, kind: Any, crf: float, preset: Any) -> None:
    encoder = encoders.encoder_of(codec, kind)
    if encoder is None:
        assert kind not in {"software", "auto"}
        return
    better, worse = (encoder.settings(each, preset) for each in (1.0, crf))
    assert all(isinstance(text, str) for text in worse.values())
    assert set(better) == set(worse)
    if encoder.crf is not None:
        numbers = [name for name, text in better.items() if text.isdigit() and name not in {"preset", "cpu-used"}]
        assert numbers
        for name in numbers:
            rises = float(worse[name]) - float(better[name])
            assert -rises >= 0 if kind == "videotoolbox" else rises >= 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"encoder": "cuda"}, "by 'cuda'"),
        ({"codec": "prores", "crf": 18.0}, "has profiles and has no crf"),
        ({"codec": "prores", "profile": "best"}, "no profile best"),
        ({"codec": "h264", "profile": "hq"}, "h264 has no profile hq"),
        ({"codec": "vp9", "crf": 64.0}, "cannot be had with crf 64"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        VideoEncoding(**wrong)
    assert caught.value.hint


def test_the_list_names_each_encoder_once() -> None:
    found = encoders.encoders_here()
    names = [each["name"] for each in found]
    assert len(names) == len(set(names))
    assert {"libx264", "prores_ks", "h264_nvenc", "hevc_videotoolbox", "vp9_qsv"} <= set(names)
    works = {each["name"] for each in found if not each["reason"]}
    assert works >= {"libx264", "ffv1"} & set(av.codecs_available)
