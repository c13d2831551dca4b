"""Plans, files and folders of chunks."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

av = pytest.importorskip("av")

from paragon_core.errors import InputError, JobError, MediaError
from paragon_core.media.video.chunks import folder
from paragon_core.media.video.chunks.chunk_file import (
    ChunkWriter,
    DamagedChunkError,
    check,
    packets_of,
    read_facts,
)
from paragon_core.media.video.chunks.encode import encode_chunk, encode_chunks
from paragon_core.media.video.chunks.job import NetworkIdentity, VideoJob, VideoSettings, job_folder
from paragon_core.media.video.chunks.join import join
from paragon_core.media.video.chunks.plan import Chunk, ChunkPlan, plan_chunks
from paragon_core.media.video.chunks.upscale import Shard, finish, job_for, upscale_in_chunks
from paragon_core.media.video.decoding import DecodingFacts
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.observer import VideoObserver, VideoOutline, VideoPosition
from paragon_core.media.video.opening import opened
from paragon_core.media.video.time_range import TimeRange
from paragon_core.upscaling.output_size import OutputSize
from tests.media.video import videos
from tests.media.video.chunks import samples
from tests.upscalers import shared_upscaler

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.upscaling.upscaler import Upscaler

SETTINGS = VideoSettings(chunk_frames=10, encoding=VideoEncoding(codec="ffv1"))
FACTS: dict[str, Any] = {"number": 3, "before": "b", "last": "l", "decoding": DecodingFacts(damaged=1, size=(4, 2))}


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return shared_upscaler(clip=False)


@pytest.fixture
def job(tmp_path: Path, upscaler: Upscaler) -> VideoJob:
    """A job of four chunks that was begun."""
    source = videos.make(tmp_path / "a.mkv", times=range(40), options={"g": "3"})
    return begun(source, upscaler, SETTINGS)


def begun(source: Path, upscaler: Upscaler, asked: VideoSettings, **options: Any) -> VideoJob:
    job = job_for(source, source.with_name("b.mkv"), NetworkIdentity.of(upscaler), asked, **options)
    assert job is not None
    return job


def packet(pts: int, size: int = 5) -> Any:
    made: Any = av.Packet(bytes(size))
    made.pts = made.dts = pts
    made.time_base, made.is_keyframe = Fraction(1, 1000), pts == 0
    return made


def written(path: Path, times: list[int]) -> Path:
    file = ChunkWriter(path)
    file.write([packet(time) for time in times])
    file.finish(**FACTS)
    return path


@given(count=st.integers(1, 60), shards=st.integers(1, 9), turn=st.integers(0, 20))
def test_shards_share_all_chunks_evenly(count: int, shards: int, turn: int) -> None:
    chunk = Chunk(number=0, frames=1, first=None, end=None, before=None, warm=None, entry=None)
    plan = ChunkPlan(by_time=True, chunks=(chunk,) * count)
    shares = [plan.share(number + 1, shards, turn=turn) for number in range(shards)]
    assert sorted(number for share in shares for number in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    if count == 1:
        assert [bool(share) for share in shares] == [
            Shard(number=number + 1, count=shards, turn=turn).is_own_file for number in range(shards)
        ]


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 30), temporal=st.sampled_from([0.0, 0.2, 0.9]))
def test_a_plan_covers_a_video_and_what_smoothing_needs(
    tmp_path_factory: pytest.TempPathFactory, frames: int, temporal: float
) -> None:
    source = tmp_path_factory.getbasetemp() / "plan.mkv"
    if not source.exists():
        samples.make_rich(source, frames=60, options="keyint=6")
    times = samples.uneven_times(60)
    with opened(source, TimeRange()) as video:
        plan = plan_chunks(video, frames=frames, temporal=temporal)
    chunks = plan.chunks
    assert plan.by_time
    assert plan.frames == 60
    assert max(chunk.frames for chunk in chunks) <= frames
    assert max(chunk.frames for chunk in chunks) - min(chunk.frames for chunk in chunks) <= 1
    assert (chunks[0].first, chunks[-1].end) == (None, None)
    assert [chunk.first for chunk in chunks[1:]] == [chunk.end for chunk in chunks[:-1]]
    for chunk in chunks[1:]:
        assert chunk.first is not None
        place = times.index(chunk.first)
        assert chunk.before == times[place - 1]
        assert (chunk.warm is None) == (temporal == 0)
        assert chunk.entry is None or chunk.entry < (chunk.first if chunk.warm is None else chunk.warm)


def test_a_chunk_file_keeps_packets_and_facts(tmp_path: Path) -> None:
    path = written(tmp_path / "a.chunk", [0, 40, 10, 20])
    facts = read_facts(path)
    assert facts is not None
    assert (facts.number, facts.frames, facts.depth, facts.time_base) == (3, 4, 1, (1, 1000))
    assert facts.decoding == FACTS["decoding"]
    check(path)
    found = list(packets_of([path]))
    assert [(each.pts, each.dts, each.is_keyframe, bytes(each)) for each in found] == [
        (0, -10, True, bytes(5)),
        (40, 0, False, bytes(5)),
        (10, 10, False, bytes(5)),
        (20, 20, False, bytes(5)),
    ]


@settings(max_examples=60, deadline=None)
@given(
    chunks=st.lists(st.permutations(range(6)).map(lambda order: list(order)[:5]), min_size=1, max_size=4),
    gaps=st.lists(st.integers(1, 1000), min_size=24, max_size=24),
)
def test_times_of_decoding_ascend_and_come_before_those_of_showing(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[int]], gaps: list[int]
) -> None:
    times = [sum(gaps[: place + 1]) for place in range(24)]
    base = tmp_path_factory.getbasetemp()
    paths = [
        written(base / f"{number}.chunk", [times[6 * number + place] for place in order])
        for number, order in enumerate(chunks)
    ]
    found = [(each.dts or 0, each.pts or 0) for each in packets_of(paths)]
    decoded = [dts for dts, _ in found]
    assert decoded == sorted(set(decoded))
    assert all(dts <= pts for dts, pts in found)


@pytest.mark.parametrize("place", [0, 20, 60, -1, -40])
def test_a_damaged_chunk_is_found(tmp_path: Path, place: int) -> None:
    path = written(tmp_path / "a.chunk", [0, 40, 10, 20])
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedChunkError, match="damaged") as caught:
        check(path)
    assert pickle.loads(pickle.dumps(caught.value)).path == path  # noqa: S301 - our own


@pytest.mark.parametrize("length", [0, 3, 50, 150])
def test_a_truncated_chunk_is_none(tmp_path: Path, length: int) -> None:
    path = written(tmp_path / "a.chunk", [0, 40, 10, 20])
    path.write_bytes(path.read_bytes()[:length])
    assert read_facts(path) is None


def test_a_chunk_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    file = ChunkWriter(tmp_path / "a.chunk")
    file.write([packet(0)])
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_description_can_be_read_again_and_sent(tmp_path: Path, upscaler: Upscaler) -> None:
    source = samples.make_rich(tmp_path / "a.mkv", frames=30)
    asked = replace(
        SETTINGS, size=OutputSize(fit=(100, 90)), temporal=0.2, time_range=TimeRange(duration=1), chunk_frames=5
    )
    job = begun(source, upscaler, asked)
    assert VideoJob.parse(json.dumps(job.described()), job.target) == job
    assert folder.read_job(job.target) == job
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - our own


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 0}', '{"schema": 1, "settings": 3}'])
def test_a_description_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MediaError, match="another version") as caught:
        VideoJob.parse(text, tmp_path / "b.mkv")
    assert "--restart" in caught.value.hint


def test_short_videos_are_not_worth_it(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(20))
    target, network = tmp_path / "b.mkv", NetworkIdentity.of(upscaler)
    assert job_for(source, target, network, SETTINGS) is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    assert job_for(source, target, network, SETTINGS, most_short=1) is not None


def test_a_video_does_not_replace_itself(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(40))
    with pytest.raises(InputError, match="would replace"):
        job_for(source, source, NetworkIdentity.of(upscaler), SETTINGS)


def test_an_upscaler_of_another_kind_is_refused(job: VideoJob) -> None:
    with pytest.raises(JobError, match="another way"):
        encode_chunk(job, 0, shared_upscaler(clip=True))


def test_a_place_that_gives_other_frames_is_not_believed(job: VideoJob, upscaler: Upscaler) -> None:
    encode_chunks(job, range(4), upscaler)
    before = [folder.chunk_path(job, number).read_bytes() for number in range(4)]
    chunks = [replace(chunk, entry=chunk.end if chunk.number else None) for chunk in job.plan.chunks]
    frames: list[int] = []
    misled = replace(job, plan=replace(job.plan, chunks=tuple(chunks)))
    encode_chunks(misled, (1, 2), upscaler, progress=frames.append)
    assert frames[-1] == 20
    assert [folder.chunk_path(job, number).read_bytes() for number in range(4)] == before


def test_damaged_and_missing_chunks_are_made_again(job: VideoJob, upscaler: Upscaler) -> None:
    encode_chunks(job, range(4), upscaler)
    whole = [folder.chunk_path(job, number).read_bytes() for number in range(4)]
    join(job)
    made = job.target.read_bytes()
    job.target.unlink()
    damaged = bytearray(whole[2])
    damaged[100] ^= 1
    folder.chunk_path(job, 2).write_bytes(damaged)
    folder.chunk_path(job, 1).unlink()
    with pytest.raises(JobError, match=r"1 of 4 chunks of .*b\.mkv are missing: 1$"):
        join(job)
    result = upscale_in_chunks(job, upscaler)
    assert result.joined is not None
    assert result.joined.frames == 40
    assert job.target.read_bytes() == made
    assert not job.folder.exists()


def test_chunks_that_do_not_follow_one_another_are_not_joined(job: VideoJob, upscaler: Upscaler) -> None:
    encode_chunks(job, range(4), upscaler)
    file = ChunkWriter(folder.chunk_path(job, 1))
    file.finish(number=1, before="another frame", last="x", decoding=DecodingFacts())
    with pytest.raises(JobError, match="chunks 0 and 1"):
        join(job)
    assert not job.target.exists()


def test_two_processes_do_not_make_the_same(job: VideoJob, upscaler: Upscaler) -> None:
    with folder.alone(job, "job"):
        for attempt in (lambda: upscale_in_chunks(job, upscaler), lambda: finish(job)):
            with pytest.raises(JobError, match="another process"):
                attempt()
        source, network = job.source, job.network
        with pytest.raises(JobError, match="another process"):
            job_for(source, job.target, network, SETTINGS, restart=True)
        upscale_in_chunks(job, upscaler, shard=Shard(number=1, count=4))
    assert folder.missing(job) == (1, 2, 3)


def test_what_is_not_ours_stays_in_the_folder(job: VideoJob, upscaler: Upscaler) -> None:
    (job.folder / "notes.txt").write_text("mine")
    upscale_in_chunks(job, upscaler)
    assert [path.name for path in job.folder.iterdir() if path.suffix != ".lock"] == ["notes.txt"]


def test_a_folder_that_was_being_removed_is_not_gone_on_with(job: VideoJob, upscaler: Upscaler) -> None:
    encode_chunks(job, range(2), upscaler)
    (job.folder / folder.MANIFEST).unlink()
    job.target.write_bytes(b"done")
    folder.tidy(job.target)
    assert not job.folder.exists()


def test_a_job_of_another_version_is_left_alone(job: VideoJob) -> None:
    manifest = job.folder / folder.MANIFEST
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 0'))
    job.target.write_bytes(b"done")
    folder.tidy(job.target)
    assert manifest.exists()


def test_a_job_that_goes_on_is_left_alone(job: VideoJob, upscaler: Upscaler) -> None:
    encode_chunks(job, range(2), upscaler)
    job.target.write_bytes(b"of another run")
    folder.tidy(job.target)
    assert folder.missing(job) == (2, 3)


def test_the_observer_hears_of_earlier_frames(job: VideoJob, upscaler: Upscaler) -> None:
    class Notes(VideoObserver):
        def __init__(self) -> None:
            self.outline: VideoOutline | None = None
            self.positions: list[VideoPosition] = []

        def begin(self, outline: VideoOutline) -> None:
            self.outline = outline

        def advance(self, position: VideoPosition) -> None:
            self.positions.append(position)

    encode_chunks(job, (1,), upscaler)
    notes, said = Notes(), list[str]()
    upscale_in_chunks(job, upscaler, observer=notes, announce=said.append)
    assert notes.outline is not None
    assert (notes.outline.frames, notes.outline.earlier, notes.outline.copies) == (40, 10, 2)
    assert [position.frames for position in notes.positions] == list(range(11, 41))
    assert notes.positions[-1].written > notes.positions[0].written > 0
    assert "10 of 40 frames are done already" in said[0]
    assert "of the disk" in said[1]


def test_a_disk_that_is_too_small_is_named_before_the_file_is_written(
    job: VideoJob, upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_chunks(job, range(4), upscaler)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(MediaError, match="are free on its disk"):
        finish(job)
    assert folder.missing(job) == ()
    assert job_folder(job.target).is_dir()
