"""Sound, subtitles, chapters and names of videos."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from paragon_core.errors import MediaError
from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

newer = pytest.mark.skipif(not hasattr(av.container.OutputContainer, "add_mux_stream"), reason="of newer PyAV")


def streams_of(path: Path) -> list[tuple[str, str, str]]:
    with av.open(str(path)) as container:
        return [
            (
                stream.type,
                getattr(stream.codec_context.codec, "canonical_name", stream.codec_context.name),
                stream.metadata.get("language", ""),
            )
            for stream in container.streams
            if stream.codec_context is not None
        ]


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_all_sound_is_copied_packet_by_packet(tmp_path: Path, extension: str) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(24), sound=("aac", "flac"))
    result = upscale_video(source, tmp_path / f"b{extension}", shared_upscaler(clip=False))
    assert result.notes == ()
    assert streams_of(tmp_path / f"b{extension}")[1:] == [("audio", "aac", "eng"), ("audio", "flac", "jpn")]
    for number in (0, 1):
        before = videos.packets_of(source, "audio", number)
        after = videos.packets_of(tmp_path / f"b{extension}", "audio", number)
        assert [data for _, data in after] == [data for _, data in before]
        assert max(abs(one[0] - other[0]) for one, other in zip(after, before, strict=True)) < 0.0011


def test_sound_that_mp4_does_not_hold_is_encoded(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(48), sound=("pcm_s16le",))
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
    assert len(result.notes) == 1
    assert "AAC" in result.notes[0]
    assert "in eng" in result.notes[0]
    assert streams_of(tmp_path / "b.mp4")[1:] == [("audio", "aac", "eng")]
    samples = []
    for path in (source, tmp_path / "b.mp4"):
        with av.open(str(path)) as container:
            samples.append(sum(frame.samples for frame in container.decode(audio=0)))
    assert abs(samples[0] - samples[1]) <= 2 * 1024
    upscale_video(source, tmp_path / "c.mkv", shared_upscaler(clip=False))
    assert streams_of(tmp_path / "c.mkv")[1:] == [("audio", "pcm_s16le", "eng")]


@newer
@pytest.mark.parametrize(
    ("codec", "before", "after", "kept_as"),
    [
        ("subrip", ".mkv", ".mkv", "subrip"),
        ("subrip", ".mkv", ".mp4", "mov_text"),
        ("mov_text", ".mp4", ".mp4", "mov_text"),
        ("mov_text", ".mp4", ".mkv", "subrip"),
    ],
)
def test_subtitles_are_there_at_their_time(tmp_path: Path, codec: str, before: str, after: str, kept_as: str) -> None:
    source = videos.make(tmp_path / f"a{before}", codec="libx264", sound=("aac",), subtitles=(codec,))
    result = upscale_video(source, tmp_path / f"b{after}", shared_upscaler(clip=False))
    assert streams_of(tmp_path / f"b{after}")[2:] == [("subtitle", kept_as, "fre")]
    assert len(result.notes) == (kept_as != codec)
    texts = [
        (float(time), data) for time, data in videos.packets_of(tmp_path / f"b{after}", "subtitle") if b"Bon" in data
    ]
    assert [time for time, _ in texts] == [pytest.approx(0.04)]
    assert texts[0][1].endswith(b"Bonjour")


@newer
def test_subtitles_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", sound=("aac",), subtitles=("dvd_subtitle",))
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
    assert result.frames == 8
    assert [kind for kind, _, _ in streams_of(tmp_path / "b.mp4")] == ["video", "audio"]
    assert len(result.notes) == 1
    assert "in fre" in result.notes[0]


@newer
@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_chapters_and_names_stay(tmp_path: Path, extension: str) -> None:
    names = {"title": "A walk", "workflow": '{"nodes": []}'}
    source = videos.make(tmp_path / f"a{extension}", codec="libx264", metadata=names, chapters=True)
    first = upscale_video(source, tmp_path / f"b{extension}", shared_upscaler(clip=False))
    again = upscale_video(tmp_path / f"b{extension}", tmp_path / "c.mp4", shared_upscaler(clip=False))
    assert (first.notes, again.notes) == ((), ())
    for path in (tmp_path / f"b{extension}", tmp_path / "c.mp4"):
        with av.open(str(path)) as container:
            kept = {key.lower(): text for key, text in container.metadata.items()}
            assert {key: kept.get(key) for key in names} == names
            assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["Beginning"]
            assert container.streams.video[0].metadata["language"] == "ger"


@newer
@pytest.mark.parametrize("extension", [".mp4", ".mov", ".mkv"])
def test_names_stand_where_players_look(tmp_path: Path, extension: str) -> None:
    names = {"title": "A walk", "ARTIST": "Somebody", "date": "1999"}
    source = videos.make(tmp_path / "a.mkv", codec="libx264", sound=("aac",), metadata=names)
    with av.open(str(source)) as before, av.open(str(tmp_path / "c.mp4"), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in before.streams}
        streams[1].metadata.update({"handler_name": "Director", "language": "jpn"})
        container.metadata.update(before.metadata)
        for packet in before.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    for name in ("a.mkv", "c.mp4"):
        target = tmp_path / f"b{extension}"
        assert upscale_video(tmp_path / name, target, shared_upscaler(clip=False)).notes == ()
        if extension != ".mkv":
            assert b"\xa9nam" in target.read_bytes()
        with av.open(str(target)) as container:
            kept = {key.lower(): text for key, text in container.metadata.items()}
            assert [kept[key] for key in ("title", "artist", "date")] == ["A walk", "Somebody", "1999"]
            told = container.streams.audio[0].metadata
            if name == "c.mp4":
                assert told["title" if extension == ".mkv" else "handler_name"] == "Director"
                assert told["language"] == "jpn"


@newer
@pytest.mark.parametrize("first", ["workflow", "MYTAG"])
def test_other_names_stand_next_to_those_that_players_know(tmp_path: Path, first: str) -> None:
    names = {
        "title": "A walk",
        "comment": "ü ilst meta data",
        first: "[" + 50_000 * '"ä", ' + "0]",
        "synopsis": "Nothing happens",
    }
    videos.make(tmp_path / "b.mkv", codec="libx264", chapters=True, metadata=names)
    for source, target in (("b.mkv", "c.mp4"), ("c.mp4", "d.mp4")):
        assert upscale_video(tmp_path / source, tmp_path / target, shared_upscaler(clip=False)).notes == ()
        data = (tmp_path / target).read_bytes()
        assert b"--------" not in data
        assert (data.index(b"mdta") < data.index(b"mdir")) == (first == "workflow")
        assert b"\xa9nam" in data
        with av.open(str(tmp_path / target)) as container:
            kept = {key.lower(): text for key, text in container.metadata.items()}
            assert {key: kept.get(key.lower()) for key in names} == names
            assert len(container.chapters()) == 1
        assert len(videos.frames_of(tmp_path / target)) == 8


def test_only_the_main_video_track_is_upscaled_and_that_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        tracks = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for track, size in zip(tracks, [(96, 64), (64, 48)], strict=True):
            track.width, track.height, track.pix_fmt = *size, "yuv420p"
        for number in range(3):
            for track in tracks:
                container.mux(track.encode(videos.moving_frame(number, (track.width, track.height), "yuv420p")))
    result = upscale_video(tmp_path / "a.mkv", tmp_path / "b.mkv", shared_upscaler(clip=False))
    assert result.size in {(192, 128), (128, 96)}
    (note,) = result.notes
    assert "only the main video track" in note


@newer
def test_an_excerpt_has_its_part_of_the_chapters(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(24), chapters=True)  # one, to 0.2 seconds
    for start, wanted in [(0.125, [(0, 75)]), (0.5, [])]:
        upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False), start=start)
        with av.open(str(tmp_path / "b.mkv")) as container:
            seconds = [
                (int(chapter["start"] * chapter["time_base"] * 1000), int(chapter["end"] * chapter["time_base"] * 1000))
                for chapter in container.chapters()
            ]
        assert seconds == wanted


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        if not hasattr(cover, "disposition"):
            pytest.skip("of newer PyAV")
        cover.disposition = av.stream.Disposition.attached_pic
        for frame in videos.tone(sound, 0.5):
            container.mux(sound.encode(frame))
        container.mux(cover.encode(videos.moving_frame(0, (64, 48), "yuvj420p")))
        for stream in (sound, cover):
            container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video stream"):
        upscale_video(tmp_path / "a.mp4", tmp_path / "b.mp4", shared_upscaler(clip=False))


def test_a_name_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    videos.make(tmp_path / "plain.mkv").rename(Path("http-12%d.mkv"))
    assert upscale_video(Path("http-12%d.mkv"), Path("b.mp4"), shared_upscaler(clip=False)).frames == 8
    if sys.platform != "win32":
        Path("http-12%d.mkv").rename("http:12.mkv")
        assert upscale_video(Path("http:12.mkv"), Path("b.mp4"), shared_upscaler(clip=False)).frames == 8
