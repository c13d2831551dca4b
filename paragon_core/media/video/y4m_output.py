"""Upscaling a video into y4m, for another program to take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from paragon_core.media.video.colour import BT709, LEFT, RGB, UNSPECIFIED, VideoColour, guess_matrix
from paragon_core.media.video.encoders import with_depth
from paragon_core.media.video.encoding import MATRICES_OF_PRIMARIES, FrameFormat, VideoEncoding
from paragon_core.media.video.observer import VideoObserver
from paragon_core.media.video.pipeline import FrameOptions, upscaled_frames
from paragon_core.media.video.upscale import VideoProgress, VideoResult
from paragon_core.media.video.y4m import Y4mHeader, Y4mWriter, chroma_name

if TYPE_CHECKING:
    from paragon_core.media.video.opening import Source
    from paragon_core.media.video.output import OutputFormat
    from paragon_core.media.video.source import VideoReader
    from paragon_core.media.video.y4m import Writable
    from paragon_core.upscaling.upscaler import Upscaler

#: FFmpeg's names of matrices that videos usually have, by their numbers of H.273.
_MATRICES: Final = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc"}

#: Pixel formats by the luma samples for each chroma sample, down and across.
_KINDS: Final = {(2, 2): "yuv420p", (1, 2): "yuv422p", (1, 1): "yuv444p", (1, 4): "yuv411p"}
_DEPTHS_OF_GREY: Final = (8, 9, 10, 12, 16)
_DEEPEST: Final = 16

#: Share of a frame by which a time may be off the frame rate.
_UNEVEN: Final = Fraction(1, 2)


@dataclass(frozen=True, kw_only=True)
class Y4mEncoding(VideoEncoding):
    """Frames as y4m holds them: as deep as the source, chroma as it was."""

    def chosen(self, bits: int, size: tuple[int, int]) -> VideoEncoding:
        """Return it."""
        del bits, size
        return self

    @property
    def keeps_hdr(self) -> bool:
        """Whether static HDR is kept: it is not, and a note on all colours says so."""
        return True

    def frame_format(
        self, source: VideoColour, planar: str, *, rotated: bool, primaries: int = UNSPECIFIED
    ) -> FrameFormat:
        """Return how frames are stored; see `VideoEncoding.frame_format`."""
        bits = min(source.bits, _DEEPEST)
        location = LEFT if rotated else source.chroma_location
        if planar.startswith("gray"):
            bits = next(each for each in _DEPTHS_OF_GREY if each >= bits)
            colour = replace(source, bits=bits, chroma_location=LEFT)
            return FrameFormat(pixel_format=with_depth("gray", bits), colour=colour, even=False)
        rgb = source.matrix == RGB
        factors = source.factors if source.factors in _KINDS and not rgb else (1, 1)
        colour = VideoColour(
            matrix=MATRICES_OF_PRIMARIES.get(primaries, BT709) if rgb else source.matrix,
            full=source.full and not rgb,
            bits=bits,
            factors=factors,
            chroma_location=location,
        )
        return FrameFormat(pixel_format=with_depth(_KINDS[factors], bits), colour=colour, even=False)


def upscale_to_y4m(
    source: Source,
    stream: Writable,
    upscaler: Upscaler,
    options: FrameOptions = FrameOptions(),  # noqa: B008 - it is frozen
    *,
    progress: VideoProgress = lambda _done, _total: None,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
) -> VideoResult:
    """Upscale a video into y4m, frame by frame as soon as each is done.

    Depth, chroma and range stay what they are; y4m says nothing of the colours beyond that, and holds no sound.

    Args:
        source: a file, an open one that can be read and sought, or y4m from a pipe.
        stream: where it is written to; it is flushed after each frame.
        upscaler: as `upscale_video` takes it.
        options: what is made of the frames.
        progress: called in the calling thread after each frame; an exception that it raises ends the work.
        observer: told in more detail what happens.

    Returns:
        What was made.

    Raises:
        OSError: the stream cannot be written, such as one whose reader has gone.
        ParagonError: as `upscale_video`.

    """
    with upscaled_frames(source, upscaler, Y4mEncoding(), options, progress=progress, observer=observer) as upscaled:
        video, output = upscaled.video, upscaled.format
        header = header_of(video, output)
        writer = Y4mWriter(stream, header)
        frames, uneven = 0, 0
        first: int | None = None
        for frame in upscaled.frames:
            assert frame is not None  # noqa: S101 - all are wanted
            writer.write(frame)
            first = frame.pts if first is None else first
            off = ((frame.pts or 0) - (first or 0)) * video.time_base * video.rate - frames
            uneven += abs(off) > _UNEVEN
            frames += 1
            upscaled.tell(frames, frame, written=frames * header.frame_bytes)
        notes = (*_notes(video, output, uneven), *output.notes, *video.notes)
    return VideoResult(frames=frames, size=output.size, notes=notes)


def header_of(video: VideoReader, output: OutputFormat) -> Y4mHeader:
    """Return the first line of what a video becomes."""
    colour = output.frame_format.colour
    grey = output.frame_format.pixel_format.startswith("gray")
    return Y4mHeader(
        width=output.size[0],
        height=output.size[1],
        rate=video.rate,
        aspect=output.aspect,
        chroma=chroma_name(None if grey else colour.factors, colour.bits, colour.chroma_location),
        full=colour.full,
    )


def _notes(video: VideoReader, output: OutputFormat, uneven: int) -> list[str]:
    """Return what y4m does not say, in words for the user."""
    notes = []
    colour, context = output.frame_format.colour, video.stream.codec_context
    matrix = _MATRICES.get(colour.matrix, str(colour.matrix))
    if not output.frame_format.pixel_format.startswith("gray") and colour.matrix != guess_matrix(*output.size):
        notes.append(f"y4m does not say that its colours have the matrix {matrix}: tell the next program")
    if output.hdr or int(context.color_trc) in {16, 18}:  # PQ and HLG
        notes.append("y4m does not say that it is HDR: tell the next program")
    if uneven:
        notes.append(f"y4m has one frame rate: the times of {uneven} frames were not kept")
    if video.others:
        notes.append("y4m holds no sound, subtitles or attachments, and they were left out")
    return notes
