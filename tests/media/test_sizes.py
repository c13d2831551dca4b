from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from paragon_core.errors import InputError, MediaError, ParagonError, UnsupportedFormatError
from paragon_core.media.sizes import sizes_of
from tests.fresh_python import run

if TYPE_CHECKING:
    from pathlib import Path


def never(path: Path, error: ParagonError) -> None:
    raise AssertionError(path) from error


def video(path: Path, size: tuple[int, int]) -> Path:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(*size, "yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_one_image_and_a_folder_of_them(tmp_path: Path) -> None:
    sizes = {"a.png": (7, 5), "b.jpg": (32, 64), "inner/c.webp": (7, 5)}
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", size).save(tmp_path / name)
    assert sizes_of(tmp_path / "b.jpg", unusable=never) == [(32, 64)]
    assert sorted(sizes_of(tmp_path, unusable=never)) == sorted(sizes.values())


def test_turned_images_count_as_they_are_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert sizes_of(tmp_path, unusable=never) == [(30, 20)]


def test_an_image_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nonsense")
    told: list[str] = []
    assert sizes_of(tmp_path, unusable=lambda path, _: told.append(path.name)) == [(8, 6)]
    assert told == ["b.png"]


def test_a_video(tmp_path: Path) -> None:
    assert sizes_of(video(tmp_path / "video.mkv", (96, 64)), unusable=never) == [(96, 64)]


def test_what_has_no_size(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "text.txt").write_text("no video")
    (tmp_path / "empty.mkv").write_bytes(b"")
    (tmp_path / "bad.png").write_bytes(b"no image")
    for name, error in (
        ("missing", InputError),
        ("text.txt", MediaError),
        ("empty.mkv", MediaError),
        ("bad.png", (MediaError, UnsupportedFormatError)),
    ):
        with pytest.raises(error) as caught:
            sizes_of(tmp_path / name, unusable=never)
        assert caught.value.hint
        assert name in str(caught.value)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="no image"):
        sizes_of(tmp_path / "nothing", unusable=never)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        container.add_stream("pcm_s16le", rate=8000)
        container.start_encoding()
    with pytest.raises(MediaError, match="video"):
        sizes_of(tmp_path / "sound.wav", unusable=never)


def test_without_pyav_the_pip_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "video.mkv").write_bytes(b"")
    result = run(
        f"""
        from pathlib import Path
        from paragon_core.errors import BackendUnavailableError
        from paragon_core.media.sizes import sizes_of
        try:
            sizes_of(Path({str(tmp_path / "video.mkv")!r}), unusable=print)
        except BackendUnavailableError as error:
            print(error.hint)
        """,
        without=["av"],
    )
    assert "pip install av" in result.stdout
