"""Options of ``paragon upscale`` about long videos: chunks, going on after an interruption, and shards."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paragon_core.cli.console import Console
    from paragon_core.media.job_plan import Job
    from paragon_core.media.video.chunks.job import VideoJob, VideoSettings
    from paragon_core.media.video.chunks.upscale import Shard
    from paragon_core.media.video.observer import VideoObserver
    from paragon_core.media.video.upscale import VideoResult
    from paragon_core.upscaling.upscaler import Upscaler


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "long videos",
        "They are made in chunks, in a folder next to the result, which goes when the result is complete: after "
        "whatever ended it, the same command goes on.",
    )
    group.add_argument(
        "--chunk",
        type=_chunk,
        default="auto",
        metavar="FRAMES",
        help="most frames of a chunk, or off; videos up to this length are made in one go. auto is 240, or 48 for "
        "networks that see the whole image, and leaves videos of two chunks alone [auto]",
    )
    group.add_argument(
        "--restart", action="store_true", help="begin again, instead of going on with the chunks that are there"
    )
    group.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="do the I-th of N parts of the work, such as 2/3: some of the files, some chunks of each long video; "
        "the other parts may run at the same time, on any computer with the same folders. Then: paragon join",
    )


class ChunkedVideos:
    """What the options make of the jobs of one command."""

    def __init__(self, arguments: argparse.Namespace, jobs: Sequence[Job], console: Console) -> None:
        """Read the options.

        Raises:
            InputError: they contradict each other.

        """
        self._chunk: int | str = arguments.chunk
        self._restart: bool = arguments.restart
        self._console = console
        shard: tuple[int, int] | None = arguments.shard
        self._shard = shard
        self._turns = {job.target: turn for turn, job in enumerate(job for job in jobs if job.is_video)}
        if shard is None:
            self.own_jobs = tuple(jobs)
            return
        if arguments.replace:
            raise InputError("a shard cannot replace sources that others read", hint="leave --replace out")
        if self._restart:
            msg = "a shard cannot throw away what others do"
            raise InputError(msg, hint="give --restart without --shard, or remove the folder that ends in .paragon-job")
        images = [job for job in jobs if not job.is_video][shard[0] - 1 :: shard[1]]
        self.own_jobs = tuple(job for job in jobs if job.is_video or job in images)
        """The jobs of this shard: its share of the images, and all videos."""

    def frames(self, upscaler: Upscaler) -> int:
        """Return the most frames of a chunk."""
        from paragon_core.media.video.chunks.upscale import usual_chunk_frames

        return self._chunk if isinstance(self._chunk, int) else usual_chunk_frames(upscaler.model.spec)

    def upscale(
        self,
        source: Path,
        target: Path,
        upscaler: Upscaler,
        settings: VideoSettings,
        *,
        observer: VideoObserver,
    ) -> VideoResult | None:
        """Upscale a video in chunks; return None where it is to be made in one go.

        Args:
            source: the video.
            target: the file to make.
            upscaler: the network.
            settings: what is asked for.
            observer: follows the work.

        Raises:
            ParagonError: as `job_for` and `upscale_in_chunks`.

        """
        from paragon_core.media.video.chunks.upscale import upscale_in_chunks
        from paragon_core.media.video.upscale import VideoResult

        job = self._job(source, target, upscaler, settings)
        shard = self._shard_of(target)
        if job is None:
            if shard is None or shard.is_own_file:
                return None
            return VideoResult(frames=0, size=(0, 0), notes=(), part="another shard makes it")
        result = upscale_in_chunks(
            job,
            upscaler,
            shard=shard,
            observer=observer,
            announce=self._console.say,
        )
        if result.joined is None:
            part = f"{len(result.own)} of {result.total} chunks, the share of shard {shard}, are done"
            return VideoResult(frames=0, size=(0, 0), notes=(), part=part)
        return VideoResult(frames=result.joined.frames, size=result.joined.size, notes=result.joined.notes)

    def _job(self, source: Path, target: Path, upscaler: Upscaler, settings: VideoSettings) -> VideoJob | None:
        from paragon_core.media.video.chunks.job import NetworkIdentity
        from paragon_core.media.video.chunks.upscale import SHORT, job_for

        if self._chunk == "off":
            return None
        most_short = SHORT if self._chunk == "auto" else 1
        network = NetworkIdentity.of(upscaler)
        return job_for(source, target, network, settings, restart=self._restart, most_short=most_short)

    def _shard_of(self, target: Path) -> Shard | None:
        from paragon_core.media.video.chunks.upscale import Shard

        if self._shard is None:
            return None
        return Shard(number=self._shard[0], count=self._shard[1], turn=self._turns[target])


def _chunk(text: str) -> int | str:
    """Read ``auto``, ``off`` or a number of frames."""
    return text if text in {"auto", "off"} else options.count(text)


def _shard(text: str) -> tuple[int, int]:
    """Read ``2/3``."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        msg = f"{text!r} is not a part of the work such as 2/3"
        raise argparse.ArgumentTypeError(msg)
    return int(match[1]), int(match[2])
