"""Animations are viewed upscaled as they were viewed before, in every format that holds them."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageSequence

from paragon_core.errors import MediaError, UnsupportedSizeError
from paragon_core.media import gif
from paragon_core.media.animation import read_animation
from paragon_core.media.compression import ImageCompression
from paragon_core.media.formats import FORMATS
from paragon_core.media.images import read_image
from paragon_core.media.jobs import Job, JobResult, run
from paragon_core.upscaling.output_size import OutputSize
from paragon_core.upscaling.upscaler import Upscaler
from tests.media import animations, samples
from tests.media.stand_in_upscaling import twice

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.loaded_image import Array

ANIMATED = [row.extensions[0] for row in FORMATS.values() if row.animated]


def upscale(source: Path, target: Path) -> JobResult:
    (result,) = run([Job(source=source, target=target)], twice, scale=2, overwrite=True)
    assert result.error is None, result.error
    return result


def viewed(path: Path) -> list[animations.Pixels]:
    """Frames as Pillow shows them: HxWx4."""
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def times(path: Path) -> list[float]:
    with Image.open(path) as image:
        found = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            found.append(float(frame.info.get("duration", 0)))
    return found


def difference(one: animations.Pixels, other: animations.Pixels) -> int:
    """Largest difference of alpha, and of colours where they show."""
    a, b = one.astype(int), other.astype(int)
    seen = (a[..., 3:] > 0) | (b[..., 3:] > 0)
    return int(max(np.abs(a - b)[..., 3].max(), (np.abs(a - b)[..., :3] * seen).max()))


@pytest.mark.parametrize(("source", "target"), list(itertools.product(ANIMATED, ANIMATED)))
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), alpha=st.booleans())
def test_frames_times_and_repetitions_stay(
    tmp_path_factory: pytest.TempPathFactory, source: str, target: str, seed: int, alpha: bool
) -> None:
    folder = tmp_path_factory.mktemp("animation")
    animation = animations.drawn(seed, alpha=alpha, unit=10)
    path = animations.save(folder / f"a{source}", animation)
    made = folder / f"b{target}"
    before = viewed(path)  # an encoder may have joined equal frames
    result = upscale(path, made)
    after = viewed(made)
    assert len(after) == len(before) == result.frames
    assert times(made) == times(path)
    assert result.size == (2 * before[0].shape[1], 2 * before[0].shape[0])
    lossy = {".avif"} & {source, target}
    for one, other in zip(before, after, strict=True):
        assert other.shape == twice(one).shape
        error = np.abs(
            np.where(one[..., 3:] > 128, one, 0).astype(int) - np.where(other[..., 3:] > 128, other, 0)[::2, ::2]
        )
        # AVIF blurs edges; what is lossless stays as it is.
        assert (error.mean() < 12) if lossy else (error.max() == 0)
    expected = 0 if source == ".avif" else animation.plays  # Pillow writes no other AVIF
    found = read_animation(made)
    assert found is not None
    assert found.plays == expected
    if target in {".png", ".webp"}:
        with Image.open(made) as image:
            assert image.info["loop"] == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_a_gif_of_any_kind_is_read_as_viewed(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("gif")
    data, expected = animations.random_gif(seed)
    (folder / "a.gif").write_bytes(data)
    animation = read_animation(folder / "a.gif")
    if animation is None:
        assert len(expected.frames) == 1
        loaded = read_image(folder / "a.gif")
        found = [loaded.array]
    else:
        assert animation.plays == expected.plays
        assert [1000 * duration for duration in animation.durations] == expected.durations
        found = list(animation.frames())
    for one, other in zip(found, expected.frames, strict=True):
        rgba = one if one.shape[2] == 4 else np.dstack([one, np.full(one.shape[:2], 255, np.uint8)])
        assert difference(rgba, other) == 0
    upscale(folder / "a.gif", folder / "b.gif")
    again = viewed(folder / "b.gif")
    for one, other in zip(again, expected.frames, strict=True):
        assert difference(one, twice(other)) == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([".png", ".webp"]))
def test_half_transparent_pixels_in_a_gif(tmp_path_factory: pytest.TempPathFactory, seed: int, source: str) -> None:
    folder = tmp_path_factory.mktemp("half")
    path = animations.save(folder / f"a{source}", animations.drawn(seed, alpha=True, half=True))
    result = upscale(path, folder / "b.gif")
    assert any("half-transparent" in note for note in result.notes)
    for one, other in zip(viewed(path), viewed(folder / "b.gif"), strict=True):
        assert np.array_equal(twice(one[..., 3]) >= 128, other[..., 3] == 255)
    total = sum(times(path)) / 10
    assert abs(sum(times(folder / "b.gif")) / 10 - total) <= 1  # errors of rounding do not add up


def noise(count: int) -> list[Image.Image]:
    """Frames of more colours than a palette holds; the left half does not move."""
    still = samples.pixels(0, 32, 24, 3)
    return [Image.fromarray(np.hstack([still, samples.pixels(1 + n, 32, 24, 3)])) for n in range(count)]


def test_still_parts_of_a_gif_keep_their_colours(tmp_path: Path) -> None:
    first, *others = noise(4)
    first.save(tmp_path / "a.png", save_all=True, append_images=others, duration=50)
    result = upscale(tmp_path / "a.png", tmp_path / "b.gif")
    assert any("dithered" in note for note in result.notes)
    before, after = viewed(tmp_path / "a.png"), viewed(tmp_path / "b.gif")
    for one, other in zip(before, after, strict=True):
        assert np.abs(twice(one).astype(int) - other).mean() < 12
        assert np.array_equal(other[:, :48], after[0][:, :48])


@pytest.mark.parametrize("extension", [".png", ".webp", ".avif"])
def test_metadata_of_the_container_stays(tmp_path: Path, extension: str) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = None if extension == ".png" else b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    exif = Image.Exif()
    exif[0x010E] = "a description"
    turned = extension != ".avif"  # libavif 1.4.2 crashes over sequences that are to be turned
    if turned:
        exif[0x0112] = 6
    first, *others = noise(3)
    path, made = tmp_path / f"a{extension}", tmp_path / f"b{extension}"
    options: dict[str, Any] = {} if xmp is None else {"xmp": xmp}
    first.save(path, save_all=True, append_images=others, icc_profile=icc, exif=exif.tobytes(), **options)
    upscale(path, made)
    size = (64, 96) if turned else (96, 64)
    with Image.open(made) as image:
        assert image.size == size
        assert image.info["icc_profile"] == icc
        assert image.getexif()[0x010E] == "a description"
        assert image.getexif().get(0x0112, 1) == 1
        assert image.info.get("xmp") == xmp
    assert "its EXIF block does not go into GIF" in upscale(path, tmp_path / "b.gif").notes
    loaded = read_image(tmp_path / "b.gif")
    assert (loaded.icc, loaded.xmp, loaded.size) == (icc, xmp, size)


def test_the_comment_of_a_gif(tmp_path: Path) -> None:
    first, *others = noise(2)
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, comment=b"by " + b"me " * 200)
    upscale(tmp_path / "a.gif", tmp_path / "b.gif")
    with Image.open(tmp_path / "b.gif") as image:
        assert image.info["comment"] == b"by " + b"me " * 200
    upscale(tmp_path / "a.gif", tmp_path / "b.webp")
    assert b"by me me" in (tmp_path / "b.webp").read_bytes().replace(b"\0", b"")  # in EXIF


def test_an_image_that_is_not_part_of_the_animation(tmp_path: Path) -> None:
    other, *frames = noise(4)
    other.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=40)
    upscale(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["default_image"]
        assert len(viewed(tmp_path / "b.png")) == 4
    for one, two in zip(viewed(tmp_path / "a.png"), viewed(tmp_path / "b.png"), strict=True):
        assert np.array_equal(twice(one), two)
    assert upscale(tmp_path / "a.png", tmp_path / "b.webp").frames == 3


def test_where_the_target_holds_no_animation(tmp_path: Path) -> None:
    path = animations.save(tmp_path / "a.gif", animations.drawn(3, alpha=False))
    result = upscale(path, tmp_path / "b.jpg")
    assert result.frames == 1
    assert any("only the first" in note for note in result.notes)


@pytest.mark.parametrize("plays", [0, 1, 2, 9])
def test_repetitions_of_an_avif(tmp_path: Path, plays: int) -> None:
    frames = noise(2)
    options: dict[str, Any] = {} if plays == 0 else {"loop": plays}
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=50, **options)
    upscale(tmp_path / "a.png", tmp_path / "b.avif")
    upscale(tmp_path / "b.avif", tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as image:
        assert image.info["loop"] == plays
    assert len(viewed(tmp_path / "b.avif")) == 2


def test_frames_of_no_duration(tmp_path: Path) -> None:
    first, *others = noise(3)
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=[0, 10, 50])
    upscale(tmp_path / "a.gif", tmp_path / "b.gif")
    assert times(tmp_path / "b.gif") == [0, 10, 50]
    for name in ("b.png", "b.webp", "b.avif"):
        result = upscale(tmp_path / "a.gif", tmp_path / name)
        assert times(tmp_path / name) == [100, 100, 50]
        assert any("as browsers show them" in note for note in result.notes)


def test_times_that_are_fractions(tmp_path: Path) -> None:
    first, *others = noise(30)
    first.save(tmp_path / "a.png", save_all=True, append_images=others, duration=1000 / 30)
    upscale(tmp_path / "a.png", tmp_path / "b.png")
    animation = read_animation(tmp_path / "b.png")
    assert animation is not None
    assert sum(animation.durations) == pytest.approx(1, abs=1e-3)
    upscale(tmp_path / "a.png", tmp_path / "b.gif")
    assert sum(times(tmp_path / "b.gif")) == 1000


@pytest.mark.parametrize("extension", ANIMATED)
def test_a_truncated_animation_is_refused_before_any_work(tmp_path: Path, extension: str) -> None:
    first, *others = noise(5)
    first.save(tmp_path / f"a{extension}", save_all=True, append_images=others, duration=50)
    data = (tmp_path / f"a{extension}").read_bytes()
    (tmp_path / f"a{extension}").write_bytes(data[: len(data) * 2 // 3])
    asked: list[Array] = []

    def never(array: Array) -> Array:
        asked.append(array)
        return twice(array)

    job = Job(source=tmp_path / f"a{extension}", target=tmp_path / f"b{extension}")
    (result,) = run([job], never, scale=2)
    assert isinstance(result.error, MediaError)
    assert not asked
    assert not list(tmp_path.glob("b*"))


def test_a_failure_midway_leaves_nothing(tmp_path: Path) -> None:
    path = animations.save(tmp_path / "a.webp", animations.drawn(1, alpha=False))
    calls = itertools.count()

    def fail(array: Array) -> Array:
        if next(calls) == 1:
            msg = "no more"
            raise MediaError(msg, hint="try again")
        return twice(array)

    for extension in ANIMATED:
        calls = itertools.count()
        (result,) = run([Job(source=path, target=tmp_path / f"b{extension}")], fail, scale=2)
        assert str(result.error) == "no more"
    assert list(tmp_path.iterdir()) == [path]


def test_animations_are_done_once(tmp_path: Path) -> None:
    path = animations.save(tmp_path / "a.gif", animations.drawn(1, alpha=True))
    job = Job(source=path, target=tmp_path / "b.gif")
    states = [run([job], twice, scale=2)[0].state for _ in range(2)]
    assert states == ["written", "skipped"]
    data = job.target.read_bytes()
    job.target.write_bytes(data[:-20])
    assert run([job], twice, scale=2)[0].state == "written"
    assert job.target.read_bytes() == data  # the same file again


def test_progress_counts_frames(tmp_path: Path) -> None:
    path = animations.save(tmp_path / "a.webp", animations.drawn(5, alpha=False))
    told: list[tuple[int, int]] = []
    run([Job(source=path, target=tmp_path / "b.png")], twice, scale=2, progress=lambda *each: told.append(each))
    assert told == [(index, len(viewed(path))) for index in range(len(viewed(path)))]


def tiny_gif(width: int, height: int, count: int) -> bytes:
    """Frames of one pixel on a large canvas."""
    head = b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x80\0\0" + bytes(6)
    frame = b"!\xf9\x04\0\5\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    return head + frame * count + b";"


def test_what_a_small_file_may_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(tiny_gif(60_000, 60_000, 2))
    with pytest.raises(UnsupportedSizeError, match="60000 x 60000"):
        read_animation(path)
    path.write_bytes(tiny_gif(10_000, 10_000, 1000))
    with pytest.raises(UnsupportedSizeError, match="1000 frames of 10000 x 10000"):
        read_animation(path)
    monkeypatch.setattr(gif, "MOST_FRAMES", 500)
    path.write_bytes(tiny_gif(1, 1, 501))
    with pytest.raises(UnsupportedSizeError, match="more than 500 frames"):
        read_animation(path)


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    """At most a few frames live at once, whatever the encoder."""
    alive: list[int] = []
    first, *others = noise(12)
    first.save(tmp_path / "a.png", save_all=True, append_images=others, duration=50)

    living = 0

    def forget() -> None:
        nonlocal living
        living -= 1

    def counted(array: Array) -> Array:
        nonlocal living
        result = twice(array)
        living += 1
        weakref.finalize(result, forget)
        alive.append(living)
        return result

    for extension in ANIMATED:
        alive.clear()
        run([Job(source=tmp_path / "a.png", target=tmp_path / f"b{extension}")], counted, scale=2)
        assert max(alive) <= 4


@pytest.mark.parametrize("extension", ANIMATED)
def test_the_network_keeps_what_is_seen(tmp_path: Path, extension: str) -> None:
    """Frames that are halved again look like the source, with every colour and edge in its place."""
    y, x = np.indices((48, 64))
    frames = []
    for number in range(3):
        waves = [128 + 90 * np.sin((x + 5 * number) / 9 + turn) * np.cos(y / 11 - turn) for turn in range(3)]
        frames.append(Image.fromarray(np.stack(waves, axis=2).astype(np.uint8)))
    options: dict[str, Any] = {"lossless": True} if extension == ".webp" else {"quality": 95}
    path, made = tmp_path / f"a{extension}", tmp_path / f"b{extension}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, **options)
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32") as upscaler:
        (result,) = run([Job(source=path, target=made)], upscaler, scale=2)
    assert result.error is None
    for one, other in zip(viewed(path), viewed(made), strict=True):
        halved = np.asarray(Image.fromarray(other).reduce(2)).astype(float)
        assert np.abs(halved - one).mean() < (6 if extension == ".gif" else 2.5)  # dithering, and none


@pytest.mark.parametrize("extension", [*ANIMATED, ".tif"])
def test_a_free_size_and_quality(tmp_path: Path, extension: str) -> None:
    path, made = tmp_path / f"a{extension}", tmp_path / f"b{extension}"
    first, *others = (image.convert("RGB") for image in noise(3))
    first.save(path, save_all=True, append_images=others)
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32") as upscaler:
        (result,) = run(
            [Job(source=path, target=made)],
            upscaler,
            scale=2,
            size=OutputSize(width=72),
            compression=ImageCompression(quality=20),
        )
    assert result.error is None
    assert result.size == (72, 48)
    assert {frame.shape[:2] for frame in viewed(made)} == {(48, 72)}
    assert len(viewed(made)) == result.frames == 3
    assert run([Job(source=path, target=made)], twice, scale=2, size=OutputSize(width=72))[0].state == "skipped"


@pytest.mark.parametrize("extension", [".gif", ".webp"])
def test_an_animation_takes_the_place_of_its_source(tmp_path: Path, extension: str) -> None:
    path = animations.save(tmp_path / f"a{extension}", animations.drawn(2, alpha=False))
    before = viewed(path)
    (result,) = run([Job(source=path, target=path, replaces=True)], twice, scale=2)
    assert result.error is None
    assert all(np.array_equal(twice(one), two) for one, two in zip(before, viewed(path), strict=True))
