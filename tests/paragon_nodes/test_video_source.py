"""What is read of the kinds of videos that nodes hand on, with ComfyUI's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.paragon_nodes import in_comfyui

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

PRELUDE = """
from paragon_nodes.video_source import is_deep, opened

def pictures(source, kind):
    with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
        return np.stack([frame.to_ndarray(format=kind) for frame in container.decode(video=0)]).astype(int)

def made_of(images, **options):
    components = Types.VideoComponents(images=images, audio=sound, frame_rate=Fraction(30000 / 1001))
    return InputImpl.VideoFromComponents(components, **options)

images = torch.rand(6, 34, 46, 3, generator=torch.Generator().manual_seed(0))
sound = {"waveform": torch.zeros(1, 2, 48000), "sample_rate": 48000}
made = made_of(images)
made.save_to(temporary + "/clip.mp4")
"""


def answer(tmp_path: Path, code: str) -> Any:
    """Run code that reads videos; it leaves no file."""
    answered = in_comfyui.answer(tmp_path, PRELUDE + code)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    return answered


def test_pictures_are_read_as_they_are(tmp_path: Path) -> None:
    code = """
with opened(made) as source:
    off = np.abs(pictures(source.file, "rgb48le") - 65535 * images.numpy()).max()
    with av.open(str(source.file)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        seconds = float(audio.duration * audio.time_base)
        print(json.dumps([off, str(video.average_rate), video.start_time, seconds]))
"""
    off, rate, start, seconds = answer(tmp_path, code)
    assert off <= 0.51
    assert rate == "30000/1001"
    assert start == 0
    assert seconds == pytest.approx(0.2, abs=0.03)  # cut where the pictures end


def test_files_are_read_in_place_with_their_trim(tmp_path: Path) -> None:
    code = """
clip = temporary + "/clip.mp4"
memory = InputImpl.VideoFromFile(io.BytesIO(Path(clip).read_bytes()))
told = []
for video in (InputImpl.VideoFromFile(clip), InputImpl.VideoFromFile(clip, start_time=-0.1, duration=0.05), memory):
    with opened(video) as source:
        told.append([str(source.file) == clip, round(source.start, 3), source.duration])
        assert len(pictures(source.file, "rgb24")) == 6
print(json.dumps(told))
"""
    assert answer(tmp_path, code) == [[True, 0, None], [True, 0.1, 0.05], [False, 0, None]]


def test_pending_edits_are_carried_out_first(tmp_path: Path) -> None:
    """ComfyUI 0.33 has none; newer versions crop and resize a file's frames when they are asked for."""
    code = """
class Edited(InputImpl.VideoFromFile):
    def has_pending_frame_edits(self):
        return True
clip = temporary + "/clip.mp4"
with opened(Edited(clip, start_time=2.5 / 29.97)) as source:
    print(json.dumps([source.start, np.array_equal(pictures(source.file, "yuv420p"), pictures(clip, "yuv420p")[3:])]))
"""
    assert answer(tmp_path, code) == [0, True]


def test_a_full_disk_is_told_with_a_remedy(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="needs a system that can limit the size of files")
    code = """
import resource, signal
from paragon_core.errors import MediaError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
try:
    with opened(made):
        pass
except MediaError as error:
    print(json.dumps(error.hint))
"""
    assert "no file of that size" in answer(tmp_path, code)


def test_grey_and_transparent_images_are_read_as_colours(tmp_path: Path) -> None:
    code = """
results = []
for channels in (1, 2, 4):
    shown = torch.rand(2, 34, 46, channels, generator=torch.Generator().manual_seed(1))
    with opened(made_of(shown)) as source:
        colours = shown[..., :3] if channels > 2 else shown[..., :1].expand(-1, -1, -1, 3)
        off = np.abs(pictures(source.file, "rgb48le") - 65535 * colours.numpy()).max()
        results.append([float(off), list(source.notes)])
print(json.dumps(results))
"""
    results = answer(tmp_path, code)
    assert max(off for off, _ in results) <= 0.51
    assert [notes for _, notes in results] == [
        [],
        ["its transparency was left out"],
        ["its transparency was left out"],
    ]


def test_what_is_no_video_is_refused_in_words(tmp_path: Path) -> None:
    code = """
def opening(images):
    with opened(made_of(images)):
        pass
broken = images.clone()
broken[3, 5, 6, 1] = float("nan")
print(json.dumps([told(opening, each) for each in (
    [], torch.zeros(0, 34, 46, 3), torch.zeros(2, 0, 46, 3), torch.zeros(2, 34, 46), broken)]))
"""
    texts = answer(tmp_path, code)
    marks = ("no frames", "no frames", "46x0 pixels", "no images", "frame 4 of 6")
    assert all(mark in text for mark, (text, _) in zip(marks, texts, strict=True)), texts
    assert all(hint for _, hint in texts)


@pytest.mark.parametrize(("name", "transfer"), [("HDR", 18), ("HDR PQ", 16)])
def test_hdr_made_of_images_stays_hdr(tmp_path: Path, name: str, transfer: int) -> None:
    """ComfyUI 0.33 makes none of images; newer versions do."""
    code = f"""
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.upscale import upscale_video
from paragon_core.upscaling.upscaler import Upscaler
class Hdr(InputImpl.VideoFromComponents):
    def get_color_space(self):
        return {name!r}
video = Hdr(made.get_components())
result = Path(temporary) / "large.mp4"
with opened(video) as source, Upscaler("realtime-2x", backend="torch") as upscaler:
    upscale_video(source.file, result, upscaler, encoding=VideoEncoding(codec="hevc"))
with av.open(str(result)) as container:
    context = container.streams.video[0].codec_context
    told = [context.pix_fmt, int(context.color_primaries), int(context.color_trc), int(context.colorspace)]
result.unlink()
print(json.dumps([is_deep(made), is_deep(video), *told]))
"""
    assert answer(tmp_path, code) == [False, True, "yuv420p10le", 9, transfer, 9]


def test_a_crop_that_a_version_does_not_tell_is_carried_out(tmp_path: Path) -> None:
    """ComfyUI 0.33 has none; a newer version crops a file's frames when they are asked for, and does not say so."""
    code = """
class Cropped(InputImpl.VideoFromFile):
    def as_cropped(self):
        raise NotImplementedError
    def get_dimensions(self):
        return 20, 10
    def save_to(self, path, **options):
        made_of(images[:, :10, :20]).save_to(path)
clip = temporary + "/clip.mp4"
sizes = []
for video in (Cropped(clip), InputImpl.VideoFromFile(clip)):
    with opened(video) as source:
        sizes.append(list(pictures(source.file, "rgb24").shape[1:3]))
print(json.dumps(sizes))
"""
    assert answer(tmp_path, code) == [[10, 20], [34, 46]]


def test_sound_of_a_rate_that_aac_has_not_is_resampled(tmp_path: Path) -> None:
    code = """
sound = {"waveform": torch.zeros(1, 1, 192000), "sample_rate": 192000}
with opened(made_of(images)) as source, av.open(str(source.file)) as container:
    audio = container.streams.audio[0]
    print(json.dumps([audio.rate, float(audio.duration * audio.time_base)]))
"""
    rate, seconds = answer(tmp_path, code)
    assert rate == 48000
    assert seconds == pytest.approx(0.2, abs=0.03)
