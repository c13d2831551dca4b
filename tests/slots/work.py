"""Jobs for slots, settings for them, and what a single process makes of the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from paragon_core.media.jobs import plan, run
from paragon_core.media.upscalers import Upscalers
from paragon_core.media.video.chunks.job import NetworkIdentity, VideoSettings
from paragon_core.media.video.chunks.upscale import job_for, upscale_in_chunks
from paragon_core.media.video.upscale import VideoResult, upscale_video
from paragon_core.slots.settings import SlotSettings
from paragon_core.upscaling.model_choice import suitable_models
from paragon_core.upscaling.options import UpscaleOptions
from tests.media import samples, stand_in_upscaling

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.jobs import Job, JobResult

MODELS: Final = dict(suitable_models("realtime-2x"))

#: The same arithmetic in every environment of the tests.
OPTIONS: Final = UpscaleOptions(backend="onnxruntime", precision="fp32")


def settings(**changes: Any) -> SlotSettings:
    """Return the settings of a slot with a bundled network."""
    return SlotSettings(models=MODELS, **({"options": OPTIONS} | changes))


def images(folder: Path, count: int, size: tuple[int, int] = (120, 80)) -> Path:
    """Write images of noise, one of them broken, and return their folder."""
    for number in range(count):
        stand_in_upscaling.save(folder / f"{number:02}.png", samples.pixels(number, size[1], size[0], 3))
    (folder / "broken.png").write_bytes(b"broken")
    return folder


def jobs_of(sources: Path, target: Path) -> tuple[Job, ...]:
    """Return the jobs of a folder."""
    return plan([sources], target, suffix="")


def alone(jobs: tuple[Job, ...], of: SlotSettings) -> tuple[JobResult, ...]:
    """Upscale in this process, long videos in chunks."""
    with Upscalers(of.models, of.size, of.options) as upscalers:

        def video(source: Path, target: Path) -> VideoResult:
            upscaler = upscalers.for_video(source, of.encoding, keep_damaged=False)
            wanted = VideoSettings(
                encoding=of.encoding,
                temporal=of.temporal,
                chunk_frames=of.chunk if isinstance(of.chunk, int) else 240,
            )
            job = job_for(source, target, NetworkIdentity.of(upscaler), wanted, most_short=1)
            if job is None:
                return upscale_video(source, target, upscaler, encoding=of.encoding, temporal=of.temporal)
            joined = upscale_in_chunks(job, upscaler).joined
            assert joined is not None
            return VideoResult(frames=joined.frames, size=joined.size, notes=joined.notes)

        return run(
            jobs,
            lambda array, size=None: upscalers.for_image((array.shape[1], array.shape[0]), size)(array, size=size),
            scale=2,
            video=video,
        )


def content(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder, hidden ones included."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
